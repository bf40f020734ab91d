/* Background jobs: carried out at least once, by one at a time, resumed from their checkpoint, and
 * no tenant takes all workers. */
#include "models/job.h"

#include "app/clock.h"
#include "app/db.h"
#include "app/job_workers.h"
#include "models/tenant.h"
#include "support/database.h"
#include "support/unit.h"

/* Renewed every quarter of it: no stall of the machine is so long that one ends by itself. */
#define LEASE_MS 10000
#define ROUNDS   5
#define SOON     10000

static struct database database;
static struct tenant tenants[2];
static _Atomic int started, undone, rounds_done;
static _Atomic bool blocked;

/* ---- kinds ---- */

static enum err one_round(struct ctx *ctx, struct job_run *run, void *arg)
{
    int64_t *round = arg;
    AUTO(bson_destroy) bson_t *at = BCON_NEW("round", BCON_INT64(*round + 1));

    assert_string_equal(ctx->tenant->slug, tenants[0].slug);
    rounds_done++;
    (*round)++;
    return job_save(
        ctx, run,
        &(struct job_progress){.done = *round, .total = ROUNDS, .checkpoint = at, .result = at});
}

static int64_t round_of(const struct bytes *checkpoint)
{
    bson_iter_t it;
    bson_t view;

    return checkpoint->size > 0 && bson_init_static(&view, checkpoint->data, checkpoint->size) &&
                   bson_iter_init_find(&it, &view, "round")
               ? bson_iter_as_int64(&it)
               : 0;
}

static enum err count_rounds(struct ctx *ctx, struct job_run *run)
{
    int64_t round = round_of(&run->job.checkpoint);

    while (round < ROUNDS)
        TRY(job_step(ctx, run,
                     &(struct job_step){.work = one_round, .arg = &round, .budget_ms = 5000}));
    return ERR_OK;
}

static enum err wait_for_release(struct ctx *ctx, struct job_run *run)
{
    started++;
    while (blocked) {
        TRY(job_go_on(ctx, run));
        usleep(1000);
    }
    return ERR_OK;
}

static enum err always_fail(struct ctx *ctx, struct job_run *run)
{
    (void)run;
    return fail(ctx, ERR_VALIDATION, "/there", "Nothing of this is right.");
}

static enum err undo_once_refused(struct ctx *ctx, struct job_run *run)
{
    assert_string_equal(run->job.error, "validation_failed");
    return undone++ == 0 ? fail_internal(ctx, ERR_DB_UNAVAILABLE, "not yet") : ERR_OK;
}

/* What the keeper of the leases notes when it could not renew one for too long. */
static enum err lapse_once(struct ctx *ctx, struct job_run *run)
{
    if (started++ == 0)
        atomic_store(&run->lost, true);
    return job_go_on(ctx, run);
}

static const struct job_kind counting = {.name = "counting", .alone = true, .run = count_rounds};
static const struct job_kind waiting = {.name = "waiting", .run = wait_for_release};
static const struct job_kind failing = {
    .name = "failing", .run = always_fail, .undo = undo_once_refused};
static const struct job_kind lapsing = {.name = "lapsing", .run = lapse_once};
static const struct job_kind *const kinds[] = {&counting, &waiting, &failing, &lapsing, NULL};

/* ---- around a test ---- */

static const struct db_index alone_index = {
    .name = "tenant_id_1_alone_1",
    .keys = (const char *const[]){"tenant_id", "alone", NULL},
    .unique = true,
    .partial_exists = "alone",
    .ttl_seconds = -1,
};

static int setup(void **state)
{
    (void)state;
    if (!database_begin(&database, NULL))
        return 0;
    database.config.jobs.lease_ms = LEASE_MS;
    database.config.server.threads = 64;
    for (size_t i = 0; i < 2; i++) {
        tenants[i] = (struct tenant){.id = uuid_new(),
                                     .slug = i == 0 ? "first" : "second",
                                     .name = "T",
                                     .plan = PLAN_FREE,
                                     .status = TENANT_ACTIVE,
                                     .created_at = 1};
        assert_int_equal(db_insert(&database.ctx, &tenant_schema, &tenants[i]), ERR_OK);
    }
    ctx_set_tenant(&database.ctx, &tenants[0], &tenants[0].id);
    return db_ensure_collection(&database.ctx, &job_schema, &alone_index, 1) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    database_end(&database);
    return 0;
}

static void start_workers(void)
{
    assert_int_equal(job_workers_start(&database.app, kinds, NULL, &database.app.jobs), ERR_OK);
}

static void stop_workers(void)
{
    atomic_store(&database.app.stopping, true);
    job_workers_stop(database.app.jobs);
    database.app.jobs = NULL;
    atomic_store(&database.app.stopping, false);
}

static struct job put(const struct job_kind *kind, size_t tenant)
{
    struct job job = {0};

    ctx_set_tenant(&database.ctx, &tenants[tenant], &tenants[tenant].id);
    assert_int_equal(job_put(&database.ctx, kind, NULL, &job), ERR_OK);
    ctx_set_tenant(&database.ctx, &tenants[0], &tenants[0].id);
    return job;
}

static void await_end(const struct job_kind *kind, struct job *job)
{
    assert_int_equal(job_await(&database.ctx, kind, PATIENCE_MS, job), ERR_OK);
    assert_true(job_is_over(job));
}

/* As a worker that dies right after its claim. */
static struct job_run claim_and_die(void)
{
    const struct job_wanted wanted = {.kinds = kinds};
    struct job job = {0};

    assert_int_equal(job_claim(&database.ctx, &wanted, &job), ERR_OK);
    return job_run_of(&counting, &job, &database.arena);
}

/* What waiting for the end of its lease would do. */
static void let_lease_end(const struct job *job)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *over = BCON_NEW("$set", "{", "due_at", BCON_DATE_TIME(1000), "}");

    bson_put_uuid(filter, "_id", &job->id);
    assert_int_equal(db_update_one(&database.ctx, &job_schema, filter, over), ERR_OK);
}

static int64_t end_of_lease(const struct job *job)
{
    struct job found = {0};

    assert_int_equal(job_find(&database.ctx, &waiting, &job->id, &found), ERR_OK);
    return found.due_at;
}

static enum err save_in_transaction(struct ctx *ctx, void *arg)
{
    return job_save(ctx, arg, &(struct job_progress){.done = 99});
}

/* ---- tests ---- */

static void test_a_job_is_carried_out(void **state)
{
    NEEDS_DATABASE();
    struct job job = put(&counting, 0), second = {0};

    assert_int_equal(job_put(&database.ctx, &counting, NULL, &second), ERR_CONFLICT);
    start_workers();
    await_end(&counting, &job);
    assert_int_equal(job.state, JOB_DONE);
    assert_int_equal(job.done, ROUNDS);
    assert_int_equal(round_of(&job.result), ROUNDS);
    assert_int_equal(rounds_done, ROUNDS);
    assert_true(job.expires_at > clock_now_ms());
    put(&counting, 0); /* the place is free again */
    assert_int_equal(job_find_last(&database.ctx, &counting, &second), ERR_OK);
    assert_false(uuid_equal(&job.id, &second.id));
    await_end(&counting, &second);
    stop_workers();
}

static void test_another_worker_goes_on_and_the_first_may_not(void **state)
{
    NEEDS_DATABASE();
    struct job job = put(&counting, 0);
    struct job_run dead = claim_and_die();
    const struct job_wanted wanted = {.kinds = kinds};
    struct job other = {0};
    bson_t *at = BCON_NEW("round", BCON_INT64(3));

    assert_int_equal(job_claim(&database.ctx, &wanted, &other), ERR_NOT_FOUND);
    assert_int_equal(
        job_save(&database.ctx, &dead, &(struct job_progress){.done = 3, .checkpoint = at}),
        ERR_OK);
    bson_destroy(at);
    let_lease_end(&job);
    rounds_done = 0;
    start_workers();
    await_end(&counting, &job);
    assert_int_equal(job.state, JOB_DONE);
    assert_int_equal(rounds_done, ROUNDS - 3);
    assert_int_equal(job_save(&database.ctx, &dead, &(struct job_progress){.done = 1}),
                     ERR_CONFLICT);
    assert_true(dead.lost);
    assert_int_equal(db_transaction(&database.ctx, save_in_transaction, &dead), ERR_CONFLICT);
    assert_int_equal(job_renew(&database.ctx, &dead), ERR_CONFLICT);
    assert_int_equal(job_find(&database.ctx, &counting, &job.id, &job), ERR_OK);
    assert_int_equal(job.done, ROUNDS);
    stop_workers();
}

static void test_a_long_step_keeps_its_lease(void **state)
{
    NEEDS_DATABASE();
    const struct job_wanted wanted = {.kinds = kinds};
    struct job job, other = {0};

    blocked = true;
    started = 0;
    job = put(&waiting, 0);
    start_workers();
    WAIT(started == 1, SOON);
    assert_int_equal(job_find(&database.ctx, &waiting, &job.id, &job), ERR_OK);
    const int64_t claim = job.claim, end = job.due_at;
    WAIT(end_of_lease(&job) > end, LEASE_MS / 2);
    assert_int_equal(job_claim(&database.ctx, &wanted, &other), ERR_NOT_FOUND);
    assert_int_equal(started, 1);
    blocked = false;
    await_end(&waiting, &job);
    assert_int_equal(job.claim, claim);
    stop_workers();
}

/* Nobody else had come: it was only late, which is no failure. */
static void test_a_lapsed_lease_is_no_failure(void **state)
{
    NEEDS_DATABASE();
    struct job job;

    started = 0;
    job = put(&lapsing, 0);
    start_workers();
    await_end(&lapsing, &job);
    assert_int_equal(job.state, JOB_DONE);
    assert_int_equal(started, 2);
    stop_workers();
}

static void test_failing_undoes(void **state)
{
    NEEDS_DATABASE();
    struct job job;

    undone = 0;
    job = put(&failing, 0);
    start_workers();
    await_end(&failing, &job);
    assert_int_equal(job.state, JOB_FAILED);
    assert_string_equal(job.error, "validation_failed");
    assert_string_equal(job.message, "Nothing of this is right.");
    assert_string_equal(job.pointer, "/there");
    assert_int_equal(undone, 2);
    stop_workers();
}

static void test_cancelling(void **state)
{
    NEEDS_DATABASE();
    struct job queued = put(&waiting, 0), running;

    assert_int_equal(job_cancel(&database.ctx, &waiting, &queued.id, &queued), ERR_OK);
    assert_int_equal(queued.state, JOB_CANCELLED);
    assert_int_equal(job_cancel(&database.ctx, &waiting, &queued.id, &queued), ERR_NOT_FOUND);
    blocked = true;
    started = 0;
    running = put(&waiting, 0);
    start_workers();
    WAIT(started == 1, SOON);
    assert_int_equal(job_cancel(&database.ctx, &waiting, &running.id, &running), ERR_OK);
    assert_int_equal(running.state, JOB_RUNNING);
    await_end(&waiting, &running);
    assert_int_equal(running.state, JOB_CANCELLED);
    blocked = false;
    stop_workers();
}

static void test_stopping_hands_over_at_once(void **state)
{
    NEEDS_DATABASE();
    struct job job;

    blocked = true;
    started = 0;
    job = put(&waiting, 0);
    start_workers();
    WAIT(started == 1, SOON);
    stop_workers();
    assert_int_equal(job_find(&database.ctx, &waiting, &job.id, &job), ERR_OK);
    assert_int_equal(job.state, JOB_RUNNING);
    assert_int_equal(job.tries, 0);
    assert_true(job.due_at <= clock_now_ms());
    blocked = false;
    start_workers();
    await_end(&waiting, &job);
    assert_int_equal(job.state, JOB_DONE);
    stop_workers();
}

static void test_a_tenant_does_not_take_all_workers(void **state)
{
    NEEDS_DATABASE();
    struct job last, other;

    blocked = true;
    started = 0;
    for (int i = 0; i < 5; i++)
        last = put(&waiting, 0);
    other = put(&failing, 1);
    start_workers();
    ctx_set_tenant(&database.ctx, &tenants[1], &tenants[1].id);
    await_end(&failing, &other);
    ctx_set_tenant(&database.ctx, &tenants[0], &tenants[0].id);
    WAIT(started >= 2, SOON);
    assert_int_equal(started, 2);
    blocked = false;
    await_end(&waiting, &last);
    stop_workers();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_is_carried_out),
        cmocka_unit_test(test_another_worker_goes_on_and_the_first_may_not),
        cmocka_unit_test(test_a_long_step_keeps_its_lease),
        cmocka_unit_test(test_a_lapsed_lease_is_no_failure),
        cmocka_unit_test(test_failing_undoes),
        cmocka_unit_test(test_cancelling),
        cmocka_unit_test(test_stopping_hands_over_at_once),
        cmocka_unit_test(test_a_tenant_does_not_take_all_workers),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
