/* The counter of tenants' places, its bound, and its repair. */
#include "models/tenant_places.h"

#include "app/app.h"
#include "app/db.h"
#include "app/log.h"
#include "app/metrics.h"
#include "models/tenant.h"

#define COUNTER                 "tenants"
#define FILES_PER_COLLECTION    6
#define DEFAULT_MAX_COLLECTIONS 3000
#define SETTLED_MS              60000 /* longer than any request lives */

/* clang-format off */
static const struct field platform_counter_fields[] = {
    FIELD_STR(struct platform_counter, id, "id", F_READONLY | F_REQUIRED, 1, 64, .bson = "_id"),
    FIELD_INT(struct platform_counter, value, "value", F_READONLY | F_REQUIRED, 0, INT64_MAX),
    FIELD_TIME(struct platform_counter, changed_at, "changed_at", F_READONLY),
};
const struct schema platform_counter_schema = {
    .name = "platform_counter", .collection = "platform_counters", .global = true,
    .size = sizeof(struct platform_counter), SCHEMA_FIELDS(platform_counter_fields),
};
/* clang-format on */

/* A stock mongod aborts when it runs out of files: a share of its limit is kept for everything
 * else. */
static enum err find_bound(struct ctx *ctx, int64_t *ret_bound)
{
    static _Atomic int64_t known;
    int64_t files = 0;

    *ret_bound = app_config(ctx->app)->tenants.max_collections;
    if (*ret_bound > 0)
        return ERR_OK;
    *ret_bound = known;
    if (*ret_bound > 0)
        return ERR_OK;
    TRY(db_open_file_limit(ctx, &files));
    known = *ret_bound =
        files > 0 ? files * 3 / 4 / FILES_PER_COLLECTION : (int64_t)DEFAULT_MAX_COLLECTIONS;
    return ERR_OK;
}

static void tell(struct ctx *ctx, const struct tenant_places *places)
{
    metric_set(ctx->app->metrics, METRIC_COLLECTIONS, places->used);
    metric_set(ctx->app->metrics, METRIC_COLLECTIONS_BOUND, places->bound);
}

static enum err read_counter(struct ctx *ctx, struct platform_counter *ret_counter)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(COUNTER));

    *ret_counter = (struct platform_counter){0};
    return db_find_one(ctx, &platform_counter_schema, filter, ret_counter);
}

enum err tenant_places_read(struct ctx *ctx, struct tenant_places *ret_places)
{
    struct platform_counter counter;
    struct tenant_places places = {0};

    TRY(find_bound(ctx, &places.bound));
    TRY(read_counter(ctx, &counter));
    places.used = counter.value;
    tell(ctx, &places);
    *ret_places = places;
    return ERR_OK;
}

static enum err change(struct ctx *ctx, int64_t delta, const bson_t *range,
                       struct platform_counter *ret_counter)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(COUNTER));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$inc", "{", "value", BCON_INT64(delta), "}", "$currentDate", "{",
                              "changed_at", BCON_BOOL(true), "}");

    BSON_APPEND_DOCUMENT(filter, "value", range);
    *ret_counter = (struct platform_counter){0};
    return db_find_and_update(ctx, &platform_counter_schema,
                              &(struct db_change){.filter = filter, .update = update}, ret_counter);
}

/* No place, or no counter: a restored database may lack it. */
static enum err refuse(struct ctx *ctx, int64_t bound)
{
    struct platform_counter counter;
    const enum err found = read_counter(ctx, &counter);

    if (found == ERR_NOT_FOUND)
        return ERR_NOT_FOUND;
    TRY(found);
    return fail_internal(ctx, ERR_CAPACITY, "%lld of %lld tenants (tenants.max_collections) exist",
                         (long long)counter.value, (long long)bound);
}

enum err tenant_place_reserve(struct ctx *ctx)
{
    struct tenant_places places = {0};
    struct platform_counter counter;

    TRY(find_bound(ctx, &places.bound));

    AUTO(bson_destroy) bson_t *below = BCON_NEW("$lt", BCON_INT64(places.bound));
    enum err reserved = change(ctx, 1, below, &counter);

    if (reserved == ERR_NOT_FOUND)
        reserved = refuse(ctx, places.bound);
    if (reserved == ERR_NOT_FOUND) {
        TRY(tenant_places_repair(ctx));
        reserved = change(ctx, 1, below, &counter);
        if (reserved == ERR_NOT_FOUND)
            reserved = refuse(ctx, places.bound);
    }
    TRY(reserved);
    places.used = counter.value;
    tell(ctx, &places);
    if (places.used * 10 >= places.bound * 7)
        log_message(LOG_WARN, "tenant_capacity",
                    "%lld of %lld tenants (tenants.max_collections) exist", (long long)places.used,
                    (long long)places.bound);
    return ERR_OK;
}

enum err tenant_place_release(struct ctx *ctx)
{
    struct platform_counter counter;
    AUTO(bson_destroy) bson_t *some = BCON_NEW("$gt", BCON_INT64(0));
    const enum err released = change(ctx, -1, some, &counter);

    return released == ERR_NOT_FOUND ? ERR_OK : released; /* the repair counts anew */
}

/* --- repair --- */

/* Everything but tombstones. An index serves it, and the bound itself limits how many there are. */
static enum err count_holders(struct ctx *ctx, int64_t *ret_count)
{
    AUTO(bson_destroy)
    bson_t *living =
        BCON_NEW("status", "{", "$in", "[", BCON_UTF8("creating"), BCON_UTF8("active"),
                 BCON_UTF8("suspended"), BCON_UTF8("deleting"), BCON_UTF8("purging"), "]", "}");
    AUTO(bson_destroy)
    bson_t *leaving =
        BCON_NEW("status", BCON_UTF8("deleted"), "expires_at", "{", "$gt", BCON_DATE_TIME(0), "}");
    int64_t others = 0;

    TRY(db_count(ctx, &tenant_schema, living, 0, ret_count));
    TRY(db_count(ctx, &tenant_schema, leaving, 0, &others));
    *ret_count += others;
    return ERR_OK;
}

static enum err make_counter(struct ctx *ctx)
{
    struct platform_counter counter = {.id = COUNTER};
    enum err made;

    TRY(count_holders(ctx, &counter.value));
    made = db_insert(ctx, &platform_counter_schema, &counter);
    if (made != ERR_CONFLICT)
        return made;
    fail_clear(ctx); /* another instance was first */
    return ERR_OK;
}

enum err tenant_places_repair(struct ctx *ctx)
{
    struct platform_counter before;
    int64_t holders = 0;
    const enum err found = read_counter(ctx, &before);

    if (found == ERR_NOT_FOUND)
        return make_counter(ctx);
    TRY(found);
    TRY(count_holders(ctx, &holders));
    if (holders == before.value)
        return ERR_OK;

    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(COUNTER));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "value", BCON_INT64(holders), "}");
    AUTO(bson_destroy)
    bson_t *settled =
        BCON_NEW("$lt", "[", "{", "$ifNull", "[", "$changed_at", BCON_DATE_TIME(0), "]", "}", "{",
                 "$subtract", "[", "$$NOW", BCON_INT64(SETTLED_MS), "]", "}", "]");

    bson_put_int(filter, "value", before.value);
    BSON_APPEND_DOCUMENT(filter, "$expr", settled);

    const enum err corrected = db_update_one(ctx, &platform_counter_schema, filter, update);

    if (corrected == ERR_OK)
        log_message(LOG_WARN, "tenant_places", "%lld tenants exist where %lld were counted",
                    (long long)holders, (long long)before.value);
    return corrected == ERR_NOT_FOUND ? ERR_OK : corrected;
}
