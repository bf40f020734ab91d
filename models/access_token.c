/*
 * Access tokens. Their text is written member by member and read with strict types: a claim that is
 * missing, doubled or of another type makes the token bad. What was verified once is found again by
 * the digest of its text; time, tenant and revocation are looked at every time.
 */
#include "models/access_token.h"

#include <string.h>

#include "app/app.h"
#include "app/buf.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/json.h"
#include "app/keys.h"
#include "app/metrics.h"
#include "app/revocation.h"
#include "app/secret.h"
#include "app/watch.h"
#include "models/audit.h"
#include "models/scope.h"
#include "models/tenant.h"

#define TYP_SESSION     "session+jwt"
#define TYP_CLIENT      "at+jwt"
#define CLOCK_LEEWAY    60 /* seconds that another instance's clock may be ahead; never for exp */
#define CLAIMS_MAX_TEXT ((size_t)4096)
#define TIME_MAX        INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* ---- signing ---- */

struct lifetime {
    int64_t issued_at, expires_at;
};

static void add_subject(struct buf *out, const struct user *user, const struct grant *grant)
{
    if (user != NULL)
        buf_member_uuid(out, "sub", &user->id);
    else
        buf_member_text(out, "sub", grant->client_id);
    if (grant->client_id != NULL)
        buf_member_text(out, "client_id", grant->client_id);
    if (user != NULL)
        buf_member_text(out, "role", role_names[user->role]);
}

/* RFC 8707 §2.2; UserInfo takes the tokens that openid was granted for. */
static void add_audience(struct buf *out, const char *issuer, const struct grant *grant)
{
    const struct strs *resources = &grant->resources;
    const bool is_ours = resources->count == 0 ||
                         (scope_has(grant->scope, SCOPE_OPENID) && !strs_has(resources, issuer));

    if (resources->count + is_ours == 1) {
        buf_member_text(out, "aud", is_ours ? issuer : resources->items[0]);
        return;
    }
    buf_puts(out, ",\"aud\":[");
    for (size_t i = 0; i < resources->count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        buf_json_string(out, resources->items[i], strlen(resources->items[i]));
    }
    if (is_ours) {
        buf_putc(out, ',');
        buf_json_string(out, issuer, strlen(issuer));
    }
    buf_putc(out, ']');
}

static void write_claims(struct buf *out, const char *issuer, const struct user *user,
                         const struct grant *grant, const struct lifetime *lifetime)
{
    const struct uuid token_id = uuid_new();

    buf_puts(out, "{\"iss\":");
    buf_json_string(out, issuer, strlen(issuer));
    add_audience(out, issuer, grant);
    add_subject(out, user, grant);
    buf_member_int(out, "iat", lifetime->issued_at);
    buf_member_int(out, "nbf", lifetime->issued_at);
    buf_member_int(out, "exp", lifetime->expires_at);
    buf_member_uuid(out, "jti", &token_id);
    buf_member_uuid(out, "tid", &grant->tenant_id);
    buf_member_uuid(out, "gid", &grant->id);
    buf_member_text(out, "scope", grant->scope != NULL ? grant->scope : "");
    if (grant->claims_scope != NULL)
        buf_puts(out, ",\"cl\":1");
    buf_puts(out, ",\"ep\":[");
    buf_int(out, grant->tenant_epoch);
    buf_putc(out, ',');
    buf_int(out, grant->user_epoch);
    if (grant->client_id != NULL) {
        buf_putc(out, ',');
        buf_int(out, grant->client_epoch);
    }
    buf_puts(out, "]}");
}

enum err access_token_sign(struct ctx *ctx, const struct user *user, const struct grant *grant,
                           const char **ret_token, int64_t *ret_expires_in)
{
    const struct key_set *keys = NULL;
    const bool client = grant->client_id != NULL;
    struct lifetime lifetime = {.issued_at = clock_now_ms() / 1000};
    const char *issuer;
    struct buf claims;

    if (user == NULL && !client)
        return fail_internal(ctx, ERR_INTERNAL, "a token needs a user or a client");

    const int64_t usual = client ? tenant_client_access_ttl(ctx) : tenant_access_ttl(ctx);
    const int64_t seconds = grant->access_seconds > 0 ? grant->access_seconds : usual;

    lifetime.expires_at = lifetime.issued_at + seconds;
    TRY(keys_get(ctx, &keys));
    TRY(tenant_issuer(ctx, ctx->tenant, &issuer));
    buf_init(&claims, ctx->arena, CLAIMS_MAX_TEXT);
    write_claims(&claims, issuer, user, grant, &lifetime);

    const struct bytes text = {.data = (const uint8_t *)buf_text(&claims), .size = claims.size};

    if (text.data == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the claims of a token");
    TRY(jws_sign(ctx, key_set_signer(keys, JWS_ES256), client ? TYP_CLIENT : TYP_SESSION, &text,
                 ret_token));
    *ret_expires_in = seconds;
    return ERR_OK;
}

/* ---- reading claims ---- */

static enum err bad_token(struct ctx *ctx, const char *why)
{
    fail_clear(ctx);
    return fail_internal(ctx, ERR_BAD_TOKEN, "%s", why);
}

static const char *text_claim(const struct value *claims, const char *name)
{
    const struct value *claim = value_get(claims, name);

    return claim != NULL && claim->type == VALUE_STRING ? claim->string.text : NULL;
}

/* Our own tokens spell ids in lower case; another spelling would be a second text for one claim. */
static bool uuid_claim(const struct value *claims, const char *name, struct uuid *ret_id)
{
    const char *text = text_claim(claims, name);
    char spelled[UUID_TEXT_SIZE];

    if (text == NULL || !uuid_parse(text, ret_id))
        return false;
    uuid_text(ret_id, spelled);
    return strcmp(text, spelled) == 0;
}

static bool int_value(const struct value *value, int64_t maximum, int64_t *ret)
{
    if (value == NULL || value->type != VALUE_INT || value->integer < 0 || value->integer > maximum)
        return false;
    *ret = value->integer;
    return true;
}

static bool copy_claim(const char *text, char *ret_text, size_t size)
{
    const size_t length = text != NULL ? strlen(text) : size;

    if (length >= size)
        return false;
    memcpy(ret_text, text, length + 1);
    return true;
}

/* One text or an array of texts. */
static bool read_audience(const struct value *claims, const char *issuer, struct token_claims *ret)
{
    const struct value *aud = value_get(claims, "aud");
    const bool is_list = aud != NULL && aud->type == VALUE_ARRAY;
    const size_t count = is_list ? aud->array.count : 1;
    bool is_ours = false;

    if (aud == NULL || count == 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct value *item = is_list ? &aud->array.items[i] : aud;

        if (item->type != VALUE_STRING)
            return false;
        is_ours |= strcmp(item->string.text, issuer) == 0;
    }
    ret->is_for_others = !is_ours;
    ret->has_audience = !is_ours || count > 1;
    return true;
}

/* ep is [tenant, user], with a third number for tokens of a client. */
static bool read_epochs(const struct value *claims, struct token_claims *ret)
{
    const struct value *ep = value_get(claims, "ep");

    if (ep == NULL || ep->type != VALUE_ARRAY || ep->array.count < 2 || ep->array.count > 3)
        return false;
    if (ep->array.count == 3 && !int_value(&ep->array.items[2], INT64_MAX, &ret->client_epoch))
        return false;
    return int_value(&ep->array.items[0], INT64_MAX, &ret->tenant_epoch) &&
           int_value(&ep->array.items[1], INT64_MAX, &ret->user_epoch);
}

static enum role role_named(const char *name)
{
    for (int role = ROLE_USER; name != NULL && role_names[role] != NULL; role++)
        if (strcmp(role_names[role], name) == 0)
            return (enum role)role;
    return ROLE_UNSET;
}

/* A token with a client_id may be the client's own: then sub is the client and there is no role. */
static bool read_subject(const struct value *claims, struct token_claims *ret)
{
    const bool client = value_get(claims, "client_id") != NULL;
    const char *client_id = text_claim(claims, "client_id");
    const char *sub = text_claim(claims, "sub");

    if (client && (client_id == NULL || client_id[0] == '\0' ||
                   !copy_claim(client_id, ret->client_id, sizeof ret->client_id)))
        return false;
    if (client && sub != NULL && strcmp(sub, client_id) == 0)
        return value_get(claims, "role") == NULL;
    ret->role = role_named(text_claim(claims, "role"));
    return uuid_claim(claims, "sub", &ret->user_id) && ret->role != ROLE_UNSET;
}

static bool read_ids(const struct value *claims, struct token_claims *ret)
{
    return uuid_claim(claims, "tid", &ret->tenant_id) &&
           uuid_claim(claims, "gid", &ret->grant_id) && uuid_claim(claims, "jti", &ret->token_id) &&
           copy_claim(text_claim(claims, "scope"), ret->scope, sizeof ret->scope);
}

static enum err read_times(struct ctx *ctx, const struct value *claims, struct token_claims *ret)
{
    const int64_t now = clock_now_ms() / 1000;
    int64_t not_before;

    if (!int_value(value_get(claims, "iat"), TIME_MAX, &ret->issued_at) ||
        !int_value(value_get(claims, "nbf"), TIME_MAX, &not_before) ||
        !int_value(value_get(claims, "exp"), TIME_MAX, &ret->expires_at))
        return bad_token(ctx, "a time of the token is missing or no number");
    if (ret->issued_at > now + CLOCK_LEEWAY || not_before > now + CLOCK_LEEWAY)
        return bad_token(ctx, "the token is not valid yet");
    if (ret->expires_at <= now)
        return bad_token(ctx, "the token has expired");
    return ERR_OK;
}

/* ---- verifying ---- */

/* ERR_BAD_TOKEN for a tenant that is unknown or not active; nothing tells which. */
static enum err load_tenant(struct ctx *ctx, const struct uuid *id,
                            const struct tenant **ret_tenant)
{
    const enum err found = tenant_get_by_id(ctx, id, ret_tenant);

    if (found == ERR_TENANT_NOT_FOUND || found == ERR_NOT_FOUND)
        return bad_token(ctx, "the token's tenant is not there");
    return found;
}

static enum err check_signature(struct ctx *ctx, const char *token, const struct jws_parts *parts,
                                const struct token_claims *claims)
{
    const struct key_set *keys = NULL;
    const enum err found = keys_get_with(ctx, &claims->tenant_id, parts->kid, &keys);

    if (found == ERR_NOT_FOUND)
        return bad_token(ctx, "the token's tenant has no keys");
    TRY(found);
    return jws_verify(ctx, token, parts, key_set_find(keys, JWS_ES256, parts->kid),
                      claims->client_id[0] != '\0' ? TYP_CLIENT : TYP_SESSION);
}

/* A token seen for the first time: everything that its text can tell. */
static enum err verify_text(struct ctx *ctx, const char *token, size_t length,
                            struct token_claims *ret_claims)
{
    struct token_claims claims = {0};
    const struct tenant *tenant;
    struct jws_parts parts;
    struct value payload;
    const char *issuer, *iss;

    TRY(jws_split(ctx, token, length, &parts));

    const enum err parsed =
        json_parse(ctx, (const char *)parts.payload.data, parts.payload.size, &payload);

    if (parsed == ERR_JSON)
        return bad_token(ctx, "the claims are not one JSON object");
    TRY(parsed);
    if (!read_ids(&payload, &claims) || !read_subject(&payload, &claims) ||
        !read_epochs(&payload, &claims))
        return bad_token(ctx, "a claim is missing or of the wrong type");
    TRY(load_tenant(ctx, &claims.tenant_id, &tenant));
    TRY(check_signature(ctx, token, &parts, &claims));
    TRY(read_times(ctx, &payload, &claims));
    TRY(tenant_issuer(ctx, tenant, &issuer));
    iss = text_claim(&payload, "iss");
    if (iss == NULL || strcmp(iss, issuer) != 0 || !read_audience(&payload, issuer, &claims))
        return bad_token(ctx, "the token is of another issuer or has no audience");
    claims.has_claims = value_get(&payload, "cl") != NULL;
    *ret_claims = claims;
    return ERR_OK;
}

/* What may change while a token lives. */
static enum err check_state(struct ctx *ctx, const struct token_claims *claims,
                            const struct tenant **ret_tenant)
{
    const struct revocation_subject subject = {
        .tenant_id = claims->tenant_id,
        .user_id = claims->user_id,
        .grant_id = claims->grant_id,
        .token_id = claims->token_id,
        .client_id = claims->client_id[0] != '\0' ? claims->client_id : NULL,
        .tenant_epoch = claims->tenant_epoch,
        .user_epoch = claims->user_epoch,
        .client_epoch = claims->client_epoch,
    };

    if (claims->expires_at <= clock_now_ms() / 1000)
        return bad_token(ctx, "the token has expired");
    TRY(load_tenant(ctx, &claims->tenant_id, ret_tenant));
    if (claims->tenant_epoch < (*ret_tenant)->epoch)
        return bad_token(ctx, "the token is older than its tenant's epoch");
    return revocation_check(ctx, &subject);
}

enum err access_token_verify(struct ctx *ctx, const char *token, struct token_claims *ret_claims,
                             const struct tenant **ret_tenant)
{
    TRY(access_token_read(ctx, token, ret_claims, ret_tenant));
    return ret_claims->is_for_others ? bad_token(ctx, "the token is for another service") : ERR_OK;
}

enum err access_token_audience(struct ctx *ctx, const char *token, struct strs *ret)
{
    const struct value *aud;
    struct jws_parts parts;
    struct value payload;

    TRY(jws_split(ctx, token, strlen(token), &parts));
    TRY(json_parse(ctx, (const char *)parts.payload.data, parts.payload.size, &payload));
    aud = value_get(&payload, "aud");

    const bool is_list = aud->type == VALUE_ARRAY;

    *ret = (struct strs){.count = is_list ? aud->array.count : 1};
    ret->items = arena_array(ctx->arena, ret->count, sizeof *ret->items);
    if (ret->items == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for an audience");
    for (size_t i = 0; i < ret->count; i++)
        ret->items[i] = is_list ? aud->array.items[i].string.text : aud->string.text;
    return ERR_OK;
}

enum err access_token_read(struct ctx *ctx, const char *token, struct token_claims *ret_claims,
                           const struct tenant **ret_tenant)
{
    const size_t length = strnlen(token, JWS_MAX_TEXT + 1);
    uint8_t digest[SHA256_SIZE];

    if (length > JWS_MAX_TEXT)
        return bad_token(ctx, "the token is too long");
    secret_fingerprint(token, length, digest);

    /* Without news of keys that were revoked, what was verified before proves nothing. */
    const bool informed = ctx->app->watch == NULL || watch_is_fresh(ctx->app->watch);
    const uint64_t age = token_cache_age(ctx->app->tokens);
    const bool seen = informed && token_cache_find(ctx->app->tokens, digest, ret_claims);

    metric_add(ctx->app->metrics, seen ? METRIC_TOKEN_CACHE_HITS : METRIC_TOKEN_CACHE_MISSES, 1);
    if (!seen) {
        TRY(verify_text(ctx, token, length, ret_claims));
        token_cache_add(ctx->app->tokens, digest, ret_claims, age);
    }
    return check_state(ctx, ret_claims, ret_tenant);
}

/* ---- revoking ---- */

static int64_t seconds_left(const struct token_claims *claims)
{
    const int64_t left = claims->expires_at - clock_now_ms() / 1000;

    return (left > 0 ? left : 0) + CLOCK_LEEWAY;
}

static enum err revoke_within(struct ctx *ctx, void *arg)
{
    const struct token_claims *claims = arg;
    const bool of_user = !uuid_is_zero(&claims->user_id);

    TRY(revocation_write(ctx, REVOKED_TOKEN, &claims->token_id, 0, seconds_left(claims)));
    return audit_insert(ctx, "token.revoked", "success", of_user ? &claims->user_id : NULL, NULL);
}

enum err access_token_revoke(struct ctx *ctx, const struct token_claims *claims)
{
    struct token_claims copy = *claims;

    TRY(db_transaction(ctx, revoke_within, &copy));
    revocation_apply(ctx, REVOKED_TOKEN, &claims->token_id, 0, seconds_left(claims));
    return ERR_OK;
}
