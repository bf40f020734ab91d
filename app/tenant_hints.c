/* What names a tenant: two headers, the host in two ways, the path. */
#include "app/tenant_hints.h"

#include <arpa/inet.h>
#include <string.h>

#include "app/app.h"
#include "app/limit.h"
#include "app/router.h"
#include "app/text.h"

const char *hint_name(enum hint_kind kind)
{
    switch (kind) {
    case HINT_SLUG_HEADER:
        return "X-Tenant-Slug";
    case HINT_ID_HEADER:
        return "X-Tenant-ID";
    case HINT_SUBDOMAIN:
        return "subdomain";
    case HINT_DOMAIN:
        return "domain";
    case HINT_PATH:
        return "path";
    case HINT_DEFAULT:
        return "default_tenant";
    case HINT_CREDENTIAL:
        return "credential";
    case HINT_UNSET:
        break;
    }
    return "none";
}

static char *lowered(struct ctx *ctx, const char *text)
{
    char *copy = arena_strdup(ctx->arena, text);

    for (char *c = copy; c != NULL && *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    return copy;
}

static struct limit_rule unknown_rule(const struct ctx *ctx)
{
    const struct config_limits *limits = &app_config(ctx->app)->limits;
    const int64_t factor = app_is_development(ctx->app) ? limits->development_factor : 1;

    return (struct limit_rule){.count = limits->unknown_tenants_per_minute * factor, .seconds = 60};
}

/* Unknown tenants are answered before any other limit is charged and each costs a read, so an
 * address has a budget of them. Called before the read: whoever has used it up reads no more. */
static enum err may_look_up(struct ctx *ctx)
{
    const struct limit_rule rule = unknown_rule(ctx);
    uint8_t subject[LIMIT_SUBJECT_MAX];
    struct limit_result result;

    if (ctx->app->limiter == NULL)
        return ERR_OK;
    limit_take(ctx->app->limiter, LIMIT_UNKNOWN, subject, limit_address(ctx->ip, subject), &rule,
               &result);
    if (!result.allowed)
        return fail_retry(ctx, ERR_RATE_LIMITED, result.retry_after);
    ctx->look_ups++;
    return ERR_OK;
}

/* What was found costs nothing. */
static void refund_look_ups(struct ctx *ctx)
{
    const struct limit_rule rule = unknown_rule(ctx);
    uint8_t subject[LIMIT_SUBJECT_MAX];

    for (; ctx->look_ups > 0; ctx->look_ups--)
        limit_refund(ctx->app->limiter, LIMIT_UNKNOWN, subject, limit_address(ctx->ip, subject),
                     &rule);
}

void tenant_look_ups_begin(struct ctx *ctx)
{
    ctx->may_load = may_look_up;
}

static void settle(struct ctx *ctx, bool found)
{
    if (found && ctx->look_ups > 0)
        refund_look_ups(ctx);
    ctx->look_ups = 0;
}

void tenant_look_ups_end(struct ctx *ctx, bool found)
{
    ctx->may_load = NULL;
    settle(ctx, found);
}

static enum err unknown_is_null(enum err found, struct ctx *ctx)
{
    settle(ctx, found == ERR_OK);
    if (found != ERR_TENANT_NOT_FOUND)
        return found;
    fail_clear(ctx);
    return ERR_OK;
}

static enum err add_slug(struct request *req, enum hint_kind kind, const char *text,
                         struct tenant_hints *hints)
{
    struct tenant_hint *hint = &hints->items[hints->count];
    char *slug = lowered(&req->ctx, text);

    if (slug == NULL)
        return ERR_MEMORY;
    if (text_check_slug(slug) != NULL)
        return fail(&req->ctx, ERR_BAD_HINT, hint_name(kind),
                    "The tenant's slug in %s must match [a-z0-9](-?[a-z0-9])* with at most 63 "
                    "characters.",
                    kind == HINT_SLUG_HEADER ? "X-Tenant-Slug" : "the path");
    *hint = (struct tenant_hint){.kind = kind, .value = slug};
    hints->count++;
    return unknown_is_null(tenant_get_by_slug(&req->ctx, slug, &hint->tenant), &req->ctx);
}

static enum err add_id(struct request *req, enum hint_kind kind, const struct uuid *id,
                       const char *text, struct tenant_hints *hints)
{
    struct tenant_hint *hint = &hints->items[hints->count++];

    *hint = (struct tenant_hint){.kind = kind, .value = text};
    return unknown_is_null(tenant_get_by_id(&req->ctx, id, &hint->tenant), &req->ctx);
}

/* The single value of a tenant header, NULL when it is not sent. */
static enum err header_once(struct request *req, const char *name, const char **ret_value)
{
    *ret_value = request_header(req, name);
    if (*ret_value == NULL)
        return ERR_OK;
    if (request_header_count(req, name) > 1)
        return fail(&req->ctx, ERR_BAD_HINT, name, "%s may be sent once only.", name);
    if (**ret_value == '\0')
        return fail(&req->ctx, ERR_BAD_HINT, name, "%s must not be empty.", name);
    return ERR_OK;
}

static enum err collect_headers(struct request *req, struct tenant_hints *hints)
{
    const char *slug = NULL, *id_text = NULL;
    struct uuid id;

    TRY(header_once(req, "X-Tenant-Slug", &slug));
    TRY(header_once(req, "X-Tenant-ID", &id_text));
    if (slug != NULL)
        TRY(add_slug(req, HINT_SLUG_HEADER, slug, hints));
    if (id_text == NULL)
        return ERR_OK;
    if (!uuid_parse(id_text, &id))
        return fail(&req->ctx, ERR_BAD_HINT, "X-Tenant-ID",
                    "X-Tenant-ID must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057.");
    return add_id(req, HINT_ID_HEADER, &id, id_text, hints);
}

/* Length of the part of host before ".base", 0 when host is not under it. */
static size_t label_length(const char *host, const char *base)
{
    const size_t host_length = strlen(host), base_length = strlen(base);

    if (host_length <= base_length + 1 || host[host_length - base_length - 1] != '.' ||
        strcmp(host + host_length - base_length, base) != 0)
        return 0;
    return host_length - base_length - 1;
}

static bool is_address(const char *host)
{
    unsigned char scratch[sizeof(struct in6_addr)];

    return host[0] == '[' || strchr(host, ':') != NULL || inet_pton(AF_INET, host, scratch) == 1;
}

/* <slug>.<base domain>: explicit, even when no such tenant exists. Reserved labels are ours. */
static enum err collect_subdomain(struct request *req, size_t length, struct tenant_hints *hints)
{
    struct tenant_hint *hint = &hints->items[hints->count];
    const char *label = arena_strndup(req->ctx.arena, req->host, length);

    if (label == NULL)
        return ERR_MEMORY;
    if (router_is_reserved_slug(label))
        return ERR_OK;
    *hint = (struct tenant_hint){.kind = HINT_SUBDOMAIN, .value = label};
    hints->count++;
    if (text_check_slug(label) != NULL)
        return ERR_OK;
    return unknown_is_null(tenant_get_by_slug(&req->ctx, label, &hint->tenant), &req->ctx);
}

static enum err collect_domain(struct request *req, struct tenant_hints *hints)
{
    const struct tenant *tenant = NULL;

    if (strchr(req->host, '.') == NULL)
        return ERR_OK;
    TRY(unknown_is_null(tenant_get_by_domain(&req->ctx, req->host, &tenant), &req->ctx));
    if (tenant != NULL)
        hints->items[hints->count++] =
            (struct tenant_hint){.kind = HINT_DOMAIN, .value = req->host, .tenant = tenant};
    return ERR_OK;
}

static enum err collect_host(struct request *req, struct tenant_hints *hints)
{
    const struct strs *bases = &app_config(req->ctx.app)->tenants.base_domains;
    size_t label = 0;

    if (req->host == NULL || is_address(req->host) || strs_has(bases, req->host))
        return ERR_OK;
    for (size_t i = 0; i < bases->count; i++) {
        const size_t length = label_length(req->host, bases->items[i]);

        /* Of base domains within each other the innermost counts, in whatever order they stand. */
        if (length > 0 && (label == 0 || length < label))
            label = length;
    }
    return label > 0 ? collect_subdomain(req, label, hints) : collect_domain(req, hints);
}

/* {cid} is the tenant's UUID or slug; /t/{slug} and /tenants/{slug} are slugs. */
static enum err collect_segment(struct request *req, const char *segment,
                                struct tenant_hints *hints)
{
    struct uuid id;

    if (segment == NULL)
        return ERR_OK;
    if (uuid_parse(segment, &id))
        return add_id(req, HINT_PATH, &id, segment, hints);
    return add_slug(req, HINT_PATH, segment, hints);
}

static enum err collect(struct request *req, struct tenant_hints *ret_hints)
{
    TRY(collect_headers(req, ret_hints));
    TRY(collect_host(req, ret_hints));
    TRY(collect_segment(req, req->path_tenant, ret_hints));
    return collect_segment(req, req->path_client, ret_hints);
}

enum err tenant_hints_collect(struct request *req, struct tenant_hints *ret_hints)
{
    *ret_hints = (struct tenant_hints){.count = 0};
    req->ctx.may_load = may_look_up;

    const enum err collected = collect(req, ret_hints);

    req->ctx.may_load = NULL;
    return collected;
}

enum err tenant_hints_decide(struct request *req, const struct tenant_hints *hints,
                             const struct tenant_hint **ret_hint)
{
    *ret_hint = NULL;
    for (size_t i = 0; i < hints->count; i++) {
        if (hints->items[i].tenant == NULL)
            return fail_internal(&req->ctx, ERR_TENANT_NOT_FOUND,
                                 "no active tenant \"%s\", named by %s", hints->items[i].value,
                                 hint_name(hints->items[i].kind));
    }
    for (size_t i = 1; i < hints->count; i++) {
        if (!uuid_equal(&hints->items[i].tenant->id, &hints->items[0].tenant->id)) {
            *ret_hint = &hints->items[0];
            return fail_internal(&req->ctx, ERR_TENANT_CONFLICT,
                                 "%s names \"%s\" but %s names \"%s\"",
                                 hint_name(hints->items[0].kind), hints->items[0].tenant->slug,
                                 hint_name(hints->items[i].kind), hints->items[i].tenant->slug);
        }
    }
    if (hints->count > 0)
        *ret_hint = &hints->items[0];
    return ERR_OK;
}
