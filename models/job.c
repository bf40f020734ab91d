/* Rows of the collection jobs: put, found, cancelled. job_claim.c claims and settles them. */
#include "models/job.h"

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/job_workers.h"
#include "app/seats.h"
#include "models/job_row.h"

#define LOOK_MS 250 /* at a job that another instance has */

const char *const job_state_names[] = {NULL,     "queued",    "running", "done",
                                       "failed", "cancelled", NULL};

/* clang-format off */
static const struct field job_fields[] = {
    FIELD_UUID(struct job, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct job, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_STR(struct job, kind, "kind", F_READONLY | F_REQUIRED, 1, 32),
    FIELD_STR(struct job, alone, "alone", F_READONLY, 1, 32),
    FIELD_ENUM(struct job, state, "state", F_READONLY | F_REQUIRED, job_state_names),
    FIELD_INT(struct job, done, "done", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct job, total, "total", F_READONLY, 0, INT64_MAX),
    FIELD_DOC(struct job, input, "input", F_READONLY),
    FIELD_DOC(struct job, checkpoint, "checkpoint", F_READONLY),
    FIELD_DOC(struct job, result, "result", F_READONLY),
    FIELD_STR(struct job, error, "error", F_READONLY, 1, 64),
    FIELD_STR(struct job, message, "message", F_READONLY, 1, 4096),
    FIELD_STR(struct job, pointer, "pointer", F_READONLY, 1, 2048),
    FIELD_UUID(struct job, user_id, "user_id", F_READONLY),
    FIELD_UUID(struct job, key_id, "key_id", F_READONLY),
    FIELD_STR(struct job, client_id, "client_id", F_READONLY, 1, 63),
    FIELD_STR(struct job, ip, "ip_address", F_READONLY, 1, 64),
    FIELD_STR(struct job, user_agent, "user_agent", F_READONLY, 1, 8192),
    FIELD_STR(struct job, request_id, "request_id", F_READONLY, 1, 128),
    FIELD_INT(struct job, credential, "credential", F_READONLY, 0, 16),
    FIELD_INT(struct job, role, "role", F_READONLY, 0, 16),
    FIELD_INT(struct job, claim, "claim", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct job, tries, "tries", F_READONLY, 0, INT64_MAX),
    FIELD_TIME(struct job, due_at, "due_at", F_READONLY),
    FIELD_TIME(struct job, cancel_at, "cancel_at", F_READONLY),
    FIELD_TIME(struct job, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct job, started_at, "started_at", F_READONLY),
    FIELD_TIME(struct job, ended_at, "ended_at", F_READONLY),
    FIELD_TIME(struct job, expires_at, "expires_at", F_READONLY),
};
const struct schema job_schema = {
    .name = "job", .collection = "jobs", .size = sizeof(struct job), SCHEMA_FIELDS(job_fields),
};
/* Claiming asks for all tenants at once. */
const struct schema job_any_tenant_schema = {
    .name = "job_any_tenant", .collection = "jobs", .global = true,
    .size = sizeof(struct job), SCHEMA_FIELDS(job_fields),
};
/* clang-format on */

/* ---- put ---- */

static void settled(void *arg, enum db_end end)
{
    struct app *app = arg;

    if (end != DB_ABORTED)
        job_workers_wake(app->jobs);
}

static const char *given(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

enum err job_put(struct ctx *ctx, const struct job_kind *kind, const bson_t *input,
                 struct job *ret_job)
{
    const int64_t now = clock_now_ms();

    *ret_job = (struct job){
        .id = ctx_new_id(ctx),
        .tenant_id = ctx->tenant_id,
        .kind = kind->name,
        .alone = kind->alone ? kind->name : NULL,
        .state = JOB_QUEUED,
        .user_id = ctx->who.user_id,
        .key_id = ctx->who.key_id,
        .client_id = given(ctx->who.client_id),
        .ip = given(ctx->ip),
        .user_agent = given(ctx->user_agent),
        .request_id = given(ctx->request_id),
        .credential = (int64_t)ctx->who.credential,
        .role = (int64_t)ctx->who.role,
        .due_at = now,
        .created_at = now,
    };
    if (input != NULL)
        ret_job->input = (struct bytes){.data = bson_get_data(input), .size = input->len};
    TRY(db_insert(ctx, &job_schema, ret_job));
    if (ctx->transaction == NULL)
        job_workers_wake(ctx->app->jobs);
    else if (!db_on_settled(ctx, settled, ctx->app))
        return fail_internal(ctx, ERR_MEMORY, "no memory for a job");
    return ERR_OK;
}

/* ---- found ---- */

enum err job_find(struct ctx *ctx, const struct job_kind *kind, const struct uuid *id,
                  struct job *ret_job)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("kind", BCON_UTF8(kind->name));
    struct job found = {0};

    bson_put_uuid(filter, "_id", id);
    TRY(db_find_one(ctx, &job_schema, filter, &found));
    *ret_job = found;
    return ERR_OK;
}

enum err job_find_last(struct ctx *ctx, const struct job_kind *kind, struct job *ret_job)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("kind", BCON_UTF8(kind->name));
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("created_at", BCON_INT32(-1));
    const struct db_find find = {.filter = filter, .sort = sort, .limit = 1};
    struct list jobs = {0};

    TRY(db_find_many(ctx, &job_schema, &find, &jobs));
    if (jobs.count == 0)
        return ERR_NOT_FOUND;
    *ret_job = *(const struct job *)jobs.items;
    return ERR_OK;
}

enum err job_list_stuck(struct ctx *ctx, int64_t before, struct list *ret_jobs)
{
    AUTO(bson_destroy)
    bson_t *filter =
        BCON_NEW("due_at", "{", "$gt", BCON_DATE_TIME(0), "$lt", BCON_DATE_TIME(before), "}");

    return db_find_many(ctx, &job_schema, &(struct db_find){.filter = filter}, ret_jobs);
}

/* ---- cancelled ---- */

/* All expressions of one stage see the document as it was. */
static bson_t *cancel_pipeline(void)
{
#define IF_QUEUED(then, otherwise)                                                                \
    "{", "$cond", "[", "{", "$eq", "[", BCON_UTF8("$state"), BCON_UTF8("queued"), "]", "}", then, \
        otherwise, "]", "}"
    return BCON_NEW("0", "{", "$set", "{", "cancel_at", BCON_UTF8("$$NOW"), "state",
                    IF_QUEUED(BCON_UTF8("cancelled"), BCON_UTF8("$state")), "due_at",
                    IF_QUEUED(BCON_UTF8("$$REMOVE"), BCON_UTF8("$due_at")), "alone",
                    IF_QUEUED(BCON_UTF8("$$REMOVE"), BCON_UTF8("$alone")), "ended_at",
                    IF_QUEUED(BCON_UTF8("$$NOW"), BCON_UTF8("$$REMOVE")), "expires_at", "{",
                    "$cond", "[", "{", "$eq", "[", BCON_UTF8("$state"), BCON_UTF8("queued"), "]",
                    "}", "{", "$add", "[", BCON_UTF8("$$NOW"), BCON_INT64(JOB_KEPT_MS), "]", "}",
                    BCON_UTF8("$$REMOVE"), "]", "}", "}", "}");
#undef IF_QUEUED
}

enum err job_cancel(struct ctx *ctx, const struct job_kind *kind, const struct uuid *id,
                    struct job *ret_job)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("kind", BCON_UTF8(kind->name), "state", "{", "$in", "[",
                              BCON_UTF8("queued"), BCON_UTF8("running"), "]", "}");
    AUTO(bson_destroy) bson_t *update = cancel_pipeline();
    struct job cancelled = {0};

    bson_put_uuid(filter, "_id", id);
    TRY(db_find_and_update(
        ctx, &job_schema, &(struct db_change){.filter = filter, .update = update, .pipeline = true},
        &cancelled));
    *ret_job = cancelled;
    return ERR_OK;
}

/* ---- awaited ---- */

enum err job_await(struct ctx *ctx, const struct job_kind *kind, int64_t wait_ms, struct job *job)
{
    const int64_t until = clock_monotonic_ms() + wait_ms;
    int64_t left = wait_ms;

    if (!seat_take(ctx->app))
        return fail_retry(ctx, ERR_BUSY, 1);

    enum err found = job_find(ctx, kind, &job->id, job);

    while (found == ERR_OK && !job_is_over(job) && left > 0 && !atomic_load(&ctx->app->stopping)) {
        job_workers_await_end(ctx->app->jobs, left < LOOK_MS ? left : LOOK_MS);
        found = job_find(ctx, kind, &job->id, job);
        left = until - clock_monotonic_ms();
    }
    seat_leave(ctx->app);
    return found;
}
