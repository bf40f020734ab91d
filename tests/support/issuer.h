/*
 * Two tenants with keys on a database, a watcher, and tokens of the first one's user: honest ones,
 * and ones with any claims, truly signed with the tenant's key. One for the whole program.
 */
#pragma once

#include "models/access_token.h"
#include "models/tenant.h"
#include "support/database.h"
#include "support/unit.h"

extern struct database database;
extern struct tenant acme, other;
extern struct user user; /* an admin of acme, epoch 5; the tenants' epoch is 3 */
extern struct grant grant;

/* For cmocka: the group's, and one for each test, which makes the tenants anew. */
int issuer_begin(void **state);
int issuer_end(void **state);
int issuer_setup(void **state);
int issuer_teardown(void **state);
#define ISSUER_TEST(function) \
    cmocka_unit_test_setup_teardown((function), issuer_setup, issuer_teardown)

const char *access_sign(void);
/* As a request without a hint does: the ctx has no tenant. */
enum err access_verify_as(const char *token, struct token_claims *ret_claims);
enum err access_verify(const char *token);

/* Any text as claims. */
const char *sign_text(const struct tenant *tenant, const char *typ, const char *text);

struct claim {
    const char *name, *json;
};

/* The claims of a good token as members, to change one at a time. */
#define GOOD_CLAIMS 12
void good_claims(struct claim ret[GOOD_CLAIMS]);
/* name with another value; json NULL: left out. extra: appended as it is. */
const char *claims_with(const char *name, const char *json, const char *extra);
enum err access_verify_claims(const char *name, const char *json, const char *extra);
