/*
 * Access keys, platform keys, session and device cookies with each of their bytes changed once, to
 * every other value: none of them proves anything (TS-5, TS-6, TS-13, G8). Refresh tokens, access
 * tokens, cursors and form tokens have the same test in their own files.
 */
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/secret.h"
#include "models/access_key.h"
#include "models/device.h"
#include "models/platform_key.h"
#include "models/session.h"
#include "support/issuer.h"

typedef bool (*accepts_fn)(const char *text);

/* Every value with step 1; what asks the database tries some of them. */
static void change_every_byte(const char *good, unsigned step, accepts_fn accepts)
{
    char copy[256];
    const size_t length = strlen(good);

    assert_true(length < sizeof copy && accepts(good));
    memcpy(copy, good, length + 1);
    for (size_t i = 0; i < length; i++) {
        for (unsigned change = 1; change < 256; change += step) {
            copy[i] = (char)((unsigned char)good[i] ^ change);
            if (accepts(copy))
                fail_msg("byte %zu of %s changed by 0x%02x was accepted", i, good, change);
        }
        copy[i] = good[i];
    }
    for (size_t kept = 0; kept < length; kept++) {
        memcpy(copy, good, kept);
        copy[kept] = '\0';
        assert_false(accepts(copy));
    }
}

/* ---- access keys ---- */

static struct made_key made;

static enum err load_access_key(struct ctx *ctx, const void *key, size_t size,
                                const void **ret_data)
{
    (void)ctx;
    if (size != 32 || memcmp((const char *)key + 16, made.key.id.bytes, 16) != 0)
        return ERR_NOT_FOUND;
    *ret_data = &made.key;
    return ERR_OK;
}

static bool opens_as_access_key(const char *text)
{
    const struct access_key *found = NULL;
    const enum err code = access_key_verify(&database.ctx, text, &found);

    assert_true(code == ERR_OK || code == ERR_BAD_KEY);
    fail_clear(&database.ctx);
    return code == ERR_OK;
}

static void test_access_keys(void **state)
{
    struct cache *cache = database.app.access_keys;

    NEEDS_DATABASE();
    assert_int_equal(access_key_make(&database.ctx, &acme.id,
                                     &(struct new_access_key){.label = "one", .scopes = "auth"},
                                     &made),
                     ERR_OK);
    database.app.access_keys = cache_new("access_keys", 16, 60000, load_access_key);
    change_every_byte(made.text, 1, opens_as_access_key);
    cache_release_holds(&database.ctx);
    cache_free(database.app.access_keys);
    database.app.access_keys = cache;
}

/* ---- platform keys ---- */

static struct made_platform_key platform;

/* What platform_key_verify compares with what is stored under the id. */
static bool names_the_platform_key(const char *text)
{
    struct platform_key key = {.label = NULL};
    const enum err code = platform_key_parse(&database.ctx, text, &key);

    fail_clear(&database.ctx);
    return code == ERR_OK && uuid_equal(&key.id, &platform.key.id) &&
           memcmp(key.hash.data, platform.key.hash.data, SHA256_SIZE) == 0;
}

static bool opens_as_platform_key(const char *text)
{
    struct platform_key key;
    const enum err code = platform_key_verify(&database.ctx, text, &key);

    assert_true(code == ERR_OK || code == ERR_BAD_PLATFORM_KEY);
    fail_clear(&database.ctx);
    return code == ERR_OK;
}

static void test_platform_keys(void **state)
{
    NEEDS_DATABASE();
    assert_int_equal(platform_key_make(&database.ctx, "one", 0, &platform), ERR_OK);
    change_every_byte(platform.text, 1, names_the_platform_key);
    assert_int_equal(platform_key_insert(&database.ctx, &platform.key), ERR_OK);
    change_every_byte(platform.text, 37, opens_as_platform_key);
}

/* ---- sessions ---- */

static bool opens_as_session(const char *text)
{
    struct session session;
    const enum err code = session_find(&database.ctx, text, &session);

    assert_true(code == ERR_OK || code == ERR_UNAUTHENTICATED);
    fail_clear(&database.ctx);
    return code == ERR_OK;
}

static void test_sessions(void **state)
{
    uint8_t raw[50] = {1, 's'}, hash[SHA256_SIZE];
    char cookie[BASE64URL_LENGTH(sizeof raw) + 1];
    const int64_t now = clock_now_ms();

    NEEDS_DATABASE();
    memcpy(raw + 2, acme.id.bytes, 16);
    secret_random(raw + 18, 32);
    base64url_encode(raw, sizeof raw, cookie);
    secret_sha256(cookie, strlen(cookie), hash);
    ctx_set_tenant(&database.ctx, &acme, &acme.id);

    const struct session session = {
        .id = uuid_new(),
        .tenant_id = acme.id,
        .hash = {.data = hash, .size = sizeof hash},
        .user_id = user.id,
        .role = ROLE_ADMIN,
        .user_epoch = 5,
        .tenant_epoch = 3,
        .created_at = now,
        .last_seen_at = now,
        .expires_at = now + 3600000,
    };

    assert_int_equal(db_insert(&database.ctx, &session_schema, &session), ERR_OK);
    change_every_byte(cookie, 37, opens_as_session);
}

/* ---- device cookies ---- */

static bool is_known_device(const char *text)
{
    struct device device;

    assert_int_equal(device_read(&database.ctx, &user, text, &device), ERR_OK);
    return !uuid_is_zero(&device.id);
}

static void test_device_cookies(void **state)
{
    const struct device none = {.sign_in_at = 0};
    const char *cookie = NULL;

    NEEDS_DATABASE();
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    user.last_login_at = clock_now_ms();
    assert_int_equal(device_write(&database.ctx, &user, &none, &cookie), ERR_OK);
    change_every_byte(cookie, 1, is_known_device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ISSUER_TEST(test_access_keys),
        ISSUER_TEST(test_platform_keys),
        ISSUER_TEST(test_sessions),
        ISSUER_TEST(test_device_cookies),
    };

    if (!secret_init())
        return 1;
    return cmocka_run_group_tests(tests, issuer_begin, issuer_end);
}
