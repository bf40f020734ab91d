/* ID tokens: written member by member, and read back strictly. */
#include "models/id_token.h"

#include <string.h>

#include "app/buf.h"
#include "app/clock.h"
#include "app/json.h"
#include "app/keys.h"
#include "app/secret.h"
#include "models/claims.h"
#include "models/tenant.h"

#define TYP             "JWT"
#define CLAIMS_MAX_TEXT ((size_t)5500) /* with its signature within JWS_MAX_TEXT */

/* ---- signing ---- */

/* Words with blanks between, as an array. */
static void add_words(struct buf *out, const char *name, const char *words)
{
    const char *before = "";

    buf_printf(out, ",\"%s\":[", name);
    for (size_t length; words[0] != '\0'; words += length) {
        words += strspn(words, " ");
        length = strcspn(words, " ");
        if (length == 0)
            break;
        buf_puts(out, before);
        buf_json_string(out, words, length);
        before = ",";
    }
    buf_putc(out, ']');
}

/* OIDC Core §3.1.3.6: the left half of the hash of the signature's algorithm, SHA-256 for both. */
static void add_hash(struct buf *out, const char *name, const char *token)
{
    uint8_t digest[SHA256_SIZE];
    char text[BASE64URL_LENGTH(SHA256_SIZE / 2) + 1];

    secret_sha256(token, strlen(token), digest);
    base64url_encode(digest, SHA256_SIZE / 2, text);
    buf_member_text(out, name, text);
}

static enum err write_claims(struct ctx *ctx, const struct id_token_terms *terms, struct buf *out)
{
    const int64_t now = clock_now_ms() / 1000;
    const struct claims_wanted wanted = {.names = terms->claims,
                                         .names_scope = terms->claims_scope};
    const char *issuer = NULL;

    TRY(tenant_issuer(ctx, ctx->tenant, &issuer));
    buf_puts(out, "{\"iss\":");
    buf_json_string(out, issuer, strlen(issuer));
    buf_member_uuid(out, "sub", &terms->user->id);
    buf_member_text(out, "aud", terms->client->id);
    buf_member_int(out, "exp", now + tenant_id_token_ttl(ctx));
    buf_member_int(out, "iat", now);
    buf_member_int(out, "auth_time", terms->auth_time);
    buf_member_text(out, "acr", terms->acr != NULL ? terms->acr : ACR_ONE_FACTOR);
    add_words(out, "amr", terms->amr != NULL ? terms->amr : "pwd");
    if (terms->nonce != NULL)
        buf_member_text(out, "nonce", terms->nonce);
    if (terms->access_token != NULL)
        add_hash(out, "at_hash", terms->access_token);
    if (terms->sid != NULL && !uuid_is_zero(terms->sid))
        buf_member_uuid(out, "sid", terms->sid);
    TRY(claims_write(ctx, terms->user, &wanted, out));
    buf_putc(out, '}');
    return buf_ok(out) ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "an ID token became too long");
}

enum err id_token_sign_claims(struct ctx *ctx, const struct oauth_client *client, const char *typ,
                              const struct buf *claims, const char **ret_token)
{
    const enum jws_alg alg = client->id_token_alg == ID_TOKEN_ES256 ? JWS_ES256 : JWS_RS256;
    const struct bytes text = {.data = (const uint8_t *)buf_text(claims), .size = claims->size};
    const struct key_set *keys = NULL;

    if (alg == JWS_RS256)
        TRY(keys_get_complete(ctx, &keys));
    else
        TRY(keys_get(ctx, &keys));
    return jws_sign(ctx, key_set_signer(keys, alg), typ, &text, ret_token);
}

enum err id_token_sign(struct ctx *ctx, const struct id_token_terms *terms, const char **ret_token)
{
    struct buf claims;

    buf_init(&claims, ctx->arena, CLAIMS_MAX_TEXT);
    TRY(write_claims(ctx, terms, &claims));
    return id_token_sign_claims(ctx, terms->client, TYP, &claims, ret_token);
}

/* ---- reading ---- */

static enum err bad_hint(struct ctx *ctx, const char *why)
{
    fail_clear(ctx);
    return fail_internal(ctx, ERR_BAD_TOKEN, "%s", why);
}

static const char *text_claim(const struct value *claims, const char *name)
{
    const struct value *claim = value_get(claims, name);

    return claim != NULL && claim->type == VALUE_STRING ? claim->string.text : NULL;
}

static const struct value *time_claim(const struct value *claims, const char *name)
{
    const struct value *claim = value_get(claims, name);

    return claim != NULL && claim->type == VALUE_INT && claim->integer >= 0 ? claim : NULL;
}

static enum err read_claims(struct ctx *ctx, const struct value *claims, struct id_token_hint *ret)
{
    const char *sub = text_claim(claims, "sub"), *sid = text_claim(claims, "sid");
    const struct value *exp = time_claim(claims, "exp");
    const struct value *auth_time = time_claim(claims, "auth_time");
    const char *issuer = NULL, *iss = text_claim(claims, "iss");

    TRY(tenant_issuer(ctx, ctx->tenant, &issuer));
    ret->client_id = text_claim(claims, "aud");
    if (iss == NULL || strcmp(iss, issuer) != 0 || ret->client_id == NULL)
        return bad_hint(ctx, "the ID token is of another issuer or has no audience");
    if (sub == NULL || !uuid_parse(sub, &ret->user_id) || exp == NULL || auth_time == NULL)
        return bad_hint(ctx, "the ID token lacks sub, exp or auth_time");
    if (sid != NULL && !uuid_parse(sid, &ret->sid))
        return bad_hint(ctx, "the ID token's sid is none");
    ret->auth_time = auth_time->integer;
    ret->expired = exp->integer <= clock_now_ms() / 1000;
    return ERR_OK;
}

static enum err check_signature(struct ctx *ctx, const char *text, const struct jws_parts *parts)
{
    const enum jws_alg alg = jws_alg_named(parts->alg);
    const struct key_set *keys = NULL;

    TRY(keys_get_with(ctx, &ctx->tenant_id, parts->kid, &keys));
    return jws_verify(ctx, text, parts, key_set_find(keys, alg, parts->kid), TYP);
}

enum err id_token_read(struct ctx *ctx, const char *text, struct id_token_hint *ret_hint)
{
    struct id_token_hint hint = {0};
    struct jws_parts parts;
    struct value claims;

    TRY(jws_split(ctx, text, strnlen(text, JWS_MAX_TEXT + 1), &parts));
    TRY(check_signature(ctx, text, &parts));

    const enum err parsed =
        json_parse(ctx, (const char *)parts.payload.data, parts.payload.size, &claims);

    if (parsed == ERR_JSON)
        return bad_hint(ctx, "the ID token's claims are not one JSON object");
    TRY(parsed);
    TRY(read_claims(ctx, &claims, &hint));
    *ret_hint = hint;
    return ERR_OK;
}
