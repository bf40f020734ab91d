/* POST /oauth/client/register, list, and one client: get, put, delete, rotate-secret. */
#include "handlers/oauth_clients.h"

#include "app/clock.h"
#include "app/paging.h"
#include "app/redirect_uri.h"
#include "models/oauth_client_admin.h"
#include "models/tenant.h"

#define MAX_OVERLAP 604800

/* A client as it is shown; the secret only when it was just made. */
struct client_answer {
    struct oauth_client client;
    const char *secret, *tenant_slug, *message;
    int64_t issued_at, secret_expires_at, secret_age_seconds;
    bool has_secret_expires_at, has_secret_age_seconds;
};

struct client_page {
    struct list clients;
    const char *next;
};

struct rotate_secret_input {
    int64_t overlap_seconds;
    bool has_overlap_seconds;
};

/* clang-format off */
static const struct field oauth_client_answer_fields[] = {
    FIELD_STR(struct client_answer, client.id, "client_id", F_REQUIRED, 1, 63),
    FIELD_STR(struct client_answer, secret, "client_secret", F_NONE, 1, 64, .doc = "Shown once, when it was made. A public client has none."),
    FIELD_STR(struct client_answer, client.name, "client_name", F_REQUIRED, 1, 100),
    FIELD_STRS(struct client_answer, client.redirect_uris, "redirect_uris", F_REQUIRED | F_ALWAYS, 1, REDIRECT_URI_MAX, CLIENT_MAX_URIS),
    FIELD_STRS(struct client_answer, client.grant_types, "grant_types", F_REQUIRED | F_ALWAYS, 1, 64, 8),
    FIELD_STRS(struct client_answer, client.response_types, "response_types", F_REQUIRED | F_ALWAYS, 1, 64, 8),
    FIELD_STR(struct client_answer, client.scope, "scope", F_NONE, 1, CLIENT_MAX_SCOPE),
    FIELD_ENUM(struct client_answer, client.auth_method, "token_endpoint_auth_method", F_REQUIRED, client_auth_names),
    FIELD_ENUM(struct client_answer, client.application_type, "application_type", F_REQUIRED, application_type_names),
    FIELD_ENUM(struct client_answer, client.id_token_alg, "id_token_signed_response_alg", F_REQUIRED, id_token_alg_names),
    FIELD_STRS(struct client_answer, client.post_logout_redirect_uris, "post_logout_redirect_uris", F_NONE, 1, REDIRECT_URI_MAX, CLIENT_MAX_URIS),
    FIELD_STR(struct client_answer, client.backchannel_logout_uri, "backchannel_logout_uri", F_NONE, 1, REDIRECT_URI_MAX),
    FIELD_BOOL(struct client_answer, client.backchannel_logout_session_required, "backchannel_logout_session_required", F_NONE),
    FIELD_INT_OPT(struct client_answer, client.default_max_age, client.has_default_max_age, "default_max_age", F_NONE, 0, 31536000),
    FIELD_BOOL(struct client_answer, client.require_auth_time, "require_auth_time", F_NONE),
    FIELD_BOOL(struct client_answer, client.first_party, "first_party", F_NONE),
    FIELD_INT(struct client_answer, issued_at, "client_id_issued_at", F_REQUIRED, 0, INT64_MAX, .doc = "Seconds since 1970."),
    FIELD_INT_OPT(struct client_answer, secret_expires_at, has_secret_expires_at, "client_secret_expires_at", F_NONE, 0, INT64_MAX, .doc = "0: never. Beside a secret."),
    FIELD_TIME(struct client_answer, client.secret_created_at, "secret_created_at", F_NONE),
    FIELD_INT_OPT(struct client_answer, secret_age_seconds, has_secret_age_seconds, "secret_age_seconds", F_NONE, 0, INT64_MAX),
    FIELD_TIME(struct client_answer, client.old_secret_ends_at, "old_secret_ends_at", F_NONE, .doc = "Until when the secret before this one works."),
    FIELD_TIME(struct client_answer, client.created_at, "created_at", F_REQUIRED),
    FIELD_UUID(struct client_answer, client.tenant_id, "tenant_id", F_REQUIRED),
    FIELD_STR(struct client_answer, tenant_slug, "tenant_slug", F_REQUIRED, 1, 63),
    FIELD_STR(struct client_answer, message, "message", F_NONE, 1, 200),
};
const struct schema oauth_client_answer_schema = {
    .name = "oauth_client_answer", .size = sizeof(struct client_answer), SCHEMA_FIELDS(oauth_client_answer_fields),
};
static const struct field oauth_client_page_fields[] = {
    FIELD_LIST(struct client_page, clients, "clients", F_REQUIRED | F_ALWAYS, &oauth_client_answer_schema, 200),
    FIELD_STR(struct client_page, next, "next", F_ALWAYS, 1, 1024, .doc = "Cursor of the next page; null on the last."),
};
const struct schema oauth_client_page_schema = {
    .name = "oauth_client_page", .size = sizeof(struct client_page), SCHEMA_FIELDS(oauth_client_page_fields),
};
static const struct field rotate_secret_input_fields[] = {
    FIELD_INT_OPT(struct rotate_secret_input, overlap_seconds, has_overlap_seconds, "overlap_seconds", F_NONE, 0, MAX_OVERLAP, .doc = "How long the old secret works on; default 0: then all that the client was issued ends, too."),
};
const struct schema rotate_secret_input_schema = {
    .name = "rotate_secret_input", .size = sizeof(struct rotate_secret_input), SCHEMA_FIELDS(rotate_secret_input_fields),
};
/* clang-format on */

static struct client_answer answer_of(const struct request *req, const struct oauth_client *client)
{
    struct client_answer answer = {
        .client = *client,
        .tenant_slug = req->ctx.tenant->slug,
        .issued_at = client->created_at / 1000,
        .has_secret_age_seconds = client->secret_created_at != 0,
    };

    if (answer.has_secret_age_seconds)
        answer.secret_age_seconds = (clock_now_ms() - client->secret_created_at) / 1000;
    if (client->old_secret_ends_at <= clock_now_ms())
        answer.client.old_secret_ends_at = 0;
    /* Basic or body: RFC 7591 knows one method. */
    if (client->auth_method == CLIENT_AUTH_UNSET)
        answer.client.auth_method = CLIENT_AUTH_BASIC;
    if (client->id_token_alg == ID_TOKEN_UNSET)
        answer.client.id_token_alg = ID_TOKEN_RS256;
    return answer;
}

static enum err respond_made(struct request *req, struct response *res, int status,
                             const struct made_client *made)
{
    struct client_answer answer = answer_of(req, &made->client);

    answer.secret = made->secret;
    answer.has_secret_expires_at = made->secret != NULL;
    if (made->secret != NULL)
        answer.message = "Store this secret now: it is not shown again.";
    return respond(req, res, status, &answer);
}

static struct registrar registrar_of(const struct request *req)
{
    return (struct registrar){.user_id = req->ctx.who.user_id, .role = req->ctx.who.role};
}

/* Administrators see all clients, others those that they registered. */
static struct uuid owner_of(const struct request *req)
{
    return req->ctx.who.role >= ROLE_ADMIN ? (struct uuid){0} : req->ctx.who.user_id;
}

static enum err find(struct request *req, struct oauth_client *ret_client)
{
    const struct uuid owner = owner_of(req);

    return oauth_client_find(&req->ctx, request_param(req, "id"), &owner, ret_client);
}

/* --- making and listing --- */

static enum err answer_created(struct request *req, struct response *res, void *arg)
{
    return respond_made(req, res, 201, arg);
}

enum err handle_oauth_client_register(struct request *req, struct response *res)
{
    const struct registrar registrar = registrar_of(req);
    struct client_metadata metadata;
    struct made_client made;

    if (registrar.role < ROLE_ADMIN && !tenant_lets_users_register_clients(&req->ctx))
        return fail(&req->ctx, ERR_ROLE, NULL,
                    "Administrators register applications here; an owner may let everybody by the "
                    "setting users_may_register_clients.");
    TRY(request_input(req, &metadata));
    respond_within(req, res, answer_created, &made);
    return oauth_client_create(&req->ctx, &metadata, &registrar, &made);
}

enum err handle_oauth_client_list(struct request *req, struct response *res)
{
    static const struct cursor_list list = {.name = "oauth_clients"};
    const struct uuid owner = owner_of(req);
    struct client_page page = {0};
    struct paging paging;

    TRY(paging_read(req, &list, 1, &paging));

    struct oauth_client_page found = {.owner_id = &owner,
                                      .after = paging.begun ? paging.values[0] : NULL,
                                      .limit = paging.limit + 1};

    TRY(oauth_client_read_page(&req->ctx, &found));

    struct list rows = found.clients;
    const bool more = paging_cut(&paging, &rows) || found.cut;
    const struct oauth_client *clients = rows.items;
    struct client_answer *answers = arena_array(req->ctx.arena, rows.count, sizeof *answers);

    if (answers == NULL && rows.count > 0)
        return ERR_MEMORY;
    for (size_t i = 0; i < rows.count; i++)
        answers[i] = answer_of(req, &clients[i]);
    page.clients = (struct list){.items = answers, .count = rows.count};
    if (more)
        TRY(paging_next(req, &paging, &clients[rows.count - 1].id, &page.next));
    return respond(req, res, 200, &page);
}

/* --- one client --- */

enum err handle_oauth_client_get(struct request *req, struct response *res)
{
    struct oauth_client client = {0};

    TRY(find(req, &client));

    const struct client_answer answer = answer_of(req, &client);

    return respond(req, res, 200, &answer);
}

enum err handle_oauth_client_put(struct request *req, struct response *res)
{
    const struct registrar registrar = registrar_of(req);
    struct oauth_client client = {0};
    struct client_metadata metadata;

    TRY(request_input(req, &metadata));
    TRY(find(req, &client));
    TRY(oauth_client_update(&req->ctx, &metadata, &registrar, &client));

    const struct client_answer answer = answer_of(req, &client);

    return respond(req, res, 200, &answer);
}

enum err handle_oauth_client_delete(struct request *req, struct response *res)
{
    struct oauth_client client = {0};

    TRY(find(req, &client));
    TRY(oauth_client_delete(&req->ctx, &client));
    return respond_empty(res, 204);
}

enum err handle_oauth_client_rotate(struct request *req, struct response *res)
{
    struct oauth_client client = {0};
    struct rotate_secret_input in;
    struct made_client made;

    TRY(request_input(req, &in));
    TRY(find(req, &client));
    TRY(oauth_client_rotate_secret(&req->ctx, &client, in.overlap_seconds * 1000, &made));
    return respond_made(req, res, 200, &made);
}
