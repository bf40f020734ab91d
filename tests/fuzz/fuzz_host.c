/*
 * What names a tenant (TI-1, HT-6): the lines of the input are X-Tenant-Slug, X-Tenant-ID, Host and
 * the path's segment, an empty line is an absent one. Whoever is decided for is named by every hint
 * that stands there, and a hint that names nobody never falls through.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/cache.h"
#include "app/router.h"
#include "app/tenant_hints.h"
#include "app/text.h"
#include "support/fuzz.h"

static struct bare bare;
static const struct tenant acme = {
    .id = {{1}}, .slug = "acme", .status = TENANT_ACTIVE, .domain = "login.acme.example"};
static const struct tenant other = {.id = {{2}}, .slug = "other", .status = TENANT_ACTIVE};
static const struct tenant *const tenants[] = {&acme, &other};

static enum err by_slug(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)ctx;
    *ret_data = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (strlen(tenants[i]->slug) == size && memcmp(tenants[i]->slug, key, size) == 0)
            *ret_data = tenants[i];
    }
    return *ret_data != NULL ? ERR_OK : ERR_NOT_FOUND;
}

static enum err by_id(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)ctx;
    require(size == 16);
    *ret_data = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (memcmp(tenants[i]->id.bytes, key, size) == 0)
            *ret_data = tenants[i];
    }
    return *ret_data != NULL ? ERR_OK : ERR_NOT_FOUND;
}

static enum err by_domain(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)ctx;
    if (strlen(acme.domain) != size || memcmp(acme.domain, key, size) != 0)
        return ERR_NOT_FOUND;
    *ret_data = &acme;
    return ERR_OK;
}

static void begin(void)
{
    static const char *bases[] = {"localhost", "apps.example"};

    if (bare.app.slugs != NULL)
        return;
    bare_init(&bare);
    bare.config.tenants.base_domains = (struct strs){.items = bases, .count = 2};
    bare.app.slugs = cache_new("slugs", 64, 60000, by_slug);
    bare.app.tenants = cache_new("tenants", 64, 60000, by_id);
    bare.app.domains = cache_new("domains", 64, 60000, by_domain);
    router_init();
}

/* Does this text name the tenant? As a slug or as an id, as its sort allows. */
static bool names(const char *text, const struct tenant *tenant, bool slug, bool id)
{
    char spelled[UUID_TEXT_SIZE];

    uuid_text(&tenant->id, spelled);
    return (slug && strcasecmp(text, tenant->slug) == 0) || (id && strcasecmp(text, spelled) == 0);
}

/* A host names this tenant, or none at all. */
static bool host_agrees(const char *host, const struct tenant *tenant)
{
    const char *dot = strchr(host, '.');

    if (tenant->domain != NULL && strcmp(host, tenant->domain) == 0)
        return true;
    if (dot == NULL || (strcmp(dot + 1, "localhost") != 0 && strcmp(dot + 1, "apps.example") != 0))
        return true; /* no base domain directly above: a domain that nobody has, or a deeper one */

    const size_t length = (size_t)(dot - host);

    return (strlen(tenant->slug) == length && strncmp(host, tenant->slug, length) == 0) ||
           router_is_reserved_slug(arena_strndup(bare.ctx.arena, host, length));
}

struct lines {
    const char *slug, *id, *host, *path;
};

static void check(const struct request *req, const struct lines *lines,
                  const struct tenant_hint *hint)
{
    if (hint == NULL) {
        require(lines->slug == NULL && lines->id == NULL && lines->path == NULL);
        return;
    }
    require(hint->tenant == &acme || hint->tenant == &other);
    require(lines->slug == NULL || names(lines->slug, hint->tenant, true, false));
    require(lines->id == NULL || names(lines->id, hint->tenant, false, true));
    require(lines->path == NULL || names(lines->path, hint->tenant, true, true));
    require(req->host == NULL || host_agrees(req->host, hint->tenant));
}

static void resolve(const struct lines *lines)
{
    static struct request req;
    struct tenant_hints hints;
    const struct tenant_hint *hint = NULL;

    memset(&req, 0, sizeof req);
    req.ctx = bare.ctx;
    req.path_tenant = lines->path;
    if (lines->slug != NULL)
        req.headers[req.header_count++] = (struct http_header){"X-Tenant-Slug", lines->slug};
    if (lines->id != NULL)
        req.headers[req.header_count++] = (struct http_header){"X-Tenant-ID", lines->id};
    if (lines->host != NULL && text_host(&req.ctx, lines->host, &req.host) != ERR_OK)
        abort();

    const enum err collected = tenant_hints_collect(&req, &hints);

    require(hints.count <= TENANT_HINTS_MAX);
    if (collected == ERR_OK) {
        const enum err decided = tenant_hints_decide(&req, &hints, &hint);

        require(decided == ERR_OK || decided == ERR_TENANT_NOT_FOUND ||
                decided == ERR_TENANT_CONFLICT);
        if (decided == ERR_OK)
            check(&req, lines, hint);
    } else {
        require(collected == ERR_BAD_HINT && req.ctx.failure.detail != NULL);
    }
    cache_release_holds(&req.ctx);
}

static const char *next_line(char **text)
{
    const char *line = strsep(text, "\n");

    return line != NULL && line[0] != '\0' ? line : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();

    char *text = arena_strndup(&bare.arena, (const char *)data, size);
    struct lines lines;

    lines.slug = next_line(&text);
    lines.id = next_line(&text);
    lines.host = next_line(&text);
    lines.path = next_line(&text);
    resolve(&lines);
    cache_flush(bare.app.slugs);
    cache_flush(bare.app.tenants);
    cache_flush(bare.app.domains);
    arena_reset(&bare.arena);
    return 0;
}
