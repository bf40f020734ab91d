/*
 * The threads that hash passwords and the bounded queue before them. A job is copied in and out, so
 * that nothing of a request is touched after its thread went away; copies are wiped. What is
 * hashed, and how, is password.c's. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/ctx.h"
#include "app/password.h"

struct crypt_data;

/* One hash to compute. With stored, password is compared with it; without, a new hash is made. */
struct hash_job {
    enum password_scheme scheme; /* of a new hash */
    int64_t cost;
    bool compare;
    bool other;       /* stored is not what the configuration asks for */
    int64_t usual_us; /* what a hash that it asks for takes lately; filled in by the pool */
    char password[ARGON2_MAX_PASSWORD + 1];
    char stored[PASSWORD_HASH_SIZE];
    char result[PASSWORD_HASH_SIZE]; /* the new hash */
    bool matches;
    bool failed; /* nothing could be computed */
};

/* Runs on a hash thread; scratch is that thread's own. Defined in password.c. */
void hash_job_run(struct hash_job *job, struct crypt_data *scratch);

/* Waits until the job is done. ERR_BUSY with Retry-After at once when the queue is full, or when
 * the ctx's deadline passes before the job has started. */
CHECKED enum err hash_pool_run(struct ctx *ctx, struct hash_pool *pool, struct hash_job *job);

/* Random bytes of this pool: what a dummy hash is made of. */
#define HASH_DUMMY_BYTES 32
const uint8_t *hash_pool_dummy(const struct hash_pool *pool);
