/*
 * A tenant's keys, opened and parsed once and kept in a cache snapshot: the signing keys (of each
 * algorithm one current, older ones until their last token has expired; ES256 for access tokens,
 * RS256 for ID tokens), the MAC keys of refresh tokens, codes, forms and cursors, and the keys that
 * seal encrypted custom fields. At rest all are sealed with the tenant's data key, which the master
 * key wraps.
 */
#pragma once

#include <stdint.h>

#include "app/jws.h"
#include "app/schema.h"
#include "app/secret.h"

#define KEY_SET_MAX     8                 /* of one kind */
#define KEY_SIGNING_MAX (2 * KEY_SET_MAX) /* of both algorithms */
#define KEY_FIELD_MAX   16                /* all open: what they sealed may stay for ever */

struct key_set {
    struct uuid tenant_id;
    struct jws_key *signing[KEY_SIGNING_MAX];  /* newest first; which signs tells the clock */
    struct bytes public_jwks[KEY_SIGNING_MAX]; /* BSON documents, same order */
    struct key_use {
        int64_t signs_from;
        int64_t expires_at;  /* 0 = none */
    } uses[KEY_SIGNING_MAX]; /* same order */
    size_t signing_count;
    struct numbered_key {
        uint32_t id;
        uint8_t key[SECRET_KEY_SIZE];
    } macs[KEY_SET_MAX]; /* [0] makes; all verify */
    size_t mac_count;
    struct numbered_key fields[KEY_FIELD_MAX]; /* [0] seals; all open */
    size_t field_count;
    int64_t loaded_at;     /* monotonic */
    const char *jwks_json; /* the whole {"keys":[…]} text, ready to answer */
};

/* The stored forms. */
struct signing_key {
    struct uuid id;
    struct uuid tenant_id;
    const char *kid;
    const char *alg;
    const char *state; /* as it was when it was written: what holds tells signs_from */
    struct bytes public_jwk;
    struct bytes private_sealed;
    int64_t created_at;
    int64_t signs_from; /* 0 = since it was made */
    int64_t expires_at; /* 0 while no other was named to follow */
};
struct data_key {
    struct uuid id;
    struct uuid tenant_id;
    const char *kid;     /* "data", "mac:<n>" or "field:<n>" */
    struct bytes sealed; /* data: by the master key; the others: by the data key */
    int64_t created_at;
};
extern const struct schema signing_key_schema;
extern const struct schema data_key_schema;

/* Makes and inserts the first keys of the ctx's tenant; belongs in the creating transaction. Key
 * generation itself (27 µs for ES256) happens in keys_prepare, before the transaction. */
struct new_keys {
    struct signing_key signing;
    struct data_key data, mac;
};
CHECKED enum err keys_prepare(struct ctx *ctx, const struct uuid *tenant_id,
                              struct new_keys *ret_keys);
CHECKED enum err keys_insert(struct ctx *ctx, const struct new_keys *keys);

/* One more signing key of the ctx's tenant, sealed and not inserted. id NULL: a new one. */
CHECKED enum err keys_make_signing(struct ctx *ctx, enum jws_alg alg, const struct uuid *id,
                                   struct signing_key *ret_key);
/* The nth key for custom fields of the ctx's tenant, sealed and not inserted. Its id is the same
 * for whoever makes it, so that one of many inserts wins. */
CHECKED enum err keys_make_field(struct ctx *ctx, uint32_t number, struct data_key *ret_key);
int64_t signing_key_begins(const struct signing_key *key);

/* Through app->keys; borrowed until ctx_clear. Without news of changes what is cached proves
 * nothing, and the database is asked. */
CHECKED enum err keys_get(struct ctx *ctx, const struct key_set **ret_keys);
/* The same with an RS256 key among them, which is made when it is first asked for; one of many who
 * ask at once, on any instance, makes it. What is published is always complete (keys_rsa.c). */
CHECKED enum err keys_get_complete(struct ctx *ctx, const struct key_set **ret_keys);
/* The same with a key for custom fields among them (keys_field.c), and with that of this number
 * where there is one; 0 = any. Not part of the ctx's transaction. */
CHECKED enum err keys_get_field(struct ctx *ctx, uint32_t number, const struct key_set **ret_keys);
/* The same as keys_get for another tenant than the ctx's. */
CHECKED enum err keys_get_for(struct ctx *ctx, const struct uuid *tenant_id,
                              const struct key_set **ret_keys);
/* The loader of app->keys (cache.h). */
enum err keys_load(struct ctx *ctx, const void *key, size_t key_size, const void **ret_data);
/* The same; a set that lacks this kid is read again, at most once a second: the key may be younger
 * than the set. */
CHECKED enum err keys_get_with(struct ctx *ctx, const struct uuid *tenant_id, const char *kid,
                               const struct key_set **ret_keys);
/* The key that signs with alg now: the newest that has begun; never NULL for ES256, and NULL for
 * RS256 only before keys_get_complete. */
const struct jws_key *key_set_signer(const struct key_set *keys, enum jws_alg alg);
/* NULL when the set has no such key of this algorithm, or it has expired. */
const struct jws_key *key_set_find(const struct key_set *keys, enum jws_alg alg, const char *kid);
const struct numbered_key *key_set_field(const struct key_set *keys, uint32_t id);
const struct numbered_key *key_set_mac(const struct key_set *keys, uint32_t id);
/* An id for a document that several may make at once: of the tenant and the purpose. */
struct uuid keys_agreed_id(const struct uuid *tenant_id, const char *purpose);
