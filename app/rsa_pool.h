/*
 * New RSA keys: making one takes a tenth of a second, so a thread of low priority keeps two ready,
 * from the first one on that somebody took: an installation without ID tokens makes none. And a
 * claim by tenant, so that many who ask for a tenant's first key at once make one, not many. Any
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/error.h"
#include "app/uuid.h"

struct rsa_pool;
struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

CHECKED enum err rsa_pool_new(struct rsa_pool **ret_pool);
void rsa_pool_free(struct rsa_pool *pool);

/* One that nobody else gets, or NULL; the caller frees it. Made here and now when none is ready, or
 * without a pool. */
struct evp_pkey_st *rsa_pool_take(struct rsa_pool *pool);

struct rsa_claim {
    struct uuid tenant_id;
    struct rsa_claim *next;
};

/* True: the caller makes the tenant's key, and gives the claim back afterwards. False: another one
 * did, and has ended or took longer than so many milliseconds. Without a pool always true. */
bool rsa_pool_claim(struct rsa_pool *pool, struct rsa_claim *claim, int64_t wait_ms);
void rsa_pool_release(struct rsa_pool *pool, struct rsa_claim *claim);
