/*
 * The revocation table in memory: what may no longer be honoured although its signature is good.
 * Fed by the watcher from the collection "revocations" and loaded whole after the stream is open.
 * Entries: a user, client or tenant needs at least epoch n; a grant is dead; a jti is dead.
 * Look-ups take no database round trip while the watcher is fresh (a heartbeat within 750 ms,
 * watch.h); otherwise they ask the database (one $in of the ids, linearizable); when that fails
 * too: ERR_DB_UNAVAILABLE. Bounded; a tenant beyond its share is answered from the database. Any
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/ctx.h"
#include "app/schema.h"

enum revocation_kind {
    REVOKED_UNSET = 0,
    REVOKED_USER,   /* value = user id, min_epoch */
    REVOKED_CLIENT, /* value = client id text, min_epoch */
    REVOKED_TENANT, /* value = tenant id, min_epoch */
    REVOKED_GRANT,  /* value = grant id */
    REVOKED_TOKEN,  /* value = jti */
};

/* One document: _id = "<tenant hex>:<kind>:<value>" so that a look-up is a point read. */
struct revocation {
    const char *id;
    struct uuid tenant_id;
    int64_t min_epoch;  /* 0 for grants and tokens */
    int64_t expires_at; /* ms; when no token it concerns can still be alive */
};

extern const struct schema revocation_schema;

/* What a token or session claims about itself. */
struct revocation_subject {
    struct uuid tenant_id;
    struct uuid user_id, grant_id, token_id; /* zero = none */
    const char *client_id;                   /* or NULL */
    int64_t tenant_epoch, user_epoch, client_epoch;
};

struct revocations;

struct revocations *revocations_new(size_t max_entries);
void revocations_free(struct revocations *table);

/* ERR_OK = not revoked; ERR_BAD_TOKEN = revoked; ERR_DB_UNAVAILABLE = cannot tell. */
CHECKED enum err revocation_check(struct ctx *ctx, const struct revocation_subject *subject);

/* Writes one (upsert, min_epoch only ever grows) within the ctx's transaction when there is one. It
 * does not touch this process's table: an aborted transaction must not lock anybody out. */
CHECKED enum err revocation_write(struct ctx *ctx, enum revocation_kind kind, const void *value,
                                  int64_t min_epoch, int64_t lifetime_seconds);
/* Whether one is remembered, whatever its epoch; as the ctx's transaction sees it. */
CHECKED enum err revocation_is_written(struct ctx *ctx, enum revocation_kind kind,
                                       const void *value, bool *ret_is_written);
/* Applies to this process's table what was committed, without waiting for the change stream. */
void revocation_apply(struct ctx *ctx, enum revocation_kind kind, const void *value,
                      int64_t min_epoch, int64_t lifetime_seconds);

/* For the watcher. */
void revocations_apply(struct revocations *table, const struct revocation *entry);
void revocations_clear(struct revocations *table);
