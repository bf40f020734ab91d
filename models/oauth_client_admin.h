/*
 * Administering the OAuth clients of the ctx's tenant. The counter that the plan limits, the client
 * and the audit row change in one transaction, so the limit is exact. Other instances follow within
 * a second. Any thread.
 */
#pragma once

#include "models/oauth_client_metadata.h"

/* A client with the secret that is shown once; NULL: it has none, or keeps the one it has. */
struct made_client {
    struct oauth_client client;
    const char *secret;
};

/* ERR_PLAN_LIMIT, and what client_metadata_apply refuses. */
CHECKED enum err oauth_client_create(struct ctx *ctx, const struct client_metadata *metadata,
                                     const struct registrar *registrar,
                                     struct made_client *ret_made);
/* An id that no client has. */
CHECKED enum err oauth_client_new_id(struct ctx *ctx, const char **ret_id);
/* The same with an id that was made before, so that a form that is sent again makes no second one:
 * ERR_CONFLICT when a client has the id, or had it within the last day. */
CHECKED enum err oauth_client_create_once(struct ctx *ctx, const char *id,
                                          const struct client_metadata *metadata,
                                          const struct registrar *registrar,
                                          struct made_client *ret_made);
/* owner_id: only this user's; zero: all. By id, after the given one (NULL = from the first). list
 * of struct oauth_client. */
CHECKED enum err oauth_client_list(struct ctx *ctx, const struct uuid *owner_id, const char *after,
                                   int64_t limit, struct list *ret_clients);
/* As many of them as an answer holds: with cut there are more. */
struct oauth_client_page {
    const struct uuid *owner_id;
    const char *after;
    int64_t limit;
    struct list clients;
    bool cut;
};
CHECKED enum err oauth_client_read_page(struct ctx *ctx, struct oauth_client_page *page);
/* From the database. owner_id as above. ERR_NOT_FOUND. */
CHECKED enum err oauth_client_find(struct ctx *ctx, const char *id, const struct uuid *owner_id,
                                   struct oauth_client *ret_client);
/* ERR_CONFLICT when somebody else changed it meanwhile. What it was issued stays good, but a scope
 * that was taken away ends it. */
CHECKED enum err oauth_client_update(struct ctx *ctx, const struct client_metadata *metadata,
                                     const struct registrar *registrar,
                                     struct oauth_client *client);
/*
 * A new secret; the old one works for overlap_ms longer, and what it had replaced ends at once.
 * Without overlap the old one may be known to others: all that the client was issued ends too.
 * ERR_CLIENT_METADATA for a public client, ERR_CONFLICT when somebody else rotated meanwhile.
 */
CHECKED enum err oauth_client_rotate_secret(struct ctx *ctx, const struct oauth_client *client,
                                            int64_t overlap_ms, struct made_client *ret_made);
/* Ends all that it was issued on every instance. ERR_NOT_FOUND. */
CHECKED enum err oauth_client_delete(struct ctx *ctx, const struct oauth_client *client);

/* Housekeeping: how many there are, and the counter in line with that. */
CHECKED enum err oauth_client_count(struct ctx *ctx, int64_t *ret_count);
CHECKED enum err oauth_client_recount(struct ctx *ctx);
