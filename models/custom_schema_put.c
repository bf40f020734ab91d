/* Publishing a schema: it is compiled, all users of the tenant are held against it one batch after
 * the other, and then one transaction makes it the version in force. */
#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/value_bson.h"
#include "models/audit.h"
#include "models/claims.h"
#include "models/custom_fields.h"
#include "models/custom_index.h"
#include "models/custom_registration.h"
#include "models/custom_schema.h"
#include "models/tenant.h"
#include "models/user.h"

#define BATCH       100
#define BATCH_BYTES ((size_t)16 * 1024 * 1024)

/* A version that does not fit into the cache could be published and never be obeyed. */
static enum err check_fits(struct ctx *ctx, const struct bytes *schema)
{
    const struct shape *shape = NULL;
    struct ctx own = *ctx;
    struct arena arena;

    arena_init(&arena, 4 * CUSTOM_SCHEMA_MEMORY);
    own.arena = &arena;
    own.holds = NULL;
    fail_clear(&own);

    const enum err compiled = custom_schema_compile(&own, schema, &shape);
    const size_t used = arena.used;

    cache_release_holds(&own);
    arena_clear(&arena);
    if (compiled != ERR_OK)
        return fail_internal(ctx, compiled, "a schema cannot be compiled again");
    if (used > CUSTOM_SCHEMA_MEMORY)
        return fail(ctx, ERR_SCHEMA, "",
                    "The schema is too large: compiled it takes %zu KiB, at most %zu are allowed. "
                    "Shorten lists of enum, or use fewer properties.",
                    used / 1024, CUSTOM_SCHEMA_MEMORY / 1024);
    return ERR_OK;
}

/* ---- the users that there are ---- */

struct trial {
    struct custom_trial *out;
    const struct shape *shape, *in_force; /* in_force NULL: there is none */
    struct arena *texts;                  /* of the sample */
};

static enum err note_failure(struct ctx *ctx, struct trial *trial, const struct user *user,
                             const struct shape_failure *first)
{
    struct custom_trial *out = trial->out;
    struct custom_failure *kept;

    if (++out->failing > CUSTOM_SCHEMA_SAMPLE)
        return ERR_OK;
    kept = &out->sample[out->sample_count++];
    *kept = (struct custom_failure){.user_id = user->id,
                                    .pointer = arena_strdup(trial->texts, first->pointer),
                                    .keyword = arena_strdup(trial->texts, first->keyword),
                                    .message = arena_strdup(trial->texts, first->message)};
    if (kept->pointer == NULL || kept->keyword == NULL || kept->message == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a sample");
    return ERR_OK;
}

static enum err try_batch(struct ctx *ctx, struct trial *trial, struct uuid *after, bool *ret_more)
{
    struct list users = {0};

    TRY(user_list(ctx, after, BATCH, &users));
    for (size_t i = 0; i < users.count; i++) {
        const struct user *user = &((const struct user *)users.items)[i];
        struct shape_failures failures = {0};

        TRY(custom_fields_try(ctx,
                              &(struct custom_conversion){
                                  .from = trial->in_force, .to = trial->shape, .user_id = user->id},
                              &user->stored_fields, &failures));
        trial->out->checked++;
        if (failures.count > 0)
            TRY(note_failure(ctx, trial, user, &failures.items[0]));
        *after = user->id;
    }
    *ret_more = users.count == BATCH;
    return ERR_OK;
}

/* Each batch has memory of its own, so that the number of users does not matter. */
static enum err try_users(struct ctx *ctx, struct trial *trial)
{
    struct uuid after = {0};
    enum err result = ERR_OK;
    bool more = true;

    while (more && result == ERR_OK) {
        struct ctx one = *ctx;
        struct arena arena;

        arena_init(&arena, BATCH_BYTES);
        one.arena = &arena;
        one.holds = NULL;
        fail_clear(&one);
        result = try_batch(&one, trial, &after, &more);
        ctx->db_calls = one.db_calls;
        if (result != ERR_OK)
            (void)fail_internal(ctx, result, "holding the users against the schema failed");
        cache_release_holds(&one);
        arena_clear(&arena);
    }
    return result;
}

/* ---- indexes ---- */

struct indexes {
    struct list before, after; /* of struct custom_index */
};

static enum err plan_indexes(struct ctx *ctx, const struct trial *trial, struct indexes *indexes)
{
    TRY(custom_index_list(ctx, trial->in_force, &indexes->before));
    TRY(custom_index_list(ctx, trial->shape, &indexes->after));
    return custom_index_check_plan(ctx, &indexes->after);
}

/* Writers go on meanwhile: the version that needs them becomes active when they are ready. */
static enum err build_indexes(struct ctx *ctx, const struct indexes *indexes)
{
    struct db_indexes wanted = {0};
    enum err built;

    TRY(custom_index_make(ctx, &indexes->after, false, &wanted));
    built = db_create_indexes(ctx, &user_schema, wanted.items, wanted.count);
    if (built != ERR_CONFLICT || ctx->failure.path == NULL)
        return built;

    const char *pointer = custom_field_pointer(ctx, ctx->failure.path);

    return fail(ctx, ERR_SCHEMA_UNMET, pointer,
                "Two users have the same value in %s, so it cannot be unique. Nothing was changed.",
                pointer);
}

static bool is_among(const struct list *indexes, const char *name)
{
    const struct custom_index *items = indexes->items;

    for (size_t i = 0; i < indexes->count; i++) {
        if (strcmp(items[i].name, name) == 0)
            return true;
    }
    return false;
}

static enum err drop_indexes(struct ctx *ctx, const struct indexes *indexes)
{
    const struct custom_index *before = indexes->before.items;

    for (size_t i = 0; i < indexes->before.count; i++) {
        if (!is_among(&indexes->after, before[i].name))
            TRY(db_drop_index(ctx, &user_schema, before[i].name));
    }
    return ERR_OK;
}

/* ---- publishing ---- */

struct publication {
    struct custom_schema schema;
    struct tenant *tenant;
};

static enum err publish(struct ctx *ctx, void *arg)
{
    struct publication *publication = arg;
    const int64_t version = publication->schema.version;
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("status", BCON_UTF8("active"));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "schema_version", BCON_INT64(version), "}", "$inc", "{",
                              "version", BCON_INT64(1), "}");

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    if (version > 1)
        bson_put_int(filter, "schema_version", version - 1);
    TRY(db_insert(ctx, &custom_schema_schema, &publication->schema));
    TRY(db_find_and_update(ctx, &tenant_schema,
                           &(struct db_change){.filter = filter, .update = update},
                           publication->tenant));
    return audit_insert(ctx, "schema.published", "success", NULL, NULL);
}

static enum err run_publication(struct ctx *ctx, struct publication *publication)
{
    const enum err done = db_transaction(ctx, publish, publication);

    tenant_forget(ctx, ctx->tenant);
    if (done == ERR_NOT_FOUND || done == ERR_CONFLICT)
        return fail(ctx, ERR_CONFLICT, NULL,
                    "Another schema was published meanwhile; read it and try again.");
    TRY(done);
    ctx_set_tenant(ctx, publication->tenant, &publication->tenant->id);
    return ERR_OK;
}

static enum err refuse_unmet(struct ctx *ctx, const struct custom_trial *trial)
{
    const struct custom_failure *first = &trial->sample[0];
    char id[UUID_TEXT_SIZE];

    uuid_text(&first->user_id, id);
    return fail(ctx, ERR_SCHEMA_UNMET, first->pointer,
                "%lld of %lld users do not fit this schema: user %s, %s %s. Nothing was changed; "
                "?dry_run=true shows more of them.",
                (long long)trial->failing, (long long)trial->checked, id, first->pointer,
                first->message);
}

enum err custom_schema_put(struct ctx *ctx, struct custom_trial *trial)
{
    struct tenant *tenant = ARENA_NEW(ctx->arena, struct tenant);
    struct trial run = {.out = trial, .texts = ctx->arena};
    struct publication publication = {.tenant = tenant};
    struct indexes indexes = {0};
    struct bytes stored = {0};

    if (tenant == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a tenant");
    TRY(shape_compile(ctx, trial->schema, &run.shape));
    TRY(claims_check_shape(ctx, &ctx->tenant->settings.claims, run.shape));
    TRY(custom_registration_check(ctx, run.shape));
    TRY(value_to_bson(ctx, trial->schema, &stored));
    TRY(check_fits(ctx, &stored));
    TRY(tenant_find(ctx, &ctx->tenant_id, tenant));
    if (trial->version >= 0 && tenant->schema_version != trial->version)
        return ERR_PRECONDITION;
    ctx_set_tenant(ctx, tenant, &tenant->id);

    const enum err found = custom_schema_shape(ctx, &run.in_force);

    if (found != ERR_NOT_FOUND)
        TRY(found);
    fail_clear(ctx);
    TRY(plan_indexes(ctx, &run, &indexes));
    trial->new_version = tenant->schema_version + 1;
    TRY(try_users(ctx, &run));
    if (trial->dry_run)
        return ERR_OK;
    if (trial->failing > 0)
        return refuse_unmet(ctx, trial);
    publication.schema = (struct custom_schema){
        .id = ctx_new_id(ctx),
        .tenant_id = ctx->tenant_id,
        .version = trial->new_version,
        .created_by = ctx->who.user_id,
        .created_at = clock_now_ms(),
        .schema = stored,
    };
    TRY(build_indexes(ctx, &indexes));
    TRY(run_publication(ctx, &publication));
    return drop_indexes(ctx, &indexes);
}
