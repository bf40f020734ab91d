/*
 * What a user lets an OAuth client have: one document for each client, remembered until the user
 * takes it back. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "models/oauth_client.h"

struct consent {
    struct uuid id;
    struct uuid tenant_id;
    struct uuid user_id;
    const char *client_id;
    const char *scope;     /* all that was ever allowed, with blanks between; NULL: none */
    struct strs resources; /* and for whom, beside this service */
    int64_t created_at, updated_at;
};

extern const struct schema consent_schema;

#define CONSENTS_MAX 200 /* that a list shows */

/* What a user is asked for, and whom that is for. */
struct consent_terms {
    const struct uuid *user_id;
    const struct oauth_client *client;
    const char *scope;
    struct strs resources;
};
/* All of it was allowed before. */
CHECKED enum err consent_covers(struct ctx *ctx, const struct consent_terms *terms,
                                bool *ret_covers);
/* Adds to what was allowed, as far as the client and the tenant still have that, with its audit
 * row. */
CHECKED enum err consent_give(struct ctx *ctx, const struct consent_terms *terms);
/* list of struct consent, newest first. */
CHECKED enum err consent_list(struct ctx *ctx, const struct uuid *user_id, struct list *ret_list);
/* Forgets it and ends everything that the client was given by this user, with its audit row.
 * ERR_NOT_FOUND. */
CHECKED enum err consent_revoke(struct ctx *ctx, const struct uuid *user_id, const char *client_id);
/* Removes all of a user who is removed, in the ctx's transaction. */
CHECKED enum err consent_delete_user(struct ctx *ctx, const struct uuid *user_id);
