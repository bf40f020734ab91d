/*
 * Proves the OAuth client of a form (RFC 6749 §2.3): HTTP Basic with form-encoded parts, id and
 * secret in the body, or the id alone for a public client. Exactly one of them. Whatever is wrong
 * is told with the same words.
 */
#include <string.h>
#include <strings.h>

#include "app/app.h"
#include "app/form.h"
#include "app/routes.h"
#include "app/secret.h"
#include "middleware/middleware.h"
#include "middleware/rate.h"
#include "models/oauth_client.h"
#include "models/tenant.h"

/* What was sent. */
struct shown {
    const char *id, *secret; /* secret: NULL for none */
    enum client_auth method;
};

static const char *form_text(const struct request *req, const char *name)
{
    const struct value *value = value_get(req->input, name);

    return value != NULL && value->type == VALUE_STRING && value->string.length > 0
               ? value->string.text
               : NULL;
}

static enum err refuse(struct request *req, const char *why)
{
    fail_clear(&req->ctx);
    return fail_internal(&req->ctx, ERR_INVALID_CLIENT, "%s", why);
}

/* Base64 with padding (RFC 7617) of "id:secret", both form-encoded. */
static enum err read_basic(struct request *req, const char *encoded, struct shown *shown)
{
    const size_t length = strlen(encoded);
    char *text = arena_alloc(req->ctx.arena, length + 1);
    int64_t size;

    if (text == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for credentials");
    size = base64_decode(encoded, length, text, length);
    if (size < 0 || memchr(text, '\0', (size_t)size) != NULL)
        return refuse(req, "Authorization: Basic is not base64 of id:secret");
    text[size] = '\0';

    char *colon = strchr(text, ':');

    if (colon == NULL)
        return refuse(req, "Authorization: Basic has no colon between id and secret");
    shown->method = CLIENT_AUTH_BASIC;
    if (form_decode(&req->ctx, text, (size_t)(colon - text), &shown->id) != ERR_OK ||
        form_decode(&req->ctx, colon + 1, strlen(colon + 1), &shown->secret) != ERR_OK)
        return refuse(req, "Authorization: Basic is not form-encoded (RFC 6749 section 2.3.1)");
    return ERR_OK;
}

static enum err read_shown(struct request *req, struct shown *shown)
{
    const char *header = request_header(req, "Authorization");
    const char *id = form_text(req, "client_id"), *secret = form_text(req, "client_secret");

    if (request_header_count(req, "Authorization") > 1)
        return fail(&req->ctx, ERR_BAD_REQUEST, "Authorization",
                    "Authorization may be sent once only.");
    if (form_text(req, "client_assertion") != NULL)
        return refuse(req, "client_assertion is not supported");
    if (header == NULL) {
        *shown = (struct shown){.id = id,
                                .secret = secret,
                                .method = secret != NULL ? CLIENT_AUTH_POST : CLIENT_AUTH_NONE};
        return id != NULL ? ERR_OK
                          : refuse(req, "send the client's id and secret by HTTP Basic or as "
                                        "client_id and client_secret in the body");
    }
    if (strncasecmp(header, "Basic ", 6) != 0)
        return refuse(req, "Authorization must be Basic here");
    if (secret != NULL)
        return fail(&req->ctx, ERR_BAD_REQUEST, "client_secret",
                    "The client is authenticated twice: by Authorization and in the body.");
    header += 6;
    TRY(read_basic(req, header + strspn(header, " "), shown));
    if (id != NULL && strcmp(id, shown->id) != 0)
        return fail(&req->ctx, ERR_BAD_REQUEST, "client_id",
                    "client_id is not the client of Authorization.");
    return ERR_OK;
}

/* The registered method, or with none registered either of the two with a secret. */
static bool is_permitted(const struct oauth_client *client, enum client_auth method)
{
    if (client->auth_method == CLIENT_AUTH_UNSET)
        return method != CLIENT_AUTH_NONE;
    return client->auth_method == (int)method;
}

static enum err prove(struct request *req, const struct shown *shown,
                      const struct oauth_client **ret_client)
{
    const struct oauth_client *client = NULL;
    const enum err found = oauth_client_get(&req->ctx, shown->id, &client);

    if (found == ERR_NOT_FOUND)
        return refuse(req, "there is no such client");
    TRY(found);
    if (!is_permitted(client, shown->method))
        return refuse(req, "the client is registered for another way of authentication");
    if (shown->secret != NULL && !oauth_client_secret_matches(client, shown->secret))
        return refuse(req, "the secret is not the client's, or works no longer");
    *ret_client = client;
    return ERR_OK;
}

/* Without a hint the client's tenant is taken. */
static enum err settle_tenant(struct request *req, const struct oauth_client *client)
{
    const struct tenant *tenant = NULL;

    if (req->ctx.tenant != NULL)
        return uuid_equal(&req->ctx.tenant_id, &client->tenant_id)
                   ? ERR_OK
                   : refuse(req, "the client is of another tenant than the one that is named");

    const enum err found = tenant_get_by_id(&req->ctx, &client->tenant_id, &tenant);

    if (found == ERR_TENANT_NOT_FOUND)
        return refuse(req, "the client's tenant is not there");
    TRY(found);
    ctx_set_tenant(&req->ctx, tenant, &tenant->id);
    req->hint = HINT_CREDENTIAL;
    return ERR_OK;
}

enum err mw_client(struct request *req, struct response *res)
{
    const struct oauth_client *client = NULL;
    struct shown shown = {.id = NULL};

    if ((req->route->auth & AUTH_CLIENT) == 0)
        return ERR_OK;
    TRY(read_shown(req, &shown));
    TRY(prove(req, &shown, &client));
    TRY(settle_tenant(req, client));
    req->client = client;
    req->ctx.who = (struct identity){
        .credential = CREDENTIAL_CLIENT,
        .tenant_id = client->tenant_id,
        .client_id = client->id,
        .scope = "",
    };
    if (req->ctx.app->limiter == NULL)
        return ERR_OK;
    TRY(rate_take_client(req, res));

    const char *grant = form_text(req, "grant_type");

    return grant != NULL && strcmp(grant, GRANT_TYPE_PASSWORD) == 0 ? rate_take_sign_in(req, res)
                                                                    : ERR_OK;
}
