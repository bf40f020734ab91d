/*
 * Logout that an application asks for: a valid hint of the user who is signed in ends the session
 * at once, everything else asks them first. Only a valid hint leads back to the application.
 */
#include "handlers/end_session.h"

#include <string.h>

#include "app/field.h"
#include "app/form.h"
#include "handlers/pages_internal.h"
#include "models/id_token.h"
#include "models/oauth_client.h"
#include "models/tenant.h"

#define USE_CONFIRM "logout-confirm"
#define STATE_MAX   4096 /* bytes */
#define ADDRESS_MAX ((size_t)12000)

/* What was sent, each NULL when absent or empty. */
struct end_session {
    const char *id_token_hint, *client_id, *post_logout_redirect_uri, *state;
    const char *logout_hint, *ui_locales; /* known, and of no effect */
    const char *confirm, *form_token;     /* of our own page */
};

struct ending {
    struct end_session sent;
    struct id_token_hint hint;
    bool has_hint;
    const struct oauth_client *client; /* of the hint or of client_id; NULL: unknown */
};

/* clang-format off */
static const struct field end_session_fields[] = {
    FIELD_STR(struct end_session, id_token_hint, "id_token_hint", F_NONE, 1, 12000, .doc = "An ID token of this tenant for the application; it may have expired."),
    FIELD_STR(struct end_session, client_id, "client_id", F_NONE, 1, 12000, .doc = "With id_token_hint: its aud."),
    FIELD_STR(struct end_session, post_logout_redirect_uri, "post_logout_redirect_uri", F_NONE, 1, 12000, .doc = "Byte for byte as registered; followed only with id_token_hint."),
    FIELD_STR(struct end_session, state, "state", F_NONE, 1, 12000, .doc = "Comes back unchanged; up to 4096 bytes."),
    FIELD_STR(struct end_session, logout_hint, "logout_hint", F_NONE, 1, 12000),
    FIELD_STR(struct end_session, ui_locales, "ui_locales", F_NONE, 1, 12000),
    FIELD_STR(struct end_session, confirm, "confirm", F_NONE, 1, 16, .doc = "POST: yes, with form_token and the same parameters."),
    FIELD_STR(struct end_session, form_token, "form_token", F_WRITE_ONLY, 1, 4096),
};
const struct schema end_session_schema = {
    .name = "end_session", .size = sizeof(struct end_session), SCHEMA_FIELDS(end_session_fields),
};
/* clang-format on */

#define FIELD_COUNT (sizeof end_session_fields / sizeof end_session_fields[0])

/* --- what was sent --- */

static enum err read_params(struct request *req, struct end_session *ret)
{
    if (req->method == POST && req->query != NULL && req->query[0] != '\0')
        return fail(&req->ctx, ERR_BAD_REQUEST, NULL,
                    "Parameters stand in the body or in the address, not in both.");
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *field = &end_session_fields[i];
        const char *value = NULL;

        if (req->method == POST)
            value = pages_typed(req, field->name);
        else
            TRY(request_query(req, field->name, &value));
        *(const char **)field_at(field, ret) = value != NULL && value[0] != '\0' ? value : NULL;
    }
    if (ret->state != NULL && strlen(ret->state) > STATE_MAX)
        return fail(&req->ctx, ERR_BAD_REQUEST, "state", "state is longer than 4096 bytes.");
    return ERR_OK;
}

static enum err read_hint(struct request *req, struct ending *ending)
{
    const char *client_id = ending->sent.client_id;

    if (ending->sent.id_token_hint == NULL)
        return ERR_OK;

    const enum err read = id_token_read(&req->ctx, ending->sent.id_token_hint, &ending->hint);

    if (read == ERR_BAD_TOKEN)
        return fail(&req->ctx, ERR_BAD_REQUEST, "id_token_hint",
                    "What the application sent is no ID token of this tenant (id_token_hint).");
    TRY(read);
    if (client_id != NULL && strcmp(client_id, ending->hint.client_id) != 0)
        return fail(&req->ctx, ERR_BAD_REQUEST, "client_id",
                    "The ID token (id_token_hint) is of another application than client_id.");
    ending->has_hint = true;
    return ERR_OK;
}

/* An application that was deleted since leaves its ID tokens good as a hint of the user. */
static enum err find_client(struct request *req, struct ending *ending)
{
    const char *id = ending->has_hint ? ending->hint.client_id : ending->sent.client_id;

    if (id == NULL)
        return ERR_OK;

    const struct oauth_client *client = NULL;
    const enum err found = oauth_client_get(&req->ctx, id, &client);

    if (found != ERR_OK && found != ERR_NOT_FOUND)
        return found;
    if (found == ERR_OK && uuid_equal(&client->tenant_id, &req->ctx.tenant_id)) {
        ending->client = client;
        return ERR_OK;
    }
    fail_clear(&req->ctx);
    return ending->has_hint ? ERR_OK
                            : fail(&req->ctx, ERR_BAD_REQUEST, "client_id",
                                   "There is no such application here (client_id).");
}

/* In development the page says how to make it right. */
static enum err refuse_uri(struct request *req, const struct ending *ending)
{
    const enum err refused = fail(&req->ctx, ERR_BAD_REQUEST, "post_logout_redirect_uri",
                                  "The address to go back to (post_logout_redirect_uri) is not "
                                  "registered for this application.");

    if (ending->client != NULL)
        req->ctx.failure.internal = arena_printf(req->ctx.arena,
                                                 "\"%s\" is none of its %zu. This sets all that it "
                                                 "may have, with blanks between: tenantd "
                                                 "client update %s --tenant %s --logout-uris URIS",
                                                 ending->sent.post_logout_redirect_uri,
                                                 ending->client->post_logout_redirect_uris.count,
                                                 ending->client->id, req->ctx.tenant->slug);
    return refused;
}

/* Without hint and client there is nothing to compare it with, and it is not followed. */
static enum err check_uri(struct request *req, const struct ending *ending)
{
    const char *uri = ending->sent.post_logout_redirect_uri;
    const struct oauth_client *client = ending->client;

    if (uri == NULL || (client == NULL && !ending->has_hint))
        return ERR_OK;
    for (size_t i = 0; client != NULL && i < client->post_logout_redirect_uris.count; i++) {
        if (strcmp(client->post_logout_redirect_uris.items[i], uri) == 0)
            return ERR_OK;
    }
    return refuse_uri(req, ending);
}

static enum err read_ending(struct request *req, struct ending *ret)
{
    if (req->ctx.tenant == NULL)
        return fail(&req->ctx, ERR_NO_TENANT, NULL, NULL);
    TRY(read_params(req, &ret->sent));
    TRY(read_hint(req, ret));
    TRY(find_client(req, ret));
    return check_uri(req, ret);
}

/* --- answers --- */

/* A form of another site arrives without our cookies; the GET that it becomes has them. */
static enum err go_on(struct request *req, struct response *res, const struct ending *ending)
{
    struct buf query;

    buf_init(&query, req->ctx.arena, ADDRESS_MAX);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *value = *(const char *const *)field_get(&end_session_fields[i], &ending->sent);

        if (value != NULL)
            form_put(&query, end_session_fields[i].name, value);
    }

    const char *text = buf_text(&query);

    if (text == NULL)
        return fail(&req->ctx, ERR_BAD_REQUEST, NULL, "The request is too long.");
    return pages_redirect(req, res, arena_printf(req->ctx.arena, "/oauth/end-session?%s", text));
}

static enum err go_back(struct request *req, struct response *res, const struct ending *ending)
{
    const char *uri = ending->sent.post_logout_redirect_uri;
    struct buf location;

    buf_init(&location, req->ctx.arena, HTTP_MAX_RESPONSE);
    if (ending->sent.state != NULL)
        form_put(&location, "state", ending->sent.state);

    const char *state = buf_text(&location);

    if (state == NULL)
        return ERR_MEMORY;
    response_no_store(res);
    response_header(res, "Referrer-Policy", "no-referrer");
    if (state[0] == '\0')
        return respond_redirect(req, res, uri);
    uri = arena_printf(req->ctx.arena, "%s%c%s", uri, strchr(uri, '?') != NULL ? '&' : '?', state);
    return uri == NULL ? ERR_MEMORY : respond_redirect(req, res, uri);
}

static enum err finish(struct request *req, struct response *res, const struct ending *ending)
{
    const struct template_var vars[] = {
        {.name = "client", .text = ending->client != NULL ? ending->client->name : NULL},
    };
    const struct page page = {
        .template_name = "signed-out", .title = "Signed out", .vars = vars, .var_count = 1};

    TRY(pages_expire_cookies(req, res));
    if (ending->has_hint && ending->sent.post_logout_redirect_uri != NULL)
        return go_back(req, res, ending);
    return pages_respond(req, res, 200, &page);
}

static enum err ask(struct request *req, struct response *res, const struct ending *ending)
{
    struct user user = {0};
    const char *token = NULL;

    TRY(pages_read_user(req, &user));
    TRY(pages_session_token(req, USE_CONFIRM, &token));

    const struct template_var vars[] = {
        {.name = "client", .text = ending->client != NULL ? ending->client->name : NULL},
        {.name = "is-other", .text = ending->has_hint ? "yes" : NULL},
        {.name = "who", .text = user_login_name(&user)},
        {.name = "form-token", .text = token},
        {.name = "hint", .text = ending->sent.id_token_hint},
        {.name = "client-id", .text = ending->sent.client_id},
        {.name = "uri", .text = ending->sent.post_logout_redirect_uri},
        {.name = "state", .text = ending->sent.state},
    };
    const struct page page = {
        .template_name = "logout-confirm",
        .title = arena_printf(req->ctx.arena, "Sign out of %s?", req->ctx.tenant->name),
        .form_action = ending->has_hint ? ending->sent.post_logout_redirect_uri : NULL,
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    return pages_respond(req, res, 200, &page);
}

/* --- the decision --- */

static bool is_of_caller(const struct request *req, const struct ending *ending)
{
    return ending->has_hint && uuid_equal(&ending->hint.user_id, &req->ctx.who.user_id);
}

static enum err decide(struct request *req, struct response *res, const struct ending *ending)
{
    if (!pages_has_session(req))
        return finish(req, res, ending);
    if (!is_of_caller(req, ending)) {
        if (req->method != POST || ending->sent.confirm == NULL)
            return ask(req, res, ending);
        TRY(pages_check_session_form(
            req, USE_CONFIRM, ending->sent.form_token != NULL ? ending->sent.form_token : ""));
    }
    /* Whose request it was, for the audit log. */
    if (ending->client != NULL)
        req->ctx.who.client_id = ending->client->id;
    TRY(pages_end_session(req));
    return finish(req, res, ending);
}

enum err handle_end_session(struct request *req, struct response *res)
{
    struct ending ending = {.has_hint = false};

    TRY(read_ending(req, &ending));
    if (ending.sent.confirm != NULL && strcmp(ending.sent.confirm, "yes") != 0)
        return fail(&req->ctx, ERR_BAD_REQUEST, "confirm", "confirm must be yes.");
    if (req->method == POST && ending.sent.confirm == NULL && !pages_has_session(req))
        return go_on(req, res, &ending);

    const enum err decided = decide(req, res, &ending);

    /* The account is gone or closed, and its session with it. */
    return decided == ERR_UNAUTHENTICATED ? finish(req, res, &ending) : decided;
}
