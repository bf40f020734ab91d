/*
 * What the db*.c files share and nobody else may use: the connection pool, one call to the
 * database, and the running of commands. One call leases one client for its duration; within a
 * transaction it uses the transaction's.
 *
 * Commands are built here and sent as they are: one message each, with a session per client kept
 * for its life. That makes retryable writes ours (see db_run) and spares what a driver's collection
 * and cursor objects cost (docs/adr/0012-database-calls.md has the figures).
 */
#pragma once

#include <pthread.h>

#include <mongoc/mongoc.h>

#include "app/db.h"

#define DB_LONG_MS (INT64_C(10) * 60 * 1000)

#define DB_COLLECTION_SIZE 64
#define DB_ABANDONED_MAX   64
#define DB_FIRST_NUMBER    (INT64_C(1) << 40)

/* Codes of the server that something here depends on. */
enum {
    DB_CODE_BAD_VALUE = 2,
    DB_CODE_UNAUTHORIZED = 13,
    DB_CODE_NO_NAMESPACE = 26,
    DB_CODE_NO_INDEX = 27,
    DB_CODE_NAMESPACE_EXISTS = 48,
    DB_CODE_TIME_OVER = 50,
    DB_CODE_VALIDATION = 121,
    DB_CODE_DUPLICATE = 11000,
    DB_CODE_ROLE_EXISTS = 51002,
};

DEFINE_AUTO(mongoc_uri_t, mongoc_uri_destroy)
DEFINE_AUTO(mongoc_client_t, mongoc_client_destroy)

/*
 * Milliseconds, all from database.call_timeout_ms. Every call ends within twice of that whatever
 * happens to the database: a wait for a client and a slow failure, or a quick failure, the time
 * until the driver has found the server again (it looks twice a second and pauses half a second: up
 * to 1 s, measured) and a second try.
 */
struct db_limits {
    int64_t socket;       /* the setting itself: 1000 */
    int64_t server;       /* that a command may run there: 900, so that the server's answer comes */
    int64_t select;       /* until the driver has found a server, which takes it up to 1000: 1100 */
    int64_t connect;      /* 500 */
    int64_t lease;        /* until a client is free: 500 */
    int64_t retry_before; /* a failure that comes later is not tried again: 150 */
    int64_t begin_before; /* … and of a transaction: 300 */
};

struct db_client {
    struct db_client *next;
    mongoc_client_t *client;
    mongoc_client_session_t *session; /* made at the first use; NULL after a network error */
    bson_t options;                   /* names the session to the driver */
};

struct db {
    char *uri_text;
    char *name;
    struct db_limits limits;
    mongoc_uri_t *uri;
    mongoc_client_pool_t *pool; /* its topology and monitoring; leasing is db_lease; NULL = none */
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct db_client *free; /* last used first: warm connections */
    int64_t made, maximum;
    struct db_client *writer; /* reserved for the audit writer */
    pthread_mutex_t writer_lock;
    struct uuid abandoned[DB_ABANDONED_MAX]; /* sessions of transactions left on the server */
    _Atomic int abandoned_count;
    _Atomic int64_t fail_after, lose_after; /* tests only */
    _Atomic int64_t numbers;                /* of retryable writes so far */
    _Atomic int64_t troubled_at;            /* monotonic ms; 0 = never */
};

/* A transaction attempt; ctx->transaction points to it. */
struct db_transaction {
    struct db_client *client;
    mongoc_client_session_t *session;
    bson_t options;
    bool transient;   /* the server asks to run the whole body again */
    bool unavailable; /* … because it was not reached */
    bool broken;      /* a command failed for good: nothing can be committed any more */
    struct db_settled *settled;
};

enum db_use {
    DB_READ = 1,
    DB_LOOK_UP,         /* one document by its id, whichever tenant's */
    DB_READ_ANY_TENANT, /* the audit verification's walk: long */
    DB_READ_LONG,       /* a walk over all of one tenant's documents */
    DB_INSPECT,         /* reads structure: nothing of a tenant */
    DB_WRITE,      /* one document or an insert: sent again once when the first try was cut off */
    DB_WRITE_MANY, /* the server takes no second try of these */
    DB_WRITE_ANY_TENANT, /* the audit writer's batch: reserved client, rows of many tenants */
    DB_ADMIN,            /* structure: own client, long time-outs */
};

struct db_call {
    struct ctx *ctx;
    struct db *db;
    const struct schema *schema;
    enum db_use use;
    struct db_client *client;
    struct db_transaction *transaction;
    struct db_client own; /* of DB_ADMIN */
    bool leased, reserved;
    int64_t started;
    int64_t expected_code; /* an answer of the server that is no fault, 0 = none */
    int64_t most_ms;       /* that the server may take, when less than usual; 0 = as usual */
    size_t most_bytes; /* of a list's documents, of which the first is given in any case; 0 = any */
    size_t bytes;      /* … so far */
    bool cut;          /* … there are more documents */
    char collection[DB_COLLECTION_SIZE];
};

/* What went wrong with a command. */
struct db_error {
    uint32_t domain;
    int64_t code;
    bool concern;   /* done, but not confirmed by a majority */
    bool network;   /* the connection broke: the server may have got the command */
    char index[64]; /* of a duplicate key */
    char path[256]; /* the first element of that index; empty when it is longer */
    int64_t item;   /* … of the document that had it, among those of the command */
    char text[256];
};

/* --- db.c --- */

CHECKED enum err db_call_begin(struct ctx *ctx, const struct schema *schema, enum db_use use,
                               struct db_call *call);
void db_call_end(struct db_call *call);
static inline void db_call_end_p(struct db_call *call)
{
    db_call_end(call);
}
/* A client from the pool, waiting at most wait_ms; NULL when all are in use. */
struct db_client *db_lease(struct db *db, int64_t wait_ms);
void db_return(struct db *db, struct db_client *client);
/* The audit writer's client, with writer_lock held also when it is NULL. */
struct db_client *db_writer_client(struct db *db);
/* The name of the schema's collection; the only place where a tenant becomes a name. */
CHECKED enum err db_place(struct ctx *ctx, const struct schema *schema,
                          char ret_name[DB_COLLECTION_SIZE]);
/* The same for the view of the tenant's users (db_view.c). */
CHECKED enum err db_place_of_view(struct ctx *ctx, char ret_name[DB_COLLECTION_SIZE]);
/* The caller's filter with the tenant before it. */
CHECKED enum err db_filter(const struct db_call *call, const bson_t *filter, bson_t *out);
/* The process's way of the driver; any number of times. */
void db_driver_init(void);
/* True when a test asked for this call to fail, or for its answer to be lost. */
bool db_must_fail(struct db *db);
bool db_must_lose(struct db *db);

/* --- db_read.c --- */

/* Appends the documents of an answer ("cursor.firstBatch") to list, decoded by call->schema. */
CHECKED enum err db_decode_batch(struct db_call *call, const bson_t *reply, const char *path,
                                 struct list *list);

/* Sends a command that answers with a cursor over call->collection, and decodes all of it by
 * call->schema. reply is left as the last answer was. */
CHECKED enum err db_read_list(struct db_call *call, bson_t *command, bson_t *reply,
                              struct list *ret_list);

/* Sends a command that answers with a cursor over call->collection, and calls each for all of it.
 */
CHECKED enum err db_walk(struct db_call *call, bson_t *command, db_document_fn each, void *arg);

/* --- db_admin.c --- */

void db_put_index_keys(const struct db_index *index, bson_t *out);
/* Puts nothing for an index of all documents. */
void db_put_index_partial(const struct db_index *index, bson_t *out);
#define DB_COLLATION_LOCALE   "en"
#define DB_COLLATION_STRENGTH 2 /* letters that differ in case alone are one */

/* --- db_write.c --- */

/* Deletes by a filter that is complete: see db_filter. */
CHECKED enum err db_run_delete(struct db_call *call, const bson_t *filter, bool many,
                               bson_t *reply);

/* --- db_run.c --- */

/*
 * Sends one command to the schema's database and waits for the answer, which is left in reply (of
 * BSON_INITIALIZER: never bson_new). Adds session, time limit and write concern. Fails the ctx.
 */
CHECKED enum err db_run(struct db_call *call, bson_t *command, bson_t *reply);
/* The same on the database "admin", without session; for hello and hostInfo. */
bool db_run_admin(struct db_call *call, const bson_t *command, bson_t *reply,
                  struct db_error *ret_error);
/* What the driver or server said, as a code of ours. */
enum err db_fail(struct db_call *call, const struct db_error *error);
/* ERR_DB_UNAVAILABLE for a write that may have happened. */
enum err db_fail_unknown(struct db_call *call, const struct db_error *error);
/* Reads domain, code and text of a failed call; reply may be NULL. */
void db_error_read(const bson_error_t *from, const bson_t *reply, struct db_error *ret_error);
bool db_error_unavailable(const struct db_error *error);
bool db_has_label(const bson_t *reply, const char *label);
int64_t db_reply_int(const bson_t *reply, const char *name);

/* --- db_transaction.c --- */

/* Notes what a failed command means for the transaction. */
void db_transaction_failed(struct db_transaction *transaction, const struct db_error *error,
                           const bson_t *reply);
/* Has the server end what abandoned transactions hold. False: it cannot be reached. */
bool db_end_abandoned(struct db_call *call, struct db_error *ret_error);
