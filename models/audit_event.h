/* An audit row as it is shown: to clients, in exports, and by the command. */
#pragma once

#include "models/audit.h"

struct audit_event {
    struct uuid audit_id, user_id, actor_id, client_id, key_id;
    const char *oauth_client_id;
    const char *action, *status, *reason, *ip_address, *user_agent, *request_id;
    int64_t timestamp, count;
    bool has_count;
};

extern const struct schema audit_event_schema;

/* Borrows the row's strings. */
struct audit_event audit_event_of(const struct audit_row *row);
