/* Publishing a schema: it is compiled, all users of the tenant are held against it one batch after
 * the other, and then one transaction makes it the version in force. */
#include <stdio.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "models/audit.h"
#include "models/custom_schema.h"
#include "models/tenant.h"
#include "models/user.h"

#define BATCH       100
#define BATCH_BYTES ((size_t)16 * 1024 * 1024)

/* ---- as BSON ---- */

/* Names in schemas follow the rules of custom fields, so nothing needs escaping; the reader of JSON
 * has bounded the depth. */
static void append(bson_t *out, const char *key, const struct value *value)
{
    char digits[24];
    bson_t child;

    switch (value->type) {
    case VALUE_BOOL:
        (void)bson_append_bool(out, key, -1, value->boolean);
        break;
    case VALUE_INT:
        (void)bson_append_int64(out, key, -1, value->integer);
        break;
    case VALUE_REAL:
        (void)bson_append_double(out, key, -1, value->real);
        break;
    case VALUE_STRING:
        (void)bson_append_utf8(out, key, -1, value->string.text, (int)value->string.length);
        break;
    case VALUE_ARRAY:
        (void)bson_append_array_begin(out, key, -1, &child);
        for (size_t i = 0; i < value->array.count; i++) {
            (void)snprintf(digits, sizeof digits, "%zu", i);
            append(&child, digits, &value->array.items[i]);
        }
        (void)bson_append_array_end(out, &child);
        break;
    case VALUE_OBJECT:
        (void)bson_append_document_begin(out, key, -1, &child);
        for (size_t i = 0; i < value->object.count; i++)
            append(&child, value->object.members[i].name, &value->object.members[i].value);
        (void)bson_append_document_end(out, &child);
        break;
    case VALUE_NULL:
    case VALUE_UNSET:
        (void)bson_append_null(out, key, -1);
        break;
    }
}

static enum err to_bson(struct ctx *ctx, const struct value *schema, struct bytes *ret_bytes)
{
    AUTO(bson_destroy) bson_t *out = bson_new();
    const uint8_t *copy;

    for (size_t i = 0; i < schema->object.count; i++)
        append(out, schema->object.members[i].name, &schema->object.members[i].value);
    copy = arena_memdup(ctx->arena, bson_get_data(out), out->len);
    if (copy == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a schema");
    *ret_bytes = (struct bytes){.data = copy, .size = out->len};
    return ERR_OK;
}

/* ---- what this version keeps ---- */

/* A promise that nothing would keep is not accepted. */
static enum err check_kept(struct ctx *ctx, const struct shape *shape, const char *pointer)
{
    for (size_t i = 0; i < shape->property_count; i++) {
        const struct shape *of = shape->properties[i].shape;
        const char *here =
            arena_printf(ctx->arena, "%s/properties/%s", pointer, shape->properties[i].name);
        const char *word = of->is_unique      ? "x-unique"
                           : of->is_indexed   ? "x-index"
                           : of->is_encrypted ? "x-encrypt"
                                              : NULL;

        if (here == NULL)
            return fail_internal(ctx, ERR_MEMORY, "no memory for a pointer");
        if (of->read > SHAPE_USER)
            word = "x-read";
        if (word != NULL)
            return fail(ctx, ERR_SCHEMA, arena_printf(ctx->arena, "%s/%s", here, word),
                        "%s/%s is not kept by this version yet, so it is not accepted.", here,
                        word);
        TRY(check_kept(ctx, of, here));
    }
    return ERR_OK;
}

/* ---- the users that there are ---- */

struct trial {
    struct custom_trial *out;
    const struct shape *shape;
    struct arena *texts; /* of the sample */
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

        TRY(shape_check(ctx, trial->shape, "/custom_fields", &user->custom_fields, &failures));
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

    if (tenant == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a tenant");
    TRY(shape_compile(ctx, trial->schema, &run.shape));
    TRY(check_kept(ctx, run.shape, ""));
    TRY(tenant_find(ctx, &ctx->tenant_id, tenant));
    if (trial->version >= 0 && tenant->schema_version != trial->version)
        return ERR_PRECONDITION;
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
    };
    TRY(to_bson(ctx, trial->schema, &publication.schema.schema));
    return run_publication(ctx, &publication);
}
