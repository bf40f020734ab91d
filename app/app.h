/*
 * One running service: everything with the lifetime of the process. Made by main (or a test),
 * passed down through ctx->app. A test can make two.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/config.h"

struct db;
struct cache;
struct watch;
struct revocations;
struct hash_pool;
struct rsa_pool;
struct limiter;
struct audit_writer;
struct audit_refusals;
struct metrics;
struct housekeeping;
struct outbox_workers;
struct job_workers;
struct gather;
struct token_cache;
struct grant_memory;
struct retired_config;

struct app {
    _Atomic(struct config *) config; /* current snapshot; app_config() */
    struct uuid instance_id;
    struct db *db;
    struct watch *watch;
    struct revocations *revocations;
    struct cache *tenants;        /* by 16-byte id -> struct tenant */
    struct cache *slugs;          /* by slug -> struct tenant */
    struct cache *domains;        /* by verified domain -> struct tenant */
    struct cache *origins;        /* by an origin that some tenant allows -> that tenant */
    struct cache *keys;           /* by tenant id -> struct key_set (app/keys.h) */
    struct cache *access_keys;    /* by 16-byte tenant id and 16-byte key id -> struct access_key */
    struct cache *clients;        /* by client id -> struct oauth_client */
    struct cache *client_origins; /* by tenant id -> models/client_origins.h */
    struct cache *discovery;      /* by tenant id, version and configuration -> metadata text */
    struct cache *shapes;         /* by tenant id and version -> struct shape */
    struct cache *user_names;     /* by tenant id and user id -> struct user_name, for a second */
    struct token_cache *tokens;   /* verified access tokens */
    struct hash_pool *hashes;
    struct rsa_pool *rsa; /* NULL in commands: an RSA key is made on the spot */
    struct limiter *limiter;
    struct audit_writer *audit;
    struct audit_refusals *refusals; /* NULL in commands */
    struct gather *sign_ups;         /* that meet (models/sign_up_party.h) */
    struct metrics *metrics;
    struct housekeeping *housekeeping;
    struct outbox_workers *outbox;     /* NULL in commands */
    struct job_workers *jobs;          /* NULL in commands */
    struct grant_memory *grant_memory; /* unanswered rotations (models/grant_memory.h) */
    int64_t started_ms;
    _Atomic int64_t streams;     /* long answers being written (app/stream.h) */
    _Atomic int64_t bulk_hashes; /* being computed for imports */
    _Atomic int64_t waiting;     /* requests that sleep (app/seats.h) */
    _Atomic bool stopping;       /* /ready says 503, answers close */
    _Atomic bool ready;
    char *config_path;              /* what app_reload reads; NULL = nothing */
    struct retired_config *retired; /* snapshots that a running request may still read */
    bool logging;                   /* app_free ends the log's thread */
};

/* Opens everything a command needs: config, log, database, caches, and waits for the database up to
 * database.start_timeout_ms, saying so on standard error. With serve also what only a server needs:
 * the database's structure is checked (or migrated), watcher and housekeeping run. Without serve,
 * nothing asks for the structure. On failure ret_message (malloc'd) is one sentence with what to
 * do; ERR_DB_UNAVAILABLE: trying later may help; ERR_STOPPING: a signal asked to end. */
CHECKED enum err app_new(struct config *take_config, bool serve, struct app **ret_app,
                         char **ret_message);
/* Stops and frees everything; waits for background threads. */
void app_free(struct app *app);

/* The current configuration, held for the ctx's life: stays valid until ctx_clear. */
static inline const struct config *app_config(const struct app *app)
{
    return atomic_load_explicit(&app->config, memory_order_acquire);
}

static inline bool app_is_development(const struct app *app)
{
    return app_config(app)->environment == ENV_DEVELOPMENT;
}

/* Reads config_path again. Valid: swapped in as a whole; keys that need a restart keep their old
 * value and are logged. Invalid: the old one stays and ret_message (malloc'd) tells why. One thread
 * at a time. */
CHECKED enum err app_reload(struct app *app, char **ret_message);

/* NULL, or the first mistake in the route table or a field table, in one sentence. */
const char *app_check_tables(void);
