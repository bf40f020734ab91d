/* The consents of a user as they are shown: with the names of the applications. Any thread. */
#pragma once

#include "models/consent.h"

struct user_consent {
    const char *client_id, *client_name, *scope;
    int64_t created_at, updated_at;
};

extern const struct schema user_consent_schema;

/* list of struct user_consent, newest first; applications that are gone are left out. */
CHECKED enum err user_consents_list(struct ctx *ctx, const struct uuid *user_id,
                                    struct list *ret_list);
/* Ends what the client has of this user. ERR_NOT_FOUND. */
CHECKED enum err user_consents_end(struct ctx *ctx, const struct uuid *user_id,
                                   const char *client_id);
