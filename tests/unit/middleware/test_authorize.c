/* Scope and role against a route (R001-19, R004-18, R004-40; api.md §11 "Scopes and roles"). */
#include "support/unit.h"

#include "app/routes.h"
#include "middleware/middleware.h"

struct line {
    const char *what;
    unsigned auth;
    const char *scope, *key_scope;
    enum role role;
    struct identity who;
    enum err wanted;
};

#define ADMIN_SCOPES "openid profile email read write admin users:read users:write"

static const struct line lines[] = {
    {"a public route asks for nothing", AUTH_PUBLIC, NULL, NULL, ROLE_UNSET, {.scope = ""}, ERR_OK},
    {"a token with the scope",
     AUTH_BEARER,
     "read",
     NULL,
     ROLE_UNSET,
     {.credential = CREDENTIAL_BEARER, .scope = "openid read"},
     ERR_OK},
    {"a token without the scope",
     AUTH_BEARER,
     "read",
     NULL,
     ROLE_UNSET,
     {.credential = CREDENTIAL_BEARER, .scope = "openid profile"},
     ERR_SCOPE},
    {"a scope is a whole word",
     AUTH_BEARER,
     "read",
     NULL,
     ROLE_UNSET,
     {.credential = CREDENTIAL_BEARER, .scope = "users:read readers"},
     ERR_SCOPE},
    {"a word further on counts",
     AUTH_BEARER,
     "read",
     NULL,
     ROLE_UNSET,
     {.credential = CREDENTIAL_BEARER, .scope = "users:read readers read"},
     ERR_OK},
    {"no scope at all",
     AUTH_BEARER,
     "read",
     NULL,
     ROLE_UNSET,
     {.credential = CREDENTIAL_BEARER, .scope = ""},
     ERR_SCOPE},
    {"admin scope and admin role",
     AUTH_BEARER,
     "admin",
     NULL,
     ROLE_ADMIN,
     {.credential = CREDENTIAL_BEARER, .scope = ADMIN_SCOPES, .role = ROLE_ADMIN},
     ERR_OK},
    {"admin scope of a user who lost the role",
     AUTH_BEARER,
     "admin",
     NULL,
     ROLE_ADMIN,
     {.credential = CREDENTIAL_BEARER, .scope = ADMIN_SCOPES, .role = ROLE_USER},
     ERR_ROLE},
    {"the role without the scope",
     AUTH_BEARER,
     "admin",
     NULL,
     ROLE_ADMIN,
     {.credential = CREDENTIAL_BEARER, .scope = "openid", .role = ROLE_OWNER},
     ERR_SCOPE},
    {"an owner is an admin",
     AUTH_SESSION,
     "admin",
     NULL,
     ROLE_ADMIN,
     {.credential = CREDENTIAL_SESSION, .scope = ADMIN_SCOPES, .role = ROLE_OWNER},
     ERR_OK},
    {"an admin is no owner",
     AUTH_SESSION,
     "admin",
     NULL,
     ROLE_OWNER,
     {.credential = CREDENTIAL_SESSION, .scope = ADMIN_SCOPES, .role = ROLE_ADMIN},
     ERR_ROLE},
    {"sessions are measured by role",
     AUTH_SESSION,
     "admin",
     NULL,
     ROLE_ADMIN,
     {.credential = CREDENTIAL_SESSION, .scope = "openid", .role = ROLE_USER},
     ERR_ROLE},
    {"a key with the scope",
     AUTH_KEY,
     "users:read",
     NULL,
     ROLE_UNSET,
     {.credential = CREDENTIAL_KEY, .scope = "auth users:read"},
     ERR_OK},
    {"a key needs no role",
     AUTH_KEY,
     "admin",
     "users:read",
     ROLE_ADMIN,
     {.credential = CREDENTIAL_KEY, .scope = "auth users:read"},
     ERR_OK},
    {"a key without the key scope",
     AUTH_KEY,
     "admin",
     "users:read",
     ROLE_ADMIN,
     {.credential = CREDENTIAL_KEY, .scope = "auth"},
     ERR_SCOPE},
    {"an OAuth client's token where only sessions may",
     AUTH_BEARER | AUTH_NO_CLIENTS,
     NULL,
     NULL,
     ROLE_USER,
     {.credential = CREDENTIAL_BEARER, .scope = "openid", .role = ROLE_USER, .client_id = "app"},
     ERR_SCOPE},
    {"a token without a user at a route with a role",
     AUTH_BEARER,
     NULL,
     NULL,
     ROLE_USER,
     {.credential = CREDENTIAL_BEARER, .scope = "read", .client_id = "app"},
     ERR_ROLE},
};

static void test_lines(void **state)
{
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        const struct route route = {.auth = lines[i].auth,
                                    .scope = lines[i].scope,
                                    .key_scope = lines[i].key_scope,
                                    .role = lines[i].role};
        struct request req = {.ctx = work->ctx, .route = &route};

        req.ctx.who = lines[i].who;

        const enum err got = mw_authorize(&req, NULL);

        if (got != lines[i].wanted)
            fail_msg("%s: got %s", lines[i].what, got == ERR_OK ? "ok" : error_info(got)->code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {WORK_TEST(test_lines)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
