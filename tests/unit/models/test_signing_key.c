/* Signing keys by schedule: each algorithm when it is due, once however many notice, and nothing of
 * what has ended stays (R004-19, OA-19, SK-6). */
#include "support/unit.h"

#include <pthread.h>
#include <string.h>

#include "app/bson_auto.h"
#include "app/clock.h"
#include "app/db.h"
#include "models/signing_key.h"
#include "models/tenant.h"
#include "support/issuer.h"

#define DAY INT64_C(86400000)

/* Moves the beginning of a tenant's keys of one algorithm into the past. */
static void age(const char *alg, int64_t ms)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("alg", BCON_UTF8(alg));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "created_at", BCON_DATE_TIME(clock_now_ms() - ms), "}");
    int64_t modified = 0;

    assert_int_equal(db_update_many(&database.ctx, &signing_key_schema, filter, update, &modified),
                     ERR_OK);
    assert_int_equal(modified, 1);
}

static size_t count(enum signing_key_state state, const char *alg)
{
    struct list views = {0};
    size_t found = 0;

    assert_int_equal(signing_key_list(&database.ctx, &views), ERR_OK);

    const struct signing_key_view *view = views.items;

    for (size_t i = 0; i < views.count; i++)
        found += view[i].state == state && strcmp(view[i].key.alg, alg) == 0;
    return found;
}

static size_t rotate_due(void)
{
    size_t rotated = 0;

    assert_int_equal(signing_key_rotate_due(&database.ctx, 90 * DAY, &rotated), ERR_OK);
    return rotated;
}

static void test_what_is_due_gets_a_successor(void **state)
{
    const struct key_set *keys = NULL;

    NEEDS_DATABASE();
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    assert_int_equal(keys_get_complete(&database.ctx, &keys), ERR_OK);
    assert_int_equal(rotate_due(), 0);
    age("ES256", 91 * DAY);
    assert_int_equal(rotate_due(), 1);
    assert_int_equal(rotate_due(), 0);
    assert_int_equal(count(SIGNING_KEY_NEXT, "ES256"), 1);
    assert_int_equal(count(SIGNING_KEY_CURRENT, "ES256"), 1);
    assert_int_equal(count(SIGNING_KEY_NEXT, "RS256"), 0);
    age("RS256", 90 * DAY);
    assert_int_equal(rotate_due(), 1);
    assert_int_equal(count(SIGNING_KEY_NEXT, "RS256"), 1);
}

static void *notice(void *arg)
{
    size_t *rotated = arg;
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, (size_t)1024 * 1024);
    database_ctx(&database, &arena, &ctx);
    ctx_set_tenant(&ctx, &acme, &acme.id);
    if (signing_key_rotate_due(&ctx, 90 * DAY, rotated) != ERR_OK)
        *rotated = 99;
    ctx_clear(&ctx);
    arena_clear(&arena);
    return NULL;
}

static void test_many_notice_and_one_rotates(void **state)
{
    pthread_t threads[6];
    size_t rotated[6] = {0}, sum = 0;

    NEEDS_DATABASE();
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    age("ES256", 91 * DAY);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, notice, &rotated[i]), 0);
    for (size_t i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
        sum += rotated[i];
    }
    assert_int_equal(sum, 1);
    assert_int_equal(count(SIGNING_KEY_NEXT, "ES256"), 1);
}

static void test_what_has_ended_is_removed(void **state)
{
    AUTO(bson_destroy) bson_t *all = bson_new();
    AUTO(bson_destroy)
    bson_t *past = BCON_NEW("$set", "{", "signs_from", BCON_DATE_TIME(clock_now_ms() - 91 * DAY),
                            "expires_at", BCON_DATE_TIME(clock_now_ms() - DAY), "}");
    struct signing_key made = {0};
    int64_t there = 0;

    NEEDS_DATABASE();
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    assert_int_equal(signing_key_rotate(&database.ctx, JWS_ES256, SIGNING_KEY_LEAST_MS, &made),
                     ERR_OK);
    assert_int_equal(db_update_many(&database.ctx, &signing_key_schema, all, past, &there), ERR_OK);
    assert_int_equal(signing_key_rotate(&database.ctx, JWS_ES256, SIGNING_KEY_LEAST_MS, &made),
                     ERR_OK);
    assert_int_equal(db_count(&database.ctx, &signing_key_schema, all, 0, &there), ERR_OK);
    assert_int_equal(there, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ISSUER_TEST(test_what_is_due_gets_a_successor),
        ISSUER_TEST(test_many_notice_and_one_rotates),
        ISSUER_TEST(test_what_has_ended_is_removed),
    };

    return cmocka_run_group_tests(tests, issuer_begin, issuer_end);
}
