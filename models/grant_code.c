/* Authorization codes: issuing, and the one update that exchanges them. */
#include "models/grant_code.h"

#include <string.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/secret.h"
#include "models/audit.h"
#include "models/grant_internal.h"
#include "models/grant_text.h"
#include "models/scope.h"
#include "models/session.h"
#include "models/tenant.h"

#define STATE_CODE     "code"
#define CHALLENGE_SIZE (BASE64URL_LENGTH(SHA256_SIZE) + 1)
#define VERIFIER_MIN   43 /* RFC 7636 §4.1 */
#define VERIFIER_MAX   128

bool grant_gets_refresh(const struct oauth_client *client, const char *scope)
{
    return oauth_client_may_use(client, GRANT_TYPE_REFRESH) &&
           (!scope_has(scope, SCOPE_OPENID) || scope_has(scope, SCOPE_OFFLINE_ACCESS));
}

/* --- issuing --- */

/* As a code it lives a minute, and goes soon when nobody fetches what it stands for. What it gives
 * may live until ends_at: without a refresh token that is the end of its access token. */
static void set_times(struct ctx *ctx, struct grant *grant)
{
    const int64_t now = grant->created_at;

    if (grant->generation == 0)
        grant->ends_at = now + (GRANT_CODE_SECONDS + tenant_client_access_ttl(ctx)) * 1000;
    grant->expires_at = now + (int64_t)GRANT_CODE_SECONDS * 1000;
    grant->purge_at = grant->expires_at + GRANT_PURGE_AFTER_MS;
}

/* After the code is there and before anybody has it: whatever ends the session either finds both,
 * client and code, or came first, and then there is no code. */
static enum err note(struct ctx *ctx, const struct grant *grant)
{
    const enum err noted = session_note_client(ctx, &grant->session_id, grant->client_id);

    if (noted == ERR_OK)
        return ERR_OK;

    const struct failure failure = ctx->failure;
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", &grant->id);
    if (db_delete_one(ctx, &grant_schema, filter) != ERR_OK)
        fail_clear(ctx);
    ctx->failure = failure;
    return noted;
}

enum err grant_code_issue(struct ctx *ctx, const struct code_terms *terms, const char **ret_code)
{
    const struct key_set *keys = NULL;
    struct grant grant = {
        .client_id = terms->client->id,
        .client_epoch = terms->client->epoch,
        .session_id = terms->session_id,
        .auth_time = terms->auth_time,
        .scope = terms->scope[0] != '\0' ? terms->scope : NULL,
        .redirect_uri = terms->redirect_uri,
        .challenge = terms->challenge,
        .nonce = terms->nonce,
        .claims = terms->claims,
        .claims_scope =
            terms->claims != NULL && terms->claims_scope[0] != '\0' ? terms->claims_scope : NULL,
        .resources = terms->resources,
        .generation = grant_gets_refresh(terms->client, terms->scope) ? 1 : 0,
    };

    TRY(grant_begin(ctx, terms->user, &grant));
    grant.state = STATE_CODE;
    set_times(ctx, &grant);

    const struct grant_claims claims = {
        .grant_id = grant.id,
        .tenant_id = grant.tenant_id,
        .purpose = GRANT_PURPOSE_CODE,
        .user_epoch = (uint32_t)grant.user_epoch,
    };

    TRY(keys_get(ctx, &keys));
    TRY(grant_text_make(ctx, keys, &claims, ret_code));
    TRY(db_insert(ctx, &grant_schema, &grant));
    return uuid_is_zero(&terms->session_id) ? ERR_OK : note(ctx, &grant);
}

/* --- PKCE --- */

static bool is_verifier(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-._~";
    const size_t length = strspn(text, allowed);

    return text[length] == '\0' && length >= VERIFIER_MIN && length <= VERIFIER_MAX;
}

/* S256; "" when none was sent. */
static void challenge_of(const char *verifier, char ret_challenge[CHALLENGE_SIZE])
{
    uint8_t digest[SHA256_SIZE];

    ret_challenge[0] = '\0';
    if (verifier == NULL)
        return;
    secret_sha256(verifier, strlen(verifier), digest);
    base64url_encode(digest, sizeof digest, ret_challenge);
}

/* --- the exchange --- */

struct exchange {
    const struct code_exchange *sent;
    struct grant_claims claims;
    char challenge[CHALLENGE_SIZE];
};

/* Everything that the code is bound to. A verifier for a code without a challenge matches as little
 * as none for one with it: neither way leads past PKCE. */
static void put_bound(bson_t *filter, const struct exchange *exchange)
{
    AUTO(bson_destroy) bson_t *absent = BCON_NEW("$exists", BCON_BOOL(false));

    bson_put_uuid(filter, "_id", &exchange->claims.grant_id);
    bson_put_text(filter, "oauth_client_id", exchange->sent->client->id);
    bson_put_text(filter, "redirect_uri", exchange->sent->redirect_uri);
    if (exchange->challenge[0] != '\0')
        bson_put_text(filter, "code_challenge", exchange->challenge);
    else
        BSON_APPEND_DOCUMENT(filter, "code_challenge", absent);
}

static enum err activate(struct ctx *ctx, const struct exchange *exchange, struct grant *ret_grant)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *alive = BCON_NEW("$gt", "[", BCON_UTF8("$expires_at"), BCON_UTF8("$$NOW"), "]");
    AUTO(bson_destroy)
    bson_t *update =
        BCON_NEW("0", "{", "$set", "{", "state", BCON_UTF8("active"), "rotated_at",
                 BCON_UTF8("$$NOW"), "expires_at", "{", "$min", "[", "{", "$add", "[",
                 BCON_UTF8("$$NOW"), BCON_INT64(tenant_refresh_ttl(ctx) * 1000), "]", "}",
                 BCON_UTF8("$ends_at"), "]", "}", "purge_at", "{", "$add", "[",
                 BCON_UTF8("$ends_at"), BCON_INT64(GRANT_PURGE_AFTER_MS), "]", "}", "}", "}");

    put_bound(filter, exchange);
    bson_put_text(filter, "state", STATE_CODE);
    BSON_APPEND_DOCUMENT(filter, "$expr", alive);
    return db_find_and_update(
        ctx, &grant_schema,
        &(struct db_change){.filter = filter, .update = update, .pipeline = true}, ret_grant);
}

static bool is_same(const char *stored, const char *sent)
{
    return stored == NULL ? sent[0] == '\0' : strcmp(stored, sent) == 0;
}

/* Why nothing was activated, as the audit log names it. */
static const char *reason_of(const struct exchange *exchange, const struct grant *grant)
{
    if (grant->client_id == NULL || strcmp(grant->client_id, exchange->sent->client->id) != 0)
        return "foreign_client";
    if (grant->redirect_uri == NULL || !is_same(grant->redirect_uri, exchange->sent->redirect_uri))
        return "redirect_uri";
    if (!is_same(grant->challenge, exchange->challenge))
        return "code_verifier";
    return strcmp(grant->state, STATE_CODE) == 0 ? "code_expired" : NULL;
}

/* Whoever shows a used code with all that it is bound to is its client or its client's double;
 * somebody who only saw it go by must not end anything. */
static enum err refuse(struct ctx *ctx, const struct exchange *exchange)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct grant grant = {0};

    bson_put_uuid(filter, "_id", &exchange->claims.grant_id);

    const enum err found = db_find_one(ctx, &grant_schema, filter, &grant);

    if (found == ERR_NOT_FOUND)
        return ERR_BAD_REFRESH;
    TRY(found);

    const char *reason = reason_of(exchange, &grant);

    if (reason != NULL) {
        TRY(audit_write(ctx, "code.exchange", "failed", &grant.user_id, reason));
        return ERR_BAD_REFRESH;
    }

    const enum err ended = grant_end_once(ctx, &(struct grant_ending){.grant_id = &grant.id,
                                                                      .user_id = &grant.user_id,
                                                                      .action = "code.reuse",
                                                                      .status = "failed"});

    if (ended != ERR_OK && ended != ERR_NOT_FOUND)
        return ended;
    fail_clear(ctx);
    return ERR_BAD_REFRESH;
}

/* The session was there when the code was made; a code that outlives it gives nothing. */
static enum err check_unchanged(struct ctx *ctx, const struct exchange *exchange,
                                struct code_outcome *outcome)
{
    const struct grant *grant = &outcome->grant;
    const enum err found = user_find(ctx, &grant->user_id, &outcome->user);

    if (found != ERR_OK && found != ERR_NOT_FOUND)
        return found;
    if (found == ERR_NOT_FOUND ||
        !grant_is_unchanged(ctx, grant, &outcome->user, exchange->sent->client)) {
        fail_clear(ctx);
        TRY(audit_write(ctx, "code.exchange", "failed", &grant->user_id, "subject_changed"));
        return ERR_BAD_REFRESH;
    }

    const enum err alive = grant_check_session(ctx, grant);

    if (alive == ERR_BAD_REFRESH)
        TRY(audit_write(ctx, "code.exchange", "failed", &grant->user_id, "session_ended"));
    return alive;
}

/* Nobody got what it gave, so the code is as it was: best effort, else the person signs in anew. */
static void deactivate(struct ctx *ctx, const struct grant *grant)
{
    const struct failure failure = ctx->failure;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    const int64_t expires_at = grant->created_at + (int64_t)GRANT_CODE_SECONDS * 1000;
    bson_t set;

    bson_put_uuid(filter, "_id", &grant->id);
    bson_put_text(filter, "state", "active");
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_text(&set, "state", STATE_CODE);
    bson_put_time(&set, "rotated_at", grant->created_at);
    bson_put_time(&set, "expires_at", expires_at);
    bson_put_time(&set, "purge_at", expires_at + GRANT_PURGE_AFTER_MS);
    bson_append_document_end(update, &set);
    if (db_update_one(ctx, &grant_schema, filter, update) != ERR_OK)
        fail_clear(ctx);
    ctx->failure = failure;
}

/* The tokens of a grant that was just activated. */
static enum err hand_out(struct ctx *ctx, const struct exchange *exchange,
                         struct code_outcome *outcome)
{
    const struct strs *less = &exchange->sent->resources;

    TRY(check_unchanged(ctx, exchange, outcome));
    TRY(grant_check_resources(ctx, &outcome->grant, less));
    if (less->count > 0)
        outcome->grant.resources = *less;
    TRY(grant_pair(ctx, &outcome->user, &outcome->grant, &outcome->pair));
    TRY(grant_add_id_token(ctx, exchange->sent->client, &outcome->user, &outcome->grant,
                           &outcome->pair));
    return audit_write(ctx, "code.exchange", "success", &outcome->user.id, NULL);
}

enum err grant_code_exchange(struct ctx *ctx, const struct code_exchange *exchange,
                             struct code_outcome *ret_outcome)
{
    struct exchange work = {.sent = exchange};
    struct code_outcome outcome = {0};

    if (exchange->verifier != NULL && !is_verifier(exchange->verifier))
        return ERR_BAD_REFRESH;
    TRY(grant_prove(ctx, exchange->code, GRANT_PURPOSE_CODE, &work.claims));
    challenge_of(exchange->verifier, work.challenge);

    const enum err activated = activate(ctx, &work, &outcome.grant);

    if (activated == ERR_NOT_FOUND)
        return refuse(ctx, &work);
    TRY(activated);

    const enum err handed = hand_out(ctx, &work, &outcome);

    if (handed != ERR_OK && handed != ERR_BAD_REFRESH)
        deactivate(ctx, &outcome.grant);
    TRY(handed);
    *ret_outcome = outcome;
    return ERR_OK;
}
