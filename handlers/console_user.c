/* The console's page of one user: facts, change, role, sign-ins, end. */
#include "handlers/console.h"

#include <stdlib.h>
#include <string.h>

#include "handlers/console_forms.h"
#include "handlers/console_internal.h"
#include "handlers/pages_inputs.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_schema.h"
#include "handlers/pages_words.h"
#include "models/custom_fields.h"
#include "models/user_admin.h"
#include "models/user_sessions.h"

#define USE           "console-user"
#define DEVICES_SHOWN 10

struct user_view {
    struct user me, user;
    const char *form; /* that was refused: "edit", "role", "access", "delete"; NULL on a look */
    enum err code;
};

/* --- showing --- */

static const char *login_of(const struct user *user)
{
    return user_login_name(user);
}

static bool is_form(const struct user_view *view, const char *form)
{
    return view->form != NULL && strcmp(view->form, form) == 0;
}

static enum err begin_form(struct request *req, const struct user *user, struct schema_form *form)
{
    form->party = custom_party(&req->ctx);
    form->stored = &user->custom_fields;
    form->id = "edit-field";
    return schema_form_begin(req, form);
}

/* Custom fields: as the form of the schema, and all of them as JSON. */
static enum err add_fields(struct request *req, const struct user_view *view, struct page *page,
                           const char **ret_message)
{
    struct schema_form form = {.is_refused = is_form(view, "edit"), .code = view->code};
    const bool is_json = is_form(view, "json");
    struct template_var rows;
    const char *json = NULL;

    TRY(begin_form(req, &view->user, &form));
    TRY(schema_form_show(req, &form, &rows));
    TRY(fields_pretty_document(&req->ctx, &view->user.custom_fields, &json));
    *ret_message = schema_form_message(req, &form);

    const struct template_var vars[] = {
        rows,
        {.name = "fields-state", .text = form.state},
        {.name = "failed-json", .text = words_when(is_json)},
        {.name = "json", .text = is_json ? pages_typed(req, "custom_fields") : json},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

static enum err make_inputs(struct request *req, const struct user_view *view, struct page *page,
                            bool *ret_beside)
{
    const struct user *user = &view->user;
    const struct input edit[] = {
        {INPUT_TEXT, "username", "edit-username", "User name", NULL, NULL, user->username, NULL,
         NULL, 64, false},
        {INPUT_EMAIL, "email", "edit-email", "E-mail", NULL,
         "A new address is not verified, and signs the user out everywhere.", user->email, NULL,
         NULL, 254, false},
        {INPUT_TEXT, "name", "edit-name", "Name", "shown to people", NULL, user->name, NULL, NULL,
         200, false},
    };
    const struct input role[] = {
        {INPUT_CHOICE, "role", "edit-role", "Role", NULL,
         "A change of role signs the user out everywhere.", role_names[user->role], NULL,
         console_role_choices(&view->me), 0, false},
    };
    const struct input delete[] = {
        {INPUT_TEXT, "confirm", "delete-confirm",
         arena_printf(req->ctx.arena, "Type %s to confirm", login_of(user)), NULL, NULL, NULL, NULL,
         NULL, 254, true},
    };
    struct template_var vars[3];

    TRY(inputs_make(req,
                    &(struct input_form){"edit-inputs", edit, 3, is_form(view, "edit"), view->code},
                    &vars[0]));
    TRY(inputs_make(req,
                    &(struct input_form){"role-inputs", role, 1, is_form(view, "role"), view->code},
                    &vars[1]));
    TRY(inputs_make(
        req, &(struct input_form){"delete-inputs", delete, 1, is_form(view, "delete"), view->code},
        &vars[2]));
    *ret_beside = (is_form(view, "edit") && inputs_name_failure(req, edit, 3)) ||
                  (is_form(view, "delete") && inputs_name_failure(req, delete, 1));
    return pages_add_vars(req, page, vars, 3);
}

static enum err add_devices(struct request *req, const struct user_view *view, struct page *page)
{
    struct list found = {0};

    TRY(user_sessions_list(&req->ctx, &view->user.id, &found));

    const struct user_session *sessions = found.items;
    const size_t shown = found.count > DEVICES_SHOWN ? DEVICES_SHOWN : found.count;
    struct template_vars *items = arena_array(req->ctx.arena, shown + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < shown; i++) {
        struct template_var *vars = arena_array(req->ctx.arena, 3, sizeof *vars);

        if (vars == NULL)
            return ERR_MEMORY;
        vars[0] = (struct template_var){.name = "device", .text = sessions[i].device};
        vars[1] = (struct template_var){.name = "ip", .text = sessions[i].ip};
        vars[2] = (struct template_var){.name = "seen",
                                        .text = words_ago(&req->ctx, sessions[i].last_seen_at)};
        items[i] = (struct template_vars){.vars = vars, .count = 3};
    }

    const struct template_var vars[] = {
        {.name = "devices", .items = items, .item_count = shown},
        {.name = "has-devices", .text = words_when(shown > 0)},
        {.name = "more-devices",
         .text = found.count > shown
                     ? words_count(&req->ctx, (int64_t)(found.count - shown), "more device")
                     : NULL},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

static enum err add_facts(struct request *req, const struct user_view *view, struct page *page)
{
    const struct user *user = &view->user, *me = &view->me;
    const bool is_self = uuid_equal(&user->id, &me->id);
    const bool may_change = user->role < ROLE_OWNER || me->role == ROLE_OWNER;
    struct fields_view fields = {0};
    struct ctx *ctx = &req->ctx;
    char *id = arena_alloc(ctx->arena, UUID_TEXT_SIZE);
    const char *token = NULL;

    if (id == NULL)
        return ERR_MEMORY;
    uuid_text(&user->id, id);
    TRY(pages_session_token(req, USE, &token));
    TRY(fields_view(req, user, &fields));

    const struct template_var vars[] = {
        {.name = "form-token", .text = token},
        {.name = "user-id", .text = id},
        {.name = "user-login", .text = login_of(user)},
        {.name = "user-name", .text = user->name},
        {.name = "user-username", .text = user->username},
        {.name = "user-email", .text = user->email},
        {.name = "is-verified", .text = words_when(user->is_email_verified)},
        {.name = "user-role", .text = role_names[user->role]},
        {.name = "is-inactive", .text = words_when(!user->is_active)},
        {.name = "closed-until", .text = words_day(ctx, user->deletion_at)},
        {.name = "since", .text = words_moment(ctx, user->created_at)},
        {.name = "last-login", .text = words_moment(ctx, user->last_login_at)},
        {.name = "version", .text = arena_printf(ctx->arena, "%lld", (long long)user->version)},
        {.name = "is-self", .text = words_when(is_self)},
        {.name = "may-change", .text = words_when(may_change)},
        {.name = "may-role", .text = words_when(me->role == ROLE_OWNER && !is_self)},
        {.name = "may-end", .text = words_when(may_change && !is_self)},
        {.name = "failed-delete", .text = words_when(is_form(view, "delete"))},
        {.name = "has-rows", .text = words_when(fields.row_count > 0)},
        {.name = "rows", .items = fields.rows, .item_count = fields.row_count},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

static const char *message_for(struct request *req, const struct user_view *view, bool beside)
{
    if (view->form != NULL && view->code == ERR_PRECONDITION)
        return "This user was changed elsewhere meanwhile. Nothing was saved: look at it and make "
               "the change again.";
    return console_refusal(req, view->form != NULL ? view->code : ERR_OK, beside);
}

static enum err show(struct request *req, struct response *res, const struct user_view *view)
{
    struct page page = {.template_name = "console-user", .title = login_of(&view->user)};
    const char *message = NULL;
    bool beside = false;

    TRY(make_inputs(req, view, &page, &beside));
    TRY(add_fields(req, view, &page, &message));
    TRY(add_facts(req, view, &page));
    if (message == NULL)
        message = message_for(req, view, beside);

    const struct failure failure = req->ctx.failure;

    TRY(add_devices(req, view, &page));
    req->ctx.failure = failure;
    return console_respond(
        req, res,
        &(struct console_view){.user = &view->me,
                               .here = "users",
                               .message = message,
                               .status = view->form != NULL ? error_info(view->code)->status : 200},
        &page);
}

/* The user that the path names; who asks is view->me. */
static enum err read_view(struct request *req, struct user_view *view)
{
    struct uuid id;

    TRY(console_enter(req, ROLE_ADMIN, &view->me));
    if (!uuid_parse(request_param(req, "id"), &id))
        return ERR_NOT_FOUND;
    return user_find(&req->ctx, &id, &view->user);
}

enum err handle_console_user(struct request *req, struct response *res)
{
    struct user_view view = {0};
    const enum err read = read_view(req, &view);

    return read != ERR_OK ? pages_to_login(req, res, read) : show(req, res, &view);
}

/* --- the forms --- */

/* One step of the page. ret_notice is the word of ?notice=. */
typedef enum err (*step_fn)(struct request *req, const struct user *user, const char **ret_notice);

static enum err run(struct request *req, struct user_view *view, step_fn step,
                    const char **ret_notice)
{
    TRY(pages_check_session_form(req, USE, pages_typed(req, "form_token")));
    return step(req, &view->user, ret_notice);
}

static enum err handle_step(struct request *req, struct response *res, const char *form,
                            step_fn step)
{
    struct user_view view = {.form = form};
    const char *notice = NULL;
    const enum err read = read_view(req, &view);

    if (read != ERR_OK)
        return pages_to_login(req, res, read);
    view.code = run(req, &view, step, &notice);
    if (view.code == ERR_OK && strcmp(form, "delete") == 0)
        return console_redirect(req, res, "/users?notice=user-deleted");
    if (view.code == ERR_OK)
        return console_redirect_user(req, res, &view.user.id, notice);
    return pages_shows(view.code) ? show(req, res, &view) : view.code;
}

static bool differs(const char *typed, const char *stored)
{
    return strcmp(typed != NULL ? typed : "", stored != NULL ? stored : "") != 0;
}

static int64_t version_of(const struct user_edit_form *in)
{
    return in->version != NULL ? strtoll(in->version, NULL, 10) : 0;
}

static enum err edit(struct request *req, const struct user *user, const char **ret_notice)
{
    struct schema_form form = {0};
    struct user_edit_form in;
    struct user after = {0};
    struct value fields;

    TRY(request_input(req, &in));
    TRY(begin_form(req, user, &form));
    TRY(schema_form_read(req, &form, &fields));

    const struct user_edit change = {
        .username = in.username,
        .email = in.email,
        .name = in.name,
        .has_username = differs(in.username, user->username),
        .has_email = differs(in.email, user->email),
        .has_name = differs(in.name, user->name),
        .custom_fields = fields.object.count > 0 ? &fields : NULL,
        .version = version_of(&in),
    };

    *ret_notice = "unchanged";
    if (!change.has_username && !change.has_email && !change.has_name &&
        change.custom_fields == NULL)
        return ERR_OK;
    *ret_notice = "user-saved";
    return user_admin_edit(&req->ctx, &user->id, &change, &after);
}

static enum err edit_json(struct request *req, const struct user *user, const char **ret_notice)
{
    struct user_edit_form in;
    struct user after = {0};
    struct bytes document = {0};

    *ret_notice = "user-saved";
    TRY(request_input(req, &in));
    TRY(fields_from_json(req, in.custom_fields, &document));
    return user_admin_edit(
        &req->ctx, &user->id,
        &(struct user_edit){.custom_document = &document, .version = version_of(&in)}, &after);
}

static enum err set_role(struct request *req, const struct user *user, const char **ret_notice)
{
    struct user_step_form in;
    struct user after = {0};
    enum role role;

    TRY(request_input(req, &in));
    if (in.role == NULL || !console_role(in.role, &role))
        return fail(&req->ctx, ERR_VALIDATION, "role", "role must be user, admin or owner.");
    *ret_notice = user->role == (int)role ? "unchanged" : "role-changed";
    return user_admin_set_role(&req->ctx, &user->id, role, 0, &after);
}

static enum err set_active(struct request *req, const struct user *user, const char **ret_notice)
{
    struct user_step_form in;
    struct user after = {0};
    bool active;

    TRY(request_input(req, &in));
    active = in.active != NULL && strcmp(in.active, "true") == 0;
    *ret_notice = active ? "user-activated" : "user-deactivated";
    return user_admin_edit(&req->ctx, &user->id,
                           &(struct user_edit){.is_active = active, .has_is_active = true}, &after);
}

static enum err sign_out(struct request *req, const struct user *user, const char **ret_notice)
{
    *ret_notice = "user-signed-out";
    return user_admin_end_sessions(&req->ctx, &user->id);
}

static enum err delete (struct request *req, const struct user *user, const char **ret_notice) {
    struct user_step_form in;

    (void)ret_notice;
    TRY(request_input(req, &in));
    if (in.confirm == NULL ||
        strcmp(in.confirm, login_of(user)) !=
            0) return fail(&req->ctx, ERR_VALIDATION, "confirm",
                           "Nothing was deleted: type the name exactly as it stands here.");
    return user_admin_delete(&req->ctx, &user->id, 0);
}

enum err handle_console_user_edit(struct request *req, struct response *res)
{
    const bool is_json = strcmp(pages_typed(req, "part"), "json") == 0;

    return is_json ? handle_step(req, res, "json", edit_json) : handle_step(req, res, "edit", edit);
}

enum err handle_console_user_role(struct request *req, struct response *res)
{
    return handle_step(req, res, "role", set_role);
}

enum err handle_console_user_active(struct request *req, struct response *res)
{
    return handle_step(req, res, "access", set_active);
}

enum err handle_console_user_sign_out(struct request *req, struct response *res)
{
    return handle_step(req, res, "access", sign_out);
}

enum err handle_console_user_delete(struct request *req, struct response *res)
{
    return handle_step(req, res, "delete", delete);
}
