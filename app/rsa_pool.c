/* Two keys in stock and the thread that makes them; the claims are a short list under one lock. */
#include "app/rsa_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "app/clock.h"
#include "app/condition.h"
#include "app/jws.h"
#include "app/log.h"

#define STOCK      2
#define STACK_SIZE ((size_t)512 * 1024)

struct rsa_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;    /* for the thread: a key was taken, or the end */
    pthread_cond_t claimed; /* for those who wait: a claim was given back */
    EVP_PKEY *ready[STOCK];
    size_t count;
    struct rsa_claim *claims;
    bool taken, stopping, started;
    pthread_t thread;
};

/* ---- the thread ---- */

static void *fill(void *arg)
{
    struct rsa_pool *pool = arg;

    /* On Linux this is the priority of the calling thread alone. */
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), 19) != 0)
        log_event(LOG_WARN, "rsa_priority", "message", "RSA keys are made at normal priority",
                  NULL);
    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        if (!pool->taken || pool->count == STOCK) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);

        EVP_PKEY *key = EVP_RSA_gen(JWS_RSA_BITS);

        pthread_mutex_lock(&pool->lock);
        if (key == NULL)
            pool->taken = false; /* not again before the next one who asks */
        else
            pool->ready[pool->count++] = key;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* ---- life ---- */

static bool start(struct rsa_pool *pool)
{
    pthread_attr_t attributes;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    pool->started = pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0 &&
                    pthread_create(&pool->thread, &attributes, fill, pool) == 0;
    pthread_attr_destroy(&attributes);
    return pool->started;
}

enum err rsa_pool_new(struct rsa_pool **ret_pool)
{
    struct rsa_pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return ERR_MEMORY;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    condition_init(&pool->claimed);
    if (!start(pool)) {
        rsa_pool_free(pool);
        return ERR_MEMORY;
    }
    *ret_pool = pool;
    return ERR_OK;
}

void rsa_pool_free(struct rsa_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    if (pool->started)
        pthread_join(pool->thread, NULL);
    while (pool->count > 0)
        EVP_PKEY_free(pool->ready[--pool->count]);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->claimed);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* ---- taking ---- */

EVP_PKEY *rsa_pool_take(struct rsa_pool *pool)
{
    EVP_PKEY *key = NULL;

    if (pool != NULL) {
        pthread_mutex_lock(&pool->lock);
        if (pool->count > 0)
            key = pool->ready[--pool->count];
        pool->taken = true;
        pthread_cond_signal(&pool->work);
        pthread_mutex_unlock(&pool->lock);
    }
    return key != NULL ? key : EVP_RSA_gen(JWS_RSA_BITS);
}

/* ---- claims ---- */

static bool is_claimed(const struct rsa_pool *pool, const struct uuid *tenant_id)
{
    for (const struct rsa_claim *claim = pool->claims; claim != NULL; claim = claim->next)
        if (uuid_equal(&claim->tenant_id, tenant_id))
            return true;
    return false;
}

bool rsa_pool_claim(struct rsa_pool *pool, struct rsa_claim *claim, int64_t wait_ms)
{
    const int64_t until = clock_monotonic_ms() + wait_ms;
    bool in_time = true;

    if (pool == NULL)
        return true;
    pthread_mutex_lock(&pool->lock);

    const bool is_free = !is_claimed(pool, &claim->tenant_id);

    if (is_free) {
        claim->next = pool->claims;
        pool->claims = claim;
    }
    while (!is_free && in_time && is_claimed(pool, &claim->tenant_id))
        in_time = condition_wait(&pool->claimed, &pool->lock, until);
    pthread_mutex_unlock(&pool->lock);
    return is_free;
}

void rsa_pool_release(struct rsa_pool *pool, struct rsa_claim *claim)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    for (struct rsa_claim **at = &pool->claims; *at != NULL; at = &(*at)->next) {
        if (*at == claim) {
            *at = claim->next;
            break;
        }
    }
    pthread_cond_broadcast(&pool->claimed);
    pthread_mutex_unlock(&pool->lock);
}
