/*
 * OAuth clients of tenants (RFC 6749 §2): the stored form, finding one through the cache, and
 * proving its secret. Secrets have 36 random bytes and are stored as their SHA-256. Client ids are
 * unique over all tenants. oauth_client_admin.h makes, changes and ends them. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "app/token_cache.h"

/* RFC 7591 §2 token_endpoint_auth_method; unset: Basic or body, whichever is sent. */
enum client_auth {
    CLIENT_AUTH_UNSET = 0,
    CLIENT_AUTH_BASIC,
    CLIENT_AUTH_POST,
    CLIENT_AUTH_NONE, /* a public client: it has no secret */
};

enum application_type { APPLICATION_UNSET = 0, APPLICATION_WEB, APPLICATION_NATIVE };

enum id_token_alg { ID_TOKEN_UNSET = 0, ID_TOKEN_RS256, ID_TOKEN_ES256 };

extern const char *const client_auth_names[];
extern const char *const application_type_names[];
extern const char *const id_token_alg_names[];

#define GRANT_TYPE_CODE        "authorization_code"
#define GRANT_TYPE_REFRESH     "refresh_token"
#define GRANT_TYPE_PASSWORD    "password"
#define GRANT_TYPE_CREDENTIALS "client_credentials"

#define CLIENT_MAX_URIS  20
/* Bytes; more than a token can carry would make tokens that nobody accepts. */
#define CLIENT_MAX_SCOPE (TOKEN_SCOPE_SIZE - 1)

struct oauth_client {
    const char *id; /* client_id; never reused */
    struct uuid tenant_id;
    struct uuid owner_id; /* the user who registered it, or zero */
    const char *name;
    struct bytes secret_hash; /* none: public */
    int64_t secret_created_at;
    struct bytes old_secret_hash; /* works on until … */
    int64_t old_secret_ends_at;
    struct strs redirect_uris, post_logout_redirect_uris;
    struct strs grant_types, response_types;
    const char *scope;    /* with blanks between */
    int auth_method;      /* enum client_auth */
    int application_type; /* enum application_type */
    int id_token_alg;     /* enum id_token_alg; unset: RS256 */
    const char *backchannel_logout_uri;
    bool backchannel_logout_session_required;
    bool by_owner;    /* an owner registered it: it may act on users for itself */
    bool first_party; /* no consent is asked for */
    bool require_auth_time;
    int64_t default_max_age; /* seconds */
    bool has_default_max_age;
    int64_t epoch;
    int64_t created_at, updated_at;
    int64_t version;
};

extern const struct schema oauth_client_schema;

/* The client of any tenant; through app->clients, held by ctx. ERR_NOT_FOUND. The caller compares
 * tenants. */
CHECKED enum err oauth_client_get(struct ctx *ctx, const char *client_id,
                                  const struct oauth_client **ret_client);
/* The loader of app->clients (cache.h). */
enum err oauth_client_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data);
/* Drops this instance's snapshot; others learn by the stream. */
void oauth_client_forget(struct ctx *ctx, const char *client_id);

/* In constant time, against both secrets that work now. */
bool oauth_client_secret_matches(const struct oauth_client *client, const char *secret);
static inline bool oauth_client_is_public(const struct oauth_client *client)
{
    return client->auth_method == CLIENT_AUTH_NONE;
}
bool oauth_client_may_use(const struct oauth_client *client, const char *grant_type);
/* The registered URI that sent stands for; false when there is none. */
bool oauth_client_has_redirect(const struct oauth_client *client, const char *sent);
