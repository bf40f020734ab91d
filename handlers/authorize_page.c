/* Pages of the authorization endpoint: consent, and a redirect URI that is not registered. */
#include "handlers/authorize_internal.h"

#include <string.h>

#include "app/app.h"
#include "app/form.h"
#include "app/page.h"
#include "app/redirect_uri.h"
#include "app/secret.h"
#include "app/ticket.h"
#include "handlers/authorize.h"
#include "handlers/pages_internal.h"
#include "models/resource.h"
#include "models/scope.h"
#include "models/tenant.h"

#define USE_CONSENT "consent"
#define COMMAND_MAX ((size_t)16 * 1024)

struct authorize_answer {
    const char *client_name, *scope, *redirect_uri, *state, *form_token;
};

/* clang-format off */
static const struct field authorize_answer_fields[] = {
    FIELD_STR(struct authorize_answer, client_name, "client_name", F_REQUIRED, 1, 100),
    FIELD_STR(struct authorize_answer, scope, "scope", F_REQUIRED | F_EMPTY_OK, 0, CLIENT_MAX_SCOPE, .doc = "What is asked for, as far as the client registered it."),
    FIELD_STR(struct authorize_answer, redirect_uri, "redirect_uri", F_REQUIRED, 1, REDIRECT_URI_MAX),
    FIELD_STR(struct authorize_answer, state, "state", F_ALWAYS, 1, 4096),
    FIELD_STR(struct authorize_answer, form_token, "form_token", F_REQUIRED, 1, 4096, .doc = "For the POST with confirm=yes or no and the same parameters."),
};
const struct schema authorize_answer_schema = {
    .name = "authorize_answer", .size = sizeof(struct authorize_answer), SCHEMA_FIELDS(authorize_answer_fields),
};
/* clang-format on */

/* --- the form --- */

/* Session and request: who agreed, and to what. */
static enum err form_binding(struct request *req, const struct authorize *request,
                             const char **ret_binding)
{
    static const char *const names[] = {
        "client_id", "redirect_uri", "response_type",  "response_mode",         "scope",
        "state",     "nonce",        "code_challenge", "code_challenge_method", "claims",
    };
    uint8_t digest[SHA256_SIZE];
    char session[UUID_TEXT_SIZE], text[BASE64URL_LENGTH(SHA256_SIZE) + 1];
    struct buf all;

    buf_init(&all, req->ctx.arena, HTTP_MAX_RESPONSE);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = authorize_param(request, names[i]);

        if (value != NULL)
            form_put(&all, names[i], value);
    }
    for (size_t i = 0; i < request->resources.count; i++)
        form_put(&all, "resource", request->resources.items[i]);
    if (!buf_ok(&all))
        return ERR_MEMORY;
    secret_sha256(all.data, all.size, digest);
    base64url_encode(digest, sizeof digest, text);
    uuid_text(&req->ctx.who.session_id, session);
    *ret_binding = arena_printf(req->ctx.arena, "%s %s", session, text);
    return *ret_binding == NULL ? ERR_MEMORY : ERR_OK;
}

enum err authorize_check_form(struct request *req, const struct authorize *request)
{
    const char *binding = NULL;

    TRY(form_binding(req, request, &binding));
    return ticket_form_check(&req->ctx, USE_CONSENT, binding,
                             authorize_param(request, PARAM_FORM_TOKEN));
}

/* --- consent --- */

static const char *words_of(const char *scope)
{
    static const struct {
        const char *scope, *words;
    } known[] = {
        {"openid", "know who you are"},
        {"profile", "see your name and the other data of your profile"},
        {"email", "see your e-mail address"},
        {"address", "see your postal address"},
        {"phone", "see your phone number"},
        {"offline_access", "keep this access while you are away"},
        {"read", "read your data here"},
        {"write", "change your data here"},
        {"admin", "administer everything that you administer here"},
        {"users:read", "see the users here"},
        {"users:write", "change the users here"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].scope, scope) == 0)
            return known[i].words;
    }
    return NULL;
}

static enum err list_scopes(struct request *req, const char *scope,
                            struct template_vars **ret_items, size_t *ret_count)
{
    struct arena *arena = req->ctx.arena;
    char *rest = arena_strdup(arena, scope), *word;
    struct template_vars *items = arena_array(arena, strlen(scope) / 2 + 1, sizeof *items);
    size_t count = 0;

    if (rest == NULL || items == NULL)
        return ERR_MEMORY;
    while ((word = strsep(&rest, " ")) != NULL) {
        struct template_var *vars = arena_array(arena, 2, sizeof *vars);
        const char *words = words_of(word);

        if (vars == NULL)
            return ERR_MEMORY;
        if (word[0] == '\0')
            continue;
        vars[0] = (struct template_var){.name = "words",
                                        .text = words != NULL ? words : "do what its maker calls"};
        vars[1] = (struct template_var){.name = "word", .text = words != NULL ? NULL : word};
        items[count++] = (struct template_vars){.vars = vars, .count = 2};
    }
    *ret_items = items;
    *ret_count = count;
    return ERR_OK;
}

/* Everything that was sent, to be sent again with the answer. */
static enum err list_fields(struct request *req, const struct authorize *request,
                            struct template_vars **ret_items, size_t *ret_count)
{
    const size_t most = request->sent->object.count + 1;
    struct template_vars *items = arena_array(req->ctx.arena, most, sizeof *items);
    struct template_var *vars = arena_array(req->ctx.arena, most * 2, sizeof *vars);
    size_t count = 0;

    if (items == NULL || vars == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < request->sent->object.count; i++) {
        const struct member *member = &request->sent->object.members[i];

        if (authorize_is_ours(member->name))
            continue;
        vars[count * 2] = (struct template_var){.name = "name", .text = member->name};
        vars[count * 2 + 1] =
            (struct template_var){.name = "value", .text = member->value.string.text};
        items[count] = (struct template_vars){.vars = &vars[count * 2], .count = 2};
        count++;
    }
    *ret_items = items;
    *ret_count = count;
    return ERR_OK;
}

/* "app.example:8443", or the scheme of an application on this device. */
static const char *place_of(struct ctx *ctx, const char *uri)
{
    const size_t origin = redirect_uri_origin(uri);
    const char *host = strstr(uri, "://");

    if (origin == 0 || host == NULL)
        return arena_printf(ctx->arena, "an application on this device (%.*s)",
                            (int)strcspn(uri, ":"), uri);
    host += 3;
    return arena_strndup(ctx->arena, host, origin - (size_t)(host - uri));
}

/* "https://a.example, https://b.example"; NULL: this service alone. */
static enum err join_resources(struct request *req, const struct authorize *request,
                               const char **ret_text)
{
    const struct strs *resources = &request->resources;
    struct buf out;

    if (resources->count == 0)
        return ERR_OK;
    buf_init(&out, req->ctx.arena, RESOURCES_MAX * (RESOURCE_BYTES + 2));
    for (size_t i = 0; i < resources->count; i++) {
        if (i > 0)
            buf_puts(&out, ", ");
        buf_puts(&out, resources->items[i]);
    }
    *ret_text = buf_text(&out);
    return *ret_text != NULL ? ERR_OK : ERR_MEMORY;
}

static enum err show_page(struct request *req, struct response *res,
                          const struct authorize *request, const char *token)
{
    struct template_vars *scopes = NULL, *fields = NULL;
    size_t scope_count = 0, field_count = 0;
    const char *resources = NULL;

    TRY(join_resources(req, request, &resources));
    TRY(list_scopes(req, request->consent, &scopes, &scope_count));
    TRY(list_fields(req, request, &fields, &field_count));

    const struct template_var vars[] = {
        {.name = "client", .text = request->client->name},
        {.name = "who", .text = user_login_name(&request->user)},
        {.name = "host", .text = place_of(&req->ctx, request->redirect_uri)},
        {.name = "scopes", .items = scopes, .item_count = scope_count},
        {.name = "resources", .text = resources},
        {.name = "fields", .items = fields, .item_count = field_count},
        {.name = "form-token", .text = token},
    };
    const struct page page = {
        .template_name = "consent",
        .title = arena_printf(req->ctx.arena, "%s asks for access", request->client->name),
        .form_action = request->redirect_uri,
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    return pages_respond(req, res, 200, &page);
}

enum err authorize_show_consent(struct request *req, struct response *res,
                                const struct authorize *request)
{
    const char *binding = NULL, *token = NULL;

    TRY(form_binding(req, request, &binding));
    TRY(ticket_form_issue(&req->ctx, USE_CONSENT, binding, &token));
    if (!request_wants_json_only(req))
        return show_page(req, res, request, token);

    const struct authorize_answer answer = {
        .client_name = request->client->name,
        .scope = request->consent,
        .redirect_uri = request->redirect_uri,
        .state = request->state,
        .form_token = token,
    };

    return respond(req, res, 200, &answer);
}

/* --- a redirect URI that is not registered --- */

static size_t same_bytes(const char *a, const char *b)
{
    size_t same = 0;

    while (a[same] != '\0' && a[same] == b[same])
        same++;
    /* Not within a code point. */
    while (same > 0 && ((unsigned char)a[same] & 0xc0) == 0x80)
        same--;
    return same;
}

static enum err list_registered(struct request *req, const struct authorize *request,
                                struct template_vars **ret_items, size_t *ret_same)
{
    const struct strs *uris = &request->client->redirect_uris;
    struct template_vars *items = arena_array(req->ctx.arena, uris->count + 1, sizeof *items);
    struct template_var *vars = arena_array(req->ctx.arena, uris->count * 2 + 1, sizeof *vars);

    if (items == NULL || vars == NULL)
        return ERR_MEMORY;
    *ret_same = 0;
    for (size_t i = 0; i < uris->count; i++) {
        const size_t same = same_bytes(uris->items[i], request->redirect_uri);

        vars[i * 2] = (struct template_var){
            .name = "same", .text = arena_strndup(req->ctx.arena, uris->items[i], same)};
        vars[i * 2 + 1] = (struct template_var){.name = "other", .text = uris->items[i] + same};
        items[i] = (struct template_vars){.vars = &vars[i * 2], .count = 2};
        *ret_same = same > *ret_same ? same : *ret_same;
    }
    *ret_items = items;
    return ERR_OK;
}

/* 'text' as a shell reads it. */
static void put_quoted(struct buf *out, const char *text)
{
    buf_putc(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            buf_puts(out, "'\\'");
        buf_putc(out, *text);
    }
    buf_putc(out, '\'');
}

/* What registers the URI that was sent. */
static const char *command_for(struct request *req, const struct authorize *request)
{
    struct buf out;

    buf_init(&out, req->ctx.arena, COMMAND_MAX);
    buf_printf(&out, "tenantd client update %s --tenant %s \\\n    --add-redirect-uris ",
               request->client->id, req->ctx.tenant->slug);
    put_quoted(&out, request->redirect_uri);
    return buf_ok(&out) ? buf_text(&out) : NULL;
}

enum err authorize_show_redirect_error(struct request *req, struct response *res,
                                       const struct authorize *request)
{
    static const char message[] = "The address to go back to (redirect_uri) is not registered for "
                                  "this application.";
    const char *sent = request->redirect_uri;
    const struct redirect_rule rule = {.is_native =
                                           request->client->application_type == APPLICATION_NATIVE,
                                       .is_development = true};
    const char *mistake = redirect_uri_check(sent, &rule);
    struct template_vars *registered = NULL;
    size_t same = 0;

    if (!app_is_development(req->ctx.app) || request_wants_json_only(req))
        return fail(&req->ctx, ERR_BAD_REQUEST, "redirect_uri", "%s", message);
    TRY(list_registered(req, request, &registered, &same));

    const struct template_var vars[] = {
        {.name = "message", .text = message},
        {.name = "client", .text = request->client->name},
        {.name = "received-same", .text = arena_strndup(req->ctx.arena, sent, same)},
        {.name = "received-other", .text = sent + same},
        {.name = "registered",
         .items = registered,
         .item_count = request->client->redirect_uris.count},
        {.name = "mistake", .text = mistake},
        {.name = "command", .text = mistake == NULL ? command_for(req, request) : NULL},
        {.name = "client-id", .text = request->client->id},
        {.name = "request-id", .text = req->ctx.request_id},
    };
    const struct page page = {
        .template_name = "redirect-error",
        .title = page_status_title(400),
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    return pages_respond(req, res, 400, &page);
}
