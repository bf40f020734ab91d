/*
 * Searching all tenants, and changing one. A prefix is looked for in two parts, each a range of one
 * index in that index's order: so a page costs as many documents as it shows, however many match.
 */
#include "models/tenant_admin.h"

#include <string.h>

#include "app/app.h"
#include "app/db.h"
#include "app/text.h"
#include "models/audit.h"
#include "models/tenant_records.h"

/* Behind every text that begins with the prefix: no character is higher. */
#define LAST_CHARACTER "\xF4\x8F\xBF\xBF"

/* --- searching --- */

static enum err put_prefix(struct ctx *ctx, const char *prefix, const char *after, bson_t *range)
{
    const char *end = arena_printf(ctx->arena, "%s" LAST_CHARACTER, prefix);

    if (end == NULL)
        return ERR_MEMORY;
    bson_put_text(range, "$gte", after != NULL && strcmp(after, prefix) > 0 ? after : prefix);
    bson_put_text(range, "$lt", end);
    return ERR_OK;
}

static void put_kind(const struct tenant_search *search, bson_t *filter)
{
    if (search->plan != PLAN_UNSET)
        bson_put_text(filter, "plan", plan_names[search->plan]);
    if (search->status != TENANT_STATUS_UNSET) {
        bson_put_text(filter, "status", tenant_status_names[search->status]);
    } else {
        AUTO(bson_destroy)
        bson_t *gone = BCON_NEW("$nin", "[", BCON_UTF8("creating"), BCON_UTF8("deleted"), "]");

        BSON_APPEND_DOCUMENT(filter, "status", gone);
    }
}

static enum err find_by_slug(struct ctx *ctx, const struct tenant_search *search, int64_t limit,
                             struct list *ret_tenants)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("slug", BCON_INT32(1));
    AUTO(bson_destroy) bson_t *range = bson_new();

    if (search->prefix != NULL)
        TRY(put_prefix(ctx, search->prefix, NULL, range));
    if (search->after.slug != NULL)
        bson_put_text(range, "$gt", search->after.slug);
    if (!bson_empty(range))
        BSON_APPEND_DOCUMENT(filter, "slug", range);
    put_kind(search, filter);
    return db_find_many(ctx, &tenant_schema,
                        &(struct db_find){.filter = filter, .sort = sort, .limit = limit},
                        ret_tenants);
}

/* The name of the tenant that a page ended with: names may be longer than cursors. */
static enum err find_name(struct ctx *ctx, const char *slug, const char **ret_name)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("slug", BCON_UTF8(slug));
    struct tenant tenant = {0};
    const enum err found = db_find_one(ctx, &tenant_schema, filter, &tenant);

    if (found == ERR_NOT_FOUND)
        return ERR_BAD_CURSOR;
    TRY(found);
    *ret_name = tenant.name_key != NULL ? tenant.name_key : tenant.slug;
    return ERR_OK;
}

/* {$or: [{name_key: {$gt: name}}, {name_key: name, slug: {$gt: slug}}]} */
static void put_behind(const char *name, const char *slug, bson_t *filter)
{
    AUTO(bson_destroy)
    bson_t *either =
        BCON_NEW("0", "{", "name_key", "{", "$gt", BCON_UTF8(name), "}", "}", "1", "{", "name_key",
                 BCON_UTF8(name), "slug", "{", "$gt", BCON_UTF8(slug), "}", "}");

    BSON_APPEND_ARRAY(filter, "$or", either);
}

/* Those that the first part has shown are left out. */
static enum err find_by_name(struct ctx *ctx, const struct tenant_search *search, int64_t limit,
                             struct list *ret_tenants)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *sort = BCON_NEW("name_key", BCON_INT32(1), "slug", BCON_INT32(1));
    AUTO(bson_destroy) bson_t *names = bson_new();
    AUTO(bson_destroy) bson_t *slugs = bson_new();
    AUTO(bson_destroy) bson_t *others = bson_new();
    const char *name = NULL;

    if (search->after.by_name && search->after.slug != NULL)
        TRY(find_name(ctx, search->after.slug, &name));
    TRY(put_prefix(ctx, search->prefix, name, names));
    TRY(put_prefix(ctx, search->prefix, NULL, slugs));
    BSON_APPEND_DOCUMENT(filter, "name_key", names);
    BSON_APPEND_DOCUMENT(others, "$not", slugs);
    BSON_APPEND_DOCUMENT(filter, "slug", others);
    if (name != NULL)
        put_behind(name, search->after.slug, filter);
    put_kind(search, filter);
    return db_find_many(ctx, &tenant_schema,
                        &(struct db_find){.filter = filter, .sort = sort, .limit = limit},
                        ret_tenants);
}

static enum err join(struct ctx *ctx, const struct list *first, const struct list *second,
                     struct list *ret_joined)
{
    struct tenant *items = arena_array(ctx->arena, first->count + second->count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    if (first->count > 0)
        memcpy(items, first->items, first->count * sizeof *items);
    if (second->count > 0)
        memcpy(items + first->count, second->items, second->count * sizeof *items);
    *ret_joined = (struct list){.items = items, .count = first->count + second->count};
    return ERR_OK;
}

enum err tenant_search(struct ctx *ctx, const struct tenant_search *search,
                       struct list *ret_tenants, struct tenant_position *ret_next)
{
    const size_t limit = (size_t)search->limit;
    struct tenant_search own = *search;
    struct list by_slug = {0}, by_name = {0};

    *ret_next = (struct tenant_position){0};
    if (own.prefix != NULL)
        TRY(text_canonical(ctx, own.prefix, &own.prefix));
    /* One beyond the page tells whether there is a next one. */
    if (!own.after.by_name)
        TRY(find_by_slug(ctx, &own, search->limit + 1, &by_slug));
    if (own.prefix != NULL && by_slug.count <= limit)
        TRY(find_by_name(ctx, &own, (int64_t)(limit + 1 - by_slug.count), &by_name));
    TRY(join(ctx, &by_slug, &by_name, ret_tenants));
    if (ret_tenants->count <= limit)
        return ERR_OK;
    ret_tenants->count = limit;
    ret_next->by_name = limit > by_slug.count;
    ret_next->slug = ((const struct tenant *)ret_tenants->items)[limit - 1].slug;
    return ERR_OK;
}

enum err tenant_search_users(struct ctx *ctx, const struct list *tenants, int64_t *ret_users)
{
    const struct tenant *items = tenants->items;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct list usages = {0};
    bson_t in, ids;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &ids);
    for (size_t i = 0; i < tenants->count; i++) {
        char text[16];
        const char *name = NULL;

        (void)bson_uint32_to_string((uint32_t)i, &name, text, sizeof text);
        bson_put_uuid(&ids, name, &items[i].id);
    }
    bson_append_array_end(&in, &ids);
    bson_append_document_end(filter, &in);
    TRY(db_find_many(ctx, &tenant_usage_schema, &(struct db_find){.filter = filter}, &usages));

    const struct tenant_usage *usage = usages.items;

    for (size_t i = 0; i < tenants->count; i++) {
        ret_users[i] = 0;
        for (size_t j = 0; j < usages.count; j++) {
            if (uuid_equal(&usage[j].tenant_id, &items[i].id))
                ret_users[i] = usage[j].users;
        }
    }
    return ERR_OK;
}

/* --- changing --- */

struct work {
    const bson_t *update;
    struct tenant *after;
};

static enum err apply(struct ctx *ctx, void *arg)
{
    struct work *work = arg;
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("status", "{", "$in", "[", BCON_UTF8("active"),
                              BCON_UTF8("suspended"), BCON_UTF8("deleting"), "]", "}");

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    TRY(db_find_and_update(ctx, &tenant_schema,
                           &(struct db_change){.filter = filter, .update = work->update},
                           work->after));
    return audit_insert(ctx, "tenant.changed", "success", &ctx->who.user_id, NULL);
}

static enum err put_name(struct ctx *ctx, const char *name, bson_t *set)
{
    const char *key = NULL;

    TRY(text_canonical(ctx, name, &key));
    bson_put_text(set, "name", name);
    bson_put_text(set, "name_key", key);
    return ERR_OK;
}

/* Fields of limits that the mask names: those with a value are set, the others go. */
static void put_limits(const struct tenant_change *change, bson_t *set, bson_t *unset)
{
    AUTO(bson_destroy) bson_t *present = bson_new();

    (void)schema_to_bson_masked(&tenant_overrides_schema, &change->limits, change->limits_mask,
                                "limits.", set);
    (void)schema_to_bson_masked(&tenant_overrides_schema, &change->limits, change->limits_mask, "",
                                present);
    for (size_t i = 0; i < tenant_overrides_schema.field_count; i++) {
        const char *name = tenant_overrides_schema.fields[i].name;
        char path[64];

        if ((change->limits_mask & (UINT64_C(1) << i)) == 0 || bson_has_field(present, name))
            continue;
        (void)snprintf(path, sizeof path, "limits.%s", name);
        bson_put_int(unset, path, 1);
    }
}

static enum err build_update(struct ctx *ctx, const struct tenant_change *change, bson_t *update)
{
    AUTO(bson_destroy) bson_t *set = bson_new();
    AUTO(bson_destroy) bson_t *unset = bson_new();

    if (change->name != NULL)
        TRY(put_name(ctx, change->name, set));
    if (change->has_industry && change->industry != NULL)
        bson_put_text(set, "industry", change->industry);
    else if (change->has_industry)
        bson_put_int(unset, "industry", 1);
    if (change->has_discoverable)
        bson_put_bool(set, "discoverable", change->discoverable);
    if (change->plan != PLAN_UNSET)
        bson_put_text(set, "plan", plan_names[change->plan]);
    put_limits(change, set, unset);
    if (!bson_empty(set))
        BSON_APPEND_DOCUMENT(update, "$set", set);
    if (!bson_empty(unset))
        BSON_APPEND_DOCUMENT(update, "$unset", unset);
    return ERR_OK;
}

enum err tenant_change(struct ctx *ctx, const struct tenant_change *change,
                       struct tenant *ret_tenant)
{
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$inc", "{", "version", BCON_INT64(1), "}");
    struct work work = {.update = update, .after = ret_tenant};

    TRY(build_update(ctx, change, update));

    const enum err changed = db_transaction(ctx, apply, &work);

    if (changed == ERR_NOT_FOUND)
        return ERR_CONFLICT;
    TRY(changed);
    tenant_forget(ctx, ctx->tenant);
    return ERR_OK;
}
