/* The dashboard: who is signed in, name and custom fields, password. */
#include "handlers/pages.h"

#include <string.h>

#include "app/app.h"
#include "app/cookies.h"
#include "app/document.h"
#include "handlers/pages_forms.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_schema.h"
#include "handlers/pages_words.h"
#include "models/fresh_login.h"
#include "models/tenant.h"
#include "models/user_security.h"

#define PATCH_TRIES 8

/* The form that was refused, and why; form NULL on a plain look. */
struct dashboard_view {
    const char *form; /* "profile", "json", "password", "sessions", "close" */
    enum err code;
};

/* --- showing --- */

struct dashboard_tokens {
    const char *logout, *profile, *password, *close;
};

static enum err issue_tokens(struct request *req, struct dashboard_tokens *ret_tokens)
{
    TRY(pages_session_token(req, "logout", &ret_tokens->logout));
    TRY(pages_session_token(req, "profile", &ret_tokens->profile));
    TRY(pages_session_token(req, "close", &ret_tokens->close));
    return pages_session_token(req, "password", &ret_tokens->password);
}

static const char *message_for(struct request *req, const struct dashboard_view *view,
                               const struct schema_form *form)
{
    const char *about_fields;

    if (view->form == NULL)
        return NULL;
    if (view->code == ERR_BAD_CREDENTIALS)
        return "The current password is wrong.";
    about_fields = schema_form_message(req, form);
    return about_fields != NULL ? about_fields : page_error_text(&req->ctx, view->code);
}

static enum err begin_form(struct request *req, const struct user *user, struct schema_form *form)
{
    form->party = SHAPE_USER;
    form->stored = &user->custom_fields;
    form->id = "field";
    form->is_own = true;
    return schema_form_begin(req, form);
}

/* Under a schema the JSON is for what its form leaves out. */
static enum err shows_json(struct request *req, const struct user *user,
                           const struct schema_form *form, bool *ret_shows)
{
    bson_iter_t at;
    bson_t view;

    *ret_shows = form->shape == NULL;
    if (!document_view(&user->custom_fields, &view) || !bson_iter_init(&at, &view))
        return fail_internal(&req->ctx, ERR_INTERNAL, "custom_fields are no valid document");
    while (!*ret_shows && bson_iter_next(&at))
        *ret_shows = !schema_form_has(form, bson_iter_key(&at));
    return ERR_OK;
}

static bool is_form(const struct dashboard_view *view, const char *form)
{
    return view->form != NULL && strcmp(view->form, form) == 0;
}

/* Custom fields: as rows to read, as the form of the schema, as JSON. */
static enum err add_fields(struct request *req, const struct user *user,
                           const struct dashboard_view *view, const struct schema_form *form,
                           struct page *page)
{
    const bool is_json = is_form(view, "json");
    struct template_var form_rows;
    struct fields_view fields = {0};
    bool has_json = true;

    TRY(schema_form_show(req, form, &form_rows));
    TRY(fields_view(req, user, &fields));
    TRY(shows_json(req, user, form, &has_json));

    const struct template_var vars[] = {
        form_rows,
        {.name = "fields-state", .text = form->state},
        {.name = "has-rows", .text = words_when(fields.row_count > 0)},
        {.name = "rows", .items = fields.rows, .item_count = fields.row_count},
        {.name = "inputs", .items = fields.inputs, .item_count = fields.input_count},
        {.name = "has-json", .text = words_when(has_json || is_json)},
        {.name = "failed-json", .text = words_when(is_json)},
        {.name = "json", .text = is_json ? pages_typed(req, "custom_fields") : fields.json},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

static enum err show(struct request *req, struct response *res, const struct user *user,
                     const struct dashboard_view *view)
{
    const char *whoami = user_login_name(user), *notice = NULL;
    const char *message;
    const char *shortest =
        arena_printf(req->ctx.arena, "%lld", (long long)tenant_password_min_length(&req->ctx));
    struct dashboard_tokens tokens = {0};
    struct schema_form form = {.is_refused = is_form(view, "profile"), .code = view->code};

    TRY(begin_form(req, user, &form));
    message = message_for(req, view, &form);
    if (message == NULL)
        TRY(pages_notice(req, &notice));
    TRY(issue_tokens(req, &tokens));

    const struct template_var vars[] = {
        {.name = "message", .text = message != NULL ? message : notice},
        {.name = "failed", .text = words_when(message != NULL)},
        {.name = "failed-profile", .text = words_when(is_form(view, "profile"))},
        {.name = "failed-password", .text = words_when(is_form(view, "password"))},
        {.name = "logout-token", .text = tokens.logout},
        {.name = "profile-token", .text = tokens.profile},
        {.name = "password-token", .text = tokens.password},
        {.name = "failed-close", .text = words_when(is_form(view, "close"))},
        {.name = "close-token", .text = tokens.close},
        {.name = "is-admin", .text = words_when(user->role >= ROLE_ADMIN)},
        {.name = "whoami", .text = whoami},
        {.name = "user-name",
         .text = is_form(view, "profile") ? pages_typed(req, "name") : user->name},
        {.name = "display-name", .text = user->name != NULL ? user->name : whoami},
        {.name = "user-username", .text = user->username},
        {.name = "user-email", .text = user->email},
        {.name = "user-role", .text = role_names[user->role]},
        {.name = "since", .text = words_day(&req->ctx, user->created_at)},
        {.name = "version", .text = arena_printf(req->ctx.arena, "%lld", (long long)user->version)},
        {.name = "shortest", .text = shortest},
    };
    struct page page = {
        .template_name = "dashboard",
        .title = arena_printf(req->ctx.arena, "Your account at %s", req->ctx.tenant->name),
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    TRY(add_fields(req, user, view, &form, &page));
    TRY(sessions_add_vars(req, &page));
    TRY(consents_add_vars(req, &page));
    pages_error_headers(req, res);
    return pages_respond(req, res, view->form != NULL ? error_info(view->code)->status : 200,
                         &page);
}

enum err handle_dashboard_page(struct request *req, struct response *res)
{
    struct user user = {0};
    const enum err read = pages_read_user(req, &user);

    if (read != ERR_OK)
        return pages_to_login(req, res, read);
    return show(req, res, &user, &(struct dashboard_view){0});
}

enum err dashboard_show_again(struct request *req, struct response *res, const char *form,
                              enum err code)
{
    struct user user = {0};

    if (code == ERR_UNAUTHENTICATED || !pages_shows(code))
        return pages_to_login(req, res, code);

    const struct failure failure = req->ctx.failure;
    const enum err read = pages_read_user(req, &user);

    if (read != ERR_OK)
        return pages_to_login(req, res, read);
    req->ctx.failure = failure;
    return show(req, res, &user, &(struct dashboard_view){form, code});
}

/* --- profile and custom fields --- */

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static enum err read_fields(struct request *req, const struct user *user, struct value *changes,
                            struct user_patch *patch)
{
    struct schema_form form = {0};

    TRY(begin_form(req, user, &form));
    if (form.shape == NULL)
        return fields_from_inputs(req, user, &patch->custom_fields, &patch->has_custom_fields);
    if (fields_inputs_are_sent(req))
        return schema_form_is_stale(req);
    TRY(schema_form_read(req, &form, changes));
    patch->custom_patch = changes->object.count > 0 ? changes : NULL;
    return ERR_OK;
}

static enum err patch_profile(struct request *req, const struct profile_form *in, bool *ret_changed)
{
    struct user user = {0}, after = {0};
    struct user_patch patch = {.name = in->name};
    struct value changes;

    TRY(pages_read_user(req, &user));
    patch.has_name = !is_same_text(in->name, user.name);
    TRY(read_fields(req, &user, &changes, &patch));
    *ret_changed = patch.has_name || patch.has_custom_fields || patch.custom_patch != NULL;
    return *ret_changed ? user_patch(&req->ctx, &user, &patch, &after) : ERR_OK;
}

/* Only what was changed on the page is written, so another writer in between means once more. */
static enum err save_profile(struct request *req, const struct profile_form *in, bool *ret_changed)
{
    enum err saved = ERR_CONFLICT;

    for (int i = 0; i < PATCH_TRIES && saved == ERR_CONFLICT; i++) {
        fail_clear(&req->ctx);
        saved = patch_profile(req, in, ret_changed);
    }
    return saved;
}

/* The whole document is replaced, so it must still be the one that was shown. */
static enum err save_json(struct request *req, const struct profile_form *in, bool *ret_changed)
{
    struct user user = {0}, after = {0};
    struct user_patch patch = {.has_custom_fields = true};

    TRY(pages_read_user(req, &user));
    TRY(fields_from_json(req, in->custom_fields, &patch.custom_fields));

    const char *version = arena_printf(req->ctx.arena, "%lld", (long long)user.version);

    if (version == NULL)
        return ERR_MEMORY;
    if (in->version == NULL || strcmp(in->version, version) != 0)
        return fail(&req->ctx, ERR_CONFLICT, NULL,
                    "Your account was changed elsewhere meanwhile. Nothing was saved: reload the "
                    "page and make the change again.");
    *ret_changed = true;
    return user_patch(&req->ctx, &user, &patch, &after);
}

static enum err save(struct request *req, bool is_json, bool *ret_changed)
{
    struct profile_form in;

    if (!pages_has_session(req))
        return ERR_UNAUTHENTICATED;
    TRY(pages_check_session_form(req, "profile", pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    return is_json ? save_json(req, &in, ret_changed) : save_profile(req, &in, ret_changed);
}

enum err handle_profile_form(struct request *req, struct response *res)
{
    const bool is_json = strcmp(pages_typed(req, "part"), "json") == 0;
    bool changed = false;
    const enum err saved = save(req, is_json, &changed);

    if (saved != ERR_OK)
        return dashboard_show_again(req, res, is_json ? "json" : "profile", saved);
    return pages_redirect(req, res,
                          changed ? "/dashboard?notice=saved" : "/dashboard?notice=unchanged");
}

/* --- password --- */

/* Every session and known device ends with the old password; this browser is known anew. */
static enum err change_password(struct request *req, struct response *res)
{
    struct password_form in;
    struct user user = {0};

    if (!pages_has_session(req))
        return ERR_UNAUTHENTICATED;
    TRY(pages_check_session_form(req, "password", pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    TRY(user_change_password(&req->ctx, &req->ctx.who.user_id, in.current_password, in.new_password,
                             &user));
    fresh_login_note(&req->ctx);
    return pages_go_on(req, res, &user, "password-changed");
}

enum err handle_password_form(struct request *req, struct response *res)
{
    const enum err changed = change_password(req, res);

    if (changed != ERR_OK)
        return dashboard_show_again(req, res, "password", changed);
    return ERR_OK;
}
