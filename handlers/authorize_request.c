/* Reading and checking an authorization request. */
#include "handlers/authorize_internal.h"

#include <stdlib.h>
#include <string.h>

#include "app/form.h"
#include "app/secret.h"
#include "handlers/authorize.h"
#include "models/grant.h"
#include "models/id_token.h"
#include "models/resource.h"
#include "models/scope.h"
#include "models/tenant_rules.h"

#define STATE_MAX   4096 /* bytes */
#define MAX_AGE_MAX INT64_C(315360000)

/* --- parameters --- */

const char *authorize_param(const struct authorize *request, const char *name)
{
    const struct value *value = value_get(request->sent, name);

    return value != NULL && value->type == VALUE_STRING && value->string.length > 0
               ? value->string.text
               : NULL;
}

static size_t count_of(const struct authorize *request, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < request->sent->object.count; i++)
        count += strcmp(request->sent->object.members[i].name, name) == 0;
    return count;
}

enum err authorize_fail(struct authorize *request, const char *error, const char *description)
{
    request->error = error;
    request->description = description;
    return ERR_BAD_REQUEST;
}

static enum err read_params(struct request *req, struct authorize *ret)
{
    static const struct value empty = {.type = VALUE_OBJECT};
    const char *query = req->query != NULL ? req->query : "";
    struct value *parsed;

    if (req->method == POST) {
        if (query[0] != '\0')
            return fail(&req->ctx, ERR_BAD_REQUEST, NULL,
                        "Parameters stand in the body or in the address, not in both.");
        ret->sent = req->input != NULL ? req->input : &empty;
        return ERR_OK;
    }
    parsed = ARENA_NEW(req->ctx.arena, struct value);
    if (parsed == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a query");
    ret->sent = parsed;
    return form_parse_repeats(&req->ctx, query, strlen(query), parsed);
}

/* --- who asks, and where the answer goes: until both are known there is nobody to redirect to ---
 */

static enum err read_client(struct request *req, struct authorize *request)
{
    const char *id = authorize_param(request, "client_id");

    if (id == NULL || count_of(request, "client_id") > 1)
        return fail(&req->ctx, ERR_BAD_REQUEST, "client_id",
                    "The application did not say once which one it is (client_id).");

    const enum err found = oauth_client_get(&req->ctx, id, &request->client);

    if (found != ERR_OK && found != ERR_NOT_FOUND)
        return found;
    if (found == ERR_OK && req->ctx.tenant != NULL &&
        uuid_equal(&request->client->tenant_id, &req->ctx.tenant_id))
        return ERR_OK;
    fail_clear(&req->ctx);
    /* A session or a default is no hint: the client names its tenant itself. */
    if (found == ERR_OK &&
        (req->ctx.tenant == NULL || req->hint == HINT_CREDENTIAL || req->hint == HINT_DEFAULT))
        return ERR_TENANT_MISMATCH;
    return fail(&req->ctx, ERR_BAD_REQUEST, "client_id",
                "There is no such application here (client_id).");
}

enum err authorize_read(struct request *req, struct authorize *ret)
{
    *ret = (struct authorize){.max_age = -1};
    TRY(read_params(req, ret));
    TRY(read_client(req, ret));
    ret->redirect_uri = authorize_param(ret, "redirect_uri");
    if (ret->redirect_uri == NULL || count_of(ret, "redirect_uri") > 1)
        return fail(&req->ctx, ERR_BAD_REQUEST, "redirect_uri",
                    "The application did not say once where to go back to (redirect_uri).");
    return ERR_OK;
}

/* --- the rest: errors go back to the application --- */

/* How the answer goes back decides how errors do, too. */
static enum err check_form(struct authorize *request)
{
    const char *mode = authorize_param(request, "response_mode");
    const char *state = authorize_param(request, "state");

    request->by_form_post = mode != NULL && strcmp(mode, "form_post") == 0;
    if (state != NULL && strlen(state) > STATE_MAX)
        return authorize_fail(request, "invalid_request", "state is longer than 4096 bytes");
    if (count_of(request, "state") > 1)
        return authorize_fail(request, "invalid_request", "a parameter is given twice");
    request->state = state;
    for (size_t i = 0; i < request->sent->object.count; i++) {
        const char *name = request->sent->object.members[i].name;

        if (strcmp(name, "resource") != 0 && count_of(request, name) > 1)
            return authorize_fail(request, "invalid_request", "a parameter is given twice");
    }
    if (mode != NULL && strcmp(mode, "query") != 0 && !request->by_form_post)
        return authorize_fail(request, "invalid_request", "response_mode is query or form_post");
    return ERR_OK;
}

static enum err check_type(struct authorize *request)
{
    const char *type = authorize_param(request, "response_type");

    if (authorize_param(request, "request") != NULL)
        return authorize_fail(request, "request_not_supported", "request objects are not taken");
    if (authorize_param(request, "request_uri") != NULL)
        return authorize_fail(request, "request_uri_not_supported", "request_uri is not taken");
    if (authorize_param(request, "registration") != NULL)
        return authorize_fail(request, "registration_not_supported", "registration is not taken");
    if (type == NULL)
        return authorize_fail(request, "invalid_request", "response_type is missing");
    if (strcmp(type, "code") != 0)
        return authorize_fail(request, "unsupported_response_type", "response_type is code");
    if (!oauth_client_may_use(request->client, GRANT_TYPE_CODE))
        return authorize_fail(request, "unauthorized_client",
                              "the client is not registered for authorization_code");
    return ERR_OK;
}

/* What the client did not register is left out and not refused (api.md: cut to the client's). */
static enum err check_scope(struct request *req, struct authorize *request)
{
    const char *asked = authorize_param(request, "scope"), *words = NULL;
    const char *registered = request->client->scope != NULL ? request->client->scope : "";

    request->scope = registered;
    if (asked == NULL)
        return ERR_OK;

    const enum err normal = scope_normalise(&req->ctx, asked, &words);

    if (normal == ERR_SCOPE_INVALID) {
        fail_clear(&req->ctx);
        return authorize_fail(request, "invalid_scope",
                              "scope has characters that scopes have not");
    }
    TRY(normal);
    TRY(scope_common(&req->ctx, words, registered, &request->scope));
    if (request->scope[0] == '\0')
        return authorize_fail(request, "invalid_scope",
                              "the client is registered for none of this scope");
    return ERR_OK;
}

static bool is_challenge(const char *text)
{
    uint8_t digest[SHA256_SIZE];

    return strlen(text) == BASE64URL_LENGTH(SHA256_SIZE) &&
           base64url_decode(text, strlen(text), digest, sizeof digest) == SHA256_SIZE;
}

static enum err check_pkce(struct request *req, struct authorize *request)
{
    const char *challenge = authorize_param(request, "code_challenge");
    const char *method = authorize_param(request, "code_challenge_method");
    const bool is_due = oauth_client_is_public(request->client) || tenant_requires_pkce(&req->ctx);

    if (challenge == NULL && method == NULL)
        return is_due ? authorize_fail(request, "invalid_request", "code_challenge is missing")
                      : ERR_OK;
    if (challenge == NULL || method == NULL)
        return authorize_fail(request, "invalid_request",
                              "code_challenge and code_challenge_method go together");
    if (strcmp(method, "S256") != 0)
        return authorize_fail(request, "invalid_request", "code_challenge_method is S256");
    if (!is_challenge(challenge))
        return authorize_fail(request, "invalid_request",
                              "code_challenge is the base64url of a SHA-256");
    request->challenge = challenge;
    return ERR_OK;
}

static enum err check_prompt(struct request *req, struct authorize *request)
{
    const char *prompt = authorize_param(request, "prompt");
    char *rest = prompt != NULL ? arena_strdup(req->ctx.arena, prompt) : NULL, *word;
    bool is_other = false;

    if (prompt != NULL && rest == NULL)
        return ERR_MEMORY;
    while ((word = strsep(&rest, " ")) != NULL) {
        if (strcmp(word, "none") == 0)
            request->is_silent = true;
        else if (strcmp(word, "login") == 0 || strcmp(word, "select_account") == 0)
            request->wants_login = is_other = true;
        else if (strcmp(word, "consent") == 0)
            request->wants_consent = is_other = true;
        else if (word[0] != '\0')
            return authorize_fail(request, "invalid_request",
                                  "prompt is none, login, consent or select_account");
    }
    if (request->is_silent && is_other)
        return authorize_fail(request, "invalid_request", "prompt none stands alone");
    return ERR_OK;
}

static enum err check_age(struct authorize *request)
{
    const char *age = authorize_param(request, "max_age");

    if (request->client->has_default_max_age)
        request->max_age = request->client->default_max_age;
    if (age == NULL)
        return ERR_OK;
    if (age[strspn(age, "0123456789")] != '\0' || strlen(age) > 9)
        return authorize_fail(request, "invalid_request", "max_age is a number of seconds");
    request->max_age = strtoll(age, NULL, 10);
    return ERR_OK;
}

/* Kept with the grant for the ID token and UserInfo. */
static enum err check_claims(struct request *req, struct authorize *request)
{
    const char *claims = authorize_param(request, "claims");
    const char *nonce = authorize_param(request, "nonce");

    if (nonce != NULL && strlen(nonce) > GRANT_NONCE_BYTES)
        return authorize_fail(request, "invalid_request", "nonce is longer than 2048 bytes");
    request->nonce = nonce;
    if (claims != NULL && strlen(claims) > GRANT_CLAIMS_BYTES)
        return authorize_fail(request, "invalid_request", "claims is longer than 4096 bytes");

    const enum err read = claims_request_read(&req->ctx, claims, &request->asked);

    if (read == ERR_JSON)
        return authorize_fail(request, "invalid_request",
                              "claims is a JSON object with the objects userinfo and id_token");
    TRY(read);
    request->claims = claims;
    /* There is no way to sign in here that would be more than this. */
    if (request->asked.acr.count > 0 && !strs_has(&request->asked.acr, ACR_ONE_FACTOR))
        return authorize_fail(request, "unmet_authentication_requirements",
                              "users sign in with one factor here");
    return ERR_OK;
}

static enum err check_claims_scope(struct request *req, struct authorize *request)
{
    const char *registered = request->client->scope != NULL ? request->client->scope : "";

    return claims_request_scope(&req->ctx, &request->asked, registered, &request->claims_scope);
}

/* --- who has to be signed in (OIDC Core §3.1.2.1, §5.5.1) --- */

static enum err check_hint(struct request *req, struct authorize *request)
{
    const char *text = authorize_param(request, "id_token_hint");
    struct id_token_hint hint = {0};

    if (text == NULL)
        return ERR_OK;

    const enum err read = id_token_read(&req->ctx, text, &hint);

    if (read != ERR_OK && read != ERR_BAD_TOKEN)
        return read;
    if (read == ERR_BAD_TOKEN || strcmp(hint.client_id, request->client->id) != 0) {
        fail_clear(&req->ctx);
        return authorize_fail(request, "invalid_request",
                              "id_token_hint is no ID token of this client from this issuer");
    }
    request->subject = hint.user_id;
    return ERR_OK;
}

static enum err check_subject(struct request *req, struct authorize *request)
{
    struct uuid wanted;

    TRY(check_hint(req, request));
    if (request->asked.subject == NULL)
        return ERR_OK;
    if (!uuid_parse(request->asked.subject, &wanted) ||
        (!uuid_is_zero(&request->subject) && !uuid_equal(&request->subject, &wanted)))
        return authorize_fail(request, "login_required", "nobody can be who is asked for");
    request->subject = wanted;
    return ERR_OK;
}

static enum err check_resources(struct request *req, struct authorize *request)
{
    const enum err read = resources_read(&req->ctx, request->sent, &request->resources);

    if (read != ERR_TARGET)
        return read;
    fail_clear(&req->ctx);
    return authorize_fail(request, "invalid_target", "the resource is none of the tenant's");
}

enum err authorize_check(struct request *req, struct authorize *request)
{
    TRY(check_form(request));
    TRY(check_type(request));
    TRY(check_scope(req, request));
    TRY(check_pkce(req, request));
    TRY(check_prompt(req, request));
    TRY(check_age(request));
    TRY(check_claims(req, request));
    TRY(check_claims_scope(req, request));
    TRY(check_resources(req, request));
    TRY(check_subject(req, request));
    request->login_hint = authorize_param(request, "login_hint");
    return ERR_OK;
}
