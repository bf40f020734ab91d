/* An audit row as it is shown. */
#include "models/audit_event.h"

/* clang-format off */
static const struct field event_fields[] = {
    FIELD_UUID(struct audit_event, audit_id, "audit_id", F_REQUIRED),
    FIELD_UUID(struct audit_event, user_id, "user_id", F_ALWAYS, .doc = "null when no user is known."),
    FIELD_UUID(struct audit_event, actor_id, "actor_id", F_NONE, .doc = "The user who did it, where that is not user_id."),
    FIELD_UUID(struct audit_event, client_id, "client_id", F_REQUIRED, .doc = "The tenant."),
    FIELD_STR(struct audit_event, action, "action", F_REQUIRED, 1, 64, .example = "login"),
    FIELD_STR(struct audit_event, status, "status", F_REQUIRED, 1, 16, .example = "success"),
    FIELD_STR(struct audit_event, reason, "reason", F_NONE, 1, 64),
    FIELD_INT_OPT(struct audit_event, count, has_count, "count", F_NONE, 1, INT64_MAX, .doc = "How many alike this row stands for, where that is more than one."),
    FIELD_STR(struct audit_event, ip_address, "ip_address", F_ALWAYS, 1, 64),
    FIELD_STR(struct audit_event, user_agent, "user_agent", F_ALWAYS, 1, 512),
    FIELD_UUID(struct audit_event, key_id, "key_id", F_NONE),
    FIELD_STR(struct audit_event, oauth_client_id, "oauth_client_id", F_NONE, 1, 63),
    FIELD_STR(struct audit_event, request_id, "request_id", F_NONE, 1, 128),
    FIELD_TIME(struct audit_event, timestamp, "timestamp", F_REQUIRED),
};
const struct schema audit_event_schema = {
    .name = "audit_event", .size = sizeof(struct audit_event), SCHEMA_FIELDS(event_fields),
};
/* clang-format on */

struct audit_event audit_event_of(const struct audit_row *row)
{
    return (struct audit_event){.audit_id = row->audit_id,
                                .user_id = row->user_id,
                                .actor_id = row->actor_id,
                                .client_id = row->tenant_id,
                                .key_id = row->key_id,
                                .oauth_client_id = row->client_id,
                                .action = row->action,
                                .status = row->status,
                                .reason = row->reason,
                                .count = row->count,
                                .has_count = row->has_count,
                                .ip_address = row->ip_address,
                                .user_agent = row->user_agent,
                                .request_id = row->request_id,
                                .timestamp = row->timestamp};
}
