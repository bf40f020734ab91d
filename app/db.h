/*
 * The only door to data. Callers name a schema, never a collection; db.c finds the place, adds the
 * tenant to every filter and document of a tenant-bound schema, bounds the time by the ctx's
 * deadline, writes with w:majority and j:true, and maps driver errors:
 *
 * - ERR_NOT_FOUND: nothing matched (find_one, update_one, find_and_update, delete_one).
 * - ERR_CONFLICT: duplicate key; ctx->failure.field names the index ("email_1" …), failure.path its
 *   first element.
 * - ERR_DOCUMENT_REFUSED: the validator of a tenant's own collection refused the document; nothing
 *   was written.
 * - ERR_DB_UNAVAILABLE: unreachable, too slow, no primary, pool empty. With ctx->failure.internal
 *   beginning "unknown outcome" it is a write that may have happened (see db_outcome_unknown).
 * - ERR_INTERNAL: anything else, logged.
 *
 * Only db.c and watch.c include mongoc. Models see bson_t. Any thread; a ctx is one thread's. A
 * client is leased for the duration of one call (or one transaction), never across hashing or I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/bson_auto.h"
#include "app/ctx.h"
#include "app/schema.h"

struct db;
struct config;

/* --- life --- */

/* Connects lazily. ret_reason (static or arena text) says in one sentence what is wrong. monitored:
 * threads of the driver watch the servers all the time, as a service needs it; without them, for
 * commands, each client looks when it has something to ask, and the end need not wait for them. */
CHECKED enum err db_open(const struct config *config, bool monitored, struct db **ret_db,
                         const char **ret_reason);
void db_close(struct db *db);
/* hello + replica-set and version check, for start-up and /ready. ERR_DB_UNAVAILABLE, or
 * ERR_INTERNAL with the sentence in ctx->failure.internal (not a replica set, too old). */
CHECKED enum err db_ping(struct ctx *ctx);
/* A pop'able pool and database name for watch.c, which keeps clients of its own. */
const char *db_uri(const struct db *db);
const char *db_name(const struct db *db);

/* Milliseconds within which a request knows what became of its call, whatever happens to the
 * database: twice database.call_timeout_ms, less what an answer takes. */
int64_t db_answer_ms(const struct db *db);

/* True when this process lost the database, or waited for it in vain, within the last ms. */
bool db_was_troubled(const struct db *db, int64_t within_ms);
/* Notes that it did; db*.c and watch.c know. */
void db_note_trouble(struct db *db);

/* --- reading. Decoded strings live in ctx->arena. Filters may be NULL for "all of this tenant".
 * --- */

struct db_find {
    const bson_t *filter; /* without tenant_id */
    const bson_t *sort;
    int64_t limit;     /* 0 = DB_MAX_RESULTS */
    bool linearizable; /* read concern linearizable instead of local-on-primary */
    size_t most_bytes; /* of all documents; the first is given in any case; 0 = any number */
    bool *ret_cut;     /* with most_bytes: whether documents were left out for it */
};

#define DB_MAX_RESULTS 1000
/* most_bytes of a page that is answered: in JSON a byte is six at most ("<"), an answer 4 MiB. */
#define DB_PAGE_BYTES  ((size_t)640 * 1024)

CHECKED enum err db_find_one(struct ctx *ctx, const struct schema *schema, const bson_t *filter,
                             void *ret_struct);
CHECKED enum err db_find_many(struct ctx *ctx, const struct schema *schema,
                              const struct db_find *find, struct list *ret_list);
/* For credentials that name no tenant (client ids of OAuth, api.md §10) alone: the document with
 * this _id, whichever tenant's it is. The caller goes on as that tenant or refuses. */
CHECKED enum err db_find_by_id_any_tenant(struct ctx *ctx, const struct schema *schema,
                                          const char *id, void *ret_struct);
/* Counts at most limit documents (0 = all); always by an index of the tenant. */
CHECKED enum err db_count(struct ctx *ctx, const struct schema *schema, const bson_t *filter,
                          int64_t limit, int64_t *ret_count);

/* Called for each document, which is borrowed; its error ends the walk. */
typedef enum err (*db_document_fn)(struct ctx *ctx, const bson_t *doc, void *arg);
/* For the verification of the audit log alone: all documents of all tenants, undecoded, because
 * they may be anything; one batch in memory at a time. */
CHECKED enum err db_walk_any_tenant(struct ctx *ctx, const struct schema *schema,
                                    const bson_t *sort, db_document_fn each, void *arg);
/* One row for each combination of the fields in by: these fields, the sums of those in sums, and n,
 * their number; decoded by result. At most DB_MAX_RESULTS. */
struct db_group {
    const bson_t *filter;
    const char *const *by, *const *sums; /* names, NULL-terminated */
    const struct schema *result;
};
CHECKED enum err db_group(struct ctx *ctx, const struct schema *schema,
                          const struct db_group *group, struct list *ret_list);

/* A page of a list that somebody asked for in words (models/user_query.h): what an index serves is
 * told apart from what is then held against each document, so that both can be bounded. */
struct db_search {
    const bson_t *access; /* served by an index; NULL = all of this tenant */
    const bson_t *filter; /* the rest; NULL = nothing */
    const bson_t *sort;   /* given by the index, unless there are keys */
    const bson_t *keys;   /* expressions by name, computed before the sort by them; or NULL */
    const bson_t *after;  /* expression over these: where the page begins; or NULL */
    const char *index;    /* that is to be used, or NULL: the database chooses */
    bool ignores_case;    /* compares all texts by the collation of such indexes */
    int64_t budget;  /* documents that access may bring, in the order of sort; 0 = any number */
    int64_t skip;    /* … and the first of them to be given, within a budget */
    int64_t most_ms; /* that the database may take; 0 = as any read */
    int64_t limit;
    size_t most_bytes; /* as of db_find */
    bool *ret_cut;
};

/* *ret_over: most_ms were over, and nothing is known. ERR_DOCUMENT_REFUSED: there is no such index,
 * as when another version of the schema came in force. */
CHECKED enum err db_search(struct ctx *ctx, const struct schema *schema,
                           const struct db_search *search, bool *ret_over, struct list *ret_list);
/* How many documents access brings; stops counting behind the budget. */
CHECKED enum err db_search_size(struct ctx *ctx, const struct schema *schema,
                                const struct db_search *search, int64_t *ret_size);
/* Runs it once more to tell how many documents the database looked at. */
CHECKED enum err db_search_explain(struct ctx *ctx, const struct schema *schema,
                                   const struct db_search *search, int64_t *ret_examined);
/* Values that more than one document of the tenant has in the field of this path: of each group two
 * documents, at most limit groups. ids: list of struct uuid. A long walk. */
struct db_duplicates {
    const char *path;
    bool ignores_case;
    int64_t limit;
};
CHECKED enum err db_find_duplicates(struct ctx *ctx, const struct schema *schema,
                                    const struct db_duplicates *duplicates, struct list *ret_ids);

/* --- writing --- */

CHECKED enum err db_insert(struct ctx *ctx, const struct schema *schema, const void *struct_ptr);
/* Many documents of one schema in one command, ordered. ERR_CONFLICT: ctx->failure.item is the
 * first that could not be inserted; those before it are, unless this is a transaction. */
CHECKED enum err db_insert_many(struct ctx *ctx, const struct schema *schema,
                                const struct list *structs);
/* For the audit writer alone: documents of many tenants in one command, on a client of its own.
 * Each names its tenant. ERR_OK: the server took them all except those marked in ret_refused (one
 * per document); one whose _id was there already counts as taken, so that a batch can be sent
 * again. */
CHECKED enum err db_insert_batch_any_tenant(struct ctx *ctx, const struct schema *schema,
                                            const struct list *structs, bool *ret_refused);
/* update is an update document or pipeline ($set, $inc …). ERR_NOT_FOUND when nothing matched. */
CHECKED enum err db_update_one(struct ctx *ctx, const struct schema *schema, const bson_t *filter,
                               const bson_t *update);
CHECKED enum err db_update_many(struct ctx *ctx, const struct schema *schema, const bson_t *filter,
                                const bson_t *update, int64_t *ret_modified);

struct db_change {
    const bson_t *filter;
    const bson_t *update; /* a document, or with pipeline an array of stages */
    bool pipeline;
    bool upsert;
    bool before; /* return the document as it was; default as it is afterwards */
};

/* One atomic findAndModify. With upsert and before, ret_struct is zeroed when the document is new.
 */
CHECKED enum err db_find_and_update(struct ctx *ctx, const struct schema *schema,
                                    const struct db_change *change, void *ret_struct);
CHECKED enum err db_delete_one(struct ctx *ctx, const struct schema *schema, const bson_t *filter);
CHECKED enum err db_delete_many(struct ctx *ctx, const struct schema *schema, const bson_t *filter,
                                int64_t *ret_deleted);

/* For models/cleanup.c alone: documents of all tenants whose time in field lies before a moment, by
 * that field's index. */
struct db_expired {
    const char *field;
    int64_t before;
    int64_t limit; /* of one call that deletes */
};
CHECKED enum err db_delete_expired_any_tenant(struct ctx *ctx, const struct schema *schema,
                                              const struct db_expired *expired,
                                              int64_t *ret_deleted);
CHECKED enum err db_count_expired_any_tenant(struct ctx *ctx, const struct schema *schema,
                                             const struct db_expired *expired, int64_t *ret_count);

/* True when the last write of this ctx failed in a way that leaves its outcome unknown. */
bool db_outcome_unknown(const struct ctx *ctx);

/* Runs body in one transaction (snapshot, majority), again on transient errors until the deadline.
 * body sees a ctx whose db_* calls belong to the transaction; it must have no other side effects.
 */
typedef enum err (*db_transaction_fn)(struct ctx *ctx, void *arg);
CHECKED enum err db_transaction(struct ctx *ctx, db_transaction_fn body, void *arg);

/* What is to happen together with whatever this ctx commits: hooks run at the end of each
 * transaction's body, within it, the one added last first. An error aborts like one of the body.
 * The hook is the caller's and must outlive the ctx's last transaction. */
struct db_hook {
    struct db_hook *next;
    db_transaction_fn run;
    void *arg;
};
static inline void db_before_commit(struct ctx *ctx, struct db_hook *hook)
{
    hook->next = ctx->before_commit;
    ctx->before_commit = hook;
}

/* Within ctx's transaction, for other work of the same tenant that it carries out: the hooks of
 * that work's own ctx. */
CHECKED enum err db_run_hooks(struct ctx *ctx, const struct ctx *of);

/* Within a transaction: settled is called once when this attempt has ended, before db_transaction
 * returns or runs the body again. False when out of memory or outside a transaction. */
enum db_end { DB_END_UNSET = 0, DB_COMMITTED, DB_ABORTED, DB_UNKNOWN };
typedef void (*db_settled_fn)(void *arg, enum db_end end);
bool db_on_settled(struct ctx *ctx, db_settled_fn settled, void *arg);

/* --- structure (migrations, tenant creation, start-up) --- */

struct db_index {
    const char *name;
    const char *const *keys; /* "tenant_id", "-timestamp" (descending), NULL-terminated */
    bool unique;
    const char *partial_exists; /* partialFilterExpression {field: {$exists: true}}, or NULL */
    const char *partial;        /* another partialFilterExpression, as JSON, or NULL */
    int64_t ttl_seconds;        /* -1 = no TTL; 0 = expireAfterSeconds: 0 */
    bool ignores_case;          /* collation {locale: "en", strength: 2} */
};

/* Creates the collection if absent, sets its validator, creates missing indexes. Idempotent. For a
 * per-tenant schema the ctx's tenant decides the name. Uses long time-outs. */
CHECKED enum err db_ensure_collection(struct ctx *ctx, const struct schema *schema,
                                      const struct db_index *indexes, size_t count);
/* Of a collection that is there: this one in the place of what its table says. Documents that are
 * there stay; they are held against it when they are written again. */
CHECKED enum err db_set_validator(struct ctx *ctx, const struct schema *schema,
                                  const bson_t *validator);
/* Missing indexes alone, on a collection that is there: returns when they are ready, which takes
 * minutes on a large one; writers go on meanwhile. Asked for twice, the second waits for the first.
 * ERR_CONFLICT when documents are no longer unique. */
CHECKED enum err db_create_indexes(struct ctx *ctx, const struct schema *schema,
                                   const struct db_index *indexes, size_t count);
/* ERR_NOT_FOUND with the missing index in ctx->failure.internal. */
CHECKED enum err db_verify_indexes(struct ctx *ctx, const struct schema *schema,
                                   const struct db_index *indexes, size_t count);
/* Drops one that is not wanted as it is. ERR_NOT_FOUND. */
CHECKED enum err db_drop_index(struct ctx *ctx, const struct schema *schema, const char *name);

/* What is not as this version wants it. */
enum db_wrong {
    DB_WRONG_UNSET = 0,
    DB_COLLECTION_MISSING,
    DB_VALIDATOR_MISSING,
    DB_VALIDATOR_DIFFERENT,
    DB_INDEX_MISSING,
    DB_INDEX_DIFFERENT,
    DB_INDEX_SURPLUS,
};

struct db_difference {
    enum db_wrong what;
    const char *collection;
    const char *index; /* or NULL */
    bool is_unique;    /* the index that is there; the wanted one when it is missing */
};

#define DB_INDEXES_MAX 64 /* of a collection; MongoDB's bound */

struct db_structure {
    const struct db_index *indexes;
    size_t count;
    const bson_t *validator; /* NULL: what the table says */
};

/* Compares without changing anything. list of struct db_difference. */
CHECKED enum err db_inspect(struct ctx *ctx, const struct schema *schema,
                            const struct db_structure *wanted, struct list *ret_differences);

/* Calls each for every user collection that there is, with the id in its name, whether there is
 * such a tenant or not; one batch of names in memory at a time. For commands. */
typedef enum err (*db_tenant_fn)(struct ctx *ctx, const struct uuid *tenant_id, void *arg);
CHECKED enum err db_walk_user_collections(struct ctx *ctx, db_tenant_fn each, void *arg);
/* --- the view of a tenant's users, for code that is not ours (models/profile.h) --- */

enum db_view_state { DB_VIEW_UNSET = 0, DB_VIEW_ABSENT, DB_VIEW_SAME, DB_VIEW_DIFFERENT };

/* "profiles_<hex>" of the ctx's tenant, in ctx->arena. */
CHECKED enum err db_view_name(struct ctx *ctx, const char **ret_name);
/* pipeline is an array of stages over the documents of schema. */
CHECKED enum err db_view_look(struct ctx *ctx, const struct schema *schema, const bson_t *pipeline,
                              enum db_view_state *ret_state);
/* Makes it, or changes one that is there. */
CHECKED enum err db_view_put(struct ctx *ctx, const struct schema *schema, const bson_t *pipeline);
CHECKED enum err db_view_drop(struct ctx *ctx, const struct schema *schema);

struct db_role {
    const char *name;
    bool watches; /* may follow the documents of schema themselves, whole */
};

/* The command that makes a role which reads the view and nothing else. */
CHECKED enum err db_role_command(struct ctx *ctx, const struct schema *schema,
                                 const struct db_role *role, const char **ret_json);
/* Makes the role, or changes one that is there. *ret_allowed is false when the database's user may
 * make none. */
CHECKED enum err db_role_put(struct ctx *ctx, const struct schema *schema,
                             const struct db_role *role, bool *ret_allowed);

/* How many documents the collection holds, whosever they are. ERR_NOT_FOUND without it. */
CHECKED enum err db_collection_size(struct ctx *ctx, const struct schema *schema,
                                    int64_t *ret_documents);
CHECKED enum err db_drop_collection(struct ctx *ctx, const struct schema *schema);
/* The number of collections in the database (gauge, tenancy.max_collections). */
CHECKED enum err db_collection_count(struct ctx *ctx, int64_t *ret_count);
/* How far this machine's clock is ahead of the database server's (behind when negative), to half a
 * round trip. */
CHECKED enum err db_clock_ahead(struct ctx *ctx, int64_t *ret_ms);
/* hostInfo's open-file limit of the mongod, 0 when it does not tell. */
CHECKED enum err db_open_file_limit(struct ctx *ctx, int64_t *ret_limit);

/* Test hooks: the n-th call from now (commits count too) fails with ERR_DB_UNAVAILABLE before it is
 * sent, or is carried out and its answer lost: of a write the outcome is then unknown. 0 = off.
 * Both return how many calls the last setting was still waiting for, 0 when it has struck. */
int64_t db_fail_after(struct db *db, int64_t calls);
int64_t db_lose_after(struct db *db, int64_t calls);
