/*
 * config.yaml: what is understood, and what of YAML is not (IN-15, SK-2; issue 3 "Bad input": an
 * unknown key is one sentence with what to do).
 */
#include "support/config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/config.h"
#include "app/config_env.h"
#include "app/config_table.h"

/* Last: its macro "fail" would change ctx.h. */
#include <cmocka.h>

/* --- what is understood --- */

static void test_defaults_of_development(void **state)
{
    (void)state;
    struct config *config = load(DEV);

    assert_int_equal(config->environment, ENV_DEVELOPMENT);
    assert_string_equal(config->server.bind, "127.0.0.1");
    assert_int_equal(config->server.port, 8080);
    assert_int_equal(config->server.extra_port, 5000);
    assert_int_equal(config->server.metrics_port, 9464);
    assert_string_equal(config->server.public_url, "http://localhost:8080");
    assert_int_equal(config->tenants.registration, REGISTRATION_OPEN);
    assert_int_equal(config->tenants.issuer_form, ISSUER_PATH);
    assert_true(config->tenants.list_enabled);
    assert_null(config->tenants.default_tenant);
    assert_string_equal(config->tenants.base_domains.items[0], "localhost");
    /* The numbers of api.md §1 and §10. */
    assert_int_equal(config->limits.sign_ins_per_minute, 60);
    assert_int_equal(config->limits.registrations_per_hour, 30);
    assert_int_equal(config->limits.tenants_per_day, 5);
    assert_int_equal(config->limits.development_factor, 100);
    assert_int_equal(config->limits.lock_after, 10);
    assert_int_equal(config->limits.lock_seconds, 30);
    assert_int_equal(config->limits.lock_max_seconds, 900);
    assert_int_equal(config->server.header_timeout_ms, 10000);
    assert_int_equal(config->server.body_timeout_ms, 30000);
    assert_int_equal(config->server.body_min_rate, 1024);
    static const int64_t users[] = {10, 50, 200, 0}, requests[] = {600, 3000, 12000, 0};
    for (int plan = PLAN_FREE; plan < PLAN_COUNT; plan++) {
        assert_int_equal(config_plan_of(config, (enum plan)plan)->users, users[plan - 1]);
        assert_int_equal(config_plan_of(config, (enum plan)plan)->requests_per_minute,
                         requests[plan - 1]);
    }
    config_unref(config);
}

static void test_defaults_of_production(void **state)
{
    (void)state;
    struct config *config = load("master_key: " KEY "\n" PUBLIC);

    assert_int_equal(config->environment, ENV_PRODUCTION);
    assert_string_equal(config->server.bind, "0.0.0.0");
    assert_int_equal(config->server.extra_port, 0);
    assert_int_equal(config->tenants.registration, REGISTRATION_VERIFIED);
    assert_int_equal(config->tenants.issuer_form, ISSUER_SUBDOMAIN);
    assert_false(config->tenants.list_enabled);
    config_unref(config);
}

static void test_every_kind_of_value(void **state)
{
    (void)state;
    struct config *config = load(DEV "log_level: debug\n"
                                     "server:\n"
                                     "  port: 9001\n"
                                     "  trusted_proxies: [10.0.0.0/8, \"::1\"]\n"
                                     "  public_url: 'https://id.example.com:8443'\n"
                                     "database:\n"
                                     "  migrate_on_start: true\n"
                                     "password: {scheme: argon2id, min_length: 12}\n"
                                     "plans:\n"
                                     "  basic: {users: 7}\n");

    assert_string_equal(config->log_level, "debug");
    assert_int_equal(config->server.port, 9001);
    assert_int_equal(config->server.trusted_proxies.count, 2);
    assert_string_equal(config->server.trusted_proxies.items[1], "::1");
    assert_string_equal(config->server.public_url, "https://id.example.com:8443");
    assert_true(config->database.migrate_on_start);
    assert_int_equal(config->password.scheme, PASSWORD_ARGON2ID);
    assert_int_equal(config->password.min_length, 12);
    assert_int_equal(config->plans.basic.users, 7);
    /* What stands beside a key that is set keeps its default. */
    assert_int_equal(config->plans.basic.requests_per_minute, 3000);
    assert_int_equal(config->password.cost, 10);
    config_unref(config);
}

static void test_empty_values_are_absent(void **state)
{
    (void)state;
    struct config *config = load(DEV "log_level:\n"
                                     "server:\n"
                                     "  port: null\n"
                                     "  extra_port: ~\n"
                                     "  public_url: \"\"\n"
                                     "database:\n"
                                     "tenants: {default_tenant: }\n");

    assert_string_equal(config->log_level, "info");
    assert_int_equal(config->server.port, 8080);
    assert_int_equal(config->server.extra_port, 5000);
    assert_string_equal(config->server.public_url, "http://localhost:8080");
    assert_null(config->tenants.default_tenant);
    config_unref(config);
}

static void test_variables(void **state)
{
    (void)state;
    setenv("TEST_PORT", "8123", 1);
    setenv("TEST_EMPTY", "", 1);
    setenv("TEST_LIST", "a.example.com, b.example.com", 1);
    unsetenv("TEST_UNSET");
    struct config *config = load(DEV "server:\n"
                                     "  port: ${TEST_PORT}\n"
                                     "  extra_port: \"${TEST_UNSET:-7}\"\n"
                                     "  metrics_port: ${TEST_EMPTY:-8}\n"
                                     "  public_url: http://${TEST_UNSET:-host}:${TEST_PORT}\n"
                                     "database: {uri: 'mongodb://u:a$${b$c@h'}\n"
                                     "log_level: ${TEST_EMPTY}\n"
                                     "tenants:\n"
                                     "  base_domains: ${TEST_LIST}\n");

    assert_int_equal(config->server.port, 8123);
    assert_int_equal(config->server.extra_port, 7);
    assert_int_equal(config->server.metrics_port, 8);
    assert_string_equal(config->server.public_url, "http://host:8123");
    assert_string_equal(config->database.uri, "mongodb://u:a${b$c@h");
    assert_string_equal(config->log_level, "info");
    assert_int_equal(config->tenants.base_domains.count, 2);
    assert_string_equal(config->tenants.base_domains.items[1], "b.example.com");
    config_unref(config);
}

static void test_variables_that_are_wrong(void **state)
{
    (void)state;
    unsetenv("TEST_UNSET");
    setenv("TEST_WORD", "eight", 1);
    const char *message = refused(DEV "server:\n"
                                      "  port: ${TEST_UNSET}\n"
                                      "  extra_port: ${TEST_UNSET:?say where}\n"
                                      "  metrics_port: ${TEST_WORD}\n"
                                      "  bind: ${9}\n"
                                      "  public_url: ${A\n"
                                      "log_level: ${A:-${B}}\n");

    assert_says(message, "c.yaml:4: port: the environment variable TEST_UNSET is not set");
    assert_says(message, "c.yaml:5: extra_port: the environment variable TEST_UNSET is not set: "
                         "say where");
    assert_says(message, "c.yaml:6: server.metrics_port: ");
    assert_says(message, "c.yaml:7: bind: a variable is written ${NAME}");
    assert_says(message, "c.yaml:8: public_url: \"${\" has no \"}\"");
    assert_says(message, "c.yaml:9: log_level: a variable is written ${NAME}");
}

/* SK-2: gone from the environment of the process, and still there for a reload. */
static void test_secrets_leave_the_environment(void **state)
{
    (void)state;
    setenv("TEST_KEY", KEY, 1);
    setenv("TEST_PORT", "8124", 1);
    static const char text[] = "environment: development\nmaster_key: ${TEST_KEY}\n"
                               "server: {port: \"${TEST_PORT}\"}\n";
    const char *value = getenv("TEST_KEY");
    config_unref(load(text));
    config_env_hide();
    assert_null(getenv("TEST_KEY"));
    assert_string_equal(value, "");
    assert_string_equal(getenv("TEST_PORT"), "8124");
    config_unref(load(text));
}

/* --- problems, all at once, each with its line --- */

static void test_all_problems_at_once(void **state)
{
    (void)state;
    const char *message = refused("environment: devel\n"
                                  "log_level: loud\n"
                                  "master_key: " KEY "\n"
                                  "server:\n"
                                  "  prot: 1\n"
                                  "  port: 70000\n"
                                  "  bind: nowhere\n"
                                  "  public_url: localhost\n"
                                  "  trusted_proxies: [10.0.0.0/33]\n"
                                  "databse: {}\n"
                                  "tenants: 5\n"
                                  "password:\n"
                                  "  cost: 9\n"
                                  "  min_length: eight\n"
                                  "  scheme: md5\n"
                                  "database: {migrate_on_start: maybe, name: admin}\n"
                                  "xyzzy: 1\n");

    assert_says(message, "c.yaml:1: environment: ");
    assert_says(message, "development");
    assert_says(message, "c.yaml:2: log_level: ");
    assert_says(message, "debug");
    assert_says(message,
                "c.yaml:5: there is no key \"server.prot\"; did you mean \"server.port\"?");
    assert_says(message, "c.yaml:6: server.port: ");
    assert_says(message, "65535");
    assert_says(message, "c.yaml:7: server.bind: ");
    assert_says(message, "must be an IP address");
    assert_says(message, "c.yaml:8: server.public_url: ");
    assert_says(message, "c.yaml:9: server.trusted_proxies: ");
    assert_says(message, "c.yaml:10: there is no key \"databse\"; did you mean \"database\"?");
    assert_says(message, "c.yaml:11: tenants is a section");
    assert_says(message, "c.yaml:13: password.cost: ");
    assert_says(message, "14");
    assert_says(message, "c.yaml:14: password.min_length: ");
    assert_says(message, "c.yaml:15: password.scheme: ");
    assert_says(message, "argon2id");
    assert_says(message, "c.yaml:16: database.migrate_on_start: ");
    assert_says(message, "c.yaml:16: database.name: ");
    assert_says(message, "c.yaml:17: there is no key \"xyzzy\"");
    /* In the order of the file, though the rules between keys are checked last. */
    assert_memory_equal(message, "c.yaml:1: ", 10);
    assert_true(strstr(message, "c.yaml:9: ") < strstr(message, "c.yaml:10: "));
    message = refused("master_key: c2hvcnQ=\nenvironment: development\nlog_level: loud\n");
    assert_memory_equal(message, "c.yaml:1: ", 10);
    assert_says(message, "\nc.yaml:3: log_level: ");
}

/* IN-15: a safe subset of YAML. */
static void test_yaml_outside_the_subset(void **state)
{
    static const struct bad_text cases[] = {
        {DEV "log_level: info\nlog_level: warn\n",
         "c.yaml:4: the key \"log_level\" stands here a second time (first in line 3)"},
        {DEV "server:\n  port: 1\n  port: 2\n", "c.yaml:5: the key \"port\" stands"},
        {DEV "---\nlog_level: info\n", "c.yaml:3: a second document"},
        {DEV "log_level: &a info\n", "c.yaml:3: anchors are not allowed"},
        {DEV "server: &s {port: 1}\n", "c.yaml:3: anchors are not allowed"},
        {DEV "log_level: *a\n", "c.yaml:3: aliases are not allowed"},
        {DEV "<<: *a\n", "c.yaml:3: aliases are not allowed"},
        {DEV "log_level: !!str info\n", "c.yaml:3: tags are not allowed"},
        {DEV "server: !x {port: 1}\n", "c.yaml:3: tags are not allowed"},
        {DEV "log_level: \"a\\0b\"\n", "c.yaml:3: a value holds a NUL"},
        {DEV "? [a, b]\n: 1\n", "c.yaml:3: a key must be a word"},
        {DEV "log_level: 'open\n", "this is not valid YAML"},
        {DEV "\tlog_level: info\n", "this is not valid YAML"},
        {DEV "log_level: \xff\n", "this is not valid YAML"},
        {DEV "a: [[[[[[[[[[1]]]]]]]]]]\n", "nested too deep"},
        {"- a\n- b\n", "c.yaml:1: the file must be a list of \"key: value\" lines"},
        {"just words\n", "c.yaml:1: the file must be a list of \"key: value\" lines"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_says(refused(cases[i].text), cases[i].says);
}

static void test_size_and_number_are_bounded(void **state)
{
    (void)state;
    size_t size = (size_t)300 * 1024;
    char *text = malloc(size + 1);

    assert_non_null(text);
    memset(text, '#', size);
    text[size] = '\0';
    assert_says(refused(text), "larger than 256 KiB");

    size_t used = 0;
    while (used < 200000)
        used += (size_t)snprintf(text + used, size - used, "unknown_key_%zu: 1\n", used);
    assert_says(refused(text), "nested too deep or too large");
    text[5000] = '\0';
    assert_says(refused(text), "more problems");
    free(text);
}

static void test_files_that_cannot_be_read(void **state)
{
    struct config *config = NULL;
    char *message = NULL;

    (void)state;
    assert_int_equal(config_load("/nonexistent/c.yaml", &config, &message), ERR_VALIDATION);
    assert_string_equal(message, "/nonexistent/c.yaml: cannot read the configuration: No such file "
                                 "or directory");
    free(message);
    assert_int_equal(config_load("/tmp", &config, &message), ERR_VALIDATION);
    assert_string_equal(message, "/tmp: cannot read the configuration: it is a directory");
    free(message);
    write_file(config_file_path(), DEV, strlen(DEV), 0606);
    assert_int_equal(config_load(config_file_path(), &config, &message), ERR_VALIDATION);
    assert_says(message, "everybody may change this file");
    free(message);
}

/* --- the shipped file and the tables --- */

/* Every key of the tables stands in config.yaml, so that it is complete. */
static void assert_keys_in(const char *text, const struct schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        char line[80];
        snprintf(line, sizeof line, "%s:", field->name);
        assert_says(text, line);
        if (field->sub != NULL)
            assert_keys_in(text, field->sub);
    }
}

static void test_shipped_file(void **state)
{
    const char *root = getenv("TENANTD_ROOT");
    static char text[65536], shipped[1024];
    struct config *config = NULL;
    char *message = NULL;

    (void)state;
    if (root == NULL)
        root = ".";
    snprintf(shipped, sizeof shipped, "%s/config.yaml", root);
    FILE *file = fopen(shipped, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_keys_in(text, &config_schema);

    setenv("MASTER_KEY", KEY, 1);
    if (config_load(shipped, &config, &message) != ERR_OK)
        fail_msg("%s", message);
    /* It says what development's defaults are. */
    struct config *defaults = load(DEV);
    assert_string_equal(config->server.public_url, defaults->server.public_url);
    assert_memory_equal(&config->limits, &defaults->limits, sizeof defaults->limits);
    assert_memory_equal(&config->plans, &defaults->plans, sizeof defaults->plans);
    assert_memory_equal(&config->tokens, &defaults->tokens, sizeof defaults->tokens);
    assert_memory_equal(&config->password.cost, &defaults->password.cost,
                        sizeof defaults->password.cost);
    config_unref(defaults);
    config_unref(config);
}

static void test_tables_are_sound(void **state)
{
    (void)state;
    assert_null(schema_check(&config_schema));
    for (size_t i = 0; i < config_restart_key_count; i++) {
        const struct config_key *key = &config_restart_keys[i];
        const struct schema *schema = &config_schema;
        if (key->section != NULL) {
            int index = schema_field_index(&config_schema, key->section);
            assert_true(index >= 0);
            schema = config_schema.fields[index].sub;
            assert_non_null(schema);
        }
        assert_true(key->key == NULL || schema_field_index(schema, key->key) >= 0);
    }
}

static void test_print_masks_secrets(void **state)
{
    struct arena arena;
    struct buf out;

    (void)state;
    struct config *config = load(DEV "database: {uri: 'mongodb://u:hunter2@h'}\n");
    arena_init(&arena, (size_t)1024 * 1024);
    buf_init(&out, &arena, (size_t)256 * 1024);
    schema_to_yaml_masked(&config_schema, config, &out);
    assert_non_null(buf_text(&out));
    assert_says(buf_text(&out), "port: 8080");
    assert_says(buf_text(&out), "environment: \"development\"");
    assert_says(buf_text(&out), "********");
    assert_null(strstr(buf_text(&out), "hunter2"));
    assert_null(strstr(buf_text(&out), "kB4mDG"));
    arena_clear(&arena);
    config_unref(config);
}

static void test_references(void **state)
{
    (void)state;
    struct config *config = load(DEV);

    assert_ptr_equal(config_ref(config), config);
    config_unref(config);
    assert_string_equal(config->log_level, "info"); /* ASan tells when it is gone */
    config_unref(config);
    config_unref(NULL);
}

/* TI-14: only development sends to its own machine without being told to. */
static void test_fetch_allows_what_it_must(void **state)
{
    struct config *config = load(LIVE PUBLIC);

    (void)state;
    assert_int_equal(config->fetch.allow.count, 0);
    assert_int_equal(config->outbox.retry_first_ms, 10000);
    config_unref(config);
    config = load(DEV);
    assert_int_equal(config->fetch.allow.count, 2);
    assert_string_equal(config->fetch.allow.items[0], "127.0.0.0/8");
    config_unref(config);
    config = load(DEV "fetch: {allow: []}\n");
    assert_int_equal(config->fetch.allow.count, 0);
    config_unref(config);
    assert_says(refused(DEV "fetch: {allow: [\"localhost\"]}\n"), "c.yaml:3: fetch.allow");
    assert_says(refused(DEV "fetch: {timeout_ms: 30001}\n"), "c.yaml:3: fetch.timeout_ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_of_development),
        cmocka_unit_test(test_defaults_of_production),
        cmocka_unit_test(test_every_kind_of_value),
        cmocka_unit_test(test_empty_values_are_absent),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_variables_that_are_wrong),
        cmocka_unit_test(test_secrets_leave_the_environment),
        cmocka_unit_test(test_all_problems_at_once),
        cmocka_unit_test(test_yaml_outside_the_subset),
        cmocka_unit_test(test_size_and_number_are_bounded),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_shipped_file),
        cmocka_unit_test(test_tables_are_sound),
        cmocka_unit_test(test_print_masks_secrets),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_fetch_allows_what_it_must),
    };

    return cmocka_run_group_tests(tests, config_file_setup, config_file_teardown);
}
