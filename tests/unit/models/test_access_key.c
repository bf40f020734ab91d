/* Access keys: their text, and what is refused before any look-up (R003-07, TS-5, TS-13). */
#include "support/unit.h"

#include "app/app.h"
#include "app/cache.h"
#include "app/secret.h"
#include "models/access_key.h"
#include "support/bare.h"

static struct access_key stored;
static int loads;

/* The database of these tests: one key. */
static enum err load(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)ctx;
    loads++;
    if (size != 32 || memcmp((const char *)key + 16, stored.id.bytes, 16) != 0)
        return ERR_NOT_FOUND;
    *ret_data = &stored;
    return ERR_OK;
}

static int setup(void **state)
{
    static struct bare bare;

    bare_init(&bare);
    bare.app.access_keys = cache_new("access_keys", 16, 60000, load);
    loads = 0;
    *state = &bare;
    return bare.app.access_keys == NULL;
}

static int teardown(void **state)
{
    struct bare *bare = *state;

    bare_clear(bare);
    cache_free(bare->app.access_keys);
    return 0;
}

static const char *make(struct bare *bare)
{
    const struct uuid tenant = uuid_new();
    struct made_key made;

    assert_int_equal(
        access_key_make(&bare->ctx, &tenant,
                        &(struct new_access_key){.label = "first", .scopes = "auth users:read"},
                        &made),
        ERR_OK);
    stored = made.key;
    return made.text;
}

static void test_a_made_key_proves(void **state)
{
    struct bare *bare = *state;
    const char *text = make(bare);
    const struct access_key *found = NULL;

    assert_int_equal(strncmp(text, "ak_", 3), 0);
    assert_int_equal(stored.scopes.count, 2);
    assert_string_equal(stored.scopes.items[1], "users:read");
    assert_int_equal(access_key_verify(&bare->ctx, text, &found), ERR_OK);
    assert_true(found == &stored);
}

static void test_a_typing_error_costs_no_look_up(void **state)
{
    struct bare *bare = *state;
    const char *text = make(bare);
    char *copy = arena_strdup(&bare->arena, text);
    const struct access_key *found = NULL;

    for (size_t i = 0; i < strlen(text); i++) {
        copy[i] = text[i] == 'q' ? 'r' : 'q';
        assert_int_equal(access_key_verify(&bare->ctx, copy, &found), ERR_BAD_KEY);
        copy[i] = text[i];
    }
    assert_int_equal(access_key_verify(&bare->ctx, "ak_", &found), ERR_BAD_KEY);
    assert_int_equal(access_key_verify(&bare->ctx, "", &found), ERR_BAD_KEY);
    assert_int_equal(loads, 0);
}

static void test_ended_keys_are_refused(void **state)
{
    struct bare *bare = *state;
    const char *text = make(bare);
    const struct access_key *found = NULL;

    stored.revoked_at = 1;
    assert_int_equal(access_key_verify(&bare->ctx, text, &found), ERR_BAD_KEY);
    stored.revoked_at = 0;
    stored.expires_at = 1;
    assert_int_equal(access_key_verify(&bare->ctx, text, &found), ERR_BAD_KEY);
    stored.expires_at = INT64_MAX;
    assert_int_equal(access_key_verify(&bare->ctx, text, &found), ERR_OK);
}

/* A key of the same id with another secret: what a forger who knows the id can make. */
static void test_another_secret_is_refused(void **state)
{
    struct bare *bare = *state;
    const char *forged = make(bare);
    const struct access_key copy = stored;
    const struct access_key *found = NULL;
    struct made_key made;

    assert_int_equal(access_key_make(&bare->ctx, &copy.tenant_id,
                                     &(struct new_access_key){.label = "first", .scopes = "auth"},
                                     &made),
                     ERR_OK);
    stored = made.key;
    stored.id = copy.id;
    assert_int_equal(access_key_verify(&bare->ctx, forged, &found), ERR_BAD_KEY);
    assert_int_equal(loads, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_made_key_proves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_typing_error_costs_no_look_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ended_keys_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_secret_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
