/* Jobs claimed, carried out and settled. Whatever a claim writes is conditional on that claim. */
#include "models/job.h"

#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/log.h"
#include "models/job_row.h"
#include "models/tenant.h"

#define CLOCKS_MS    INT64_C(600000) /* how far the clocks of instances may be apart */
#define TRIES_MAX    12              /* without a checkpoint between them */
#define WAIT_FIRST   1000            /* before the next try; doubled each time */
#define WAIT_MAX     INT64_C(120000)
#define SETTLE_MS    2000
#define STEP_BYTES   ((size_t)64 * 1024 * 1024)
#define MESSAGE_SIZE 4000

/* ---- claiming ---- */

static void put_tenants(bson_t *filter, const struct job_wanted *wanted)
{
    bson_t none, list;

    if (wanted->only != NULL) {
        bson_put_uuid(filter, "tenant_id", wanted->only);
        return;
    }
    if (wanted->busy_count == 0)
        return;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "tenant_id", &none);
    BSON_APPEND_ARRAY_BEGIN(&none, "$nin", &list);
    for (size_t i = 0; i < wanted->busy_count; i++)
        bson_put_uuid(&list, "0", &wanted->busy[i]); /* the server does not read these names */
    bson_append_array_end(&none, &list);
    bson_append_document_end(filter, &none);
}

/* What a newer version put there is that version's to do. */
static void put_kinds(bson_t *filter, const struct job_kind *const *kinds)
{
    bson_t known, list;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "kind", &known);
    BSON_APPEND_ARRAY_BEGIN(&known, "$in", &list);
    for (; *kinds != NULL; kinds++)
        bson_put_text(&list, "0", (*kinds)->name); /* the server does not read these names */
    bson_append_array_end(&known, &list);
    bson_append_document_end(filter, &known);
}

/* The bound serves the index; the database's clock decides. */
static void put_due(bson_t *filter)
{
    AUTO(bson_destroy)
    bson_t *due = BCON_NEW("$lte", "[", BCON_UTF8("$due_at"), BCON_UTF8("$$NOW"), "]");
    bson_t bound;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "due_at", &bound);
    bson_put_time(&bound, "$gt", 0);
    bson_put_time(&bound, "$lte", clock_now_ms() + CLOCKS_MS);
    bson_append_document_end(filter, &bound);
    BSON_APPEND_DOCUMENT(filter, "$expr", due);
}

#define ONE_MORE(name)                                                                   \
    "{", "$add", "[", "{", "$ifNull", "[", BCON_UTF8("$" name), BCON_INT64(0), "]", "}", \
        BCON_INT64(1), "]", "}"
#define FROM_NOW(ms) "{", "$add", "[", BCON_UTF8("$$NOW"), BCON_INT64(ms), "]", "}"

enum err job_claim(struct ctx *ctx, const struct job_wanted *wanted, struct job *ret_job)
{
    const int64_t lease = app_config(ctx->app)->jobs.lease_ms;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update =
        BCON_NEW("0", "{", "$set", "{", "state", BCON_UTF8("running"), "due_at", FROM_NOW(lease),
                 "started_at", "{", "$ifNull", "[", BCON_UTF8("$started_at"), BCON_UTF8("$$NOW"),
                 "]", "}", "claim", ONE_MORE("claim"), "tries", ONE_MORE("tries"), "}", "}");

    put_due(filter);
    put_kinds(filter, wanted->kinds);
    put_tenants(filter, wanted);
    return db_find_and_update(
        ctx, &job_any_tenant_schema,
        &(struct db_change){.filter = filter, .update = update, .pipeline = true}, ret_job);
}

/* ---- under a claim ---- */

/* One update of the row while the claim is still the last one; ret_job may be NULL. */
static enum err update_claimed(struct ctx *ctx, struct job_run *run, const bson_t *update,
                               struct job *ret_job)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("state", BCON_UTF8("running"), "claim", BCON_INT64(run->claim));
    struct job ignored = {0};
    bson_iter_t it;
    enum err err;

    bson_put_uuid(filter, "_id", &run->id);
    bson_put_uuid(filter, "tenant_id", &run->tenant_id);

    const bool pipeline =
        bson_iter_init(&it, update) && bson_iter_next(&it) && strcmp(bson_iter_key(&it), "0") == 0;

    /* A row holds its input, and a long job saves thousands of times. */
    if (ret_job == NULL && !pipeline)
        err = db_update_one(ctx, &job_any_tenant_schema, filter, update);
    else
        err = db_find_and_update(
            ctx, &job_any_tenant_schema,
            &(struct db_change){.filter = filter, .update = update, .pipeline = pipeline},
            ret_job != NULL ? ret_job : &ignored);
    if (err != ERR_NOT_FOUND)
        return err;
    atomic_store(&run->lost, true);
    return fail_internal(ctx, ERR_CONFLICT, "another worker has this job now");
}

enum err job_renew(struct ctx *ctx, struct job_run *run)
{
    const int64_t lease = app_config(ctx->app)->jobs.lease_ms;
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("0", "{", "$set", "{", "due_at", FROM_NOW(lease), "}", "}");
    struct job job = {0};

    TRY(update_claimed(ctx, run, update, &job));
    if (job.cancel_at != 0)
        atomic_store(&run->cancelled, true);
    return ERR_OK;
}

enum err job_save(struct ctx *ctx, struct job_run *run, const struct job_progress *progress)
{
    AUTO(bson_destroy) bson_t *update = bson_new();
    bson_t set;

    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_int(&set, "done", progress->done);
    bson_put_int(&set, "total", progress->total);
    bson_put_int(&set, "tries", 0);
    if (progress->checkpoint != NULL)
        BSON_APPEND_DOCUMENT(&set, "checkpoint", progress->checkpoint);
    if (progress->result != NULL)
        BSON_APPEND_DOCUMENT(&set, "result", progress->result);
    bson_append_document_end(update, &set);
    TRY(update_claimed(ctx, run, update, NULL));
    run->job.tries = 0;
    return ERR_OK;
}

enum err job_go_on(struct ctx *ctx, struct job_run *run)
{
    if (atomic_load(&run->lost))
        return fail_internal(ctx, ERR_CONFLICT, "another worker has this job now");
    if (atomic_load(&ctx->app->stopping))
        return ERR_STOPPING;
    return atomic_load(&run->cancelled) && run->job.error == NULL ? ERR_GONE : ERR_OK;
}

/* ---- steps ---- */

static const char *kept(struct arena *arena, const char *text)
{
    return text != NULL ? arena_strdup(arena, text) : NULL;
}

/* What went wrong in a step outlives its memory. */
static void keep_failure(const struct failure *failure, struct ctx *ctx)
{
    ctx->failure = (struct failure){
        .code = failure->code,
        .field = kept(ctx->arena, failure->field),
        .detail = kept(ctx->arena, failure->detail),
        .internal = kept(ctx->arena, failure->internal),
        .limit = failure->limit,
        .usage = failure->usage,
    };
}

/* Undoing is done for a tenant that is suspended meanwhile, too. */
static enum err take_step(struct ctx *ctx, struct job_run *run, const struct job_step *step)
{
    TRY(tenant_refresh(ctx));
    if (ctx->tenant->status != TENANT_ACTIVE && run->job.error == NULL)
        return fail(ctx, ERR_TENANT_NOT_FOUND, NULL, "The tenant is not active any more.");
    return step->work(ctx, run, step->arg);
}

enum err job_step(struct ctx *ctx, struct job_run *run, const struct job_step *step)
{
    struct ctx own = *ctx;
    struct arena arena;
    enum err err;

    TRY(job_go_on(ctx, run));
    arena_init(&arena, STEP_BYTES);
    own.arena = &arena;
    own.holds = NULL;
    own.deadline = clock_monotonic_ms() + step->budget_ms;
    fail_clear(&own);
    err = take_step(&own, run, step);
    if (err != ERR_OK)
        keep_failure(&own.failure, ctx);
    ctx->db_calls = own.db_calls;
    cache_release_holds(&own);
    arena_clear(&arena);
    return err;
}

/* ---- settling ---- */

/* May pass by itself, or be the moment's. */
static bool is_passing(enum err err)
{
    return err == ERR_DB_UNAVAILABLE || err == ERR_MEMORY || err == ERR_BUSY ||
           err == ERR_INTERNAL || err == ERR_STOPPING || err == ERR_DOCUMENT_REFUSED;
}

static int64_t wait_of(int64_t tries)
{
    int64_t wait = WAIT_FIRST;

    for (; tries > 1 && wait < WAIT_MAX; tries--)
        wait *= 2;
    return wait < WAIT_MAX ? wait : WAIT_MAX;
}

/* Later, by anybody. A process that stops has not failed. */
static enum err postpone(struct ctx *ctx, struct job_run *run, bool stopped)
{
    const int64_t wait = stopped ? 0 : wait_of(run->job.tries);
    const int64_t tries = run->job.tries - (stopped ? 1 : 0);
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("0", "{", "$set", "{", "due_at", FROM_NOW(wait), "tries", "{", "$min",
                              "[", BCON_UTF8("$tries"), BCON_INT64(tries), "]", "}", "}", "}");

    return update_claimed(ctx, run, update, NULL);
}

/* With this error the job ends, once everything is undone. */
static enum err condemn(struct ctx *ctx, struct job_run *run, enum err err)
{
    const struct error_info *info = error_info(err);
    const struct failure *failure = &ctx->failure;
    const bool told = failure->code == err && failure->detail != NULL;
    AUTO(bson_destroy) bson_t *update = bson_new();
    bson_t set;

    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_text(&set, "error", err == ERR_GONE ? "cancelled" : info->code);
    if (err != ERR_GONE)
        bson_put_text(&set, "message",
                      arena_printf(run->arena, "%.*s", MESSAGE_SIZE,
                                   told ? failure->detail : info->sentence));
    if (told && failure->field != NULL && failure->field[0] != '\0')
        bson_put_text(&set, "pointer", failure->field);
    bson_append_document_end(update, &set);
    fail_clear(ctx);
    return update_claimed(ctx, run, update, &run->job);
}

static enum err finish(struct ctx *ctx, struct job_run *run, enum job_state state)
{
    AUTO(bson_destroy)
    bson_t *update =
        BCON_NEW("$set", "{", "state", BCON_UTF8(job_state_names[state]), "ended_at",
                 BCON_DATE_TIME(clock_now_ms()), "expires_at",
                 BCON_DATE_TIME(clock_now_ms() + JOB_KEPT_MS), "}", "$unset", "{", "due_at",
                 BCON_INT32(1), "alone", BCON_INT32(1), "checkpoint", BCON_INT32(1), "}");

    TRY(update_claimed(ctx, run, update, NULL));
    log_event(LOG_INFO, "job.ended", "kind", run->kind->name, "state", job_state_names[state],
              "error", run->job.error, NULL);
    return ERR_OK;
}

static enum err undo(struct ctx *ctx, struct job_run *run)
{
    if (run->kind->undo != NULL)
        TRY(run->kind->undo(ctx, run));
    return finish(ctx, run, strcmp(run->job.error, "cancelled") == 0 ? JOB_CANCELLED : JOB_FAILED);
}

static enum err settle(struct ctx *ctx, struct job_run *run, enum err err)
{
    if (err == ERR_OK)
        return finish(ctx, run, JOB_DONE);
    log_event(LOG_WARN, "job.interrupted", "kind", run->kind->name, "error", error_info(err)->code,
              "detail", ctx->failure.internal != NULL ? ctx->failure.internal : ctx->failure.detail,
              NULL);
    /* The lease ran out: somebody else has the job, or nobody came, and it goes on. */
    if (atomic_load(&run->lost))
        err = ERR_DB_UNAVAILABLE;
    if (is_passing(err) && (err == ERR_STOPPING || run->job.tries < TRIES_MAX))
        return postpone(ctx, run, err == ERR_STOPPING);
    TRY(condemn(ctx, run, err));
    return undo(ctx, run);
}

/* ---- the whole ---- */

static void adopt(struct ctx *ctx, const struct job *job)
{
    ctx_set_tenant(ctx, NULL, &job->tenant_id);
    ctx->deadline = 0;
    ctx->request_id = job->request_id != NULL ? job->request_id : "";
    ctx->user_agent = job->user_agent;
    ctx->ip = job->ip != NULL ? job->ip : "";
    ctx->who = (struct identity){
        .credential = (enum credential)job->credential,
        .tenant_id = job->tenant_id,
        .user_id = job->user_id,
        .key_id = job->key_id,
        .client_id = job->client_id,
        .role = (enum role)job->role,
    };
}

static enum err carry_out(struct ctx *ctx, struct job_run *run)
{
    const enum err found = tenant_refresh(ctx);

    if (found != ERR_OK)
        return settle(ctx, run, found);
    if (run->job.error != NULL)
        return undo(ctx, run);
    return settle(ctx, run, run->kind->run(ctx, run));
}

void job_carry_out(struct ctx *ctx, struct job_run *run)
{
    adopt(ctx, &run->job);

    const enum err err = carry_out(ctx, run);

    /* Unsettled, it is due again when the lease ends; of an undoing, a little later each time. */
    if (err != ERR_OK && !atomic_load(&run->lost)) {
        log_event(LOG_WARN, "job.unsettled", "kind", run->kind->name, "error",
                  error_info(err)->code, "detail", ctx->failure.internal, NULL);
        fail_clear(ctx);
        if (postpone(ctx, run, err == ERR_STOPPING) != ERR_OK)
            fail_clear(ctx);
    }
    ctx_set_tenant(ctx, NULL, NULL);
}
