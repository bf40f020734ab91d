/* Which origins tenants allow. */
#include "models/tenant_origin.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/db.h"

#define DIGITS     "0123456789"
#define HOST_CHARS "abcdefghijklmnopqrstuvwxyz" DIGITS "-."
#define MAX_LABEL  63
#define MAX_HOST   253

/* --- form --- */

/* The text after "https://" or "http://"; NULL when it begins with neither. */
static const char *host_of(const char *origin, bool *ret_https)
{
    *ret_https = strncmp(origin, "https://", 8) == 0;
    if (*ret_https)
        return origin + 8;
    return strncmp(origin, "http://", 7) == 0 ? origin + 7 : NULL;
}

static bool is_bracketed_address(const char *host, size_t length)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr bytes;

    if (length < 4 || length - 2 >= sizeof address || host[length - 1] != ']')
        return false;
    memcpy(address, host + 1, length - 2);
    address[length - 2] = '\0';
    return inet_pton(AF_INET6, address, &bytes) == 1;
}

static bool is_name(const char *host, size_t length)
{
    size_t label = 0;

    if (length == 0 || length > MAX_HOST || strspn(host, HOST_CHARS) < length)
        return false;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && host[i] != '.') {
            label++;
            continue;
        }
        if (label == 0 || label > MAX_LABEL || host[i - 1] == '-' || host[i - label] == '-')
            return false;
        label = 0;
    }
    return true;
}

/* The length of the host, 0 when there is no sound one. */
static size_t host_length(const char *host)
{
    size_t length = strcspn(host, host[0] == '[' ? "]" : ":");

    if (host[0] == '[') {
        length += host[length] == ']';
        return is_bracketed_address(host, length) ? length : 0;
    }
    return is_name(host, length) ? length : 0;
}

static bool is_port(const char *text)
{
    const size_t length = strspn(text, DIGITS);

    return length > 0 && length <= 5 && text[length] == '\0' && text[0] != '0' &&
           strtoul(text, NULL, 10) <= 65535;
}

const char *tenant_origin_check(const char *text)
{
    static const char allowed[] = "must be one exact origin: scheme, host and perhaps port, like "
                                  "https://app.example.com, without path or wildcard";
    bool https;
    const char *host = host_of(text, &https);
    const size_t length = host != NULL ? host_length(host) : 0;

    if (length == 0)
        return allowed;
    if (host[length] == '\0')
        return NULL;
    return host[length] == ':' && is_port(host + length + 1) ? NULL : allowed;
}

/* localhost, names below it, and the loopback addresses. */
static bool is_loopback(const char *host, size_t length)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (length == strlen(names[i]) && memcmp(host, names[i], length) == 0)
            return true;
    }
    return length > 10 && memcmp(host + length - 10, ".localhost", 10) == 0;
}

static enum err settle(struct ctx *ctx, size_t index, const char **origin)
{
    bool https;
    const char *host = host_of(*origin, &https);
    const size_t length = host_length(host);

    if (!https && !app_is_development(ctx->app) && !is_loopback(host, length)) {
        const char *field = arena_printf(ctx->arena, "allowed_origins[%zu]", index);

        return fail(ctx, ERR_VALIDATION, field,
                    "allowed_origins[%zu] must begin with https://; plain http is for localhost "
                    "only.",
                    index);
    }
    if (strcmp(host + length, https ? ":443" : ":80") != 0)
        return ERR_OK;
    *origin = arena_strndup(ctx->arena, *origin, (size_t)(host + length - *origin));
    return *origin == NULL ? ERR_MEMORY : ERR_OK;
}

enum err tenant_origins_settle(struct ctx *ctx, struct strs *origins)
{
    for (size_t i = 0; i < origins->count; i++)
        TRY(settle(ctx, i, &origins->items[i]));
    return ERR_OK;
}

/* --- questions --- */

bool tenant_allows_origin(const struct tenant *tenant, const char *origin)
{
    return strs_has(&tenant->settings.allowed_origins, origin);
}

enum err tenant_load_by_origin(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct tenant *tenant = ARENA_NEW(ctx->arena, struct tenant);

    if (tenant == NULL)
        return ERR_MEMORY;
    (void)bson_append_utf8(filter, "settings.allowed_origins", -1, key, (int)size);
    bson_put_text(filter, "status", "active");
    TRY(db_find_one(ctx, &tenant_schema, filter, tenant));
    *ret_data = tenant;
    return ERR_OK;
}

bool tenant_origin_is_known(struct ctx *ctx, const char *origin)
{
    const struct failure failure = ctx->failure;
    const void *data = NULL;

    /* What could not be stored is in no list: not worth a look into the database. */
    if (ctx->app->origins == NULL || tenant_origin_check(origin) != NULL)
        return false;

    const enum err found = cache_get(ctx->app->origins, ctx, origin, strlen(origin), &data);

    ctx->failure = failure;
    return found == ERR_OK;
}
