/*
 * The watcher: what another instance changes is seen here within a second, through interruptions,
 * and without believing memory when the past is lost (design section 5; TS-7, TS-14).
 */
#include "support/unit.h"

#include <stdatomic.h>
#include <stdio.h>

#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/housekeeping.h"
#include "app/metrics.h"
#include "app/revocation.h"
#include "app/secret.h"
#include "app/token_cache.h"
#include "app/watch.h"
#include <mongoc/mongoc.h>

#include "app/watch_event.h"
#include "support/database.h"

static struct database database;

/* ---- caches whose loads are counted ---- */

static _Atomic int64_t loads;

static enum err load_anything(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)key;
    (void)size;
    *ret_data = ARENA_NEW(ctx->arena, int64_t);
    atomic_fetch_add(&loads, 1);
    return *ret_data != NULL ? ERR_OK : ERR_MEMORY;
}

/* True when the cache had it still. */
static bool is_cached(struct cache *cache, const void *key, size_t size)
{
    const int64_t before = atomic_load(&loads);
    const void *data;

    assert_int_equal(cache_get(cache, &database.ctx, key, size, &data), ERR_OK);
    return atomic_load(&loads) == before;
}

static struct uuid id;
static uint8_t pair[32]; /* of an access key: tenant and id */

struct place {
    struct cache *cache;
    const void *key;
    size_t size;
};

static size_t places(struct place ret[5])
{
    ret[0] = (struct place){database.app.tenants, id.bytes, sizeof id.bytes};
    ret[1] = (struct place){database.app.slugs, "acme", 4};
    ret[2] = (struct place){database.app.domains, "login.acme.example", 18};
    ret[3] = (struct place){database.app.keys, id.bytes, sizeof id.bytes};
    ret[4] = (struct place){database.app.access_keys, pair, sizeof pair};
    return 5;
}

static void fill(void)
{
    struct place all[5];

    for (size_t i = 0; i < places(all); i++)
        (void)is_cached(all[i].cache, all[i].key, all[i].size);
}

/* Which of them are cached, as one bit each; fills those that are not. */
static unsigned cached(void)
{
    struct place all[5];
    unsigned bits = 0;

    for (size_t i = 0; i < places(all); i++)
        bits |= (unsigned)is_cached(all[i].cache, all[i].key, all[i].size) << i;
    return bits;
}

enum { TENANT = 1, SLUG = 2, DOMAIN = 4, KEYS = 8, ACCESS_KEY = 16, ALL = 31 };

/* ---- beginning and end ---- */

static int begin(const struct database_options *options)
{
    if (!database_begin(&database, options))
        return 0;
    id = uuid_new();
    memcpy(pair, id.bytes, 16);
    memcpy(pair + 16, id.bytes, 16);
    database.app.tenants = cache_new("tenants", 16, 600000, load_anything);
    database.app.slugs = cache_new("slugs", 16, 600000, load_anything);
    database.app.domains = cache_new("domains", 16, 600000, load_anything);
    database.app.keys = cache_new("keys", 16, 600000, load_anything);
    database.app.access_keys = cache_new("access_keys", 16, 600000, load_anything);
    database.app.tokens = token_cache_new(64);
    database.app.revocations = revocations_new(64);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return begin(NULL);
}

static int setup_proxied(void **state)
{
    (void)state;
    return begin(&(struct database_options){.proxied = true});
}

static int teardown(void **state)
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
    cache_free(database.app.access_keys);
    token_cache_free(database.app.tokens);
    revocations_free(database.app.revocations);
    database_end(&database);
    return 0;
}

static void start_beating(void)
{
    assert_int_equal(housekeeping_start(&database.app, &database.app.housekeeping), ERR_OK);
    WAIT(watch_is_fresh(database.app.watch), 10000);
}

/* ---- changes made by someone else ---- */

static void command(bson_t *take_command)
{
    bson_t *reply = database_command(&database, database.name, take_command);

    bson_destroy(reply);
    bson_destroy(take_command);
}

static bson_t *document(const struct uuid *document_id)
{
    bson_t *doc = bson_new();

    bson_put_uuid(doc, "_id", document_id);
    bson_put_uuid(doc, "tenant_id", document_id);
    bson_put_text(doc, "slug", "acme");
    return doc;
}

static void insert(const char *collection)
{
    bson_t *doc = document(&id);

    command(BCON_NEW("insert", BCON_UTF8(collection), "documents", "[", BCON_DOCUMENT(doc), "]"));
    bson_destroy(doc);
}

static void touch(const char *collection)
{
    command(BCON_NEW("update", BCON_UTF8(collection), "updates", "[", "{", "q", "{", "}", "u", "{",
                     "$inc", "{", "version", BCON_INT32(1), "}", "}", "}", "]"));
}

static void replace(const char *collection)
{
    bson_t *doc = document(&id);

    bson_put_int(doc, "replaced", 1);
    command(BCON_NEW("update", BCON_UTF8(collection), "updates", "[", "{", "q", "{", "}", "u",
                     BCON_DOCUMENT(doc), "}", "]"));
    bson_destroy(doc);
}

static void delete_all(const char *collection)
{
    command(BCON_NEW("delete", BCON_UTF8(collection), "deletes", "[", "{", "q", "{", "}", "limit",
                     BCON_INT32(0), "}", "]"));
}

static const struct {
    const char *collection;
    unsigned on_insert, on_change, on_delete; /* what may no longer be cached */
} effects[] = {
    {"tenants", TENANT | SLUG, TENANT | SLUG | DOMAIN, TENANT | SLUG | DOMAIN},
    {"tenant_domains", DOMAIN, DOMAIN, DOMAIN},
    {"signing_keys", KEYS, KEYS, KEYS},
    {"data_keys", KEYS, KEYS, KEYS},
    {"access_keys", ACCESS_KEY, ACCESS_KEY, ACCESS_KEY},
};

/* All of that was dropped by now, or something else was. */
static bool saw_drops(unsigned *gone, unsigned wanted)
{
    *gone |= ALL & ~cached();
    return *gone == wanted || (*gone & ~wanted) != 0;
}

static void expect_dropped(unsigned dropped)
{
    unsigned gone = 0;

    WAIT(saw_drops(&gone, dropped), 1000);
    assert_int_equal(gone, dropped);
}

static void test_changes_drop_what_they_concern(void **state)
{
    NEEDS_DATABASE();
    database_watch(&database.app);
    for (size_t i = 0; i < COUNT_OF(effects); i++) {
        fill();
        insert(effects[i].collection);
        expect_dropped(effects[i].on_insert);
        touch(effects[i].collection);
        expect_dropped(effects[i].on_change);
        replace(effects[i].collection);
        expect_dropped(effects[i].on_change);
        delete_all(effects[i].collection);
        expect_dropped(effects[i].on_delete);
    }
}

static void test_other_collections_drop_nothing(void **state)
{
    NEEDS_DATABASE();
    database_watch(&database.app);
    fill();
    insert("users_0123456789abcdef0123456789abcdef");
    insert("tokens");
    insert("audit_logs");
    insert("leases");
    /* The last change is seen, so the ones before were. */
    insert("tenant_domains");
    expect_dropped(DOMAIN);
}

/* Other tenants keep what they have. */
static void test_other_entries_stay(void **state)
{
    const struct uuid mine = id;

    NEEDS_DATABASE();
    database_watch(&database.app);
    fill();
    id = uuid_new();
    insert("signing_keys");
    touch("signing_keys");
    insert("access_keys");
    touch("access_keys");
    insert("tenant_domains");
    id = mine;
    expect_dropped(DOMAIN);
}

/* SK-6: what a key signed that is no longer there is not taken from the cache of tokens. */
static void test_a_changed_key_forgets_its_tokens(void **state)
{
    const uint8_t digest[SHA256_SIZE] = {1};
    struct token_claims claims = {.expires_at = clock_now_ms() / 1000 + 3600};

    NEEDS_DATABASE();
    database_watch(&database.app);
    fill();
    token_cache_add(database.app.tokens, digest, &claims, token_cache_age(database.app.tokens));
    insert("signing_keys");
    expect_dropped(KEYS);
    assert_true(token_cache_find(database.app.tokens, digest, &claims));
    delete_all("signing_keys");
    WAIT(!token_cache_find(database.app.tokens, digest, &claims), 1000);
}

/* ---- interruptions ---- */

/* What happened while the connection was gone is seen when it is back. */
static void test_goes_on_where_it_stopped(void **state)
{
    NEEDS_DATABASE();
    database_watch(&database.app);
    start_beating();
    fill();
    wire_refuse(database.wire, true);
    WAIT(!watch_is_fresh(database.app.watch), 5000);
    insert("tenants");
    insert("access_keys");
    assert_int_equal(cached(), ALL);
    wire_refuse(database.wire, false);
    expect_dropped(TENANT | SLUG | ACCESS_KEY);
    WAIT(watch_is_fresh(database.app.watch), 15000);
}

static void revoke_grant(const struct uuid *grant_id)
{
    database.ctx.tenant_id = id;
    assert_int_equal(revocation_write(&database.ctx, REVOKED_GRANT, grant_id, 0, 900), ERR_OK);
}

static enum err check_grant(const struct uuid *grant_id)
{
    const struct revocation_subject subject = {.tenant_id = id, .grant_id = *grant_id};

    return revocation_check(&database.ctx, &subject);
}

/* Without asking the database, as it is done while the watcher is fresh. */
static bool memory_says(const struct uuid *grant_id, enum err answer)
{
    database_forget(&database);
    return check_grant(grant_id) == answer && database_asked(&database, "revocations") == 0;
}

/* A watched collection is dropped: everything is forgotten, what is left is loaded again. */
static void test_begins_anew_when_the_past_is_gone(void **state)
{
    const struct uuid gone = uuid_new(), kept = uuid_new();

    NEEDS_DATABASE();
    insert("tenants");
    database_watch(&database.app);
    start_beating();
    revoke_grant(&gone);
    WAIT(memory_says(&gone, ERR_BAD_TOKEN), 1000);
    delete_all("revocations");
    revoke_grant(&kept);
    fill();
    command(BCON_NEW("drop", BCON_UTF8("tenants")));
    expect_dropped(ALL);
    WAIT(memory_says(&kept, ERR_BAD_TOKEN), 5000);
    WAIT(memory_says(&gone, ERR_OK), 5000);
}

/* The server says that it no longer has the events after the token. */
static bool lose_history(void)
{
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_new(getenv("TEST_MONGODB_URI"));
    char name[160];
    bson_t *fault;
    bool set;

    snprintf(name, sizeof name, "%s.$cmd.aggregate", database.name);
    fault = BCON_NEW("configureFailPoint", "failCommand", "mode", "{", "times", BCON_INT32(1), "}",
                     "data", "{", "failCommands", "[", "getMore", "]", "errorCode", BCON_INT32(286),
                     "namespace", BCON_UTF8(name), "appName", "tenantd-watch", "}");
    set = mongoc_client_command_simple(client, "admin", fault, NULL, NULL, &error);
    bson_destroy(fault);
    mongoc_client_destroy(client);
    return set;
}

static void test_lost_history_flushes_everything(void **state)
{
    const struct uuid grant = uuid_new();

    NEEDS_DATABASE();
    database_watch(&database.app);
    start_beating();
    revoke_grant(&grant);
    fill();
    if (!lose_history())
        skip();
    expect_dropped(ALL);
    WAIT(memory_says(&grant, ERR_BAD_TOKEN), 5000);
}

static void test_a_database_that_is_not_there(void **state)
{
    const char *reason = NULL;

    NEEDS_DATABASE();
    wire_refuse(database.wire, true);
    assert_int_equal(watch_start(&database.app, &database.app.watch, &reason), ERR_DB_UNAVAILABLE);
    assert_null(database.app.watch);
    assert_non_null(strstr(reason, "replica set"));
}

/* ---- events that are malformed ---- */

static void test_odd_events_drop_too_much_rather_than_too_little(void **state)
{
    bson_t *events[] = {
        BCON_NEW("operationType", "update", "ns", "{", "coll", "tenants", "}"),
        BCON_NEW("operationType", "update", "ns", "{", "coll", "tenants", "}", "documentKey", "{",
                 "_id", BCON_INT32(1), "}", "fullDocument", BCON_NULL),
        BCON_NEW("operationType", "insert", "ns", "{", "coll", "access_keys", "}"),
        BCON_NEW("operationType", "delete", "ns", "{", "coll", "signing_keys", "}"),
        BCON_NEW("operationType", "insert", "ns", "{", "coll", "revocations", "}"),
        BCON_NEW("operationType", "update", "ns", "{", "coll", "revocations", "}", "fullDocument",
                 "{", "_id", BCON_INT32(3), "expires_at", "x", "}"),
        BCON_NEW("operationType", "createIndexes", "ns", "{", "coll", "tenants", "}"),
        BCON_NEW("ns", "{", "coll", "tenants", "}"),
        BCON_NEW("operationType", "invalidate"),
        BCON_NEW("operationType", "dropDatabase"),
        bson_new(),
    };
    static const unsigned dropped[] = {
        TENANT | SLUG | DOMAIN, TENANT | SLUG | DOMAIN, ACCESS_KEY, KEYS, 0, 0, 0, 0, 0, 0, 0,
    };

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        fill();

        const enum watch_effect effect = watch_event_apply(&database.app, events[i]);

        assert_int_equal(effect, i == 8 || i == 9 ? WATCH_LOST : WATCH_APPLIED);
        assert_int_equal(ALL & ~cached(), dropped[i]);
        assert_int_equal(watch_event_time(events[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(events); i++)
        bson_destroy(events[i]);
}

#define CASE(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PROXIED(name) cmocka_unit_test_setup_teardown(name, setup_proxied, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_changes_drop_what_they_concern),
        CASE(test_other_collections_drop_nothing),
        CASE(test_other_entries_stay),
        CASE(test_a_changed_key_forgets_its_tokens),
        PROXIED(test_goes_on_where_it_stopped),
        CASE(test_begins_anew_when_the_past_is_gone),
        CASE(test_lost_history_flushes_everything),
        PROXIED(test_a_database_that_is_not_there),
        CASE(test_odd_events_drop_too_much_rather_than_too_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
