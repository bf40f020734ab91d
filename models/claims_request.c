/* Reading the parameter "claims". */
#include "models/claims_request.h"

#include <string.h>

#include "app/buf.h"
#include "app/json.h"
#include "models/claims.h"
#include "models/scope.h"

#define SCOPE_MAX ((size_t)1024)

static enum err bad(struct ctx *ctx)
{
    fail_clear(ctx);
    return ERR_JSON;
}

/* *ret_members is NULL when the request asks nothing for this place. */
static enum err read_names(struct ctx *ctx, const struct value *root, const char *place,
                           struct strs *ret_names, const struct value **ret_members)
{
    const struct value *members = value_get(root, place);

    *ret_members = NULL;
    if (members == NULL || members->type == VALUE_NULL)
        return ERR_OK;
    if (members->type != VALUE_OBJECT)
        return bad(ctx);
    *ret_members = members;
    if (members->object.count == 0)
        return ERR_OK;
    ret_names->items = arena_array(ctx->arena, members->object.count, sizeof *ret_names->items);
    if (ret_names->items == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the names of claims");
    for (size_t i = 0; i < members->object.count; i++)
        ret_names->items[ret_names->count++] = members->object.members[i].name;
    return ERR_OK;
}

static const struct value *part_of(const struct value *members, const char *claim, const char *part)
{
    const struct value *wanted = members != NULL ? value_get(members, claim) : NULL;

    return wanted != NULL && wanted->type == VALUE_OBJECT ? value_get(wanted, part) : NULL;
}

static const char *text_of(const struct value *value)
{
    return value != NULL && value->type == VALUE_STRING ? value->string.text : NULL;
}

/* OIDC Core §5.5.1.1: one value or several, of which one must be met. */
static enum err read_acr(struct ctx *ctx, const struct value *members, struct strs *ret_acr)
{
    const struct value *essential = part_of(members, "acr", "essential");
    const struct value *values = part_of(members, "acr", "values");
    const char *one = text_of(part_of(members, "acr", "value"));
    const size_t several = values != NULL && values->type == VALUE_ARRAY ? values->array.count : 0;

    if (essential == NULL || essential->type != VALUE_BOOL || !essential->boolean)
        return ERR_OK;
    ret_acr->items = arena_array(ctx->arena, several + 1, sizeof *ret_acr->items);
    if (ret_acr->items == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for acr values");
    if (one != NULL)
        ret_acr->items[ret_acr->count++] = one;
    for (size_t i = 0; i < several; i++) {
        const char *text = text_of(&values->array.items[i]);

        if (text != NULL)
            ret_acr->items[ret_acr->count++] = text;
    }
    return ERR_OK;
}

enum err claims_request_read(struct ctx *ctx, const char *json, struct claims_request *ret_request)
{
    const struct value *of_userinfo = NULL, *of_token = NULL;
    struct claims_request request = {0};
    struct value root = {0};

    *ret_request = request;
    if (json == NULL)
        return ERR_OK;

    const enum err parsed = json_parse(ctx, json, strlen(json), &root);

    if (parsed == ERR_JSON)
        return bad(ctx);
    TRY(parsed);
    TRY(read_names(ctx, &root, "userinfo", &request.userinfo, &of_userinfo));
    TRY(read_names(ctx, &root, "id_token", &request.id_token, &of_token));
    TRY(read_acr(ctx, of_token, &request.acr));
    request.subject = text_of(part_of(of_token, "sub", "value"));
    if (request.subject == NULL)
        request.subject = text_of(part_of(of_userinfo, "sub", "value"));
    *ret_request = request;
    return ERR_OK;
}

static void put_scopes(struct ctx *ctx, struct buf *out, const struct strs *names)
{
    for (size_t i = 0; i < names->count; i++) {
        const char *scope = claims_scope(ctx, names->items[i]);

        if (scope == NULL || (out->size > 0 && scope_has(buf_text(out), scope)))
            continue;
        if (out->size > 0)
            buf_putc(out, ' ');
        buf_puts(out, scope);
    }
}

enum err claims_request_scope(struct ctx *ctx, const struct claims_request *request,
                              const char *allowed, const char **ret_scope)
{
    struct buf scopes;

    buf_init(&scopes, ctx->arena, SCOPE_MAX);
    buf_puts(&scopes, "");
    put_scopes(ctx, &scopes, &request->userinfo);
    put_scopes(ctx, &scopes, &request->id_token);
    if (!buf_ok(&scopes) || buf_text(&scopes) == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for scopes");
    return scope_common(ctx, buf_text(&scopes), allowed, ret_scope);
}
