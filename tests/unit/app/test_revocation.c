/*
 * Revocations: what is revoked is refused, from memory while the watcher is fresh and by the
 * database when it is not; nothing else is (TS-7, TS-14, design section 7).
 */
#include "support/unit.h"

#include <pthread.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/housekeeping.h"
#include "app/revocation.h"
#include "app/watch.h"
#include "support/database.h"

static struct database database;
static struct uuid tenant_id, user_id, grant_id, token_id;

static int begin(const struct database_options *options)
{
    if (database_begin(&database, options))
        database.app.revocations = revocations_new(64);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (database.seen == NULL)
        return 0;
    housekeeping_stop(database.app.housekeeping);
    watch_stop(database.app.watch);
    revocations_free(database.app.revocations);
    database_end(&database);
    return 0;
}

/* One database for all tests: each has a tenant of its own, and ids that are in no other. */
static int begin_group(void **state)
{
    (void)state;
    return begin(NULL);
}

static int setup(void **state)
{
    (void)state;
    tenant_id = uuid_new();
    user_id = uuid_new();
    grant_id = uuid_new();
    token_id = uuid_new();
    database.ctx.tenant_id = tenant_id;
    if (database.seen != NULL)
        revocations_clear(database.app.revocations);
    return 0;
}

static int begin_proxied(void **state)
{
    end(state);
    begin(&(struct database_options){.proxied = true});
    return setup(state);
}

/* A subject that has every aspect, with the epoch 5 in each. */
static struct revocation_subject subject(void)
{
    return (struct revocation_subject){
        .tenant_id = tenant_id,
        .user_id = user_id,
        .grant_id = grant_id,
        .token_id = token_id,
        .client_id = "client one",
        .tenant_epoch = 5,
        .user_epoch = 5,
        .client_epoch = 5,
    };
}

static enum err check(void)
{
    const struct revocation_subject of = subject();

    return revocation_check(&database.ctx, &of);
}

static void write_one(enum revocation_kind kind, const void *value, int64_t min_epoch)
{
    assert_int_equal(revocation_write(&database.ctx, kind, value, min_epoch, 900), ERR_OK);
}

struct case_of {
    enum revocation_kind kind;
    const void *value;
    int64_t min_epoch;
    enum err answer;
};

static const struct case_of cases[] = {
    {REVOKED_TENANT, &tenant_id, 5, ERR_OK},      {REVOKED_TENANT, &tenant_id, 6, ERR_BAD_TOKEN},
    {REVOKED_USER, &user_id, 5, ERR_OK},          {REVOKED_USER, &user_id, 6, ERR_BAD_TOKEN},
    {REVOKED_CLIENT, "client one", 5, ERR_OK},    {REVOKED_CLIENT, "client one", 6, ERR_BAD_TOKEN},
    {REVOKED_CLIENT, "client", 6, ERR_OK},        {REVOKED_GRANT, &grant_id, 0, ERR_BAD_TOKEN},
    {REVOKED_TOKEN, &token_id, 0, ERR_BAD_TOKEN}, {REVOKED_GRANT, &token_id, 0, ERR_OK},
    {REVOKED_TOKEN, &grant_id, 0, ERR_OK},        {REVOKED_USER, &tenant_id, 9, ERR_OK},
};

/* ---- by the database ---- */

static void empty_collection(void)
{
    int64_t deleted;

    assert_int_equal(db_delete_many(&database.ctx, &revocation_schema, NULL, &deleted), ERR_OK);
}

static void test_asked_without_watcher(void **state)
{
    NEEDS_DATABASE();
    assert_int_equal(check(), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        write_one(cases[i].kind, cases[i].value, cases[i].min_epoch);
        database_forget(&database);
        assert_int_equal(check(), cases[i].answer);
        assert_int_equal(database_asked(&database, "revocations"), 1);
        empty_collection();
    }
}

/* One question, of all that the subject has, answered by a primary that proves it is one. */
static void test_the_question_is_linearizable(void **state)
{
    bson_iter_t at, level;

    NEEDS_DATABASE();
    database_forget(&database);
    assert_int_equal(check(), ERR_OK);
    assert_int_equal(database_asked(&database, "revocations"), 1);
    assert_true(bson_iter_init(&at, database.seen[0].command));
    assert_true(bson_iter_find_descendant(&at, "readConcern.level", &level));
    assert_string_equal(bson_iter_utf8(&level, NULL), "linearizable");
    assert_true(bson_iter_init(&at, database.seen[0].command));
    assert_true(bson_iter_find_descendant(&at, "filter._id.$in.4", &level));
}

static void test_another_tenant_is_not_concerned(void **state)
{
    NEEDS_DATABASE();
    database.ctx.tenant_id = uuid_new();
    write_one(REVOKED_USER, &user_id, 9);
    write_one(REVOKED_GRANT, &grant_id, 0);
    assert_int_equal(check(), ERR_OK);
    /* Asking as another tenant asks about the subject's. */
    database.ctx.tenant_id = tenant_id;
    write_one(REVOKED_USER, &user_id, 9);
    database.ctx.tenant_id = uuid_new();
    assert_int_equal(check(), ERR_BAD_TOKEN);
    database.ctx.tenant_id = (struct uuid){0};
    assert_int_equal(check(), ERR_BAD_TOKEN);
    assert_true(uuid_is_zero(&database.ctx.tenant_id));
}

static void test_epochs_only_grow(void **state)
{
    NEEDS_DATABASE();
    write_one(REVOKED_USER, &user_id, 7);
    write_one(REVOKED_USER, &user_id, 3);
    assert_int_equal(check(), ERR_BAD_TOKEN);
}

static void *write_many(void *arg)
{
    struct arena arena;
    struct ctx ctx;
    int64_t *failed = arg;

    arena_init(&arena, (size_t)1024 * 1024);
    database_ctx(&database, &arena, &ctx);
    ctx.tenant_id = tenant_id;
    for (int64_t i = 0; i < 20; i++)
        *failed += revocation_write(&ctx, REVOKED_USER, &user_id, i, 900) != ERR_OK;
    ctx_clear(&ctx);
    arena_clear(&arena);
    return NULL;
}

static void test_two_writers_of_one_entry(void **state)
{
    pthread_t threads[4];
    int64_t failed[4] = {0};

    NEEDS_DATABASE();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &failed[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failed[i], 0);
    }
    assert_int_equal(check(), ERR_BAD_TOKEN);
}

static enum err write_and_fail(struct ctx *ctx, void *arg)
{
    TRY(revocation_write(ctx, REVOKED_USER, &user_id, 9, 900));
    return *(enum err *)arg;
}

/* A change that did not happen must not lock its user out. */
static void test_aborted_transaction_revokes_nothing(void **state)
{
    enum err outcome = ERR_VALIDATION;

    NEEDS_DATABASE();
    assert_int_equal(db_transaction(&database.ctx, write_and_fail, &outcome), ERR_VALIDATION);
    assert_int_equal(check(), ERR_OK);
    outcome = ERR_OK;
    assert_int_equal(db_transaction(&database.ctx, write_and_fail, &outcome), ERR_OK);
    assert_int_equal(check(), ERR_BAD_TOKEN);
}

static void test_database_that_does_not_answer(void **state)
{
    NEEDS_DATABASE();
    db_fail_after(database.app.db, 1);
    assert_int_equal(check(), ERR_DB_UNAVAILABLE);
    assert_int_equal(check(), ERR_OK);
}

/* ---- by memory ---- */

static void start_watching(void)
{
    if (database.app.watch != NULL)
        return;
    database_watch(&database.app);
    assert_int_equal(housekeeping_start(&database.app, &database.app.housekeeping), ERR_OK);
    WAIT(watch_is_fresh(database.app.watch), 10000);
}

/* The check answers so without asking the database, as it does while the watcher is fresh. */
static bool memory_says(enum err answer)
{
    database_forget(&database);
    return check() == answer && database_asked(&database, "revocations") == 0;
}

/* TS-14: written by anyone, refused here within a second, without asking the database. */
static void test_revoked_within_a_second(void **state)
{
    NEEDS_DATABASE();
    start_watching();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (cases[i].answer == ERR_OK)
            write_one(cases[i].kind, cases[i].value, cases[i].min_epoch);
    }
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (cases[i].answer != ERR_BAD_TOKEN)
            continue;
        write_one(cases[i].kind, cases[i].value, cases[i].min_epoch);
        WAIT(memory_says(ERR_BAD_TOKEN), 1000);
        (void)setup(state); /* the next one's subject is another */
        WAIT(memory_says(ERR_OK), 1000);
    }
}

static void test_good_subjects_cost_no_round_trip(void **state)
{
    NEEDS_DATABASE();
    start_watching();
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (cases[i].answer == ERR_OK)
            revocation_apply(&database.ctx, cases[i].kind, cases[i].value, cases[i].min_epoch, 900);
    WAIT(memory_says(ERR_OK), 1000);
}

static void test_applied_at_once(void **state)
{
    NEEDS_DATABASE();
    start_watching();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        revocations_clear(database.app.revocations);
        revocation_apply(&database.ctx, cases[i].kind, cases[i].value, cases[i].min_epoch, 900);
        assert_int_equal(check(), cases[i].answer);
    }
}

/* What was written before the start is known from the start. */
static void test_loaded_at_the_start(void **state)
{
    NEEDS_DATABASE();
    housekeeping_stop(database.app.housekeeping);
    watch_stop(database.app.watch);
    database.app.housekeeping = NULL;
    database.app.watch = NULL;
    write_one(REVOKED_GRANT, &grant_id, 0);
    start_watching();
    assert_true(memory_says(ERR_BAD_TOKEN));
}

static void apply_id(const char *id, int64_t min_epoch, int64_t expires_at)
{
    const struct revocation entry = {
        .id = id, .tenant_id = tenant_id, .min_epoch = min_epoch, .expires_at = expires_at};

    revocations_apply(database.app.revocations, &entry);
}

/* Texts that name nothing are passed over; an entry ends with the last token it concerns. */
static void test_entries_that_do_not_count(void **state)
{
    static const char *const bad[] = {
        "",        ":",        "user",         "x:user:y",     "%s",         "%s:",
        "%s:user", "%s:user:", "%s:user:0190", "%s:nobody:%s", "%s:USER:%s", "%s:user:%s0"};
    char tenant[UUID_HEX_SIZE], user[UUID_HEX_SIZE];
    const int64_t now = clock_now_ms();

    NEEDS_DATABASE();
    start_watching();
    uuid_hex(&tenant_id, tenant);
    uuid_hex(&user_id, user);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char id[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        snprintf(id, sizeof id, bad[i], tenant, user);
#pragma GCC diagnostic pop
        apply_id(id, 99, now + 100000);
        assert_int_equal(check(), ERR_OK);
    }
    apply_id(NULL, 99, now + 100000);
    apply_id(arena_printf(&database.arena, "%s:user:%s", tenant, user), 99, now - 1);
    assert_int_equal(check(), ERR_OK);
    apply_id(arena_printf(&database.arena, "%s:user:%s", tenant, user), 99, now + 100000);
    assert_int_equal(check(), ERR_BAD_TOKEN);
}

static void test_an_entry_expires(void **state)
{
    int64_t end = 0;
    enum err before = ERR_OK;

    NEEDS_DATABASE();
    start_watching();
    /* Again when the machine stalled until it was over. The margin for clocks that differ is ten
     * minutes. */
    do {
        end = clock_now_ms() + 1000;
        revocation_apply(&database.ctx, REVOKED_GRANT, &grant_id, 0, -600 + 1);
        before = check();
    } while (clock_now_ms() >= end);
    assert_int_equal(before, ERR_BAD_TOKEN);
    WAIT(check() == ERR_OK, 1500);
    assert_true(clock_now_ms() >= end);
}

/* ---- bounds ---- */

static void revoke_strangers(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct uuid stranger = uuid_new();

        revocation_apply(&database.ctx, REVOKED_USER, &stranger, 9, 900);
    }
}

/* A tenant that has more than its share is answered by the database; others are not. */
static void test_a_tenant_beyond_its_share(void **state)
{
    NEEDS_DATABASE();
    start_watching();
    write_one(REVOKED_USER, &user_id, 9);
    WAIT(memory_says(ERR_BAD_TOKEN), 1000); /* its event will not come later */
    revocations_clear(database.app.revocations);
    revoke_strangers(1000);
    database_forget(&database);
    assert_int_equal(check(), ERR_BAD_TOKEN);
    assert_int_equal(database_asked(&database, "revocations"), 1);
    /* Another tenant has room of its own, and is answered from memory. */
    tenant_id = uuid_new();
    database.ctx.tenant_id = tenant_id;
    revoke_strangers(2);
    WAIT(memory_says(ERR_OK), 1000);
    revocation_apply(&database.ctx, REVOKED_USER, &user_id, 9, 900);
    assert_true(memory_says(ERR_BAD_TOKEN));
}

/* ---- without news ---- */

/* The stream is silent: not later than in a second nobody is believed from memory; and back. */
static void test_a_silent_watcher_is_not_believed(void **state)
{
    NEEDS_DATABASE();
    start_watching();
    WAIT(memory_says(ERR_OK), 1000);
    wire_freeze(database.wire, true);
    database.ctx.deadline = clock_monotonic_ms() + 500;
    const int64_t start = clock_monotonic_ms();
    WAIT(check() == ERR_DB_UNAVAILABLE, 2500);
    in_time(clock_monotonic_ms() - start, 2500);
    assert_false(watch_is_fresh(database.app.watch));
    assert_true(watch_lag_ms(database.app.watch) > WATCH_STALE_MS);
    wire_freeze(database.wire, false);
    database.ctx.deadline = 0;
    WAIT(memory_says(ERR_OK), 15000);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_asked_without_watcher),
        CASE(test_the_question_is_linearizable),
        CASE(test_another_tenant_is_not_concerned),
        CASE(test_epochs_only_grow),
        CASE(test_two_writers_of_one_entry),
        CASE(test_aborted_transaction_revokes_nothing),
        CASE(test_database_that_does_not_answer),
        CASE(test_revoked_within_a_second),
        CASE(test_good_subjects_cost_no_round_trip),
        CASE(test_applied_at_once),
        CASE(test_loaded_at_the_start),
        CASE(test_entries_that_do_not_count),
        CASE(test_an_entry_expires),
        CASE(test_a_tenant_beyond_its_share),
        cmocka_unit_test_setup(test_a_silent_watcher_is_not_believed, begin_proxied),
    };

    return cmocka_run_group_tests(tests, begin_group, end);
}
