/* Walking a shape for its indexes. */
#include "models/custom_index.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "app/secret.h"
#include "models/tenant.h"
#include "models/user.h"

#define PREFIX       "cf_"
#define STORED       "custom_fields"
#define READABLE_MAX 40
#define TEXT_MAX     ((size_t)32 * 1024)

/* ---- names ---- */

static const char *kind_of(const struct shape *shape)
{
    if (shape->is_unique)
        return shape->ignores_case ? "uci" : "u";
    return shape->ignores_case ? "ici" : "i";
}

/* What a person reads, and what the database's messages hold without quotes. */
static bool is_readable(const char *path)
{
    const size_t length = strlen(path);

    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)path[i]) && strchr("._-", path[i]) == NULL)
            return false;
    }
    return length <= READABLE_MAX;
}

const char *custom_index_name(struct ctx *ctx, const char *path, const struct shape *shape)
{
    uint8_t digest[SHA256_SIZE];
    char text[2 * 12 + 1];

    if (is_readable(path))
        return arena_printf(ctx->arena, PREFIX "%s_%s", kind_of(shape), path);
    secret_sha256(path, strlen(path), digest);
    for (size_t i = 0; i < 12; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return arena_printf(ctx->arena, PREFIX "%s_#%s", kind_of(shape), text);
}

bool custom_index_is_name(const char *name)
{
    return strncmp(name, PREFIX, sizeof PREFIX - 1) == 0;
}

/* Names hold no dots. */
static const char *pointer_of(struct ctx *ctx, const char *path, const char *before_each)
{
    struct buf out;

    buf_init(&out, ctx->arena, TEXT_MAX);
    while (*path != '\0') {
        const size_t length = strcspn(path, ".");

        buf_puts(&out, before_each);
        buf_pointer(&out, path, length);
        path += length + (path[length] == '.' ? 1 : 0);
    }
    return buf_ok(&out) ? buf_text(&out) : NULL;
}

const char *custom_field_pointer(struct ctx *ctx, const char *stored_path)
{
    return pointer_of(ctx, stored_path, "");
}

/* ---- the list ---- */

struct walk {
    struct ctx *ctx;
    struct custom_index *items; /* NULL: they are only counted */
    size_t count;
};

static enum err describe(struct walk *walk, const char *path, const struct shape *shape)
{
    struct ctx *ctx = walk->ctx;
    const char *properties = pointer_of(ctx, path, "/properties");
    const char *stored = arena_printf(ctx->arena, STORED ".%s", path);
    struct custom_index index = {
        .name = custom_index_name(ctx, path, shape),
        .path = path,
        .pointer = stored != NULL ? custom_field_pointer(ctx, stored) : NULL,
        .shape = shape,
        .unique = shape->is_unique,
        .ignores_case = shape->ignores_case,
    };

    if (properties != NULL)
        index.schema_pointer = arena_printf(ctx->arena, "%s/%s", properties,
                                            shape->is_unique ? "x-unique" : "x-index");
    if (index.name == NULL || index.pointer == NULL || index.schema_pointer == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the indexes of a schema");
    walk->items[walk->count] = index;
    return ERR_OK;
}

static enum err visit(struct walk *walk, const char *path, const struct shape *shape)
{
    for (size_t i = 0; i < shape->property_count; i++) {
        const struct shape_property *property = &shape->properties[i];
        const struct shape *of = property->shape;
        const char *here = path[0] == '\0'
                               ? property->name
                               : arena_printf(walk->ctx->arena, "%s.%s", path, property->name);

        if (here == NULL)
            return fail_internal(walk->ctx, ERR_MEMORY, "no memory for the indexes of a schema");
        if (of->is_unique || of->is_indexed) {
            if (walk->items != NULL)
                TRY(describe(walk, here, of));
            walk->count++;
        }
        TRY(visit(walk, here, of));
    }
    return ERR_OK;
}

static int by_path(const void *a, const void *b)
{
    const struct custom_index *left = a, *right = b;

    return strcmp(left->path, right->path);
}

enum err custom_index_list(struct ctx *ctx, const struct shape *shape, struct list *ret_indexes)
{
    struct walk walk = {.ctx = ctx};

    *ret_indexes = (struct list){0};
    if (shape == NULL)
        return ERR_OK;
    TRY(visit(&walk, "", shape));
    if (walk.count == 0)
        return ERR_OK;
    walk.items = arena_array(ctx->arena, walk.count, sizeof *walk.items);
    if (walk.items == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the indexes of a schema");
    walk.count = 0;
    TRY(visit(&walk, "", shape));
    qsort(walk.items, walk.count, sizeof *walk.items, by_path);
    *ret_indexes = (struct list){.items = walk.items, .count = walk.count};
    return ERR_OK;
}

/* ---- for the database ---- */

static enum err make_one(struct ctx *ctx, const struct custom_index *index,
                         struct db_index *ret_index)
{
    const char **keys = arena_array(ctx->arena, 3, sizeof *keys);
    const char *stored = arena_printf(ctx->arena, STORED ".%s", index->path);

    if (keys == NULL || stored == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the indexes of a schema");
    keys[0] = stored;
    keys[1] = index->unique ? NULL : "_id";
    *ret_index = (struct db_index){
        .name = index->name,
        .keys = keys,
        .unique = index->unique,
        .partial_exists = stored,
        .ignores_case = index->ignores_case,
        .ttl_seconds = -1,
    };
    return ERR_OK;
}

enum err custom_index_make(struct ctx *ctx, const struct list *indexes, bool with_base,
                           struct db_indexes *ret_indexes)
{
    const struct custom_index *from = indexes->items;
    const size_t base = with_base ? user_index_count : 0;
    struct db_index *all = arena_array(ctx->arena, base + indexes->count + 1, sizeof *all);

    if (all == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the indexes of a schema");
    for (size_t i = 0; i < base; i++)
        all[i] = user_indexes[i];
    for (size_t i = 0; i < indexes->count; i++)
        TRY(make_one(ctx, &from[i], &all[base + i]));
    *ret_indexes = (struct db_indexes){.items = all, .count = base + indexes->count};
    return ERR_OK;
}

/* ---- what is allowed ---- */

static enum err check_paths(struct ctx *ctx, const struct list *indexes)
{
    const struct custom_index *items = indexes->items;

    for (size_t i = 0; i < indexes->count; i++) {
        if (strlen(items[i].path) > CUSTOM_INDEX_PATH_MAX)
            return fail(ctx, ERR_SCHEMA, items[i].schema_pointer,
                        "The names on the way to an indexed or unique field may have %d bytes in "
                        "all.",
                        CUSTOM_INDEX_PATH_MAX);
    }
    return ERR_OK;
}

enum err custom_index_check(struct ctx *ctx, const struct list *indexes)
{
    const struct custom_index *items = indexes->items;
    const int64_t limit = tenant_plan(ctx->app, ctx->tenant).custom_indexes;

    TRY(check_paths(ctx, indexes));
    if (indexes->count <= (size_t)limit)
        return ERR_OK;
    ctx->failure.limit = limit;
    ctx->failure.usage = (int64_t)indexes->count;
    return fail(ctx, ERR_PLAN_LIMIT, items[limit].schema_pointer,
                "The plan \"%s\" allows %lld indexed or unique custom fields, and this schema asks "
                "for %zu.",
                plan_names[ctx->tenant->plan], (long long)limit, indexes->count);
}
