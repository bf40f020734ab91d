/*
 * Proves the credential of a request and compares its tenant with the hinted one (api.md §2, §10,
 * §11). Authorization (or the access cookie) comes before the session cookie. On public routes a
 * credential that does not prove is no credential; one that proves, but elsewhere, is refused.
 */
#include <string.h>
#include <strings.h>

#include "app/app.h"
#include "app/cookies.h"
#include "app/form.h"
#include "app/revocation.h"
#include "app/routes.h"
#include "middleware/middleware.h"
#include "models/access_key.h"
#include "models/access_key_use.h"
#include "models/access_token.h"
#include "models/platform_key.h"
#include "models/session.h"
#include "models/tenant.h"
#include "models/user.h"

#define SESSION_PREFIX "session-"
#define HOST_PREFIX    "__Host-"

static bool route_takes(const struct request *req, unsigned set)
{
    return (req->route->auth & set) != 0;
}

/* The tenant of a proven credential: compared with the hint, or taken when there was none. */
static enum err settle_tenant(struct request *req, const struct tenant *tenant)
{
    if (req->ctx.tenant == NULL) {
        ctx_set_tenant(&req->ctx, tenant, &tenant->id);
        req->hint = HINT_CREDENTIAL;
        return ERR_OK;
    }
    if (uuid_equal(&req->ctx.tenant_id, &tenant->id))
        return ERR_OK;
    return fail_internal(&req->ctx, ERR_TENANT_MISMATCH,
                         "the credential is of another tenant than \"%s\"", req->ctx.tenant->slug);
}

/* The text after "Bearer ", NULL when the header is absent or of another scheme. */
static enum err bearer_text(struct request *req, const char **ret_text)
{
    const char *header = request_header(req, "Authorization");

    *ret_text = NULL;
    if (header == NULL)
        return ERR_OK;
    if (request_header_count(req, "Authorization") > 1)
        return fail(&req->ctx, ERR_BAD_REQUEST, "Authorization",
                    "Authorization may be sent once only.");
    if (strncasecmp(header, "Bearer ", 7) != 0)
        return ERR_OK;
    header += 7;
    while (*header == ' ')
        header++;
    *ret_text = header;
    return ERR_OK;
}

/* RFC 6750 §2.2: the form's access_token, and then no other way beside it. The body is parsed
 * again by dispatch, for all routes alike. */
static enum err form_token(struct request *req, const char **ret_text)
{
    struct value form = {0};

    if (!route_takes(req, AUTH_FORM_TOKEN) || req->route->body != BODY_FORM || req->body_size == 0)
        return ERR_OK;
    TRY(form_parse(&req->ctx, req->body, req->body_size, &form));

    const struct value *token = value_get(&form, "access_token");

    if (token == NULL || token->type != VALUE_STRING || token->string.length == 0)
        return ERR_OK;
    if (*ret_text != NULL)
        return fail(&req->ctx, ERR_BAD_REQUEST, "access_token",
                    "The token may be in the header or in the form, not in both.");
    *ret_text = token->string.text;
    return ERR_OK;
}

static enum err use_key(struct request *req, const char *text)
{
    struct identity *who = &req->ctx.who;
    const struct access_key *key = NULL;
    const struct tenant *tenant = NULL;
    struct buf scope;

    TRY(access_key_verify(&req->ctx, text, &key));

    const enum err found = tenant_get_by_id(&req->ctx, &key->tenant_id, &tenant);

    if (found == ERR_TENANT_NOT_FOUND)
        return ERR_BAD_KEY;
    TRY(found);

    /* While news of the database is late, the snapshot may be of a tenant that was suspended. */
    const enum err revoked =
        revocation_check(&req->ctx, &(struct revocation_subject){.tenant_id = tenant->id,
                                                                 .tenant_epoch = tenant->epoch});

    if (revoked == ERR_BAD_TOKEN)
        return ERR_BAD_KEY;
    TRY(revoked);
    TRY(settle_tenant(req, tenant));
    access_key_use_note(&req->ctx, &key->id);
    buf_init(&scope, req->ctx.arena, 1024);
    for (size_t i = 0; i < key->scopes.count; i++) {
        if (i > 0)
            buf_putc(&scope, ' ');
        buf_puts(&scope, key->scopes.items[i]);
    }
    if (!buf_ok(&scope))
        return ERR_MEMORY;
    *who = (struct identity){
        .credential = CREDENTIAL_KEY,
        .tenant_id = key->tenant_id,
        .key_id = key->id,
        .scope = buf_text(&scope),
        .has_token = true,
    };
    return ERR_OK;
}

static enum err use_access_token(struct request *req, const char *text, bool from_cookie)
{
    struct token_claims *claims = ARENA_NEW(req->ctx.arena, struct token_claims);
    const struct tenant *tenant = NULL;

    if (claims == NULL)
        return ERR_MEMORY;
    TRY(access_token_verify(&req->ctx, text, claims, &tenant));
    TRY(settle_tenant(req, tenant));
    req->ctx.who = (struct identity){
        .credential = CREDENTIAL_BEARER,
        .tenant_id = claims->tenant_id,
        .user_id = claims->user_id,
        .grant_id = claims->grant_id,
        .client_id = claims->client_id[0] != '\0' ? claims->client_id : NULL,
        .scope = claims->scope,
        .role = claims->role,
        .has_claims = claims->has_claims,
        .from_cookie = from_cookie,
        .has_token = true,
        .issued_at = claims->issued_at,
        .expires_at = claims->expires_at,
    };
    return ERR_OK;
}

static enum err use_session(struct request *req, const char *cookie)
{
    struct session session = {0};

    TRY(session_find(&req->ctx, cookie, &session));
    req->ctx.who = (struct identity){
        .credential = CREDENTIAL_SESSION,
        .tenant_id = session.tenant_id,
        .user_id = session.user_id,
        .session_id = session.id,
        .scope = role_scopes((enum role)session.role),
        .role = (enum role)session.role,
        .from_cookie = true,
        .issued_at = session_auth_time(&session) / 1000,
        .expires_at = session.expires_at / 1000,
    };
    return ERR_OK;
}

/* The session cookies that were sent: how many, and the text of the last. */
static enum err scan_sessions(struct request *req, size_t *ret_count, const char **ret_cookie)
{
    const char *prefix = req->https ? HOST_PREFIX SESSION_PREFIX : SESSION_PREFIX;
    const size_t prefix_length = strlen(prefix);
    const char *header = request_header(req, "Cookie");
    char *rest = header != NULL ? arena_strdup(req->ctx.arena, header) : NULL;

    *ret_count = 0;
    *ret_cookie = NULL;
    if (header != NULL && rest == NULL)
        return ERR_MEMORY;
    while (rest != NULL) {
        char *pair = strsep(&rest, ";");

        while (*pair == ' ')
            pair++;

        char *value = strchr(pair, '=');

        if (strncmp(pair, prefix, prefix_length) != 0 || value == NULL)
            continue;
        *ret_cookie = value + 1;
        (*ret_count)++;
    }
    return ERR_OK;
}

/* A session found by its own tenant, in a request that names no tenant or another one. */
static enum err use_foreign_session(struct request *req, const char *cookie)
{
    const struct tenant *hinted = req->ctx.tenant, *tenant = NULL;
    const char *name = NULL;
    struct uuid id;

    if (!session_peek_tenant(cookie, &id))
        return ERR_UNAUTHENTICATED;

    const enum err found = tenant_get_by_id(&req->ctx, &id, &tenant);

    if (found == ERR_TENANT_NOT_FOUND)
        return ERR_UNAUTHENTICATED;
    TRY(found);
    /* Under the name of another tenant's it is nobody's. */
    TRY(cookie_name(req, "session", tenant->slug, &name));
    cookie = request_cookie(req, name);
    if (cookie == NULL)
        return ERR_UNAUTHENTICATED;
    ctx_set_tenant(&req->ctx, tenant, &tenant->id);

    const enum err used = use_session(req, cookie);

    if (hinted == NULL && used == ERR_OK) {
        req->hint = HINT_CREDENTIAL;
        return ERR_OK;
    }
    ctx_set_tenant(&req->ctx, hinted, hinted != NULL ? &hinted->id : NULL);
    TRY(used);
    req->ctx.who = (struct identity){.scope = ""};
    return settle_tenant(req, tenant);
}

/* Own cookie first; without it another tenant's alone is refused, on pages it counts as absent. */
static enum err try_session(struct request *req)
{
    const char *cookie = NULL, *name = NULL;
    size_t count = 0;

    if (req->ctx.tenant != NULL) {
        TRY(cookie_name(req, "session", req->ctx.tenant->slug, &name));
        cookie = request_cookie(req, name);
        if (cookie != NULL && cookie[0] != '\0')
            return use_session(req, cookie);
    }
    TRY(scan_sessions(req, &count, &cookie));
    if (count == 0)
        return ERR_UNAUTHENTICATED;
    if ((req->route->flags & ROUTE_PAGE) != 0 && (req->ctx.tenant != NULL || count > 1))
        return ERR_UNAUTHENTICATED;
    if (req->ctx.tenant == NULL && count > 1)
        return fail(&req->ctx, ERR_NO_TENANT, NULL,
                    "Tenant not identified: several sessions were sent; name the tenant.");
    return use_foreign_session(req, cookie);
}

/* Another tenant's session beside a token or key that was sent: two credentials of two tenants are
 * refused like one of the wrong tenant (api.md §2.4). It counts as absent where §11 says so: on
 * pages, where sessions are no credential, and beside an own cookie. */
static enum err check_second_session(struct request *req)
{
    const struct identity *who = &req->ctx.who;
    const char *name = NULL, *cookie = NULL;
    size_t count = 0;

    if ((who->credential != CREDENTIAL_BEARER && who->credential != CREDENTIAL_KEY) ||
        who->from_cookie || !route_takes(req, AUTH_SESSION) ||
        (req->route->flags & ROUTE_PAGE) != 0 || request_header(req, "Cookie") == NULL)
        return ERR_OK;
    TRY(cookie_name(req, "session", req->ctx.tenant->slug, &name));
    cookie = request_cookie(req, name);
    if (cookie != NULL && cookie[0] != '\0')
        return ERR_OK;
    TRY(scan_sessions(req, &count, &cookie));
    if (count == 0)
        return ERR_OK;

    const enum err found = use_foreign_session(req, cookie);

    /* One that does not prove is no credential. */
    if (found == ERR_UNAUTHENTICATED)
        fail_clear(&req->ctx);
    return found == ERR_UNAUTHENTICATED ? ERR_OK : found;
}

/* An access cookie counts only without Authorization and only for the resolved tenant. */
static enum err try_access_cookie(struct request *req)
{
    const char *name = NULL;

    if (req->ctx.tenant == NULL || request_header(req, "Authorization") != NULL)
        return ERR_UNAUTHENTICATED;
    TRY(cookie_name(req, "access", req->ctx.tenant->slug, &name));

    const char *token = request_cookie(req, name);

    return token != NULL && token[0] != '\0' ? use_access_token(req, token, true)
                                             : ERR_UNAUTHENTICATED;
}

static bool is_key(const char *text)
{
    return strncmp(text, "ak_", 3) == 0;
}

/* What the Authorization header carries, if the route takes that kind. */
static enum err try_bearer(struct request *req, const char *text)
{
    const bool public = route_takes(req, AUTH_PUBLIC);

    req->ctx.who.has_token = true;
    if (is_key(text)) {
        if (route_takes(req, AUTH_KEY) || public)
            return use_key(req, text);
        return fail(&req->ctx, ERR_BAD_TOKEN, NULL,
                    "An access key is not accepted here; send a user's access token.");
    }
    if (route_takes(req, AUTH_BEARER) || public)
        return use_access_token(req, text, false);
    if (route_takes(req, AUTH_KEY))
        return fail(&req->ctx, ERR_BAD_KEY, NULL,
                    "This needs an access key: Authorization: Bearer ak_….");
    return fail(&req->ctx, ERR_UNAUTHENTICATED, NULL, "This needs a session, not a token.");
}

static bool is_refusal(enum err code)
{
    return code == ERR_UNAUTHENTICATED || code == ERR_BAD_TOKEN || code == ERR_BAD_KEY ||
           code == ERR_BAD_PLATFORM_KEY;
}

/* Routes that take a platform key take nothing else: a tenant's credential is none there, and a
 * platform key has no power on a tenant's routes. */
static enum err prove_platform(struct request *req)
{
    struct platform_key key;
    const char *text = NULL;

    TRY(bearer_text(req, &text));
    req->ctx.who.has_token = text != NULL;
    if (text == NULL)
        return fail(&req->ctx, ERR_UNAUTHENTICATED, NULL,
                    "This needs a platform key: Authorization: Bearer pk_….");
    if (strncmp(text, PLATFORM_KEY_PREFIX, strlen(PLATFORM_KEY_PREFIX)) != 0)
        return fail(&req->ctx, ERR_BAD_PLATFORM_KEY, NULL,
                    "This needs a platform key: Authorization: Bearer pk_….");
    TRY(platform_key_verify(&req->ctx, text, &key));
    req->ctx.who = (struct identity){
        .credential = CREDENTIAL_PLATFORM, .key_id = key.id, .scope = "", .has_token = true};
    return ERR_OK;
}

/* A second credential beside the first, for routes of one tenant: same tenant or refused. */
static enum err check_second_key(struct request *req)
{
    const char *text = request_header(req, "X-Access-Key");
    const struct access_key *key = NULL;

    if (text == NULL)
        return ERR_OK;
    if (req->ctx.who.credential == CREDENTIAL_NONE && route_takes(req, AUTH_KEY))
        return use_key(req, text);
    TRY(access_key_verify(&req->ctx, text, &key));
    if (req->ctx.tenant != NULL && !uuid_equal(&key->tenant_id, &req->ctx.tenant_id))
        return fail_internal(&req->ctx, ERR_TENANT_MISMATCH, "X-Access-Key is of another tenant");
    if (req->ctx.tenant != NULL)
        access_key_use_note(&req->ctx, &key->id);
    return ERR_OK;
}

static enum err prove(struct request *req)
{
    const char *text = NULL;
    enum err proven = ERR_UNAUTHENTICATED;

    if (route_takes(req, AUTH_PLATFORM))
        return prove_platform(req);
    TRY(bearer_text(req, &text));
    TRY(form_token(req, &text));
    if (text != NULL)
        return try_bearer(req, text);
    if (route_takes(req, AUTH_KEY) && request_header(req, "X-Access-Key") != NULL)
        return ERR_OK; /* check_second_key proves it */
    if (route_takes(req, AUTH_BEARER) && !route_takes(req, AUTH_FORM_TOKEN))
        proven = try_access_cookie(req);
    if (proven == ERR_UNAUTHENTICATED && route_takes(req, AUTH_SESSION))
        proven = try_session(req);
    return proven;
}

/* What was seen, and what would have worked: for the log and, in development, the answer. */
static enum err no_tenant(struct request *req)
{
    const struct strs *bases = &app_config(req->ctx.app)->tenants.base_domains;

    return fail_internal(&req->ctx, ERR_NO_TENANT,
                         "the host \"%s\" belongs to no tenant; X-Tenant-Slug: <slug>, a host like "
                         "<slug>.%s or a path like /t/<slug>%s would name one",
                         req->host != NULL ? req->host : "",
                         bases->count > 0 ? bases->items[0] : "<base domain>",
                         req->routed_path != NULL ? req->routed_path : "/");
}

/* default_tenant counts only where nothing else names one, on loopback and the host of public_url.
 */
static enum err apply_default(struct request *req)
{
    const struct config *config = app_config(req->ctx.app);
    const char *slug = config->tenants.default_tenant, *host = req->host;
    const struct tenant *tenant = NULL;

    if (req->ctx.tenant != NULL || req->route->tenant != TENANT_REQUIRED)
        return ERR_OK;
    if (slug == NULL || host == NULL)
        return no_tenant(req);

    const char *public_host = strstr(config->server.public_url, "://");
    const size_t length = strlen(host);
    const bool is_public = public_host != NULL && strncmp(public_host + 3, host, length) == 0 &&
                           strchr("/:", public_host[3 + length]) != NULL;

    if (!is_public && strcmp(host, "localhost") != 0 && strcmp(host, "127.0.0.1") != 0 &&
        strcmp(host, "[::1]") != 0)
        return no_tenant(req);
    TRY(tenant_get_by_slug(&req->ctx, slug, &tenant));
    ctx_set_tenant(&req->ctx, tenant, &tenant->id);
    req->hint = HINT_DEFAULT;
    return ERR_OK;
}

/* C33: a tenant may let browsers in, which cannot keep a key. One that is shown must be good. */
static bool may_go_without_key(const struct request *req)
{
    return route_takes(req, AUTH_KEY_BY_TENANT) && req->ctx.tenant != NULL &&
           !tenant_requires_access_key(&req->ctx) && !req->ctx.who.has_token &&
           request_header(req, "X-Access-Key") == NULL;
}

enum err mw_authenticate(struct request *req, struct response *res)
{
    (void)res;
    req->ctx.who.scope = "";
    if (route_takes(req, AUTH_IGNORE | AUTH_CLIENT))
        return apply_default(req);

    enum err proven = prove(req);
    const bool anonymous_ok = route_takes(req, AUTH_PUBLIC | AUTH_BODY) || may_go_without_key(req);

    if (proven == ERR_OK && !route_takes(req, AUTH_PLATFORM))
        proven = check_second_key(req);
    if (proven == ERR_OK)
        proven = check_second_session(req);
    /* A credential that there was no memory to read is not one that is absent or wrong. */
    if (is_refusal(proven) && req->ctx.arena->ran_out)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for the credentials");
    if (is_refusal(proven) && anonymous_ok) {
        fail_clear(&req->ctx);
        req->ctx.who = (struct identity){.scope = ""};
        proven = ERR_OK;
    }
    TRY(proven);
    if (!anonymous_ok && req->ctx.who.credential == CREDENTIAL_NONE)
        return ERR_UNAUTHENTICATED;
    return apply_default(req);
}
