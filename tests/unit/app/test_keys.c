/*
 * Keys of tenants: opened from what is stored, bound to their place, published without secrets
 * (SK-3, SK-4, SK-6, TI-6).
 */
#include "support/unit.h"

#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/json.h"
#include "app/keys.h"
#include "support/database.h"

static struct database database;

static int setup(void **state)
{
    (void)state;
    if (!database_begin(&database, NULL))
        return 0;
    database.app.keys = cache_new("keys", 16, 60000, keys_load);
    assert_int_equal(db_ensure_collection(&database.ctx, &signing_key_schema, NULL, 0), ERR_OK);
    assert_int_equal(db_ensure_collection(&database.ctx, &data_key_schema, NULL, 0), ERR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (database.seen == NULL)
        return 0;
    ctx_clear(&database.ctx);
    cache_free(database.app.keys);
    database_end(&database);
    return 0;
}

static struct new_keys new_tenant(struct uuid *ret_id)
{
    struct new_keys keys;

    *ret_id = uuid_new();
    database.ctx.tenant_id = *ret_id;
    assert_int_equal(keys_prepare(&database.ctx, ret_id, &keys), ERR_OK);
    assert_int_equal(keys_insert(&database.ctx, &keys), ERR_OK);
    return keys;
}

static const struct key_set *keys_of(const struct uuid *tenant_id)
{
    const struct key_set *keys = NULL;

    assert_int_equal(keys_get_for(&database.ctx, tenant_id, &keys), ERR_OK);
    return keys;
}

static void update(const char *collection, const bson_t *filter, const bson_t *change)
{
    bson_t *command = BCON_NEW("update", BCON_UTF8(collection), "updates", "[", "{", "q",
                               BCON_DOCUMENT(filter), "u", BCON_DOCUMENT(change), "}", "]");
    bson_t *reply = database_command(&database, database.name, command);
    bson_iter_t at;

    assert_true(bson_iter_init_find(&at, reply, "nModified"));
    assert_int_equal(bson_iter_as_int64(&at), 1);
    bson_destroy(command);
    bson_destroy(reply);
}

static void set_bytes(const char *collection, const struct uuid *id, const char *name,
                      const struct bytes *bytes)
{
    bson_t filter = BSON_INITIALIZER;
    bson_t *change = BCON_NEW(
        "$set", "{", name, BCON_BIN(BSON_SUBTYPE_BINARY, bytes->data, (uint32_t)bytes->size), "}");

    bson_put_uuid(&filter, "_id", id);
    update(collection, &filter, change);
    bson_destroy(change);
    bson_destroy(&filter);
}

static void test_stored_and_opened(void **state)
{
    struct uuid id;
    struct jws_parts parts;
    const struct bytes claims = {.data = (const uint8_t *)"{}", .size = 2};
    const char *token = NULL;

    NEEDS_DATABASE();

    const struct new_keys made = new_tenant(&id);
    const struct key_set *keys = keys_of(&id);

    assert_true(uuid_equal(&keys->tenant_id, &id));
    assert_int_equal(keys->signing_count, 1);
    assert_int_equal(keys->mac_count, 1);
    assert_int_equal(keys->macs[0].id, 1);
    assert_string_equal(jws_key_kid(keys->signing[0]), made.signing.kid);
    assert_int_equal(jws_sign(&database.ctx, keys->signing[0], "t", &claims, &token), ERR_OK);
    assert_int_equal(jws_split(&database.ctx, token, strlen(token), &parts), ERR_OK);
    assert_int_equal(
        jws_verify(&database.ctx, token, &parts, key_set_find(keys, JWS_ES256, parts.kid), "t"),
        ERR_OK);
    assert_null(key_set_find(keys, JWS_ES256, "other"));
    assert_null(key_set_find(keys, JWS_ES256, NULL));
    assert_ptr_equal(key_set_mac(keys, 1), &keys->macs[0]);
    assert_null(key_set_mac(keys, 2));
}

/* The whole answer of /.well-known/jwks.json: what RFC 7517 names, and nothing private. */
static void test_published_set(void **state)
{
    static const char *const members[] = {"kty", "crv", "x", "y", "kid", "use", "alg"};
    struct uuid id;
    struct value root;

    NEEDS_DATABASE();
    new_tenant(&id);

    const struct key_set *keys = keys_of(&id);

    assert_int_equal(json_parse(&database.ctx, keys->jwks_json, strlen(keys->jwks_json), &root),
                     ERR_OK);

    const struct value *list = value_get(&root, "keys");

    assert_int_equal(list->array.count, 1);
    assert_int_equal(list->array.items[0].object.count, COUNT_OF(members));
    for (size_t i = 0; i < COUNT_OF(members); i++)
        assert_int_equal(value_get(&list->array.items[0], members[i])->type, VALUE_STRING);
    assert_string_equal(value_get(&list->array.items[0], "kid")->string.text,
                        jws_key_kid(keys->signing[0]));
}

static bool contains(const struct bytes *bytes, const void *part, size_t size)
{
    return memmem(bytes->data, bytes->size, part, size) != NULL;
}

/* SK-4: nothing that is stored holds a key as it is. */
static void test_nothing_is_stored_open(void **state)
{
    struct uuid id;

    NEEDS_DATABASE();

    const struct new_keys made = new_tenant(&id);
    const struct key_set *keys = keys_of(&id);

    assert_false(contains(&made.mac.sealed, keys->macs[0].key, SECRET_KEY_SIZE));
    assert_false(contains(&made.data.sealed, keys->macs[0].key, SECRET_KEY_SIZE));
    /* The object identifiers of an EC key on P-256 stand in every PKCS#8 text of one. */
    assert_false(
        contains(&made.signing.private_sealed, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10));
}

static enum err load_error(const struct uuid *id)
{
    const struct key_set *keys;

    ctx_clear(&database.ctx);
    cache_flush(database.app.keys);
    return keys_get_for(&database.ctx, id, &keys);
}

/* SK-3: sealed bytes of one tenant, or of another document, do not open in their new place. */
static void test_swapped_secrets_do_not_open(void **state)
{
    struct uuid one, two;

    NEEDS_DATABASE();

    const struct new_keys first = new_tenant(&one);
    const struct new_keys second = new_tenant(&two);

    set_bytes("signing_keys", &first.signing.id, "private_sealed", &second.signing.private_sealed);
    assert_int_equal(load_error(&one), ERR_INTERNAL);
    set_bytes("signing_keys", &first.signing.id, "private_sealed", &first.signing.private_sealed);
    assert_int_equal(load_error(&one), ERR_OK);
    set_bytes("data_keys", &first.data.id, "sealed", &second.data.sealed);
    assert_int_equal(load_error(&one), ERR_INTERNAL);
    set_bytes("data_keys", &first.data.id, "sealed", &first.mac.sealed);
    assert_int_equal(load_error(&one), ERR_INTERNAL);
    set_bytes("data_keys", &first.data.id, "sealed", &first.data.sealed);
    set_bytes("data_keys", &first.mac.id, "sealed", &first.data.sealed);
    assert_int_equal(load_error(&one), ERR_INTERNAL);
    assert_int_equal(load_error(&two), ERR_OK);
}

static void test_another_master_key_opens_nothing(void **state)
{
    struct uuid id;

    NEEDS_DATABASE();
    new_tenant(&id);
    database.config.master_key_bytes[0] ^= 1;
    assert_int_equal(load_error(&id), ERR_INTERNAL);
    assert_non_null(strstr(database.ctx.failure.internal, "wrong master key"));
}

static void test_a_tenant_without_keys(void **state)
{
    const struct uuid id = uuid_new();

    NEEDS_DATABASE();
    assert_int_equal(load_error(&id), ERR_NOT_FOUND);
}

/* The places that secrets are sealed for, spelled out: another spelling would open nothing stored.
 */
static const char *place_of(const char *field, const struct uuid *tenant_id, const struct uuid *id)
{
    char tenant[UUID_HEX_SIZE], document[UUID_HEX_SIZE];

    uuid_hex(tenant_id, tenant);
    uuid_hex(id, document);
    return arena_printf(&database.arena, "%s:%s:%s", tenant, field, document);
}

static const uint8_t *data_key_of(const struct new_keys *keys)
{
    const char *place = place_of("data_keys:sealed", &keys->data.tenant_id, &keys->data.id);
    struct bytes plain;

    assert_int_equal(secret_open(&database.ctx, database.config.master_key_bytes,
                                 &keys->data.sealed, place, &plain),
                     ERR_OK);
    assert_int_equal(plain.size, SECRET_KEY_SIZE);
    return plain.data;
}

static const char *add_signing_key(const struct new_keys *to, const char *state, int64_t expires_at)
{
    struct jws_generated made;
    struct signing_key key = {
        .id = uuid_new(),
        .tenant_id = to->data.tenant_id,
        .alg = "ES256",
        .state = state,
        .created_at = clock_now_ms() - 3600000, /* long before the tenant's own */
        .expires_at = expires_at,
    };

    assert_int_equal(jws_generate(&database.ctx, JWS_ES256, &made), ERR_OK);
    key.kid = made.kid;
    key.public_jwk = made.public_jwk;
    assert_int_equal(secret_seal(&database.ctx, data_key_of(to), &made.private_der,
                                 place_of("signing_keys:private_sealed", &key.tenant_id, &key.id),
                                 &key.private_sealed),
                     ERR_OK);
    assert_int_equal(db_insert(&database.ctx, &signing_key_schema, &key), ERR_OK);
    return made.kid;
}

static void add_mac_key(const struct new_keys *to, const char *kid, uint8_t fill)
{
    uint8_t secret[SECRET_KEY_SIZE];
    const struct bytes plain = {.data = secret, .size = sizeof secret};
    struct data_key key = {
        .id = uuid_new(),
        .tenant_id = to->data.tenant_id,
        .kid = kid,
        .created_at = clock_now_ms(),
    };

    memset(secret, fill, sizeof secret);
    assert_int_equal(secret_seal(&database.ctx, data_key_of(to), &plain,
                                 place_of("data_keys:sealed", &key.tenant_id, &key.id),
                                 &key.sealed),
                     ERR_OK);
    assert_int_equal(db_insert(&database.ctx, &data_key_schema, &key), ERR_OK);
}

/* SK-6: the current key signs; previous ones verify until they have expired. */
static void test_signing_keys_in_order(void **state)
{
    struct uuid id;
    const int64_t later = clock_now_ms() + 3600000;

    NEEDS_DATABASE();

    const struct new_keys made = new_tenant(&id);
    const char *previous = add_signing_key(&made, "previous", later);
    const char *ended = add_signing_key(&made, "previous", clock_now_ms() - 1);
    const struct key_set *keys = keys_of(&id);

    assert_int_equal(keys->signing_count, 2);
    assert_string_equal(jws_key_kid(keys->signing[0]), made.signing.kid);
    assert_string_equal(jws_key_kid(keys->signing[1]), previous);
    assert_null(key_set_find(keys, JWS_ES256, ended));
    assert_non_null(strstr(keys->jwks_json, previous));
    assert_null(strstr(keys->jwks_json, ended));
}

static void test_more_keys_than_a_set_holds(void **state)
{
    struct uuid id;

    NEEDS_DATABASE();

    const struct new_keys made = new_tenant(&id);

    for (int i = 0; i < KEY_SET_MAX + 2; i++)
        add_signing_key(&made, "previous", clock_now_ms() + 3600000);
    assert_int_equal(keys_of(&id)->signing_count, KEY_SET_MAX);
    assert_string_equal(jws_key_kid(keys_of(&id)->signing[0]), made.signing.kid);
}

/* The newest MAC key makes, all verify; what is no MAC key is left alone. */
static void test_mac_keys_in_order(void **state)
{
    struct uuid id;
    char kid[16];

    NEEDS_DATABASE();

    const struct new_keys made = new_tenant(&id);

    add_mac_key(&made, "mac:3", 3);
    add_mac_key(&made, "mac:2", 2);
    add_mac_key(&made, "mac:", 9);
    add_mac_key(&made, "mac:x", 9);
    add_mac_key(&made, "mac:4294967296", 9);
    add_mac_key(&made, "other", 9);

    const struct key_set *keys = keys_of(&id);

    assert_int_equal(keys->mac_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(keys->macs[i].id, 3 - i);
    assert_int_equal(key_set_mac(keys, 3)->key[0], 3);
    assert_int_equal(key_set_mac(keys, 2)->key[31], 2);
    for (uint8_t i = 4; i < 14; i++) {
        snprintf(kid, sizeof kid, "mac:%d", i);
        add_mac_key(&made, kid, i);
    }
    assert_int_equal(load_error(&id), ERR_OK);
    keys = keys_of(&id);
    assert_int_equal(keys->mac_count, KEY_SET_MAX);
    for (uint32_t i = 0; i < KEY_SET_MAX; i++) {
        assert_int_equal(keys->macs[i].id, 13 - i);
        assert_int_equal(keys->macs[i].key[0], 13 - i);
    }
}

/* MS-3: whatever allocation fails while a set is opened, it is an error and nothing leaks (ASan).
 */
static void test_every_allocation_may_fail(void **state)
{
    struct uuid id;
    bool done = false;

    NEEDS_DATABASE();

    const struct new_keys made = new_tenant(&id);

    add_signing_key(&made, "previous", clock_now_ms() + 3600000);
    for (int64_t n = 1; !done; n++) {
        arena_fail_after(n);

        const enum err code = load_error(&id);

        done = arena_fail_after(0) > 0;
        assert_true(done ? code == ERR_OK : code != ERR_OK);
        assert_true(n < 1000);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_stored_and_opened),
        CASE(test_published_set),
        CASE(test_nothing_is_stored_open),
        CASE(test_swapped_secrets_do_not_open),
        CASE(test_another_master_key_opens_nothing),
        CASE(test_a_tenant_without_keys),
        CASE(test_signing_keys_in_order),
        CASE(test_more_keys_than_a_set_holds),
        CASE(test_mac_keys_in_order),
        CASE(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
