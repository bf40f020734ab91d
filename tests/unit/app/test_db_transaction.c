/*
 * Transactions: all or nothing, run again when they collide, committed once although answers get
 * lost, ended in time when the database is gone, and nothing left locked (OP-2, OP-3, OP-6).
 */
#include "app/db.h"

#include <pthread.h>
#include <stdlib.h>

#include "app/clock.h"
#include "support/database.h"
#include "support/thing.h"
#include "support/unit.h"

#define LIMIT_MS (2 * DATABASE_CALL_MS) /* issue 3: "503 within 2 s" by the shipped setting */

static struct database database;

static int begin_with(int64_t call_ms)
{
    const struct database_options options = {.proxied = true, .call_ms = call_ms};

    if (database_begin(&database, &options)) {
        database.ctx.tenant_id = uuid_new();
        return db_ensure_collection(&database.ctx, &thing_schema, NULL, 0) == ERR_OK ? 0 : -1;
    }
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_with(PATIENT_CALL_MS);
}

/* What is to end by its limit alone. */
static int begin_limited(void **state)
{
    (void)state;
    return begin_with(DATABASE_CALL_MS);
}

static int end(void **state)
{
    (void)state;
    database_end(&database);
    return 0;
}

enum then { THEN_OK, THEN_FAIL, THEN_FREEZE, THEN_SWALLOW, THEN_NEST, THEN_CONFLICT, THEN_LOSE };

struct job {
    struct thing *a, *b;
    enum then then;
    int runs;
    int committed, aborted, unknown;
};

static void on_settled(void *arg, enum db_end how)
{
    struct job *job = arg;

    job->committed += how == DB_COMMITTED;
    job->aborted += how == DB_ABORTED;
    job->unknown += how == DB_UNKNOWN;
}

static enum err nothing(struct ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return ERR_OK;
}

/* Moves one from a to b, and does on the way what the case is about. */
static enum err move(struct ctx *ctx, void *arg)
{
    struct job *job = arg;

    job->runs++;
    assert_true(db_on_settled(ctx, on_settled, job));
    TRY(thing_add(ctx, job->a, -1));
    switch (job->then) {
    case THEN_FAIL:
        return fail(ctx, ERR_PRECONDITION, NULL, NULL);
    case THEN_FREEZE:
        wire_freeze(database.wire, true);
        break;
    case THEN_NEST:
        return db_transaction(ctx, nothing, NULL);
    case THEN_CONFLICT:
        (void)!db_insert(ctx, &thing_schema, job->b); /* its _id is there already */
        fail_clear(ctx);
        return ERR_OK;
    case THEN_LOSE: {
        const struct thing c = thing_make(&ctx->tenant_id, "c", 1);

        TRY(db_insert(ctx, &thing_schema, &c));
        break;
    }
    case THEN_SWALLOW:
    case THEN_OK:
        break;
    }
    return thing_add(ctx, job->b, 1);
}

static struct job make_job(struct thing *a, struct thing *b, enum then then)
{
    *a = thing_insert(&database.ctx, "a", 10);
    *b = thing_insert(&database.ctx, "b", 10);
    return (struct job){.a = a, .b = b, .then = then};
}

static void assert_counts(const struct job *job, int64_t a, int64_t b)
{
    assert_int_equal(thing_count(&database.ctx, job->a), a);
    assert_int_equal(thing_count(&database.ctx, job->b), b);
}

/* OP-1, OP-3: snapshot reads, a majority commit, and no retryable-write number of ours within. */
static void test_commit(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_OK);
    bson_iter_t top, at;

    database_forget(&database);
    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_OK);
    assert_null(database.ctx.transaction);
    assert_int_equal(job.runs, 1);
    assert_int_equal(job.committed, 1);
    assert_int_equal(job.aborted + job.unknown, 0);
    assert_int_equal(database.seen_count, 3);
    assert_true(bson_iter_init(&top, database.seen[0].command));
    assert_true(bson_iter_find_descendant(&top, "readConcern.level", &at));
    assert_string_equal(bson_iter_utf8(&at, NULL), "snapshot");
    assert_false(bson_has_field(database.seen[0].command, "writeConcern"));
    assert_string_equal(database.seen[2].name, "commitTransaction");
    assert_true(bson_iter_init(&top, database.seen[2].command));
    assert_true(bson_iter_find_descendant(&top, "writeConcern.w", &at));
    assert_string_equal(bson_iter_utf8(&at, NULL), "majority");
    assert_counts(&job, 9, 11);
}

static void test_abort(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_FAIL);

    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_PRECONDITION);
    assert_int_equal(database.ctx.failure.code, ERR_PRECONDITION);
    assert_int_equal(job.runs, 1);
    assert_int_equal(job.aborted, 1);
    assert_counts(&job, 10, 10);
    /* Nothing is left locked. */
    assert_int_equal(thing_add(&database.ctx, &a, 1), ERR_OK);
}

static void test_nested(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_NEST);

    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_INTERNAL);
    assert_counts(&job, 10, 10);
    assert_false(db_on_settled(&database.ctx, on_settled, &job));
}

/* A body that overlooks a failed command must not lead to half a commit. */
static void test_body_goes_on_after_failure(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_CONFLICT);

    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_INTERNAL);
    assert_int_equal(job.runs, 1);
    assert_counts(&job, 10, 10);
}

/* --- collisions --- */

enum { THREADS = 8, ROUNDS = 5 };

struct racer {
    pthread_t thread;
    const struct thing *thing;
    int runs;
    enum err err;
};

/* Reads and writes what it read plus one: wrong unless each run sees the other's result. */
static enum err read_and_write(struct ctx *ctx, void *arg)
{
    struct racer *racer = arg;
    int64_t count = thing_count(ctx, racer->thing);
    AUTO(bson_destroy) bson_t *filter = thing_filter(racer->thing);
    AUTO(bson_destroy) bson_t *set = BCON_NEW("$set", "{", "count", BCON_INT64(count + 1), "}");

    racer->runs++;
    if (count < 0)
        return ctx->failure.code;
    return db_update_one(ctx, &thing_schema, filter, set);
}

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, 8 << 20);
    database_ctx(&database, &arena, &ctx);
    ctx.tenant_id = racer->thing->tenant_id;
    for (int i = 0; i < ROUNDS && racer->err == ERR_OK; i++)
        racer->err = db_transaction(&ctx, read_and_write, racer);
    ctx_clear(&ctx);
    arena_clear(&arena);
    return NULL;
}

static void test_collisions_run_again(void **state)
{
    NEEDS_DATABASE();
    struct thing thing = thing_insert(&database.ctx, "race", 0);
    struct racer racers[THREADS];
    int runs = 0;

    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.thing = &thing};
        pthread_create(&racers[i].thread, NULL, race, &racers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(racers[i].thread, NULL);
        assert_int_equal(racers[i].err, ERR_OK);
        runs += racers[i].runs;
    }
    assert_int_equal(thing_count(&database.ctx, &thing), THREADS * ROUNDS);
    assert_true(runs > THREADS * ROUNDS);
    /* Competition is no trouble: who believes so takes a stolen refresh token for a lost answer. */
    assert_false(db_was_troubled(database.app.db, 60000));
}

/* Holds the document for as long as the other transaction tries. */
static enum err hold_document(struct ctx *ctx, void *arg)
{
    struct job *job = arg;
    struct arena arena;
    struct ctx other;
    struct racer racer = {.thing = job->a};

    job->runs++;
    TRY(thing_add(ctx, job->a, 1));
    arena_init(&arena, 8 << 20);
    database_ctx(&database, &arena, &other);
    other.tenant_id = ctx->tenant_id;
    int64_t start = clock_monotonic_ms();
    other.deadline = start + 300;
    assert_int_equal(db_transaction(&other, read_and_write, &racer), ERR_DB_UNAVAILABLE);
    /* Without a deadline it would be ten seconds. */
    assert_in_range(clock_monotonic_ms() - start, 250, 7000);
    assert_true(racer.runs > 1);
    assert_false(db_outcome_unknown(&other));
    ctx_clear(&other);
    arena_clear(&arena);
    return ERR_OK;
}

/* Running again ends with the deadline. */
static void test_deadline(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_OK);

    assert_int_equal(db_transaction(&database.ctx, hold_document, &job), ERR_OK);
    assert_counts(&job, 11, 10);
}

/* --- faults --- */

/* The commit's answer is lost: it is asked again, and the body is not. */
static void test_lost_commit(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_SWALLOW);

    wire_swallow(database.wire, "commitTransaction", 1);
    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_OK);
    assert_int_equal(wire_to_swallow(database.wire), 0);
    assert_int_equal(job.runs, 1);
    assert_int_equal(job.committed, 1);
    assert_counts(&job, 9, 11);
}

/* The driver gives sessions of ended transactions to others: their numbers must not meet. */
static void test_recycled_sessions(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_OK);

    for (int i = 0; i < 5; i++)
        assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_OK);
    wire_swallow(database.wire, "update", 2);
    assert_int_equal(thing_add(&database.ctx, &a, 0), ERR_DB_UNAVAILABLE);
    WAIT(thing_count(&database.ctx, &a) >= 0, LIMIT_MS);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(thing_add(&database.ctx, &a, 1), ERR_OK);
        assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_OK);
    }
    assert_counts(&job, 5, 20);
}

/* All answers of commits are lost: it happened, and is said to be unknown. */
static void test_unknown_commit(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_SWALLOW);
    int64_t start = clock_monotonic_ms();

    wire_swallow(database.wire, "commitTransaction", 1000);
    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_DB_UNAVAILABLE);
    in_time(clock_monotonic_ms() - start, LIMIT_MS);
    assert_true(db_outcome_unknown(&database.ctx));
    assert_int_equal(job.runs, 1);
    assert_int_equal(job.unknown, 1);
    assert_int_equal(job.committed + job.aborted, 0);
    wire_swallow(database.wire, "commitTransaction", 0);
    WAIT(thing_count(&database.ctx, &a) >= 0, 3 * LIMIT_MS);
    assert_counts(&job, 9, 11);
}

/* OP-6: frozen in the middle: given up in time, known not to have happened, and afterwards the
 * documents are free at once and not after the server's minute. */
static void test_frozen(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_FREEZE);
    int64_t start = clock_monotonic_ms();

    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_DB_UNAVAILABLE);
    in_time(clock_monotonic_ms() - start, LIMIT_MS);
    assert_false(db_outcome_unknown(&database.ctx));
    assert_int_equal(job.aborted, job.runs);
    wire_freeze(database.wire, false);
    WAIT(thing_count(&database.ctx, &a) >= 0, LIMIT_MS);
    start = clock_monotonic_ms();
    assert_int_equal(thing_add(&database.ctx, &a, 1), ERR_OK);
    in_time(clock_monotonic_ms() - start, 500);
    assert_counts(&job, 11, 10);
}

/* The connection is cut in the middle of the body, which has changed a document by then: what the
 * first attempt holds on the server is ended before the second meets it. */
static void test_cut_in_body(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_LOSE);
    int64_t start = clock_monotonic_ms();

    wire_swallow(database.wire, "insert", 1);
    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_OK);
    in_time(clock_monotonic_ms() - start, LIMIT_MS);
    assert_int_equal(wire_to_swallow(database.wire), 0);
    assert_int_equal(job.runs, 2);
    assert_int_equal(job.aborted, 1);
    assert_int_equal(job.committed, 1);
    assert_counts(&job, 9, 11);
}

/* It is cut each time: given up in time, and the next transaction finds nothing locked, although
 * no other call was between them. */
static void test_cut_in_each_body(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_LOSE);
    int64_t start = clock_monotonic_ms();

    wire_swallow(database.wire, "insert", 1000);
    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_DB_UNAVAILABLE);
    in_time(clock_monotonic_ms() - start, LIMIT_MS);
    assert_false(db_outcome_unknown(&database.ctx));
    assert_int_equal(job.aborted, job.runs);
    wire_swallow(database.wire, "insert", 0);
    job = (struct job){.a = &a, .b = &b, .then = THEN_LOSE};
    WAIT(db_transaction(&database.ctx, move, &job) == ERR_OK, LIMIT_MS);
    assert_counts(&job, 9, 11);
}

/* Gone from the start. */
static void test_refused(void **state)
{
    NEEDS_DATABASE();
    struct thing a, b;
    struct job job = make_job(&a, &b, THEN_OK);

    wire_refuse(database.wire, true);
    int64_t start = clock_monotonic_ms();
    assert_int_equal(db_transaction(&database.ctx, move, &job), ERR_DB_UNAVAILABLE);
    in_time(clock_monotonic_ms() - start, LIMIT_MS);
    assert_false(db_outcome_unknown(&database.ctx));
    assert_int_equal(job.aborted, job.runs);
    wire_refuse(database.wire, false);
    WAIT(thing_count(&database.ctx, &a) >= 0, LIMIT_MS);
    assert_counts(&job, 10, 10);
}

#define CASE(function)    cmocka_unit_test_setup_teardown(function, begin, end)
#define LIMITED(function) cmocka_unit_test_setup_teardown(function, begin_limited, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_commit),
        CASE(test_abort),
        CASE(test_nested),
        CASE(test_body_goes_on_after_failure),
        CASE(test_collisions_run_again),
        CASE(test_deadline),
        CASE(test_lost_commit),
        CASE(test_recycled_sessions),
        LIMITED(test_unknown_commit),
        LIMITED(test_frozen),
        CASE(test_cut_in_body),
        LIMITED(test_cut_in_each_body),
        LIMITED(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
