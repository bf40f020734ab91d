/*
 * Configuration files for unit tests: written to a directory of the test's own, loaded, and
 * compared with what is said about them. One test program at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "app/config.h"

#define KEY  "kB4mDGzjW2v3mWcY0FSb1Ul4i1pW5dIGq6ZCq1W2mXQ="
#define DEV  "environment: development\nmaster_key: " KEY "\n"
#define LIVE "environment: production\nmaster_key: " KEY "\n"
#define PUBLIC                                          \
    "server: {public_url: https://login.example.com}\n" \
    "tenants: {base_domains: [login.example.com]}\n"

struct bad_text {
    const char *text, *says;
};

/* Group fixtures of cmocka: the directory, and its end. */
int config_file_setup(void **state);
int config_file_teardown(void **state);
/* The paths within it. */
const char *config_file_path(void);
const char *config_file_key_path(void);

void write_file(const char *name, const void *text, size_t size, mode_t mode);
/* Must be accepted. */
struct config *load(const char *text);
/* Must be refused; the message with "c.yaml" for the path. Static memory. */
char *refused(const char *text);
void assert_says(const char *message, const char *part);
