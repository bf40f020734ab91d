/* Which tenant a request means (api.md §2; TI-1, R004-09, HT-6). */
#include "support/unit.h"

#include "app/app.h"
#include "app/cache.h"
#include "app/router.h"
#include "app/tenant_hints.h"
#include "support/bare.h"

static const struct tenant acme = {
    .id = {{1}}, .slug = "acme", .status = TENANT_ACTIVE, .domain = "login.acme.example"};
static const struct tenant other = {.id = {{2}}, .slug = "other", .status = TENANT_ACTIVE};
static const struct tenant asleep = {.id = {{3}}, .slug = "asleep", .status = TENANT_SUSPENDED};
static const struct tenant *const all[] = {&acme, &other, &asleep};

static enum err by_slug(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)ctx;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (strlen(all[i]->slug) == size && memcmp(all[i]->slug, key, size) == 0) {
            *ret_data = all[i];
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum err by_id(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)ctx;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (size == 16 && memcmp(all[i]->id.bytes, key, 16) == 0) {
            *ret_data = all[i];
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum err by_domain(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)ctx;
    if (strlen(acme.domain) != size || memcmp(acme.domain, key, size) != 0)
        return ERR_NOT_FOUND;
    *ret_data = &acme;
    return ERR_OK;
}

static int setup(void **state)
{
    static struct bare bare;
    static const char *bases[] = {"localhost", "apps.example", "eu.apps.example"};

    bare_init(&bare);
    bare.config.tenants.base_domains = (struct strs){.items = bases, .count = 3};
    bare.app.slugs = cache_new("slugs", 64, 60000, by_slug);
    bare.app.tenants = cache_new("tenants", 64, 60000, by_id);
    bare.app.domains = cache_new("domains", 64, 60000, by_domain);
    router_init();
    *state = &bare;
    return 0;
}

static int teardown(void **state)
{
    struct bare *bare = *state;

    bare_clear(bare);
    cache_free(bare->app.slugs);
    cache_free(bare->app.tenants);
    cache_free(bare->app.domains);
    return 0;
}

struct line {
    const char *slug, *id, *host, *path;
    enum err wanted;
    const char *tenant; /* slug decided, NULL = none */
};

#define ACME_ID  "01000000-0000-0000-0000-000000000000"
#define OTHER_ID "02000000-0000-0000-0000-000000000000"

static const struct line lines[] = {
    {NULL, NULL, NULL, NULL, ERR_OK, NULL},
    {"acme", NULL, NULL, NULL, ERR_OK, "acme"},
    {"ACME", NULL, NULL, NULL, ERR_OK, "acme"},
    {NULL, ACME_ID, NULL, NULL, ERR_OK, "acme"},
    {NULL, NULL, "acme.localhost", NULL, ERR_OK, "acme"},
    {NULL, NULL, "acme.apps.example", NULL, ERR_OK, "acme"},
    /* base domains within each other */
    {NULL, NULL, "acme.eu.apps.example", NULL, ERR_OK, "acme"},
    {NULL, NULL, "eu.apps.example", NULL, ERR_OK, NULL},
    {NULL, NULL, "login.acme.example", NULL, ERR_OK, "acme"},
    {NULL, NULL, NULL, "acme", ERR_OK, "acme"},
    {NULL, NULL, NULL, ACME_ID, ERR_OK, "acme"},
    {"acme", ACME_ID, "acme.localhost", "acme", ERR_OK, "acme"},
    /* no hint at all */
    {NULL, NULL, "localhost", NULL, ERR_OK, NULL},
    {NULL, NULL, "127.0.0.1", NULL, ERR_OK, NULL},
    {NULL, NULL, "[::1]", NULL, ERR_OK, NULL},
    {NULL, NULL, "unknown.example", NULL, ERR_OK, NULL},
    {NULL, NULL, "www.localhost", NULL, ERR_OK, NULL},
    {NULL, NULL, "api.localhost", NULL, ERR_OK, NULL},
    {NULL, NULL, "notlocalhost", NULL, ERR_OK, NULL},
    /* an explicit hint that names nobody never falls through */
    {"nobody", NULL, NULL, NULL, ERR_TENANT_NOT_FOUND, NULL},
    {NULL, NULL, "nobody.localhost", NULL, ERR_TENANT_NOT_FOUND, NULL},
    {NULL, NULL, "a.acme.localhost", NULL, ERR_TENANT_NOT_FOUND, NULL},
    {"acme", NULL, "nobody.localhost", NULL, ERR_TENANT_NOT_FOUND, NULL},
    {NULL, "09000000-0000-0000-0000-000000000000", NULL, NULL, ERR_TENANT_NOT_FOUND, NULL},
    /* suspended answers like unknown */
    {"asleep", NULL, NULL, NULL, ERR_TENANT_NOT_FOUND, NULL},
    /* two tenants */
    {"acme", OTHER_ID, NULL, NULL, ERR_TENANT_CONFLICT, NULL},
    {"acme", NULL, "other.localhost", NULL, ERR_TENANT_CONFLICT, NULL},
    {"other", NULL, NULL, "acme", ERR_TENANT_CONFLICT, NULL},
    {NULL, OTHER_ID, "login.acme.example", NULL, ERR_TENANT_CONFLICT, NULL},
    /* malformed */
    {"", NULL, NULL, NULL, ERR_BAD_HINT, NULL},
    {"a--b", NULL, NULL, NULL, ERR_BAD_HINT, NULL},
    {"-a", NULL, NULL, NULL, ERR_BAD_HINT, NULL},
    {"a b", NULL, NULL, NULL, ERR_BAD_HINT, NULL},
    {"$ne", NULL, NULL, NULL, ERR_BAD_HINT, NULL},
    {NULL, "", NULL, NULL, ERR_BAD_HINT, NULL},
    {NULL, "acme", NULL, NULL, ERR_BAD_HINT, NULL},
    {NULL, "0100000000000000000000000000000000", NULL, NULL, ERR_BAD_HINT, NULL},
};

static void check(struct bare *bare, const struct line *line, size_t number)
{
    struct request req = {.ctx = bare->ctx, .host = line->host, .path_tenant = line->path};
    const struct tenant_hint *hint = NULL;
    struct tenant_hints hints;

    if (line->slug != NULL)
        req.headers[req.header_count++] = (struct http_header){"X-Tenant-Slug", line->slug};
    if (line->id != NULL)
        req.headers[req.header_count++] = (struct http_header){"x-tenant-id", line->id};

    enum err got = tenant_hints_collect(&req, &hints);

    if (got == ERR_OK)
        got = tenant_hints_decide(&req, &hints, &hint);
    if (got != line->wanted)
        fail_msg("line %zu: got %s", number, got == ERR_OK ? "ok" : error_info(got)->code);
    if (got == ERR_OK && line->tenant == NULL)
        assert_null(hint);
    if (got == ERR_OK && line->tenant != NULL)
        assert_string_equal(hint->tenant->slug, line->tenant);
    bare->ctx.holds = req.ctx.holds;
}

static void test_lines(void **state)
{
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        check(*state, &lines[i], i);
}

static void test_a_repeated_header_is_refused(void **state)
{
    struct bare *bare = *state;
    struct request req = {.ctx = bare->ctx, .header_count = 2};
    struct tenant_hints hints;

    req.headers[0] = (struct http_header){"X-Tenant-Slug", "acme"};
    req.headers[1] = (struct http_header){"X-Tenant-Slug", "acme"};
    assert_int_equal(tenant_hints_collect(&req, &hints), ERR_BAD_HINT);
    bare->ctx.holds = req.ctx.holds;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_repeated_header_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
