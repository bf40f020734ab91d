/*
 * Migrations (OP-4, OP-15, OP-16): all central collections with their indexes, once, by one process
 * of many, resumable, seen when they were tampered with.
 */
#include "app/migrate.h"

#include <pthread.h>
#include <stdlib.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/lease.h"
#include "models/tenant.h"
#include "support/database.h"
#include "support/unit.h"

static struct database database;

static int begin(void **state)
{
    (void)state;
    (void)database_begin(&database, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    database_end(&database);
    return 0;
}

struct reports {
    size_t begun, done;
};

static void count_report(const struct migration *step, bool done, void *arg)
{
    struct reports *reports = arg;

    (void)step;
    reports->begun += !done;
    reports->done += done;
}

static size_t pending(void)
{
    struct list applied = {0};
    size_t count = SIZE_MAX;

    assert_int_equal(migrate_status(&database.ctx, &applied, &count), ERR_OK);
    assert_int_equal(applied.count + count, migration_count);
    return count;
}

static void test_up_and_down(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct reports reports = {0};

    assert_int_equal(pending(), migration_count);
    assert_int_equal(migrations_verify(ctx), ERR_NOT_FOUND);
    assert_int_equal(migrate_up(ctx, count_report, &reports), ERR_OK);
    assert_int_equal(reports.begun, migration_count);
    assert_int_equal(reports.done, migration_count);
    assert_int_equal(pending(), 0);
    assert_int_equal(migrations_verify(ctx), ERR_OK);
    assert_int_equal(migrate_up(ctx, count_report, &reports), ERR_OK);
    assert_int_equal(reports.done, migration_count);
    assert_int_equal(migrate_down(ctx, 0, count_report, &reports), ERR_OK);
    assert_int_equal(reports.done, 2 * migration_count);
    assert_int_equal(pending(), migration_count);
    assert_int_equal(migrations_verify(ctx), ERR_NOT_FOUND);
    assert_int_equal(migrate_up(ctx, NULL, NULL), ERR_OK);
    assert_int_equal(migrations_verify(ctx), ERR_OK);
}

/* TI-5: in collections of tenants' documents every index leads with tenant_id, except TTL ones,
 * the look-ups that find the tenant, and the one by which the audit log is verified as a whole. */
static void test_indexes_lead_with_the_tenant(void **state)
{
    NEEDS_DATABASE();
    static const char *const collections[] = {"tokens",      "sessions",     "login_attempts",
                                              "revocations", "signing_keys", "data_keys",
                                              "access_keys", "audit_logs"};

    assert_int_equal(migrate_up(&database.ctx, NULL, NULL), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(collections); i++) {
        AUTO(bson_destroy) bson_t *list = BCON_NEW("listIndexes", BCON_UTF8(collections[i]));
        AUTO(bson_destroy) bson_t *reply = database_command(&database, database.name, list);
        bson_iter_t top, batch, index;
        int count = 0;

        assert_true(bson_iter_init(&top, reply));
        assert_true(bson_iter_find_descendant(&top, "cursor.firstBatch", &batch));
        assert_true(bson_iter_recurse(&batch, &index));
        while (bson_iter_next(&index)) {
            bson_iter_t at, key;

            count++;
            assert_true(bson_iter_recurse(&index, &at) && bson_iter_find(&at, "key"));
            assert_true(bson_iter_recurse(&at, &key) && bson_iter_next(&key));
            const char *first = bson_iter_key(&key);
            bool alone = !bson_iter_next(&key);
            assert_true(bson_iter_recurse(&index, &at));
            bool ttl = bson_iter_find(&at, "expireAfterSeconds");
            assert_true(strcmp(first, "tenant_id") == 0 || strcmp(first, "_id") == 0 ||
                        (ttl && alone) || strcmp(first, "writer") == 0);
        }
        assert_true(count >= 2);
    }
}

/* OP-4: a dropped index is missed, and named. */
static void test_dropped_index(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    AUTO(bson_destroy)
    bson_t *drop =
        BCON_NEW("dropIndexes", BCON_UTF8("sessions"), "index", BCON_UTF8("tenant_id_1_hash_1"));

    assert_int_equal(migrate_up(ctx, NULL, NULL), ERR_OK);
    bson_destroy(database_command(&database, database.name, drop));
    assert_int_equal(migrations_verify(ctx), ERR_NOT_FOUND);
    assert_non_null(strstr(ctx->failure.internal, "tenant_id_1_hash_1"));
}

/* A step that is recorded in another form than this program knows. OP-16: steps of a newer version
 * that this one does not know are no fault. */
static void test_recorded_steps(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_INT64(1));
    AUTO(bson_destroy) bson_t *set = BCON_NEW("$set", "{", "checksum", BCON_UTF8("other"), "}");
    const struct migration_state newer = {
        .number = 9999, .name = "newer", .checksum = "x", .applied_at = clock_now_ms()};
    struct list applied = {0};
    size_t count = 0;

    assert_int_equal(migrate_up(ctx, NULL, NULL), ERR_OK);
    assert_int_equal(db_insert(ctx, &migration_schema, &newer), ERR_OK);
    assert_int_equal(migrate_status(ctx, &applied, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(db_update_one(ctx, &migration_schema, filter, set), ERR_OK);
    assert_int_equal(migrate_status(ctx, &applied, &count), ERR_CONFLICT);
    assert_int_equal(migrate_up(ctx, NULL, NULL), ERR_CONFLICT);
}

/* OP-15: what a killed process left half done is done again: here the step fails at every call in
 * turn until it gets through. From the beginning when it does too early: the thread that keeps the
 * lease calls too, where a step takes long, and does not mind a failure. */
static void test_resumed(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    int64_t calls = 0, failures = 0;
    enum err err = ERR_DB_UNAVAILABLE;

    while (err != ERR_OK || failures < 10) {
        if (err == ERR_OK)
            assert_int_equal(migrate_down(ctx, 0, NULL, NULL), ERR_OK);
        db_fail_after(database.app.db, ++calls);
        err = migrate_up(ctx, NULL, NULL);
        db_fail_after(database.app.db, 0);
        assert_true(err == ERR_OK || err == ERR_DB_UNAVAILABLE);
        assert_in_range(calls, 1, 200);
        failures += err != ERR_OK;
    }
    assert_int_equal(pending(), 0);
    assert_int_equal(migrations_verify(ctx), ERR_OK);
}

/* With tenants in it, the installation is not taken back. */
static void test_down_with_tenants(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    const struct tenant tenant = {.id = uuid_new(),
                                  .slug = "one",
                                  .name = "One",
                                  .plan = PLAN_FREE,
                                  .status = TENANT_ACTIVE,
                                  .created_at = clock_now_ms(),
                                  .version = 1};

    assert_int_equal(migrate_up(ctx, NULL, NULL), ERR_OK);
    assert_int_equal(db_insert(ctx, &tenant_schema, &tenant), ERR_OK);
    assert_int_equal(migrate_down(ctx, 0, NULL, NULL), ERR_CONFLICT);
    /* The later steps were taken back; the one that holds the tenants was not. */
    assert_int_equal(pending(), migration_count - 1);
    assert_int_equal(migrate_up(ctx, NULL, NULL), ERR_OK);
    assert_int_equal(migrations_verify(ctx), ERR_OK);

    struct tenant found = {0};

    assert_int_equal(tenant_find(ctx, &tenant.id, &found), ERR_OK);
    assert_string_equal(found.name_key, "one");
}

/* --- races --- */

enum { THREADS = 6 };

struct racer {
    pthread_t thread;
    pthread_barrier_t *start;
    struct reports reports;
    enum err err;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, 8 << 20);
    database_ctx(&database, &arena, &ctx);
    pthread_barrier_wait(racer->start);
    racer->err = migrate_up(&ctx, count_report, &racer->reports);
    ctx_clear(&ctx);
    arena_clear(&arena);
    return NULL;
}

static void test_one_of_many_migrates(void **state)
{
    NEEDS_DATABASE();
    struct racer racers[THREADS];
    pthread_barrier_t start;
    size_t begun = 0, done = 0;

    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.start = &start};
        pthread_create(&racers[i].thread, NULL, race, &racers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(racers[i].thread, NULL);
        assert_int_equal(racers[i].err, ERR_OK);
        begun += racers[i].reports.begun;
        done += racers[i].reports.done;
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(begun, migration_count);
    assert_int_equal(done, migration_count);
}

/* Fencing: whoever lost the lease in the middle of a step does not record it. */
static void steal(const struct migration *step, bool done, void *arg)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8("migrations"));
    AUTO(bson_destroy) bson_t *over = BCON_NEW("$set", "{", "expires_at", BCON_DATE_TIME(1), "}");
    struct uuid thief = uuid_new();
    struct arena arena;
    struct ctx ctx;
    int64_t fence = 0;

    (void)step;
    (void)arg;
    if (done)
        return;
    arena_init(&arena, 1 << 20);
    database_ctx(&database, &arena, &ctx);
    assert_int_equal(db_update_one(&ctx, &lease_schema, filter, over), ERR_OK);
    assert_int_equal(lease_take(&ctx, "migrations", &thief, 60000, &fence), ERR_OK);
    ctx_clear(&ctx);
    arena_clear(&arena);
}

static void test_lost_lease(void **state)
{
    NEEDS_DATABASE();
    assert_int_equal(migrate_up(&database.ctx, steal, NULL), ERR_CONFLICT);
    assert_int_equal(pending(), migration_count);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_up_and_down),
        CASE(test_indexes_lead_with_the_tenant),
        CASE(test_dropped_index),
        CASE(test_recorded_steps),
        CASE(test_resumed),
        CASE(test_down_with_tenants),
        CASE(test_one_of_many_migrates),
        CASE(test_lost_lease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
