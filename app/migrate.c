/*
 * Runs migrations under a lease. A thread extends the lease while a step works, however long that
 * takes; a step is recorded only by the process that still holds the lease under the number it
 * began with. What a killed process left undone is done again by the next: steps are idempotent.
 */
#include "app/migrate.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app/clock.h"
#include "app/condition.h"
#include "app/db.h"
#include "app/lease.h"
#include "app/log.h"
#include "app/secret.h"

#define LEASE_NAME    "migrations"
#define LEASE_MS      6000
#define EXTEND_MS     1500
#define WAIT_MS       (INT64_C(5) * 60 * 1000) /* for another process that migrates */
#define ASK_AGAIN_MS  200
#define KEEPER_ARENA  ((size_t)64 * 1024)
#define CHECKSUM_SIZE (BASE64URL_LENGTH(SHA256_SIZE) + 1)

/* clang-format off */
static const struct field migration_fields[] = {
    FIELD_INT(struct migration_state, number, "number", F_REQUIRED, 1, INT32_MAX, .bson = "_id"),
    FIELD_STR(struct migration_state, name, "name", F_REQUIRED, 1, 128),
    FIELD_STR(struct migration_state, checksum, "checksum", F_REQUIRED, 1, 128),
    FIELD_TIME(struct migration_state, applied_at, "applied_at", F_REQUIRED),
};
const struct schema migration_schema = {
    .name = "migration", .collection = "schema_migrations", .global = true,
    .size = sizeof(struct migration_state), SCHEMA_FIELDS(migration_fields),
};
/* clang-format on */

/* --- the lease --- */

struct keeper {
    struct app *app;
    struct uuid holder;
    int64_t fence;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    bool lost;
};

static void extend(struct keeper *keeper)
{
    struct arena arena;
    struct ctx ctx;
    int64_t fence = 0;

    arena_init(&arena, KEEPER_ARENA);
    ctx_init(&ctx, keeper->app, &arena);
    enum err err = lease_take(&ctx, LEASE_NAME, &keeper->holder, LEASE_MS, &fence);
    /* An absent database is no loss: the check before recording decides. */
    if (err == ERR_CONFLICT || (err == ERR_OK && fence != keeper->fence))
        keeper->lost = true;
    ctx_clear(&ctx);
    arena_clear(&arena);
}

static void *keep(void *arg)
{
    struct keeper *keeper = arg;

    (void)pthread_mutex_lock(&keeper->lock);
    while (!keeper->stop) {
        if (!condition_wait(&keeper->wake, &keeper->lock, clock_monotonic_ms() + EXTEND_MS))
            extend(keeper);
    }
    (void)pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

static enum err wait_for_lease(struct ctx *ctx, struct keeper *keeper)
{
    const struct timespec pause = {.tv_nsec = (long)ASK_AGAIN_MS * 1000000};
    int64_t until = clock_monotonic_ms() + ctx_remaining(ctx, WAIT_MS);

    for (;;) {
        enum err err = lease_take(ctx, LEASE_NAME, &keeper->holder, LEASE_MS, &keeper->fence);

        if (err != ERR_CONFLICT || clock_monotonic_ms() >= until)
            return err;
        fail_clear(ctx);
        (void)nanosleep(&pause, NULL);
    }
}

static enum err keeper_start(struct ctx *ctx, struct keeper *keeper)
{
    *keeper = (struct keeper){.app = ctx->app, .holder = uuid_new()};
    TRY(wait_for_lease(ctx, keeper));
    (void)pthread_mutex_init(&keeper->lock, NULL);
    condition_init(&keeper->wake);
    if (pthread_create(&keeper->thread, NULL, keep, keeper) != 0)
        return fail_internal(ctx, ERR_MEMORY, "no thread to keep the lease");
    return ERR_OK;
}

static void keeper_stop(struct ctx *ctx, struct keeper *keeper)
{
    struct failure failure = ctx->failure;

    (void)pthread_mutex_lock(&keeper->lock);
    keeper->stop = true;
    (void)pthread_cond_signal(&keeper->wake);
    (void)pthread_mutex_unlock(&keeper->lock);
    (void)pthread_join(keeper->thread, NULL);
    (void)pthread_cond_destroy(&keeper->wake);
    (void)pthread_mutex_destroy(&keeper->lock);
    /* Should this fail, the lease ends by itself. */
    if (lease_release(ctx, LEASE_NAME, &keeper->holder) != ERR_OK)
        log_event(LOG_WARN, "migration.lease_kept", NULL);
    ctx->failure = failure;
}

/* Fencing: what follows may be recorded only while nobody else was given the lease. */
static enum err still_ours(struct ctx *ctx, struct keeper *keeper)
{
    int64_t fence = 0;

    (void)pthread_mutex_lock(&keeper->lock);
    bool lost = keeper->lost;
    enum err err =
        lost ? ERR_CONFLICT : lease_take(ctx, LEASE_NAME, &keeper->holder, LEASE_MS, &fence);
    (void)pthread_mutex_unlock(&keeper->lock);
    if (err == ERR_OK && fence == keeper->fence)
        return ERR_OK;
    if (err != ERR_OK && err != ERR_CONFLICT)
        return err;
    return fail_internal(ctx, ERR_CONFLICT,
                         "another process took over the migrations; run migrate status");
}

/* --- what is applied --- */

static void checksum(const struct migration *step, char ret_text[CHECKSUM_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    char text[256];
    int length = snprintf(text, sizeof text, "%d:%s:%s", step->number, step->name,
                          step->revision != NULL ? step->revision : "");

    secret_sha256(text, length > 0 ? strlen(text) : 0, digest);
    base64url_encode(digest, sizeof digest, ret_text);
}

static const struct migration_state *find_applied(const struct list *applied, int number)
{
    const struct migration_state *states = applied->items;

    for (size_t i = 0; i < applied->count; i++) {
        if (states[i].number == number)
            return &states[i];
    }
    return NULL;
}

enum err migrate_status(struct ctx *ctx, struct list *ret_applied, size_t *ret_pending)
{
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(1));
    const struct db_find find = {.sort = sort};
    struct list applied = {0};
    size_t pending = 0;

    TRY(db_find_many(ctx, &migration_schema, &find, &applied));
    for (size_t i = 0; i < migration_count; i++) {
        const struct migration_state *state = find_applied(&applied, migrations[i]->number);
        char expected[CHECKSUM_SIZE];

        if (state == NULL) {
            pending++;
            continue;
        }
        checksum(migrations[i], expected);
        if (strcmp(state->checksum, expected) != 0)
            return fail_internal(ctx, ERR_CONFLICT,
                                 "migration %d (%s) was applied in another form than this version "
                                 "of tenantd knows",
                                 migrations[i]->number, migrations[i]->name);
    }
    *ret_applied = applied;
    *ret_pending = pending;
    return ERR_OK;
}

/* --- up and down --- */

/* The structure that this version wants is the same for all steps, and none takes any of it away
 * again: it is made once in a run, before the first that needs it. */
static enum err apply(struct ctx *ctx, struct keeper *keeper, const struct migration *step,
                      bool *structured)
{
    char sum[CHECKSUM_SIZE];

    checksum(step, sum);
    if (step->structure && !*structured) {
        TRY(migrations_ensure(ctx));
        *structured = true;
    }
    if (step->up != NULL)
        TRY(step->up(ctx));
    TRY(still_ours(ctx, keeper));

    const struct migration_state state = {
        .number = step->number, .name = step->name, .checksum = sum, .applied_at = clock_now_ms()};
    return db_insert(ctx, &migration_schema, &state);
}

static enum err take_back(struct ctx *ctx, struct keeper *keeper, const struct migration *step)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_INT64(step->number));

    if (step->down == NULL)
        return fail_internal(ctx, ERR_INTERNAL, "migration %d (%s) cannot be taken back",
                             step->number, step->name);
    TRY(still_ours(ctx, keeper));
    TRY(step->down(ctx));
    TRY(still_ours(ctx, keeper));
    return db_delete_one(ctx, &migration_schema, filter);
}

struct reporter {
    migrate_report_fn report;
    void *arg;
};

static void report(const struct reporter *reporter, const struct migration *step, bool done)
{
    if (reporter->report != NULL)
        reporter->report(step, done, reporter->arg);
}

static enum err run_up(struct ctx *ctx, struct keeper *keeper, const struct reporter *reporter)
{
    struct list applied = {0};
    size_t pending = 0;
    bool structured = false;

    /* Read again under the lease: who held it before may have done the work. */
    TRY(migrate_status(ctx, &applied, &pending));
    for (size_t i = 0; i < migration_count; i++) {
        if (find_applied(&applied, migrations[i]->number) != NULL)
            continue;
        report(reporter, migrations[i], false);
        TRY(apply(ctx, keeper, migrations[i], &structured));
        report(reporter, migrations[i], true);
    }
    return ERR_OK;
}

enum err migrate_up(struct ctx *ctx, migrate_report_fn report_fn, void *arg)
{
    const struct reporter reporter = {.report = report_fn, .arg = arg};
    struct list applied = {0};
    struct keeper keeper;
    size_t pending = 0;

    TRY(migrate_status(ctx, &applied, &pending));
    if (pending == 0)
        return ERR_OK;
    TRY(keeper_start(ctx, &keeper));
    enum err err = run_up(ctx, &keeper, &reporter);
    keeper_stop(ctx, &keeper);
    return err;
}

static enum err run_down(struct ctx *ctx, struct keeper *keeper, int to_number,
                         const struct reporter *reporter)
{
    struct list applied = {0};
    size_t pending = 0;

    TRY(migrate_status(ctx, &applied, &pending));
    for (size_t i = migration_count; i > 0; i--) {
        const struct migration *step = migrations[i - 1];

        if (step->number <= to_number || find_applied(&applied, step->number) == NULL)
            continue;
        report(reporter, step, false);
        TRY(take_back(ctx, keeper, step));
        report(reporter, step, true);
    }
    return ERR_OK;
}

enum err migrate_down(struct ctx *ctx, int to_number, migrate_report_fn report_fn, void *arg)
{
    const struct reporter reporter = {.report = report_fn, .arg = arg};
    struct keeper keeper;

    TRY(keeper_start(ctx, &keeper));
    enum err err = run_down(ctx, &keeper, to_number, &reporter);
    keeper_stop(ctx, &keeper);
    return err;
}
