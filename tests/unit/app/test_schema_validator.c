/* Collection validators. IN-10: the database itself judges what tables say; needs TEST_MONGODB_URI.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mongoc/mongoc.h>

#include "app/schema.h"
#include "support/sample_random.h"

static void test_validator_text(void **state)
{
    AUTO(bson_destroy) bson_t *validator = schema_validator(&sample_schema);
    size_t length;
    (void)state;

    assert_non_null(validator);
    char *text = bson_as_relaxed_extended_json(validator, &length);
    assert_non_null(strstr(text, "\"required\" : [ \"tenant_id\", \"name\" ]"));
    assert_non_null(strstr(text, "\"color\" : { \"enum\" : [ \"red\", \"green\" ] }"));
    assert_null(strstr(text, "password"));
    assert_null(strstr(text, "additionalProperties"));
    bson_free(text);

    struct schema global = sample_schema;
    global.global = true;
    AUTO(bson_destroy) bson_t *open = schema_validator(&global);
    text = bson_as_relaxed_extended_json(open, &length);
    assert_non_null(strstr(text, "\"required\" : [ \"name\" ]"));
    bson_free(text);
}

DEFINE_AUTO(mongoc_client_t, mongoc_client_destroy)
DEFINE_AUTO(mongoc_collection_t, mongoc_collection_destroy)
DEFINE_AUTO(mongoc_database_t, mongoc_database_destroy)

static void validator_of(mongoc_database_t *database, const struct schema *schema,
                         const char *collection)
{
    AUTO(bson_destroy) bson_t *validator = schema_validator(schema);
    AUTO(bson_destroy) bson_t *options = bson_new();
    bson_error_t error;

    bson_append_document(options, "validator", -1, validator);
    mongoc_collection_t *made =
        mongoc_database_create_collection(database, collection, options, &error);
    if (made == NULL)
        fail_msg("%s", error.message);
    mongoc_collection_destroy(made);
}

static bool insert(mongoc_collection_t *collection, const bson_t *document)
{
    bson_error_t error;

    return mongoc_collection_insert_one(collection, document, NULL, NULL, &error);
}

/* What the tables write passes the database's own check. */
static void accepts_ours(struct work *work, mongoc_collection_t *collection)
{
    uint64_t seed = 8;

    for (int round = 0; round < 300; round++) {
        struct sample sample = random_sample(work, &seed);
        AUTO(bson_destroy) bson_t *document = bson_new();

        assert_true(schema_to_bson(&sample_schema, &sample, document));
        if (!insert(collection, document))
            fail_msg("round %d was refused", round);
        arena_reset(&work->arena);
    }
}

/* One wrong member beside what is required. */
static void refuses_wrong(mongoc_collection_t *collection)
{
    static const char *const names[] = {"tenant_id", "name",       "port", "active",
                                        "color",     "created_at", "mac",  "custom",
                                        "tags",      "inner",      "parts"};
    struct sample sample = {.id = uuid_new(), .tenant_id = uuid_new(), .name = "Ana"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(bson_destroy) bson_t *good = bson_new();
        AUTO(bson_destroy) bson_t *bad = bson_new();

        sample.id = uuid_new();
        assert_true(schema_to_bson(&sample_schema, &sample, good));
        bson_copy_to_excluding_noinit(good, bad, names[i], NULL);
        bson_append_regex(bad, names[i], -1, "x", "");
        assert_false(insert(collection, bad));
    }
    AUTO(bson_destroy) bson_t *whole = bson_new();
    assert_true(schema_to_bson(&sample_schema, &sample, whole));
    for (size_t i = 0; i < 2; i++) {
        AUTO(bson_destroy) bson_t *bad = bson_new();

        bson_copy_to_excluding_noinit(whole, bad, names[i], NULL);
        assert_false(insert(collection, bad));
    }
    assert_true(insert(collection, whole));
}

/* IN-10: a write past the service is refused. Needs TEST_MONGODB_URI. */
static void test_validator_in_the_database(void **state)
{
    struct work *work = *state;
    const char *uri = getenv("TEST_MONGODB_URI");
    char name[64];

    if (uri == NULL)
        skip();
    mongoc_init();
    snprintf(name, sizeof name, "test_%d_schema", (int)getpid());
    {
        AUTO(mongoc_client_destroy) mongoc_client_t *client = mongoc_client_new(uri);
        assert_non_null(client);
        AUTO(mongoc_database_destroy)
        mongoc_database_t *database = mongoc_client_get_database(client, name);
        validator_of(database, &sample_schema, "samples");
        AUTO(mongoc_collection_destroy)
        mongoc_collection_t *collection = mongoc_database_get_collection(database, "samples");
        accepts_ours(work, collection);
        refuses_wrong(collection);
        assert_true(mongoc_database_drop(database, NULL));
    }
    mongoc_cleanup();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_validator_text),
        WORK_TEST(test_validator_in_the_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
