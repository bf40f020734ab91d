/*
 * Rules between keys of config.yaml, secrets, and what production refuses (SK-1; issue 3 "Bad
 * input": a short secret is one sentence with what to do).
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
#include "app/config_check.h"

/* Last: its macro "fail" would change ctx.h. */
#include <cmocka.h>

/* --- SK-1: secrets --- */

static void test_bad_master_keys(void **state)
{
    static const struct bad_text cases[] = {
        {"environment: development\n", "the master key is missing: make one with"},
        {"environment: development\nmaster_key: \"\"\n", "c.yaml:2: the master key is missing"},
        {"environment: development\nmaster_key: c2hvcnQ=\n",
         "c.yaml:2: the master key has 5 bytes, which is too short: it needs at least 32"},
        {"environment: development\nmaster_key: secret!\n",
         "c.yaml:2: the master key is not base64"},
        {"environment: development\nmaster_key: kB4mDGzjW2v3mWcY0FSb1Ul4i1pW5dIGq6ZCq1W2mXS=\n",
         "c.yaml:2: the master key is not base64"},
        {DEV "master_key_file: /nonexistent\n",
         "c.yaml:2: master_key and master_key_file are both"},
        {"environment: development\nmaster_key_file: /nonexistent\n",
         "c.yaml:2: master_key_file: cannot read /nonexistent: No such file"},
        {"environment: development\nmaster_key_file: /tmp\n", "c.yaml:2: master_key_file: /tmp "},
        {"environment: production\nmaster_key: "
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" PUBLIC,
         "c.yaml:2: the master key is not random"},
        {"environment: production\nmaster_key: "
         "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n" PUBLIC,
         "c.yaml:2: the master key is not random"},
        {"environment: production\n"
         "master_key: dGhpcyBpcyBhIHZlcnkgc2VjcmV0IG1hc3RlciBrZXkh\n" PUBLIC,
         "c.yaml:2: the master key is not random"},
        {DEV "database: {uri: 'mongodb://u:" KEY "@h'}\n",
         "c.yaml:2: the master key is also the database password"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *message = refused(cases[i].text);
        assert_says(message, cases[i].says);
        assert_null(strchr(message, '\n')); /* one sentence, nothing else is wrong */
        assert_null(strstr(message, "kB4mDG"));
    }
}

static void test_master_key_file(void **state)
{
    char text[256];
    struct config *config;

    (void)state;
    snprintf(text, sizeof text, "environment: development\nmaster_key_file: %s\n",
             config_file_key_path());
    static const mode_t fine[] = {0600, 0400, 0640, 0440}, open[] = {0644, 0604, 0660, 0602};
    for (size_t i = 0; i < 4; i++) {
        write_file(config_file_key_path(), "  " KEY "\n", strlen(KEY) + 3, fine[i]);
        config = load(text);
        assert_int_equal(config->master_key_bytes[0], 0x90);
        assert_int_equal(config->master_key_bytes[31], 0x74);
        config_unref(config);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(chmod(config_file_key_path(), open[i]), 0);
        assert_says(refused(text), "so others may read or change it; run \"chmod 600");
    }
    /* Longer keys count with all their bytes. */
    static const char longer[] = "kB4mDGzjW2v3mWcY0FSb1Ul4i1pW5dIGq6ZCq1W2mXQAAAAA";
    write_file(config_file_key_path(), longer, strlen(longer), 0600);
    config = load(text);
    assert_int_not_equal(config->master_key_bytes[0], 0x90);
    config_unref(config);
}

/* A message must never repeat a secret. */
static void test_messages_hold_no_secret(void **state)
{
    (void)state;
    const char *message = refused(DEV "database: {uri: 'postgres://u:hunter2@h'}\n");

    assert_says(message, "c.yaml:3: database.uri: ");
    assert_says(message, "mongodb://");
    assert_null(strstr(message, "hunter2"));
}

/* --- rules between keys, and production --- */

static void test_rules_between_keys(void **state)
{
    static const struct bad_text cases[] = {
        {DEV "server: {port: 5000}\n", "server.extra_port and server.port are both 5000"},
        {DEV "tokens: {refresh_ttl: 100, refresh_max_ttl: 99}\n", "c.yaml:3: tokens.refresh_ttl"},
        {DEV "limits: {lock_seconds: 901}\n", "c.yaml:3: limits.lock_seconds (901)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_says(refused(cases[i].text), cases[i].says);
    config_unref(load(DEV "server: {port: 0, extra_port: 0, metrics_port: 0}\n"));
}

static void test_production_refuses(void **state)
{
    static const struct bad_text cases[] = {
        {LIVE "tenants: {base_domains: [a.example.com]}\n", "server.public_url is missing"},
        {LIVE "server: {public_url: http://a.example.com}\n"
              "tenants: {base_domains: [a.example.com]}\n",
         "c.yaml:3: production refuses server.public_url over plain http"},
        {LIVE "server: {public_url: https://a.example.com}\n",
         "production needs a real domain in tenants.base_domains"},
        {LIVE "server: {public_url: https://a.example.com}\n"
              "tenants: {issuer_form: path, registration: open}\n",
         "c.yaml:4: production refuses tenants.issuer_form: path with registration: open"},
        {LIVE PUBLIC "tokens: {session_ttl: 59}\n",
         "c.yaml:5: production refuses tokens.session_ttl below 60"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *message = refused(cases[i].text);
        assert_says(message, cases[i].says);
        assert_null(strchr(message, '\n'));
    }
    config_unref(load(LIVE PUBLIC));
    config_unref(load(LIVE "server: {public_url: https://a.example.com}\n"
                           "tenants: {issuer_form: path, registration: open,\n"
                           "          accept_shared_origin: true}\n"));
    config_unref(load(LIVE "server: {public_url: https://a.example.com}\n"
                           "tenants: {issuer_form: path, registration: verified}\n"));
    /* Development takes all of it. */
    config_unref(load(DEV "tokens: {session_ttl: 1}\n"));
}

static void test_production_wants_secrets_out_of_open_files(void **state)
{
    struct config *config = NULL;
    char *message = NULL;
    static const char text[] = LIVE PUBLIC "database: {uri: 'mongodb://u:p@h'}\n";

    (void)state;
    write_file(config_file_path(), text, strlen(text), 0644);
    assert_int_equal(config_load(config_file_path(), &config, &message), ERR_VALIDATION);
    assert_says(message, ":2: everybody may read this file and master_key stands in it");
    assert_says(message, ":5: everybody may read this file and database.uri holds a password");
    free(message);
    write_file(config_file_path(), text, strlen(text), 0640);
    assert_int_equal(config_load(config_file_path(), &config, &message), ERR_OK);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_master_keys),
        cmocka_unit_test(test_master_key_file),
        cmocka_unit_test(test_messages_hold_no_secret),
        cmocka_unit_test(test_rules_between_keys),
        cmocka_unit_test(test_production_refuses),
        cmocka_unit_test(test_production_wants_secrets_out_of_open_files),
    };

    return cmocka_run_group_tests(tests, config_file_setup, config_file_teardown);
}
