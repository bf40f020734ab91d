/* The parts of the console's pages of applications. */
#include "handlers/console_client_form.h"

#include <ctype.h>
#include <string.h>

#include "app/buf.h"
#include "app/redirect_uri.h"
#include "handlers/console_forms.h"
#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/tenant.h"

#define SIGN_IN_SCOPE "openid profile email offline_access"
#define MACHINE_SCOPE "read write"

/* What a kind of application means for its registration. */
static const struct kind {
    const char *word;
    int auth_method, application_type;
    bool is_machine;
} kinds[] = {
    {"web", CLIENT_AUTH_UNSET, APPLICATION_WEB, false},
    {"spa", CLIENT_AUTH_NONE, APPLICATION_WEB, false},
    {"native", CLIENT_AUTH_NONE, APPLICATION_NATIVE, false},
    {"machine", CLIENT_AUTH_UNSET, APPLICATION_WEB, true},
};

static const struct input_choice kind_choices[] = {{"web", "Web application, with a secret"},
                                                   {"spa", "Single-page application, PKCE"},
                                                   {"native", "Native application, PKCE"},
                                                   {"machine", "Machine, without users"},
                                                   {NULL, NULL}};

/* --- words --- */

const char *client_kind_words(const struct oauth_client *client)
{
    if (oauth_client_is_public(client))
        return client->application_type == APPLICATION_NATIVE ? "Native" : "Single-page";
    if (oauth_client_may_use(client, GRANT_TYPE_CODE))
        return client->application_type == APPLICATION_NATIVE ? "Native" : "Web";
    return oauth_client_may_use(client, GRANT_TYPE_CREDENTIALS) ? "Machine" : "Other";
}

const char *client_list_words(struct ctx *ctx, const struct strs *list)
{
    struct buf out;

    buf_init(&out, ctx->arena, 1024);
    for (size_t i = 0; i < list->count; i++) {
        buf_puts(&out, i > 0 ? " · " : "");
        buf_puts(&out, list->items[i]);
    }
    return buf_text(&out);
}

const char *client_owner_words(const struct list *users, const struct oauth_client *client)
{
    const struct user *all = users->items;

    if (uuid_is_zero(&client->owner_id))
        return "the command line";
    for (size_t i = 0; i < users->count; i++) {
        if (uuid_equal(&all[i].id, &client->owner_id))
            return user_login_name(&all[i]);
    }
    return "a former user";
}

struct registrar client_registrar(const struct user *me)
{
    return (struct registrar){.user_id = me->id, .role = (enum role)me->role};
}

/* --- inputs --- */

enum { NAME, KIND, REDIRECTS, AFTER_LOGOUT, BACKCHANNEL, SCOPE, FIRST_PARTY };

static const struct input all_inputs[CLIENT_INPUTS] = {
    [NAME] = {INPUT_TEXT, "client_name", "client-name", "Name", NULL,
              "Users read it when they are asked for their consent.", NULL, NULL, NULL, 100, true},
    [KIND] = {INPUT_CHOICE, "kind", "client-kind", "Kind of application", NULL,
              "Decides the grants and whether there is a secret; it stays as it is.", "web", NULL,
              kind_choices, 0, false},
    [REDIRECTS] = {INPUT_LINES, "redirect_uris", "client-redirects", "Redirect URIs",
                   "one per line",
                   "Where users come back to, compared byte for byte. A machine needs none.", NULL,
                   NULL, NULL, 0, false},
    [AFTER_LOGOUT] = {INPUT_LINES, "post_logout_redirect_uris", "client-after-logout",
                      "URIs after signing out", "optional, one per line", NULL, NULL, NULL, NULL, 0,
                      false},
    [BACKCHANNEL] = {INPUT_TEXT, "backchannel_logout_uri", "client-backchannel",
                     "Back-channel logout URI", "optional",
                     "Is told by the service when a session ends.", NULL, NULL, NULL,
                     REDIRECT_URI_MAX, false},
    [SCOPE] = {INPUT_TEXT, "scope", "client-scope", "Scopes", "blanks between",
               "The most that it may have. Empty: " SIGN_IN_SCOPE "; for a machine " MACHINE_SCOPE
               ".",
               NULL, NULL, NULL, CLIENT_MAX_SCOPE, false},
    [FIRST_PARTY] = {INPUT_CHECK, "first_party", "client-first-party", "First-party",
                     "users are not asked for consent", NULL, NULL, NULL, NULL, 0, false},
};

size_t client_inputs(struct request *req, const struct oauth_client *client,
                     struct input ret_inputs[CLIENT_INPUTS])
{
    const size_t behind = CLIENT_INPUTS - KIND - 1;

    memcpy(ret_inputs, all_inputs, sizeof all_inputs);
    if (client == NULL)
        return CLIENT_INPUTS;
    ret_inputs[NAME].value = client->name;
    ret_inputs[REDIRECTS].value = inputs_join_lines(&req->ctx, &client->redirect_uris);
    ret_inputs[AFTER_LOGOUT].value =
        inputs_join_lines(&req->ctx, &client->post_logout_redirect_uris);
    ret_inputs[BACKCHANNEL].value = client->backchannel_logout_uri;
    ret_inputs[SCOPE].value = client->scope;
    ret_inputs[SCOPE].hint = "The most that it may have. Taking one away ends what was issued.";
    ret_inputs[FIRST_PARTY].value = client->first_party ? "on" : NULL;
    memmove(&ret_inputs[KIND], &ret_inputs[KIND + 1], behind * sizeof *ret_inputs);
    return CLIENT_INPUTS - 1;
}

void client_word_refusal(struct ctx *ctx)
{
    struct failure *failure = &ctx->failure;
    const size_t length = failure->field != NULL ? strlen(failure->field) : 0;
    char *rest;

    if (length == 0 || failure->detail == NULL ||
        strncmp(failure->detail, failure->field, length) != 0)
        return;
    rest =
        arena_strdup(ctx->arena, failure->detail + length + strspn(failure->detail + length, ": "));
    if (rest == NULL || rest[0] == '\0')
        return;
    rest[0] = (char)toupper((unsigned char)rest[0]);
    failure->detail = rest;
}

/* --- what was typed --- */

static enum err read_uris(struct ctx *ctx, const char *field, const char *typed,
                          struct strs *ret_uris)
{
    *ret_uris = (struct strs){0};
    if (typed == NULL)
        return ERR_OK;
    TRY(inputs_split_lines(ctx, typed, ret_uris));
    if (ret_uris->count == 0) /* blanks: as absent as nothing */
        *ret_uris = (struct strs){0};
    return ret_uris->count <= CLIENT_MAX_URIS
               ? ERR_OK
               : fail(ctx, ERR_VALIDATION, field, "There can be at most %d.", CLIENT_MAX_URIS);
}

static enum err take_kind(struct ctx *ctx, const struct client_form *in,
                          struct client_metadata *metadata)
{
    static const char *const for_users[] = {GRANT_TYPE_CODE, GRANT_TYPE_REFRESH};
    static const char *const for_itself[] = {GRANT_TYPE_CREDENTIALS};

    for (size_t i = 0; in->kind != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct kind *kind = &kinds[i];

        if (strcmp(kind->word, in->kind) != 0)
            continue;
        metadata->auth_method = kind->auth_method;
        metadata->application_type = kind->application_type;
        metadata->scope = kind->is_machine ? MACHINE_SCOPE : SIGN_IN_SCOPE;
        metadata->grant_types = (struct strs){
            .items = (const char **)(uintptr_t)(kind->is_machine ? for_itself : for_users),
            .count = kind->is_machine ? 1 : 2};
        return ERR_OK;
    }
    return fail(ctx, ERR_VALIDATION, "kind", "Choose web, spa, native or machine.");
}

static struct client_metadata metadata_of(const struct oauth_client *client)
{
    return (struct client_metadata){
        .grant_types = client->grant_types,
        .response_types = client->response_types,
        .scope = "", /* emptied: none */
        .auth_method = client->auth_method,
        .application_type = client->application_type,
        .id_token_alg = client->id_token_alg,
        .backchannel_logout_session_required = client->backchannel_logout_session_required,
        .require_auth_time = client->require_auth_time,
        .default_max_age = client->default_max_age,
        .has_default_max_age = client->has_default_max_age,
    };
}

enum err client_from_form(struct request *req, const struct oauth_client *client,
                          struct client_metadata *ret_metadata)
{
    struct ctx *ctx = &req->ctx;
    struct client_form in;

    *ret_metadata = client != NULL ? metadata_of(client) : (struct client_metadata){0};
    TRY(request_input(req, &in));
    if (client == NULL)
        TRY(take_kind(ctx, &in, ret_metadata));
    if (in.name == NULL)
        return fail(ctx, ERR_VALIDATION, "client_name", "Give the application a name.");
    ret_metadata->name = in.name;
    TRY(read_uris(ctx, "redirect_uris", in.redirect_uris, &ret_metadata->redirect_uris));
    TRY(read_uris(ctx, "post_logout_redirect_uris", in.post_logout_redirect_uris,
                  &ret_metadata->post_logout_redirect_uris));
    if (ret_metadata->redirect_uris.count == 0 &&
        strs_has(&ret_metadata->grant_types, GRANT_TYPE_CODE))
        return fail(ctx, ERR_VALIDATION, "redirect_uris",
                    "An application that signs users in needs at least one, such as "
                    "https://app.example/callback.");
    ret_metadata->backchannel_logout_uri = in.backchannel_logout_uri;
    if (in.scope != NULL)
        ret_metadata->scope = in.scope;
    ret_metadata->first_party = in.first_party != NULL;
    return ERR_OK;
}

/* --- what a developer needs --- */

enum err client_add_lines(struct request *req, struct page *page, const struct oauth_client *client,
                          const char *secret)
{
    struct ctx *ctx = &req->ctx;
    const char *issuer = NULL, *lines;

    TRY(tenant_issuer(ctx, ctx->tenant, &issuer));
    lines = arena_printf(ctx->arena, "ISSUER=%s\nCLIENT_ID=%s%s%s", issuer, client->id,
                         secret != NULL ? "\nCLIENT_SECRET=" : "", secret != NULL ? secret : "");
    if (lines == NULL)
        return ERR_MEMORY;

    const struct template_var vars[] = {
        {.name = "issuer", .text = issuer},
        {.name = "lines", .text = lines},
        {.name = "client-id", .text = client->id},
        {.name = "client-name", .text = client->name},
        {.name = "client-kind", .text = client_kind_words(client)},
        {.name = "is-public", .text = words_when(oauth_client_is_public(client))},
        {.name = "is-machine",
         .text = words_when(oauth_client_may_use(client, GRANT_TYPE_CREDENTIALS))},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

enum err client_show_made(struct request *req, struct response *res, const struct user *me,
                          int status, const struct made_client *made)
{
    const struct template_var vars[] = {
        {.name = "client-secret", .text = made->secret},
        {.name = "old-until", .text = words_moment(&req->ctx, made->client.old_secret_ends_at)},
    };
    struct page page = {.template_name = "console-client-made",
                        .title = status == 201 ? "Your new application" : "Your new secret",
                        .vars = vars,
                        .var_count = sizeof vars / sizeof vars[0]};

    TRY(client_add_lines(req, &page, &made->client, made->secret));
    return console_respond(
        req, res, &(struct console_view){.user = me, .here = "clients", .status = status}, &page);
}
