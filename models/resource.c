/* Which services tokens may be for. */
#include "models/resource.h"

#include <string.h>

#include "models/tenant.h"

#define PARAMETER "resource"

const char *resource_check(const char *text)
{
    static const char scheme[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.";
    const size_t length = strspn(text, scheme);
    bool good = length > 0 && (text[0] < '0' || text[0] > '9') && strchr("+-.", text[0]) == NULL &&
                text[length] == ':' && text[length + 1] != '\0';

    for (const char *c = text; good && *c != '\0'; c++)
        good = *c > 0x20 && *c < 0x7f && strchr("\"\\#<>^`{|}", *c) == NULL;
    return good ? NULL : "must be an absolute URI without a fragment, like https://api.example";
}

static bool is_named(const struct ctx *ctx, const char *text, const char *issuer)
{
    return strcmp(text, issuer) == 0 || strs_has(&ctx->tenant->settings.resources, text);
}

static enum err add(struct ctx *ctx, const char *text, const char *issuer, struct strs *found)
{
    if (!is_named(ctx, text, issuer))
        return fail(ctx, ERR_TARGET, PARAMETER,
                    "The tenant's setting \"resources\" does not name this resource.");
    if (strs_has(found, text))
        return ERR_OK;
    if (found->count == RESOURCES_MAX)
        return fail(ctx, ERR_TARGET, PARAMETER, "At most %d resources at once.", RESOURCES_MAX);
    found->items[found->count++] = text;
    return ERR_OK;
}

enum err resources_read(struct ctx *ctx, const struct value *form, struct strs *ret)
{
    const char *issuer = NULL;

    *ret = (struct strs){0};
    if (form == NULL || value_get(form, PARAMETER) == NULL)
        return ERR_OK;
    ret->items = arena_array(ctx->arena, RESOURCES_MAX, sizeof *ret->items);
    if (ret->items == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for resources");
    TRY(tenant_issuer(ctx, ctx->tenant, &issuer));
    for (size_t i = 0; i < form->object.count; i++) {
        const struct member *member = &form->object.members[i];

        if (strcmp(member->name, PARAMETER) == 0 && member->value.type == VALUE_STRING &&
            member->value.string.length > 0)
            TRY(add(ctx, member->value.string.text, issuer, ret));
    }
    return ERR_OK;
}

bool resources_are_within(const struct strs *wanted, const struct strs *granted)
{
    for (size_t i = 0; granted->count > 0 && i < wanted->count; i++) {
        if (!strs_has(granted, wanted->items[i]))
            return false;
    }
    return true;
}

enum err resources_named(struct ctx *ctx, const struct strs *list, struct strs *ret)
{
    struct strs named = {.items = arena_array(ctx->arena, list->count + 1, sizeof *named.items)};
    const char *issuer = NULL;

    if (named.items == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for resources");
    TRY(tenant_issuer(ctx, ctx->tenant, &issuer));
    for (size_t i = 0; i < list->count; i++) {
        if (is_named(ctx, list->items[i], issuer))
            named.items[named.count++] = list->items[i];
    }
    *ret = named;
    return ERR_OK;
}

enum err resources_unite(struct ctx *ctx, const struct strs *a, const struct strs *b,
                         struct strs *ret)
{
    struct strs both = {.items = arena_array(ctx->arena, a->count + b->count, sizeof *both.items)};

    if (both.items == NULL && a->count + b->count > 0)
        return fail_internal(ctx, ERR_MEMORY, "no memory for resources");
    for (size_t i = 0; i < a->count; i++)
        both.items[both.count++] = a->items[i];
    for (size_t i = 0; i < b->count; i++) {
        if (!strs_has(&both, b->items[i]))
            both.items[both.count++] = b->items[i];
    }
    *ret = both;
    return ERR_OK;
}
