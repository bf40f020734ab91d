/* A round trip through the database, in documents of its own in "leases" that nobody else reads.
 * Only the heartbeat is shared: one beat more does no harm. */
#include "commands/selftest.h"

#include <string.h>
#include <time.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/lease.h"
#include "app/watch.h"

#define NAME_SIZE    64
#define EVENT_MS     5000
#define BEAT_MS      100
#define KEPT_MS      60000
#define BEAT_KEPT_MS INT64_C(86400000)

static const char *why(const struct ctx *ctx, const char *otherwise)
{
    return ctx->failure.internal != NULL ? ctx->failure.internal : otherwise;
}

/* Another one for each run, so that two at once do not meet. */
static void put_scratch(const struct ctx *ctx, char ret_name[NAME_SIZE])
{
    char id[UUID_HEX_SIZE];

    uuid_hex(&ctx->app->instance_id, id);
    (void)snprintf(ret_name, NAME_SIZE, "selftest:%s", id);
}

static enum err find(struct ctx *ctx, struct lease *ret_lease)
{
    char name[NAME_SIZE];

    put_scratch(ctx, name);
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(name));
    return db_find_one(ctx, &lease_schema, filter, ret_lease);
}

static enum err set_fence(struct ctx *ctx, void *arg)
{
    const int64_t *fence = arg;
    char name[NAME_SIZE];

    put_scratch(ctx, name);
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(name));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "fence", BCON_INT64(*fence), "}");
    return db_update_one(ctx, &lease_schema, filter, update);
}

static enum err set_and_give_up(struct ctx *ctx, void *arg)
{
    TRY(set_fence(ctx, arg));
    return fail_internal(ctx, ERR_CONFLICT, "given up");
}

static const char *write_and_read(struct ctx *ctx)
{
    char name[NAME_SIZE];
    struct lease lease = {.name = name, .fence = 1, .expires_at = clock_now_ms() + KEPT_MS};

    put_scratch(ctx, name);
    if (db_insert(ctx, &lease_schema, &lease) != ERR_OK)
        return why(ctx, "a document could not be written");
    if (find(ctx, &lease) != ERR_OK || lease.fence != 1)
        return why(ctx, "what was written was not read");
    return db_insert(ctx, &lease_schema, &lease) == ERR_CONFLICT ? NULL
                                                                 : "a second one was not refused";
}

static const char *transaction(struct ctx *ctx)
{
    int64_t two = 2, three = 3;
    struct lease lease = {0};

    if (db_transaction(ctx, set_fence, &two) != ERR_OK)
        return why(ctx, "a transaction was not committed");
    if (db_transaction(ctx, set_and_give_up, &three) != ERR_CONFLICT)
        return why(ctx, "a transaction that gave up went on");
    fail_clear(ctx);
    if (find(ctx, &lease) != ERR_OK)
        return why(ctx, "the document is gone");
    return lease.fence == 2 ? NULL : "what was given up is there";
}

static enum err beat(struct ctx *ctx)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8("heartbeat"));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$inc", "{", "fence", BCON_INT64(1), "}", "$set", "{", "expires_at",
                              BCON_DATE_TIME(clock_now_ms() + BEAT_KEPT_MS), "}");
    struct lease written = {0};

    return db_find_and_update(
        ctx, &lease_schema, &(struct db_change){.filter = filter, .update = update, .upsert = true},
        &written);
}

static const char *change_stream(struct ctx *ctx)
{
    const struct timespec pause = {.tv_nsec = BEAT_MS * 1000000L};
    const int64_t until = clock_monotonic_ms() + EVENT_MS;
    struct watch *watch = NULL;
    const char *reason = NULL, *wrong = NULL;

    if (watch_start(ctx->app, &watch, &reason) != ERR_OK)
        return reason != NULL ? arena_strdup(ctx->arena, reason) : "it could not be opened";
    while (wrong == NULL && !watch_is_fresh(watch)) {
        if (beat(ctx) != ERR_OK)
            wrong = why(ctx, "the heartbeat could not be written");
        else if (clock_monotonic_ms() > until)
            wrong = "no event came within 5 s";
        nanosleep(&pause, NULL);
    }
    watch_stop(watch);
    return wrong;
}

static const char *tidy_up(struct ctx *ctx)
{
    char name[NAME_SIZE];

    put_scratch(ctx, name);
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(name));
    return db_delete_one(ctx, &lease_schema, filter) == ERR_OK
               ? NULL
               : why(ctx, "the document could not be removed");
}

const struct selftest selftest_database[] = {
    {"database: write, read, unique", write_and_read},
    {"database: transaction", transaction},
    {"database: change stream", change_stream},
    {"database: delete", tidy_up},
    {0},
};
