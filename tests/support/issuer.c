#include "support/issuer.h"

#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/housekeeping.h"
#include "app/keys.h"
#include "app/revocation.h"
#include "app/watch.h"

/* Only the watcher makes them forget anything. */
#define CACHED_MS 3600000

struct database database;

struct tenant acme, other;
struct user user;
struct grant grant;

/* ---- beginning and end ---- */

static void insert_tenant(struct tenant *tenant, const char *slug)
{
    struct new_keys keys;

    *tenant = (struct tenant){
        .id = uuid_new(),
        .slug = slug,
        .name = slug,
        .plan = PLAN_FREE,
        .status = TENANT_ACTIVE,
        .epoch = 3,
        .created_at = clock_now_ms(),
        .version = 1,
    };
    ctx_set_tenant(&database.ctx, tenant, &tenant->id);
    assert_int_equal(db_insert(&database.ctx, &tenant_schema, tenant), ERR_OK);
    assert_int_equal(keys_prepare(&database.ctx, &tenant->id, &keys), ERR_OK);
    assert_int_equal(keys_insert(&database.ctx, &keys), ERR_OK);
}

static void start_app(void)
{
    database.config.server.public_url = "http://localhost:8080";
    database.config.tenants.issuer_form = ISSUER_PATH;
    database.config.tokens.access_ttl = 900;
    database.config.tokens.oauth_access_ttl = 3600;
    database.app.tenants = cache_new("tenants", 16, CACHED_MS, tenant_load_by_id);
    database.app.slugs = cache_new("slugs", 16, CACHED_MS, tenant_load_by_slug);
    database.app.domains = cache_new("domains", 16, CACHED_MS, tenant_load_by_domain);
    database.app.keys = cache_new("keys", 16, CACHED_MS, keys_load);
    database.app.tokens = token_cache_new(64);
    database.app.revocations = revocations_new(64);
    database_watch(&database.app);
    assert_int_equal(housekeeping_start(&database.app, &database.app.housekeeping), ERR_OK);
}

int issuer_begin(void **state)
{
    (void)state;
    if (database_begin(&database, NULL))
        start_app();
    return 0;
}

int issuer_end(void **state)
{
    (void)state;
    if (database.seen == NULL)
        return 0;
    housekeeping_stop(database.app.housekeeping);
    watch_stop(database.app.watch);
    ctx_clear(&database.ctx);
    cache_free(database.app.tenants);
    cache_free(database.app.slugs);
    cache_free(database.app.domains);
    cache_free(database.app.keys);
    token_cache_free(database.app.tokens);
    revocations_free(database.app.revocations);
    database_end(&database);
    return 0;
}

int issuer_setup(void **state)
{
    (void)state;
    if (database.seen == NULL)
        return 0;
    insert_tenant(&other,
                  arena_printf(&database.arena, "other-%lld", (long long)clock_monotonic_us()));
    insert_tenant(&acme,
                  arena_printf(&database.arena, "acme-%lld", (long long)clock_monotonic_us()));
    user = (struct user){.id = uuid_new(), .tenant_id = acme.id, .role = ROLE_ADMIN};
    grant = (struct grant){
        .id = uuid_new(),
        .tenant_id = acme.id,
        .user_id = user.id,
        .scope = "openid read",
        .user_epoch = 5,
        .tenant_epoch = 3,
    };
    WAIT(watch_is_fresh(database.app.watch), 10000);
    return 0;
}

int issuer_teardown(void **state)
{
    (void)state;
    if (database.seen != NULL)
        ctx_clear(&database.ctx);
    return 0;
}

const char *access_sign(void)
{
    const char *token = NULL;
    int64_t expires_in = 0;

    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    assert_int_equal(access_token_sign(&database.ctx, &user, &grant, &token, &expires_in), ERR_OK);
    return token;
}

enum err access_verify_as(const char *token, struct token_claims *ret_claims)
{
    const struct tenant *tenant = NULL;

    ctx_set_tenant(&database.ctx, NULL, &(struct uuid){0});

    const enum err code = access_token_verify(&database.ctx, token, ret_claims, &tenant);

    if (code == ERR_OK)
        assert_true(uuid_equal(&tenant->id, &ret_claims->tenant_id));
    return code;
}

enum err access_verify(const char *token)
{
    struct token_claims claims;

    return access_verify_as(token, &claims);
}

const char *sign_text(const struct tenant *tenant, const char *typ, const char *text)
{
    const struct key_set *keys;
    const struct bytes claims = {.data = (const uint8_t *)text, .size = strlen(text)};
    const char *token = NULL;

    assert_int_equal(keys_get_for(&database.ctx, &tenant->id, &keys), ERR_OK);
    assert_int_equal(jws_sign(&database.ctx, keys->signing[0], typ, &claims, &token), ERR_OK);
    return token;
}

void good_claims(struct claim ret[GOOD_CLAIMS])
{
    const long long now = clock_now_ms() / 1000;
    char tid[UUID_TEXT_SIZE], sub[UUID_TEXT_SIZE];
    struct arena *arena = &database.arena;
    const char *issuer = arena_printf(arena, "\"http://localhost:8080/t/%s\"", acme.slug);

    uuid_text(&acme.id, tid);
    uuid_text(&user.id, sub);
    ret[0] = (struct claim){"iss", issuer};
    ret[1] = (struct claim){"aud", issuer};
    ret[2] = (struct claim){"sub", arena_printf(arena, "\"%s\"", sub)};
    ret[3] = (struct claim){"role", "\"user\""};
    ret[4] = (struct claim){"iat", arena_printf(arena, "%lld", now)};
    ret[5] = (struct claim){"nbf", arena_printf(arena, "%lld", now)};
    ret[6] = (struct claim){"exp", arena_printf(arena, "%lld", now + 900)};
    ret[7] = (struct claim){"jti", "\"0190a5e4-7c1e-7000-8000-000000000001\""};
    ret[8] = (struct claim){"tid", arena_printf(arena, "\"%s\"", tid)};
    ret[9] = (struct claim){"gid", "\"0190a5e4-7c1e-7000-8000-000000000002\""};
    ret[10] = (struct claim){"scope", "\"read\""};
    ret[11] = (struct claim){"ep", "[3,5]"};
}

const char *claims_with(const char *name, const char *json, const char *extra)
{
    struct claim claims[GOOD_CLAIMS];
    struct buf out;
    bool first = true;

    good_claims(claims);
    buf_init(&out, &database.arena, 8192);
    buf_putc(&out, '{');
    for (size_t i = 0; i < GOOD_CLAIMS; i++) {
        const bool changed = name != NULL && strcmp(claims[i].name, name) == 0;

        if (changed && json == NULL)
            continue;
        buf_printf(&out, "%s\"%s\":%s", first ? "" : ",", claims[i].name,
                   changed ? json : claims[i].json);
        first = false;
    }
    buf_printf(&out, "%s}", extra);
    return buf_text(&out);
}

enum err access_verify_claims(const char *name, const char *json, const char *extra)
{
    return access_verify(sign_text(&acme, "session+jwt", claims_with(name, json, extra)));
}
