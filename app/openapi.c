/* The document as a whole: paths in the order of the table, then the components. */
#include "app/openapi.h"

#include <string.h>

#include "app/openapi_operation.h"
#include "app/routes.h"

#define STRINGIFY_(x) #x
#define STRINGIFY(x)  STRINGIFY_(x)

static const enum method methods[] = {GET, POST, PUT, PATCH, DELETE};

static void put_info(struct buf *out)
{
    buf_puts(out,
             "\"openapi\":\"3.1.0\",\"info\":{\"title\":\"tenantd\",\"version\":\"" TENANTD_VERSION
             "\",\"summary\":\"Multi-tenant identity service\",\"license\":{\"name\":\"MIT\","
             "\"identifier\":\"MIT\"}},\"servers\":[{\"url\":\"/\"}]");
}

static bool is_first_of_path(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(routes[i].path, routes[index].path) == 0)
            return false;
    }
    return true;
}

static void put_path(const char *path, struct buf *out)
{
    bool first = true;

    buf_json_string(out, path, strlen(path));
    buf_puts(out, ":{");
    for (size_t i = 0; i < route_count; i++) {
        if (strcmp(routes[i].path, path) != 0)
            continue;
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
            if ((routes[i].method & methods[m]) == 0)
                continue;
            if (!first)
                buf_putc(out, ',');
            first = false;
            openapi_operation(&routes[i], methods[m], out);
        }
    }
    buf_putc(out, '}');
}

static void put_paths(struct buf *out)
{
    bool first = true;

    buf_puts(out, ",\"paths\":{");
    for (size_t i = 0; i < route_count; i++) {
        if (!is_first_of_path(i))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        put_path(routes[i].path, out);
    }
    buf_putc(out, '}');
}

/* What a row says of a view; NULL when it has none. */
static const struct schema *schema_of(const struct route *route, enum schema_view view)
{
    if (view == VIEW_OUTPUT)
        return route->out;
    if (route->body == BODY_NONE) /* parameters of the query stand in the operation */
        return NULL;
    return openapi_input_view(route) == view ? route->in : NULL;
}

/* Whether an earlier row has the same component: schemas are compared by name, as readers see them.
 */
static bool is_repeated(size_t index, const struct schema *schema, enum schema_view view)
{
    for (size_t i = 0; i < index; i++) {
        const struct schema *other = schema_of(&routes[i], view);

        if (other != NULL && strcmp(other->name, schema->name) == 0)
            return true;
    }
    return false;
}

static void put_schema(size_t index, enum schema_view view, struct buf *out)
{
    const struct schema *schema = schema_of(&routes[index], view);

    if (schema == NULL || is_repeated(index, schema, view))
        return;
    buf_puts(out, ",\"");
    openapi_component_name(schema, view, out);
    buf_puts(out, "\":");
    schema_to_openapi(schema, view, out);
}

static void put_error_codes(struct buf *out)
{
    bool first = true;

    for (int code = ERR_OK + 1; code < ERR_COUNT; code++) {
        bool repeated = false;

        for (int other = ERR_OK + 1; other < code; other++)
            repeated |=
                strcmp(error_info((enum err)other)->code, error_info((enum err)code)->code) == 0;
        if (repeated)
            continue;
        buf_puts(out, first ? "\"" : ",\"");
        first = false;
        buf_puts(out, error_info((enum err)code)->code);
        buf_putc(out, '"');
    }
}

static void put_error_schema(struct buf *out)
{
    buf_puts(out, "\"Error\":{\"type\":\"object\",\"properties\":{\"error\":{\"type\":\"string\","
                  "\"description\":\"Machine code.\",\"examples\":[");
    put_error_codes(out);
    buf_puts(out, "]},"
                  "\"error_description\":{\"type\":\"string\",\"description\":"
                  "\"What was wrong and what is allowed.\"},"
                  "\"request_id\":{\"type\":\"string\",\"description\":"
                  "\"Finds the request in the log.\"},"
                  "\"field\":{\"type\":\"string\",\"description\":"
                  "\"Member at fault: its path, or a JSON pointer into custom_fields.\"},"
                  "\"required\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
                  "\"description\":\"Missing members.\"},"
                  "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
                  "\"pointer\":{\"type\":\"string\"},\"keyword\":{\"type\":\"string\"},"
                  "\"message\":{\"type\":\"string\"}}},\"description\":"
                  "\"Everything that is wrong with custom_fields.\"},"
                  "\"message\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"},"
                  "\"hint\":{\"type\":\"string\",\"description\":"
                  "\"In development: what was seen.\"},"
                  "\"limit\":{\"type\":\"integer\"},\"usage\":{\"type\":\"integer\"},"
                  "\"upgrade_url\":{\"type\":[\"string\",\"null\"]}},"
                  "\"required\":[\"error\",\"error_description\",\"request_id\"]}");
}

static void put_security_schemes(struct buf *out)
{
    buf_puts(
        out,
        "\"securitySchemes\":{"
        "\"session\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"__Host-session-{slug}\","
        "\"description\":\"Session cookie of a tenant; session-{slug} over plain HTTP.\"},"
        "\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\","
        "\"description\":\"Access token of a user.\"},"
        "\"accessKey\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"ak_<id>_<secret>"
        "\","
        "\"description\":\"Access key of a tenant.\"},"
        "\"platformKey\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":"
        "\"pk_<id>_<secret>\",\"description\":\"Key of the platform administrator.\"}}");
}

static void put_components(struct buf *out)
{
    buf_puts(out, ",\"components\":{\"schemas\":{");
    put_error_schema(out);
    for (size_t i = 0; i < route_count; i++) {
        put_schema(i, VIEW_INPUT, out);
        put_schema(i, VIEW_PATCH, out);
        put_schema(i, VIEW_OUTPUT, out);
    }
    buf_puts(
        out,
        "},\"responses\":{\"Error\":{\"description\":\"An error.\",\"content\":{"
        "\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Error\"}}}},"
        "\"RetryLater\":{\"description\":\"An error that may be gone later.\",\"headers\":{"
        "\"Retry-After\":{\"schema\":{\"type\":\"integer\"},\"description\":\"Seconds.\"}},"
        "\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/"
        "Error\"}}}}},"
        "\"parameters\":{"
        "\"TenantSlug\":{\"name\":\"X-Tenant-Slug\",\"in\":\"header\",\"description\":\"Names the "
        "tenant, as its host or its path also can.\",\"schema\":{\"type\":\"string\",\"maxLength\":"
        "63}},"
        "\"TenantId\":{\"name\":\"X-Tenant-ID\",\"in\":\"header\",\"description\":\"Names the "
        "tenant "
        "by its id.\",\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}},"
        "\"IdempotencyKey\":{\"name\":\"Idempotency-Key\",\"in\":\"header\",\"description\":"
        "\"A random value of the client's choice, such as a UUID. Within 24 hours the same key "
        "with "
        "the same body gives the same answer, with Idempotency-Replayed: true; with another body "
        "409.\",\"schema\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64,"
        "\"pattern\":\"^[!-~]+$\"}}},");
    put_security_schemes(out);
    buf_putc(out, '}');
}

void openapi_write(struct buf *out)
{
    buf_putc(out, '{');
    put_info(out);
    put_paths(out);
    put_components(out);
    buf_putc(out, '}');
}
