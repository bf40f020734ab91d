/* One operation: parameters, body, answers, security, and x-tenantd. */
#include "app/openapi_operation.h"

#include <string.h>

struct bit_name {
    unsigned bit;
    const char *name;
};

static const struct bit_name auth_names[] = {
    {AUTH_PUBLIC, "public"},
    {AUTH_SESSION, "session"},
    {AUTH_BEARER, "bearer"},
    {AUTH_KEY, "key"},
    {AUTH_PLATFORM, "platform"},
    {AUTH_BODY, "body"},
    {AUTH_CLIENT, "client"},
    {AUTH_OPTIONAL, "optional"},
    {AUTH_NO_CLIENTS, "no_clients"},
    {AUTH_IGNORE, "ignore"},
    {AUTH_KEY_BY_TENANT, "key_by_tenant"},
    {AUTH_FORM_TOKEN, "form_token"},
    {0, NULL},
};

static const struct bit_name flag_names[] = {
    {ROUTE_PAGE, "page"},
    {ROUTE_NO_STORE, "no_store"},
    {ROUTE_INTERNAL, "internal"},
    {ROUTE_DEV_ONLY, "dev_only"},
    {ROUTE_HIDDEN, "hidden"},
    {ROUTE_API_V1, "api_v1"},
    {ROUTE_SETS_COOKIE, "sets_cookie"},
    {ROUTE_LINES, "lines"},
    {ROUTE_IDEMPOTENT, "idempotent"},
    {0, NULL},
};

static const struct bit_name security_schemes[] = {
    {AUTH_SESSION, "session"},      {AUTH_BEARER, "bearer"}, {AUTH_KEY, "accessKey"},
    {AUTH_PLATFORM, "platformKey"}, {AUTH_CLIENT, "client"}, {0, NULL},
};

static const char *method_name(enum method method)
{
    switch (method) {
    case GET:
        return "get";
    case POST:
        return "post";
    case PUT:
        return "put";
    case PATCH:
        return "patch";
    case DELETE:
        return "delete";
    case HEAD:
        return "head";
    case OPTIONS:
        return "options";
    case METHOD_UNSET:
        break;
    }
    return "unset";
}

static const char *tenant_name(enum tenant_rule rule)
{
    switch (rule) {
    case TENANT_IGNORED:
        return "ignored";
    case TENANT_OPTIONAL:
        return "optional";
    case TENANT_REQUIRED:
        return "required";
    case TENANT_UNSET:
        break;
    }
    return "unset";
}

static const char *rate_name(enum rate_class rate)
{
    switch (rate) {
    case RATE_NONE:
        return "none";
    case RATE_READ:
        return "read";
    case RATE_WRITE:
        return "write";
    case RATE_LOGIN:
        return "login";
    case RATE_REGISTER:
        return "register";
    case RATE_TENANT_CREATE:
        return "tenant_create";
    case RATE_UNSET:
        break;
    }
    return "unset";
}

static const char *body_name(enum body_rule body)
{
    switch (body) {
    case BODY_NONE:
        return "none";
    case BODY_JSON:
        return "json";
    case BODY_FORM:
        return "form";
    case BODY_JSON_OR_FORM:
        return "json_or_form";
    case BODY_MERGE_PATCH:
        return "merge_patch";
    case BODY_LINES:
        return "lines";
    case BODY_UNSET:
        break;
    }
    return "unset";
}

static const char *role_name(enum role role)
{
    switch (role) {
    case ROLE_USER:
        return "user";
    case ROLE_ADMIN:
        return "admin";
    case ROLE_OWNER:
        return "owner";
    case ROLE_UNSET:
        break;
    }
    return NULL;
}

static void put_text(const char *text, struct buf *out)
{
    if (text == NULL)
        buf_puts(out, "null");
    else
        buf_json_string(out, text, strlen(text));
}

static void put_bits(const struct bit_name *names, unsigned bits, struct buf *out)
{
    bool first = true;

    buf_putc(out, '[');
    for (; names->name != NULL; names++) {
        if ((bits & names->bit) == 0)
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        put_text(names->name, out);
    }
    buf_putc(out, ']');
}

enum schema_view openapi_input_view(const struct route *route)
{
    return route->body == BODY_MERGE_PATCH ? VIEW_PATCH : VIEW_INPUT;
}

void openapi_component_name(const struct schema *schema, enum schema_view view, struct buf *out)
{
    const char *ending = view == VIEW_PATCH ? "_patch" : "_input";
    size_t length = strlen(schema->name);

    buf_puts(out, schema->name);
    if (view != VIEW_OUTPUT && (length < 6 || strcmp(schema->name + length - 6, ending) != 0))
        buf_puts(out, ending);
}

static void put_reference(const struct schema *schema, enum schema_view view, struct buf *out)
{
    if (schema == NULL) {
        buf_puts(out, "{\"type\":\"object\"}");
        return;
    }
    buf_puts(out, "{\"$ref\":\"#/components/schemas/");
    openapi_component_name(schema, view, out);
    buf_puts(out, "\"}");
}

/* get_users_id of GET /users/{id}; / alone is "root". */
static void put_operation_id(const struct route *route, enum method method, struct buf *out)
{
    bool gap = true;

    buf_puts(out, "\"operationId\":\"");
    buf_puts(out, method_name(method));
    for (const char *c = route->path; *c != '\0'; c++) {
        bool word =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');

        if (word && gap)
            buf_putc(out, '_');
        if (word)
            buf_putc(out, *c);
        gap = !word;
    }
    buf_puts(out, strcmp(route->path, "/") == 0 ? "_root\"" : "\"");
}

static void put_tag(const struct route *route, struct buf *out)
{
    const char *segment = route->path + 1;
    size_t length = strcspn(segment, "/");

    buf_puts(out, ",\"tags\":[");
    if (length == 0)
        put_text("root", out);
    else
        buf_json_string(out, segment, length);
    buf_putc(out, ']');
}

static void put_query(const struct route *route, bool first, struct buf *out)
{
    const struct schema *query = routes_query(route);

    if (query == NULL)
        return;
    for (size_t i = 0; i < query->field_count; i++) {
        const struct field *field = &query->fields[i];

        buf_puts(out, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        put_text(field->name, out);
        buf_printf(out, ",\"in\":\"query\",\"required\":%s,\"schema\":",
                   (field->flags & F_REQUIRED) != 0 ? "true" : "false");
        schema_field_to_openapi(field, out);
        if (field->doc != NULL) {
            buf_puts(out, ",\"description\":");
            put_text(field->doc, out);
        }
        buf_putc(out, '}');
    }
}

static void put_parameters(const struct route *route, struct buf *out)
{
    bool first = true;

    buf_puts(out, ",\"parameters\":[");
    for (const char *open = strchr(route->path, '{'); open != NULL; open = strchr(open + 1, '{')) {
        buf_puts(out, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        buf_json_string(out, open + 1, strcspn(open + 1, "}"));
        buf_puts(out, ",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}");
    }
    if (route->tenant == TENANT_REQUIRED || route->tenant == TENANT_OPTIONAL) {
        buf_puts(out, first ? "" : ",");
        buf_puts(out, "{\"$ref\":\"#/components/parameters/TenantSlug\"},"
                      "{\"$ref\":\"#/components/parameters/TenantId\"}");
        first = false;
    }
    if ((route->flags & ROUTE_IDEMPOTENT) != 0) {
        buf_printf(out, "%s{\"$ref\":\"#/components/parameters/IdempotencyKey\"}",
                   first ? "" : ",");
        first = false;
    }
    put_query(route, first, out);
    buf_putc(out, ']');
}

static bool is_body_required(const struct route *route)
{
    const struct schema *schema = route->in;

    if (route->body == BODY_MERGE_PATCH)
        return true;
    for (size_t i = 0; schema != NULL && i < schema->field_count; i++) {
        if ((schema->fields[i].flags & F_REQUIRED) != 0)
            return true;
    }
    return false;
}

static void put_media(const char *type, const struct route *route, bool *first, struct buf *out)
{
    buf_puts(out, *first ? "" : ",");
    *first = false;
    put_text(type, out);
    buf_puts(out, ":{\"schema\":");
    put_reference(route->in, openapi_input_view(route), out);
    buf_putc(out, '}');
}

static void put_request_body(const struct route *route, struct buf *out)
{
    bool first = true;

    if (route->body == BODY_NONE || route->body == BODY_UNSET)
        return;
    if (route->body == BODY_LINES) {
        buf_puts(out, ",\"requestBody\":{\"required\":true,\"content\":{"
                      "\"application/x-ndjson\":{\"schema\":{\"type\":\"string\"}}}}");
        return;
    }
    buf_printf(out, ",\"requestBody\":{\"required\":%s,\"content\":{",
               is_body_required(route) ? "true" : "false");
    if (route->body == BODY_MERGE_PATCH)
        put_media("application/merge-patch+json", route, &first, out);
    if (route->body != BODY_FORM)
        put_media("application/json", route, &first, out);
    if (route->body == BODY_FORM || route->body == BODY_JSON_OR_FORM)
        put_media("application/x-www-form-urlencoded", route, &first, out);
    buf_puts(out, "}}");
}

static void put_answer(const struct route *route, int status, const char *words, struct buf *out)
{
    buf_printf(out, "\"%d\":{\"description\":\"%s\"", status, words);
    if (route->out != NULL) {
        buf_printf(out, ",\"content\":{\"application/%s\":{\"schema\":",
                   (route->flags & ROUTE_LINES) != 0 ? "x-ndjson" : "json");
        put_reference(route->out, VIEW_OUTPUT, out);
        buf_puts(out, "}}");
    } else if ((route->flags & ROUTE_PAGE) != 0) {
        buf_puts(out, ",\"content\":{\"text/html\":{\"schema\":{\"type\":\"string\"}}}");
    }
    buf_putc(out, '}');
}

static void put_success(const struct route *route, struct buf *out)
{
    put_answer(route, route->status, "Success.", out);
    if ((route->flags & ROUTE_OR_LATER) == 0)
        return;
    buf_putc(out, ',');
    put_answer(route, 202, "Not over yet: it goes on in the background.", out);
}

static void put_error_response(int status, bool retry, struct buf *out)
{
    buf_printf(out, ",\"%d\":{\"$ref\":\"#/components/responses/%s\"}", status,
               retry ? "RetryLater" : "Error");
}

static void put_responses(const struct route *route, struct buf *out)
{
    bool anonymous = (route->auth & (AUTH_PUBLIC | AUTH_IGNORE)) != 0;
    bool named = strchr(route->path, '{') != NULL || route->tenant != TENANT_IGNORED;

    buf_puts(out, ",\"responses\":{");
    put_success(route, out);
    put_error_response(400, false, out);
    if ((route->flags & ROUTE_IDEMPOTENT) != 0)
        put_error_response(409, false, out);
    if (!anonymous) {
        put_error_response(401, false, out);
        put_error_response(403, false, out);
    }
    if (named)
        put_error_response(404, false, out);
    if (route->body != BODY_NONE) {
        put_error_response(413, false, out);
        put_error_response(415, false, out);
    }
    if (route->rate != RATE_NONE)
        put_error_response(429, true, out);
    put_error_response(503, true, out);
    buf_puts(out, ",\"default\":{\"$ref\":\"#/components/responses/Error\"}}");
}

/* Each accepted credential alone is enough; {} stands for none. */
static void put_security(const struct route *route, struct buf *out)
{
    bool first = true;

    buf_puts(out, ",\"security\":[");
    for (const struct bit_name *scheme = security_schemes; scheme->name != NULL; scheme++) {
        if ((route->auth & scheme->bit) == 0)
            continue;
        buf_printf(out, "%s{\"%s\":[]}", first ? "" : ",", scheme->name);
        first = false;
    }
    if (!first && (route->auth & (AUTH_PUBLIC | AUTH_OPTIONAL | AUTH_BODY | AUTH_IGNORE |
                                  AUTH_KEY_BY_TENANT)) != 0)
        buf_puts(out, ",{}");
    buf_putc(out, ']');
}

static void put_extension(const struct route *route, struct buf *out)
{
    const char *key_scope = route->key_scope != NULL ? route->key_scope : route->scope;

    buf_puts(out, ",\"x-tenantd\":{\"tenant\":");
    put_text(tenant_name(route->tenant), out);
    buf_puts(out, ",\"auth\":");
    put_bits(auth_names, route->auth, out);
    buf_puts(out, ",\"scope\":");
    put_text(route->scope, out);
    buf_puts(out, ",\"key_scope\":");
    put_text((route->auth & AUTH_KEY) != 0 ? key_scope : NULL, out);
    buf_puts(out, ",\"role\":");
    put_text(role_name(route->role), out);
    buf_puts(out, ",\"rate\":");
    put_text(rate_name(route->rate), out);
    buf_puts(out, ",\"body\":");
    put_text(body_name(route->body), out);
    buf_printf(out, ",\"body_cap\":%zu,\"flags\":", route->body_cap);
    put_bits(flag_names, route->flags, out);
    buf_putc(out, '}');
    if ((route->flags & (ROUTE_HIDDEN | ROUTE_INTERNAL)) != 0)
        buf_puts(out, ",\"x-internal\":true");
}

void openapi_operation(const struct route *route, enum method method, struct buf *out)
{
    put_text(method_name(method), out);
    buf_puts(out, ":{");
    put_operation_id(route, method, out);
    put_tag(route, out);
    buf_puts(out, ",\"summary\":");
    put_text(route->summary != NULL ? route->summary : "", out);
    put_parameters(route, out);
    if (method != GET && method != HEAD)
        put_request_body(route, out);
    put_responses(route, out);
    put_security(route, out);
    put_extension(route, out);
    buf_putc(out, '}');
}
