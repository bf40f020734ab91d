/*
 * HS256 tickets by libjwt. libjwt 1.10 accepts any token when its key is empty, and writes past its
 * buffer for "..": so the text is checked first, and the key is always 32 bytes. It knows no claim,
 * so those are compared here.
 */
#include "app/ticket.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jwt.h>

#include "app/app.h"
#include "app/auto.h"
#include "app/clock.h"
#include "app/secret.h"

#define FORM_SECONDS  3600
#define KID_SIZE      12
#define BINDING_BYTES 16
#define BINDING_SIZE  (BASE64URL_LENGTH(BINDING_BYTES) + 1)
#define LABEL_SIZE    64

DEFINE_AUTO(jwt_t, jwt_free)

/* What a ticket is for; decides its key. */
struct purpose {
    const char *typ; /* "form": the claim "typ", libjwt keeps the header's to itself */
    const char *use;
    enum err refusal;
};

struct ticket_key {
    uint8_t bytes[SECRET_KEY_SIZE];
    char kid[KID_SIZE];
};

static enum err refuse(struct ctx *ctx, const struct purpose *purpose, const char *why)
{
    fail_clear(ctx);
    return fail_internal(ctx, purpose->refusal, "%s", why);
}

/* The tenant's MAC key of that id, or its newest one; the master key for work without a tenant.
 * NULL when there is no such key. */
static enum err base_key(struct ctx *ctx, const char *kid, uint32_t *ret_id,
                         const uint8_t **ret_key)
{
    const struct key_set *keys = NULL;

    *ret_id = 0;
    *ret_key = NULL;
    if (uuid_is_zero(&ctx->tenant_id)) {
        *ret_key = app_config(ctx->app)->master_key_bytes;
        return ERR_OK;
    }
    TRY(keys_get(ctx, &keys));
    for (size_t i = 0; i < keys->mac_count; i++) {
        char name[KID_SIZE];

        snprintf(name, sizeof name, "%" PRIu32, keys->macs[i].id);
        if (kid != NULL && strcmp(kid, name) != 0)
            continue;
        *ret_id = keys->macs[i].id;
        *ret_key = keys->macs[i].key;
        return ERR_OK;
    }
    return ERR_OK;
}

static enum err ticket_key(struct ctx *ctx, const struct purpose *purpose, const char *kid,
                           struct ticket_key *ret_key)
{
    char label[LABEL_SIZE];
    const uint8_t *base;
    uint32_t id;

    TRY(base_key(ctx, kid, &id, &base));
    if (base == NULL)
        return refuse(ctx, purpose, "the ticket's key is not known");
    snprintf(ret_key->kid, sizeof ret_key->kid, "%" PRIu32, id);
    if (kid != NULL && strcmp(kid, ret_key->kid) != 0)
        return refuse(ctx, purpose, "the ticket's key is not known");

    const int length = snprintf(label, sizeof label, "ticket:%s:%s", purpose->typ, purpose->use);

    if (length < 0 || (size_t)length >= sizeof label)
        return fail_internal(ctx, ERR_INTERNAL, "a ticket's use has too long a name");
    secret_derive(base, label, ret_key->bytes);
    return ERR_OK;
}

struct claims {
    const char *name, *text; /* one claim beside typ and exp */
    int64_t expires_at;      /* 0 = none */
};

static enum err issue(struct ctx *ctx, const struct purpose *purpose, const struct claims *claims,
                      const char **ret_ticket)
{
    AUTO(jwt_free) jwt_t *jwt = NULL;
    struct ticket_key key;
    int failed;

    TRY(ticket_key(ctx, purpose, NULL, &key));
    failed = jwt_new(&jwt);
    if (failed == 0)
        failed = jwt_set_alg(jwt, JWT_ALG_HS256, key.bytes, (int)sizeof key.bytes);
    if (failed == 0)
        failed = jwt_add_header(jwt, "kid", key.kid);
    if (failed == 0)
        failed = jwt_add_grant(jwt, "typ", purpose->typ);
    if (failed == 0)
        failed = jwt_add_grant(jwt, claims->name, claims->text);
    if (failed == 0 && claims->expires_at > 0)
        failed = jwt_add_grant_int(jwt, "exp", (long)claims->expires_at);
    secret_wipe(&key, sizeof key);

    char *text = failed == 0 ? jwt_encode_str(jwt) : NULL; /* by malloc */
    const char *copy = text != NULL ? arena_strdup(ctx->arena, text) : NULL;

    free(text);
    if (copy == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a ticket");
    *ret_ticket = copy;
    return ERR_OK;
}

static bool has_typ(jwt_t *jwt, const struct purpose *purpose)
{
    const char *typ = jwt_get_grant(jwt, "typ");

    return typ != NULL && strcmp(typ, purpose->typ) == 0;
}

static enum err read_ticket(struct ctx *ctx, const struct purpose *purpose, const char *text,
                            jwt_t **ret_jwt)
{
    struct jws_parts parts;
    struct ticket_key key;
    AUTO(jwt_free) jwt_t *jwt = NULL;
    const enum err split = jws_split(ctx, text, strnlen(text, JWS_MAX_TEXT + 1), &parts);

    if (split == ERR_BAD_TOKEN)
        return refuse(ctx, purpose, "the ticket is malformed");
    TRY(split);
    if (strcmp(parts.alg, "HS256") != 0 || parts.typ == NULL || strcmp(parts.typ, "JWT") != 0 ||
        parts.kid == NULL || parts.signature.size != SECRET_MAC_SIZE)
        return refuse(ctx, purpose, "the ticket is of another kind");
    TRY(ticket_key(ctx, purpose, parts.kid, &key));

    const int decoded = jwt_decode(&jwt, text, key.bytes, (int)sizeof key.bytes);

    secret_wipe(&key, sizeof key);
    if (decoded != 0 || jwt_get_alg(jwt) != JWT_ALG_HS256 || !has_typ(jwt, purpose))
        return refuse(ctx, purpose, "the ticket is not genuine");
    *ret_jwt = jwt;
    jwt = NULL;
    return ERR_OK;
}

/* ---- form tokens ---- */

/* The binding may be a session's secret, so only a MAC of it goes into the page. */
static enum err binding_text(struct ctx *ctx, const struct purpose *purpose, const char *kid,
                             const char *binding, char ret_text[BINDING_SIZE])
{
    struct ticket_key key;
    uint8_t bound[SECRET_KEY_SIZE], mac[SECRET_MAC_SIZE];

    TRY(ticket_key(ctx, purpose, kid, &key));
    secret_derive(key.bytes, "binding", bound);
    secret_mac(bound, binding, strlen(binding), mac);
    base64url_encode(mac, BINDING_BYTES, ret_text);
    secret_wipe(&key, sizeof key);
    secret_wipe(bound, sizeof bound);
    return ERR_OK;
}

enum err ticket_form_issue(struct ctx *ctx, const char *use, const char *binding,
                           const char **ret_token)
{
    const struct purpose purpose = {.typ = "form", .use = use, .refusal = ERR_FORM_TOKEN};
    char bound[BINDING_SIZE];

    TRY(binding_text(ctx, &purpose, NULL, binding, bound));

    const struct claims claims = {
        .name = "b",
        .text = bound,
        .expires_at = clock_now_ms() / 1000 + FORM_SECONDS,
    };

    return issue(ctx, &purpose, &claims, ret_token);
}

enum err ticket_form_check(struct ctx *ctx, const char *use, const char *binding, const char *token)
{
    const struct purpose purpose = {.typ = "form", .use = use, .refusal = ERR_FORM_TOKEN};
    AUTO(jwt_free) jwt_t *jwt = NULL;
    char bound[BINDING_SIZE];

    if (token == NULL || binding == NULL)
        return refuse(ctx, &purpose, "the form has no token");
    TRY(read_ticket(ctx, &purpose, token, &jwt));
    TRY(binding_text(ctx, &purpose, jwt_get_header(jwt, "kid"), binding, bound));

    const char *claimed = jwt_get_grant(jwt, "b");

    if (claimed == NULL || strlen(claimed) != sizeof bound - 1 ||
        !secret_equal(claimed, bound, sizeof bound - 1))
        return refuse(ctx, &purpose, "the form token belongs to another browser or session");
    if (jwt_get_grant_int(jwt, "exp") <= clock_now_ms() / 1000)
        return refuse(ctx, &purpose, "the form token has expired");
    return ERR_OK;
}
