/*
 * Collections beside what this version wants: validators, indexes, and collections of users that no
 * tenant has. Mending loses nothing: a unique index and a whole collection are never dropped here.
 */
#include "models/doctor_internal.h"

#include <inttypes.h>
#include <string.h>

#include "app/app.h"
#include "app/db.h"
#include "models/migrations/migrations.h"
#include "models/profile.h"
#include "models/tenant.h"
#include "models/user.h"
#include "models/user_place.h"

struct place {
    const char *check, *tenant;
    const struct schema *schema;
    const struct db_index *indexes;
    size_t count;
    const bson_t *validator; /* NULL: the schema's */
    /* Of users' collections: validator and custom indexes belong to the version, or are a
     * publication's just now; of a lost schema nobody knows them. */
    bool is_users, is_moving;
    int64_t version;
};

/* ---- words ---- */

/* What a publication that came to nothing left behind; it is in nobody's way but the writers'. */
static bool is_left_over(const struct db_difference *difference)
{
    return difference->what == DB_INDEX_SURPLUS && custom_index_is_name(difference->index);
}

static const char *problem_of(struct ctx *ctx, const struct db_difference *difference)
{
    static const char *const words[] = {
        [DB_COLLECTION_MISSING] = "is missing",
        [DB_VALIDATOR_MISSING] = "has no validator: it takes any document",
        [DB_VALIDATOR_DIFFERENT] = "has not the validator of this version",
        [DB_INDEX_MISSING] = "is missing",
        [DB_INDEX_DIFFERENT] = "is not as this version needs it",
        [DB_INDEX_SURPLUS] = "is none of this version's",
    };
    const char *is = words[difference->what];

    if (difference->index == NULL)
        return arena_printf(ctx->arena, "The collection %s %s.", difference->collection, is);
    return arena_printf(ctx->arena, "The index %s of %s %s.", difference->index,
                        difference->collection, is);
}

static const char *remedy_of(struct ctx *ctx, const struct db_difference *difference)
{
    const char *drop = difference->index == NULL
                           ? NULL
                           : arena_printf(ctx->arena, "db.%s.dropIndex(\"%s\")",
                                          difference->collection, difference->index);

    if (is_left_over(difference))
        return "tenantd doctor --fix drops it: no field of the schema in force asks for it";
    if (difference->what == DB_INDEX_SURPLUS)
        return arena_printf(ctx->arena,
                            "keep it if it was made on purpose, though every write pays for it%s; "
                            "else drop it: %s",
                            difference->is_unique ? " and it may refuse some" : "", drop);
    if (difference->what == DB_INDEX_DIFFERENT && difference->is_unique)
        return arena_printf(ctx->arena,
                            "stop the instances, drop it (%s), then tenantd doctor --fix: without "
                            "it nothing is unique",
                            drop);
    if (difference->what == DB_INDEX_MISSING && difference->is_unique)
        return "tenantd doctor --fix builds it; documents that violate it must be told apart first";
    return "tenantd doctor --fix puts it right; instances may serve meanwhile";
}

/* ---- one collection ---- */

static bool is_the_jobs(const struct db_difference *difference)
{
    return difference->what == DB_VALIDATOR_DIFFERENT || is_left_over(difference);
}

/* Or came to another version since it was said what is wanted. */
static enum err look_for_publication(struct ctx *ctx, const struct place *place, bool *ret_moving)
{
    bool is_moving = false;

    *ret_moving = place->is_moving;
    if (!place->is_users || place->is_moving)
        return ERR_OK;
    TRY(user_place_is_moving(ctx, &is_moving));
    TRY(tenant_refresh(ctx));
    *ret_moving = is_moving || ctx->tenant->schema_version != place->version;
    return ERR_OK;
}

static enum err inspect(struct ctx *ctx, const struct place *place, struct list *ret_differences)
{
    const struct db_structure wanted = {
        .indexes = place->indexes, .count = place->count, .validator = place->validator};
    struct db_difference *items;
    bool is_moving = false;
    size_t count = 0;

    TRY(db_inspect(ctx, place->schema, &wanted, ret_differences));
    TRY(look_for_publication(ctx, place, &is_moving));
    items = ret_differences->items;
    for (size_t i = 0; i < ret_differences->count; i++) {
        if (!is_moving || !is_the_jobs(&items[i]))
            items[count++] = items[i];
    }
    ret_differences->count = count;
    return ERR_OK;
}

static bool is_left_alone(const struct db_difference *difference)
{
    return (difference->what == DB_INDEX_SURPLUS && !is_left_over(difference)) ||
           (difference->what == DB_INDEX_DIFFERENT && difference->is_unique);
}

/* One index at a time: that one cannot be built must not keep the others from it. */
static enum err mend_index(struct ctx *ctx, const struct place *place,
                           const struct db_difference *difference)
{
    for (size_t i = 0; i < place->count; i++) {
        if (strcmp(place->indexes[i].name, difference->index) != 0)
            continue;
        if (difference->what == DB_INDEX_DIFFERENT)
            TRY(db_drop_index(ctx, place->schema, difference->index));
        return db_create_indexes(ctx, place->schema, &place->indexes[i], 1);
    }
    return ERR_OK;
}

static enum err ensure(struct ctx *ctx, const struct place *place)
{
    TRY(db_ensure_collection(ctx, place->schema, place->indexes, place->count));
    return place->validator != NULL ? db_set_validator(ctx, place->schema, place->validator)
                                    : ERR_OK;
}

static enum err mend(struct ctx *ctx, const struct place *place, const struct list *differences)
{
    const struct db_difference *items = differences->items;

    for (size_t i = 0; i < differences->count; i++) {
        enum err mended = ERR_OK;
        bool is_moving = false;

        TRY(look_for_publication(ctx, place, &is_moving));
        if (is_left_alone(&items[i]) || (is_moving && is_the_jobs(&items[i])))
            continue;
        if (items[i].what == DB_INDEX_SURPLUS)
            mended = db_drop_index(ctx, place->schema, items[i].index);
        else if (items[i].what == DB_INDEX_MISSING || items[i].what == DB_INDEX_DIFFERENT)
            mended = mend_index(ctx, place, &items[i]);
        else
            mended = ensure(ctx, place);
        if (mended == ERR_DB_UNAVAILABLE)
            return mended;
        fail_clear(ctx); /* the second look tells */
    }
    return ERR_OK;
}

static bool is_among(const struct list *differences, const struct db_difference *wanted)
{
    const struct db_difference *items = differences->items;

    for (size_t i = 0; i < differences->count; i++) {
        if (wanted->index != NULL && items[i].index != NULL &&
            strcmp(wanted->index, items[i].index) == 0)
            return true;
        if (wanted->index == NULL && items[i].what == wanted->what)
            return true;
    }
    return false;
}

static enum err check_place(struct ctx *ctx, struct round *round, const struct place *place)
{
    struct list before = {0}, after = {0};

    TRY(inspect(ctx, place, &before));
    after = before;
    if (before.count > 0 && round->doctor->fix) {
        TRY(mend(ctx, place, &before));
        TRY(inspect(ctx, place, &after));
    }

    const struct db_difference *items = before.items;

    for (size_t i = 0; i < before.count; i++) {
        const struct finding finding = {
            .check = place->check,
            .tenant = place->tenant,
            .problem = problem_of(ctx, &items[i]),
            .remedy = remedy_of(ctx, &items[i]),
            .is_warning = items[i].what == DB_INDEX_SURPLUS && !is_left_over(&items[i]),
            .mended = !is_among(&after, &items[i]),
        };

        if (finding.problem == NULL || finding.remedy == NULL)
            return ERR_MEMORY;
        doctor_found(round, &finding);
    }
    return ERR_OK;
}

enum err doctor_check_central(struct ctx *ctx, struct round *round)
{
    for (size_t i = 0; migrations_central(i) != NULL; i++) {
        struct place place = {.check = "central collections", .schema = migrations_central(i)};

        place.indexes = migrations_central_indexes(i, &place.count);
        TRY(check_place(ctx, round, &place));
    }
    return ERR_OK;
}

static void report_lost_schema(struct round *round, const struct tenant *tenant)
{
    const struct finding finding = {
        .check = "custom fields",
        .tenant = tenant->slug,
        .problem = "Its schema is missing or cannot be read: custom fields are hidden, and nobody "
                   "can write them.",
        .remedy = "restore custom_schemas of this tenant from a backup; validator and indexes are "
                  "left as they are",
    };

    doctor_found(round, &finding);
}

enum err doctor_check_users(struct ctx *ctx, struct round *round)
{
    AUTO(user_place_clear) struct user_place wanted = {0};
    bool is_moving = false;

    TRY(user_place_is_moving(ctx, &is_moving));
    /* A schema may have been published since this page of tenants was read. */
    TRY(tenant_refresh(ctx));
    TRY(user_place_find(ctx, &wanted));
    if (wanted.is_partial)
        report_lost_schema(round, ctx->tenant);
    return check_place(ctx, round,
                       &(struct place){.check = "user collection",
                                       .tenant = ctx->tenant->slug,
                                       .schema = &user_schema,
                                       .indexes = wanted.indexes.items,
                                       .count = wanted.indexes.count,
                                       .validator = wanted.validator,
                                       .is_users = true,
                                       .version = ctx->tenant->schema_version,
                                       .is_moving = is_moving || wanted.is_partial});
}

/* A view of another shape still answers, but not with what this version promises. */
enum err doctor_check_profiles(struct ctx *ctx, struct round *round)
{
    enum db_view_state state = DB_VIEW_UNSET;
    struct finding finding = {
        .check = "profiles",
        .tenant = ctx->tenant->slug,
        .problem = "The view of its users has not the shape of this version.",
        .remedy = "tenantd doctor --fix puts it right; members only come in addition",
    };

    TRY(profile_look(ctx, &state));
    if (state != DB_VIEW_DIFFERENT)
        return ERR_OK;
    if (round->doctor->fix) {
        TRY(profile_make(ctx));
        finding.mended = true;
    }
    doctor_found(round, &finding);
    return ERR_OK;
}

/* ---- collections without a tenant ---- */

/* A tenant's document comes before its collection and goes after it, half-made and half-removed
 * ones included. */
static enum err has_tenant(struct ctx *ctx, const struct uuid *id, bool *ret_has)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("status", "{", "$ne", BCON_UTF8("deleted"), "}");
    int64_t count = 0;

    bson_put_uuid(filter, "_id", id);
    TRY(db_count(ctx, &tenant_schema, filter, 1, &count));
    *ret_has = count > 0;
    return ERR_OK;
}

static enum err report_orphan(struct ctx *ctx, struct round *round, int64_t documents)
{
    char hex[UUID_HEX_SIZE], id[UUID_TEXT_SIZE];
    struct finding finding = {.check = "orphans"};

    uuid_hex(&ctx->tenant_id, hex);
    uuid_text(&ctx->tenant_id, id);
    finding.problem = arena_printf(ctx->arena,
                                   "The collection users_%s holds %" PRId64
                                   " documents, but there is no tenant %s.",
                                   hex, documents, id);
    finding.remedy = arena_printf(ctx->arena,
                                  "restore that tenant's document from a backup, or, when nobody "
                                  "misses it, db.users_%s.drop()",
                                  hex);
    if (finding.problem == NULL || finding.remedy == NULL)
        return ERR_MEMORY;
    doctor_found(round, &finding);
    return ERR_OK;
}

static enum err check_orphan(struct ctx *ctx, struct round *round, const struct uuid *id)
{
    int64_t documents = 0;
    bool has = false;

    TRY(has_tenant(ctx, id, &has));
    if (has)
        return ERR_OK;
    ctx_set_tenant(ctx, NULL, id);

    /* A tenant that is being removed loses both between two looks. */
    const enum err sized = db_collection_size(ctx, &user_schema, &documents);

    if (sized != ERR_NOT_FOUND) {
        TRY(sized);
        TRY(report_orphan(ctx, round, documents));
    }
    return ERR_OK;
}

/* With memory of its own, because there may be as many as there are tenants. */
static enum err visit(struct ctx *ctx, const struct uuid *id, void *arg)
{
    struct round *round = arg;
    struct arena arena;
    struct ctx own;

    arena_init(&arena, DOCTOR_ARENA_LIMIT);
    ctx_init(&own, ctx->app, &arena);
    own.request_id = ctx->request_id;

    const enum err checked = check_orphan(&own, round, id);

    if (checked != ERR_OK)
        ctx->failure = (struct failure){.code = checked};
    ctx_set_tenant(&own, NULL, NULL);
    ctx_clear(&own);
    arena_clear(&arena);
    doctor_progress(round, "user collections");
    return checked;
}

enum err doctor_check_orphans(struct ctx *ctx, struct round *round)
{
    round->looked_at = 0;
    return db_walk_user_collections(ctx, visit, round);
}
