/* The reference is the route table itself, so it cannot tell of what does not exist. */
#include "handlers/docs_reference.h"

#include <string.h>

#include "app/app.h"
#include "app/routes.h"

#define GROUP_VARS 4
#define ROW_VARS   8
#define TEXT_MAX   ((size_t)8 * 1024)

/* In the order of the page; a row belongs to the first group whose prefix its path has. */
static const struct group {
    const char *prefix, *id, *title, *intro;
} groups[] = {
    {"/api/v1/", "clients", "Client API",
     "For backends that hold an access key. {cid} is the tenant's id or slug."},
    {"/tenants", "tenants", "Tenants", "Registering a tenant, and what a tenant tells and sets."},
    {"/auth", "auth", "Sign-up, login and tokens",
     "For apps without a session: short access tokens and rotating refresh tokens."},
    {"/users", "users", "Users", "The user document with its custom fields."},
    {"/oauth", "oauth", "Accounts and sessions", "Registration and login with a session cookie."},
    {"/api", "api", "Trying it out", "Small routes that show who is asking."},
    {"/", "service", "Service", "Health and descriptions."},
};
#define GROUP_COUNT (sizeof groups / sizeof groups[0])

static const struct {
    enum method method;
    const char *name;
} methods[] = {
    {GET, "GET"}, {POST, "POST"}, {PUT, "PUT"}, {PATCH, "PATCH"}, {DELETE, "DELETE"},
};

static const struct {
    unsigned set;
    const char *name;
} credentials[] = {
    {AUTH_SESSION, "session"},       {AUTH_BEARER, "access token"},    {AUTH_KEY, "access key"},
    {AUTH_PLATFORM, "platform key"}, {AUTH_BODY, "token in the body"},
};

static size_t group_of(const struct route *route)
{
    size_t i = 0;

    while (i + 1 < GROUP_COUNT &&
           strncmp(route->path, groups[i].prefix, strlen(groups[i].prefix)) != 0)
        i++;
    return i;
}

static bool is_shown(const struct ctx *ctx, const struct route *route)
{
    if ((route->flags & (ROUTE_HIDDEN | ROUTE_INTERNAL)) != 0)
        return false;
    return (route->flags & ROUTE_DEV_ONLY) == 0 || app_is_development(ctx->app);
}

static void add_word(struct buf *out, const char *separator, const char *word)
{
    if (out->size > 0)
        buf_puts(out, separator);
    buf_puts(out, word);
}

static const char *method_text(struct ctx *ctx, const struct route *route)
{
    struct buf out;

    buf_init(&out, ctx->arena, TEXT_MAX);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (((unsigned)route->method & (unsigned)methods[i].method) != 0)
            add_word(&out, " ", methods[i].name);
    }
    return buf_text(&out);
}

static const char *role_text(enum role role)
{
    switch (role) {
    case ROLE_ADMIN:
        return "administrators";
    case ROLE_OWNER:
        return "owners";
    case ROLE_UNSET:
    case ROLE_USER:
        break;
    }
    return NULL;
}

/* "session or access token (scope admin), administrators" */
static const char *auth_text(struct ctx *ctx, const struct route *route)
{
    const char *scope = route->scope != NULL ? route->scope : route->key_scope;
    const char *role = role_text(route->role);
    struct buf out;

    if ((route->auth & (AUTH_PUBLIC | AUTH_IGNORE)) != 0)
        return "none";
    buf_init(&out, ctx->arena, TEXT_MAX);
    for (size_t i = 0; i < sizeof credentials / sizeof credentials[0]; i++) {
        if ((route->auth & credentials[i].set) != 0)
            add_word(&out, " or ", credentials[i].name);
    }
    if (scope != NULL)
        buf_printf(&out, " (scope %s)", scope);
    if (role != NULL)
        buf_printf(&out, ", %s only", role);
    return buf_text(&out);
}

/* "email, password, name (optional)": what the input's field table takes. */
static const char *body_text(struct ctx *ctx, const struct route *route)
{
    const bool is_patch = route->body == BODY_MERGE_PATCH;
    struct buf out;

    if (routes_take_query(route) || route->in == NULL)
        return NULL;
    buf_init(&out, ctx->arena, TEXT_MAX);
    for (size_t i = 0; i < route->in->field_count; i++) {
        const struct field *field = &route->in->fields[i];

        if ((field->flags & (F_READONLY | F_INTERNAL)) != 0 ||
            (is_patch && (field->flags & F_PATCH) == 0))
            continue;
        add_word(&out, ", ", field->name);
        if ((field->flags & F_REQUIRED) == 0 && !is_patch)
            buf_puts(&out, " (optional)");
    }
    return buf_text(&out);
}

static const char *tenant_text(const struct route *route)
{
    /* {cid} in the path names it, an access key does too. */
    return route->tenant == TENANT_REQUIRED && (route->auth & AUTH_KEY) == 0 &&
                   strstr(route->path, "{cid}") == NULL
               ? "yes"
               : NULL;
}

static enum err describe_row(struct ctx *ctx, const struct route *route,
                             struct template_vars *ret_item)
{
    struct template_var *vars = arena_array(ctx->arena, ROW_VARS, sizeof *vars);

    if (vars == NULL)
        return ERR_MEMORY;
    vars[0] = (struct template_var){.name = "method", .text = method_text(ctx, route)};
    vars[1] = (struct template_var){.name = "path", .text = route->path};
    vars[2] = (struct template_var){.name = "summary", .text = route->summary};
    vars[3] = (struct template_var){.name = "auth", .text = auth_text(ctx, route)};
    vars[4] = (struct template_var){.name = "body", .text = body_text(ctx, route)};
    vars[5] = (struct template_var){.name = "needs-tenant", .text = tenant_text(route)};
    vars[6] = (struct template_var){.name = "status",
                                    .text = arena_printf(ctx->arena, "%d", route->status)};
    vars[7] = (struct template_var){.name = "development",
                                    .text = (route->flags & ROUTE_DEV_ONLY) != 0 ? "yes" : NULL};
    *ret_item = (struct template_vars){.vars = vars, .count = ROW_VARS};
    return vars[0].text == NULL || vars[3].text == NULL || vars[6].text == NULL ? ERR_MEMORY
                                                                                : ERR_OK;
}

static enum err describe_group(struct ctx *ctx, size_t group, struct template_vars *ret_item)
{
    struct template_var *vars = arena_array(ctx->arena, GROUP_VARS, sizeof *vars);
    struct template_vars *rows = arena_array(ctx->arena, route_count, sizeof *rows);
    size_t count = 0;

    if (vars == NULL || rows == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < route_count; i++) {
        if (group_of(&routes[i]) != group || !is_shown(ctx, &routes[i]))
            continue;
        TRY(describe_row(ctx, &routes[i], &rows[count]));
        count++;
    }
    vars[0] = (struct template_var){.name = "group-title", .text = groups[group].title};
    vars[1] = (struct template_var){.name = "group-id", .text = groups[group].id};
    vars[2] = (struct template_var){.name = "group-intro", .text = groups[group].intro};
    vars[3] = (struct template_var){.name = "rows", .items = rows, .item_count = count};
    *ret_item = (struct template_vars){.vars = vars, .count = GROUP_VARS};
    return ERR_OK;
}

enum err docs_reference(struct ctx *ctx, const char *name, struct template_var *ret_var)
{
    struct template_vars *items = arena_array(ctx->arena, GROUP_COUNT, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < GROUP_COUNT; i++)
        TRY(describe_group(ctx, i, &items[i]));
    *ret_var = (struct template_var){.name = name, .items = items, .item_count = GROUP_COUNT};
    return ERR_OK;
}
