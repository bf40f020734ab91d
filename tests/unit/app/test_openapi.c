/*
 * The API description: each row of the route table is in it with what the tests of the running
 * service need to know of it, every reference leads somewhere, and no schema names what may not
 * leave.
 */
#include "app/openapi.h"

#include <stdio.h>

#include <jansson.h>

#include "app/auto.h"
#include "app/routes.h"
#include "models/user_line.h"
#include "support/unit.h"

DEFINE_AUTO(json_t, json_decref)

static const struct {
    enum method method;
    const char *name;
} methods[] = {{GET, "get"}, {POST, "post"}, {PUT, "put"}, {PATCH, "patch"}, {DELETE, "delete"}};

static json_t *description(struct work *work)
{
    struct buf out;
    json_error_t error;

    buf_init(&out, &work->arena, OPENAPI_MAX_SIZE);
    openapi_write(&out);
    assert_true(buf_ok(&out));
    json_t *json = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        fail_msg("%s near %s", error.text,
                 out.data + (error.position > 40 ? error.position - 40 : 0));
    return json;
}

static json_t *operation_of(json_t *json, const struct route *route, const char *method)
{
    json_t *path = json_object_get(json_object_get(json, "paths"), route->path);

    return json_object_get(path, method);
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool lists(const json_t *array, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (strcmp(json_string_value(json_array_get(array, i)), text) == 0)
            return true;
    }
    return false;
}

static void check_extension(const struct route *route, const json_t *operation)
{
    static const char *const tenants[] = {NULL, "ignored", "optional", "required"};
    static const char *const rates[] = {NULL,    "none",     "read",         "write",
                                        "login", "register", "tenant_create"};
    static const char *const bodies[] = {NULL,           "none",        "json", "form",
                                         "json_or_form", "merge_patch", "lines"};
    static const char *const roles[] = {NULL, "user", "admin", "owner"};
    const json_t *extension = json_object_get(operation, "x-tenantd");
    const json_t *auth = json_object_get(extension, "auth");
    const json_t *flags = json_object_get(extension, "flags");

    assert_string_equal(text_of(extension, "tenant"), tenants[route->tenant]);
    assert_string_equal(text_of(extension, "rate"), rates[route->rate]);
    assert_string_equal(text_of(extension, "body"), bodies[route->body]);
    if (route->role == ROLE_UNSET)
        assert_true(json_is_null(json_object_get(extension, "role")));
    else
        assert_string_equal(text_of(extension, "role"), roles[route->role]);
    if (route->scope == NULL)
        assert_true(json_is_null(json_object_get(extension, "scope")));
    else
        assert_string_equal(text_of(extension, "scope"), route->scope);
    assert_int_equal(json_integer_value(json_object_get(extension, "body_cap")), route->body_cap);
    assert_int_equal(lists(auth, "public"), (route->auth & AUTH_PUBLIC) != 0);
    assert_int_equal(lists(auth, "session"), (route->auth & AUTH_SESSION) != 0);
    assert_int_equal(lists(auth, "bearer"), (route->auth & AUTH_BEARER) != 0);
    assert_int_equal(lists(auth, "key"), (route->auth & AUTH_KEY) != 0);
    assert_int_equal(lists(auth, "platform"), (route->auth & AUTH_PLATFORM) != 0);
    assert_int_equal(lists(auth, "body"), (route->auth & AUTH_BODY) != 0);
    assert_int_equal(lists(auth, "optional"), (route->auth & AUTH_OPTIONAL) != 0);
    assert_int_equal(lists(auth, "no_clients"), (route->auth & AUTH_NO_CLIENTS) != 0);
    assert_int_equal(lists(auth, "ignore"), (route->auth & AUTH_IGNORE) != 0);
    assert_int_equal(lists(flags, "page"), (route->flags & ROUTE_PAGE) != 0);
    assert_int_equal(lists(flags, "dev_only"), (route->flags & ROUTE_DEV_ONLY) != 0);
    assert_int_equal(lists(flags, "hidden"), (route->flags & ROUTE_HIDDEN) != 0);
    assert_int_equal(lists(flags, "api_v1"), (route->flags & ROUTE_API_V1) != 0);
    assert_int_equal(json_is_true(json_object_get(operation, "x-internal")),
                     (route->flags & (ROUTE_HIDDEN | ROUTE_INTERNAL)) != 0);
}

static void check_responses(const struct route *route, const json_t *operation)
{
    const json_t *responses = json_object_get(operation, "responses");
    char status[16];

    snprintf(status, sizeof status, "%d", route->status);
    assert_non_null(json_object_get(responses, status));
    assert_non_null(json_object_get(responses, "400"));
    assert_non_null(json_object_get(responses, "default"));
    if ((route->auth & (AUTH_PUBLIC | AUTH_IGNORE)) == 0)
        assert_non_null(json_object_get(responses, "401"));
}

/* R001-24: what exists is described. */
static void test_every_row(void **state)
{
    struct work *work = *state;
    AUTO(json_decref) json_t *json = description(work);

    assert_string_equal(text_of(json, "openapi"), "3.1.0");
    assert_true(route_count > 10);
    for (size_t i = 0; i < route_count; i++) {
        for (size_t m = 0; m < COUNT_OF(methods); m++) {
            if ((routes[i].method & methods[m].method) == 0)
                continue;
            const json_t *operation = operation_of(json, &routes[i], methods[m].name);

            if (operation == NULL)
                fail_msg("%s %s is not described", methods[m].name, routes[i].path);
            check_extension(&routes[i], operation);
            check_responses(&routes[i], operation);
        }
    }
}

/* And nothing else. */
static void test_nothing_else(void **state)
{
    struct work *work = *state;
    AUTO(json_decref) json_t *json = description(work);
    size_t operations = 0;
    size_t rows = 0;
    const char *path;
    json_t *item;

    json_object_foreach(json_object_get(json, "paths"), path, item) operations +=
        json_object_size(item);
    for (size_t i = 0; i < route_count; i++)
        rows += (size_t)__builtin_popcount(routes[i].method & (GET | POST | PUT | PATCH | DELETE));
    assert_int_equal(operations, rows);
}

static void check_references(const json_t *root, json_t *json)
{
    const char *name;
    const char *reference = json_string_value(json_object_get(json, "$ref"));
    json_t *item;

    if (reference != NULL) {
        char rest[200];
        char *next = rest;
        const json_t *at = root;

        assert_memory_equal(reference, "#/", 2);
        snprintf(rest, sizeof rest, "%s", reference + 2);
        for (char *part = strsep(&next, "/"); part != NULL; part = strsep(&next, "/"))
            at = json_object_get(at, part);
        if (at == NULL)
            fail_msg("%s leads nowhere", reference);
    }
    json_object_foreach(json, name, item) check_references(root, item);
    for (size_t i = 0; i < json_array_size(json); i++)
        check_references(root, json_array_get(json, i));
}

static void test_references(void **state)
{
    struct work *work = *state;
    AUTO(json_decref) json_t *json = description(work);

    check_references(json, json);
}

static void test_operation_ids_are_unique(void **state)
{
    struct work *work = *state;
    AUTO(json_decref) json_t *json = description(work);
    AUTO(json_decref) json_t *seen = json_object();
    const char *path;
    const char *method;
    json_t *operations;
    const json_t *operation;

    json_object_foreach(json_object_get(json, "paths"), path, operations)
    {
        json_object_foreach(operations, method, operation)
        {
            const char *id = text_of(operation, "operationId");

            assert_non_null(id);
            if (json_object_get(seen, id) != NULL)
                fail_msg("%s is given twice", id);
            json_object_set_new(seen, id, json_true());
        }
    }
}

static void test_path_parameters(void **state)
{
    struct work *work = *state;
    AUTO(json_decref) json_t *json = description(work);
    const char *path;
    const char *method;
    json_t *operations;
    const json_t *operation;

    json_object_foreach(json_object_get(json, "paths"), path, operations)
    {
        json_object_foreach(operations, method, operation)
        {
            const json_t *parameters = json_object_get(operation, "parameters");
            size_t expected = 0;
            size_t found = 0;

            for (const char *c = path; *c != '\0'; c++)
                expected += *c == '{';
            for (size_t i = 0; i < json_array_size(parameters); i++) {
                const json_t *parameter = json_array_get(parameters, i);
                const char *name = text_of(parameter, "name");
                char segment[100];

                if (name == NULL || strcmp(text_of(parameter, "in"), "query") == 0)
                    continue;
                snprintf(segment, sizeof segment, "{%s}", name);
                assert_non_null(strstr(path, segment));
                assert_string_equal(text_of(parameter, "in"), "path");
                assert_true(json_is_true(json_object_get(parameter, "required")));
                found++;
            }
            assert_int_equal(found, expected);
        }
    }
}

/* The input of a row without a body is its query: each field is a parameter. */
static void test_query_parameters(void **state)
{
    struct work *work = *state;
    AUTO(json_decref) json_t *json = description(work);
    const json_t *operation =
        json_object_get(json_object_get(json_object_get(json, "paths"), "/tenants/audit"), "get");
    const json_t *parameters = json_object_get(operation, "parameters");
    size_t found = 0;

    for (size_t i = 0; i < json_array_size(parameters); i++) {
        const json_t *parameter = json_array_get(parameters, i);
        const char *in = text_of(parameter, "in");

        if (in == NULL || strcmp(in, "query") != 0)
            continue;
        assert_non_null(text_of(parameter, "name"));
        assert_non_null(json_object_get(parameter, "schema"));
        found++;
    }
    assert_int_equal(found, 7);
    assert_null(json_object_get(operation, "requestBody"));
}

/* R000-14: no description of an answer names a hash or what only the service knows; but the export
 * gives hashes to keys that have a scope for that alone. */
static void test_no_secret_leaves(void **state)
{
    static const char *const secrets[] = {"password", "password_hash",  "hash",
                                          "mac",      "security_epoch", "username_canonical"};
    (void)state;

    for (size_t i = 0; i < route_count; i++) {
        const struct schema *out = routes[i].out;

        for (size_t f = 0; out != NULL && f < out->field_count; f++) {
            const struct field *field = &out->fields[f];
            bool leaves = (field->flags & (F_SECRET | F_INTERNAL | F_WRITE_ONLY)) == 0 &&
                          out != &user_line_schema;

            for (size_t s = 0; s < COUNT_OF(secrets) && leaves; s++) {
                if (strcmp(field->name, secrets[s]) == 0)
                    fail_msg("%s gives out %s", routes[i].path, field->name);
            }
        }
    }
}

/* A mistake in a table of a route is found here, not by a client. */
static void test_tables_of_routes(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        const struct schema *both[] = {routes[i].in, routes[i].out};

        for (size_t s = 0; s < 2; s++) {
            const char *mistake = both[s] != NULL ? schema_check(both[s]) : NULL;

            if (mistake != NULL)
                fail_msg("%s: %s has %s", routes[i].path, both[s]->name, mistake);
        }
    }
}

/* MS-3 */
static void test_out_of_memory(void **state)
{
    struct work *work = *state;

    for (int64_t n = 1; n <= 12; n++) {
        struct buf out;

        buf_init(&out, &work->arena, OPENAPI_MAX_SIZE);
        arena_fail_after(n);
        openapi_write(&out);
        if (arena_fail_after(0) == 0)
            assert_null(buf_text(&out));
        arena_reset(&work->arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_every_row),        WORK_TEST(test_nothing_else),
        WORK_TEST(test_references),       WORK_TEST(test_operation_ids_are_unique),
        WORK_TEST(test_path_parameters),  WORK_TEST(test_no_secret_leaves),
        WORK_TEST(test_query_parameters), WORK_TEST(test_no_secret_leaves),
        WORK_TEST(test_tables_of_routes), WORK_TEST(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
