/* The console's form for a new user. */
#include "handlers/console.h"

#include <string.h>

#include "handlers/console_forms.h"
#include "handlers/console_internal.h"
#include "handlers/pages_inputs.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_schema.h"
#include "models/custom_fields.h"
#include "models/tenant_rules.h"
#include "models/user_admin.h"

#define USE "console-user-new"

/* Without "stored" it asks for all that an administrator may write. */
static enum err begin_form(struct request *req, struct schema_form *form)
{
    form->party = custom_party(&req->ctx);
    form->id = "new-field";
    return schema_form_begin(req, form);
}

static enum err show(struct request *req, struct response *res, const struct user *me,
                     enum err code)
{
    struct schema_form fields = {.is_refused = code != ERR_OK, .code = code};
    const char *shortest =
        arena_printf(req->ctx.arena,
                     "At least %lld characters. Hand it over safely: whoever gets it can change it "
                     "in their account.",
                     (long long)tenant_password_min_length(&req->ctx));
    const struct input inputs[] = {
        {INPUT_TEXT, "username", "new-username", "User name", NULL,
         "A user name, an e-mail address, or both.", NULL, NULL, NULL, 64, false},
        {INPUT_EMAIL, "email", "new-email", "E-mail", NULL, NULL, NULL, NULL, NULL, 254, false},
        {INPUT_TEXT, "name", "new-name", "Name", "shown to people", NULL, NULL, NULL, NULL, 200,
         false},
        {INPUT_PASSWORD, "password", "new-password", "Password", NULL, shortest, NULL,
         "new-password", NULL, 1024, true},
        {INPUT_CHOICE, "role", "new-role", "Role", NULL, NULL, "user", NULL,
         console_role_choices(me), 0, false},
    };
    const size_t count = sizeof inputs / sizeof inputs[0];
    const char *token = NULL;
    struct template_var form = {0}, field_rows;

    TRY(begin_form(req, &fields));
    TRY(schema_form_show(req, &fields, &field_rows));
    TRY(pages_session_token(req, USE, &token));
    TRY(inputs_make(req, &(struct input_form){"inputs", inputs, count, code != ERR_OK, code},
                    &form));

    const char *about_fields = schema_form_message(req, &fields);
    const struct template_var vars[] = {form,
                                        field_rows,
                                        {.name = "fields-state", .text = fields.state},
                                        {.name = "form-token", .text = token}};
    struct page page = {.template_name = "console-user-new",
                        .title = "New user",
                        .vars = vars,
                        .var_count = sizeof vars / sizeof vars[0]};

    return console_respond(
        req, res,
        &(struct console_view){
            .user = me,
            .here = "users",
            .message = about_fields != NULL
                           ? about_fields
                           : console_refusal(req, code, inputs_name_failure(req, inputs, count)),
            .status = code != ERR_OK ? error_info(code)->status : 200},
        &page);
}

enum err handle_console_user_new(struct request *req, struct response *res)
{
    struct user me = {0};
    const enum err entered = console_enter(req, ROLE_ADMIN, &me);

    return entered != ERR_OK ? pages_to_login(req, res, entered) : show(req, res, &me, ERR_OK);
}

static enum err create(struct request *req, struct user *ret_user)
{
    struct schema_form form = {0};
    struct bytes fields = {0};
    struct user_new_form in;
    enum role role = ROLE_USER;
    struct strs emptied = {0};

    TRY(pages_check_session_form(req, USE, pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    if (in.role != NULL && !console_role(in.role, &role))
        return fail(&req->ctx, ERR_VALIDATION, "role", "role must be user, admin or owner.");
    if (in.username == NULL && in.email == NULL)
        return fail(&req->ctx, ERR_VALIDATION, "username",
                    "Give a user name, an e-mail address, or both.");
    TRY(begin_form(req, &form));
    TRY(schema_form_read_new(req, &form, &fields, &emptied));
    return user_admin_create(&req->ctx,
                             &(struct new_user){.username = in.username,
                                                .email = in.email,
                                                .name = in.name,
                                                .password = in.password,
                                                .custom_fields = fields,
                                                .emptied = emptied,
                                                .role = (int)role},
                             ret_user);
}

enum err handle_console_user_create(struct request *req, struct response *res)
{
    struct user me = {0}, made = {0};
    enum err done = console_enter(req, ROLE_ADMIN, &me);

    if (done != ERR_OK)
        return pages_to_login(req, res, done);
    done = create(req, &made);
    if (done == ERR_OK)
        return console_redirect_user(req, res, &made.id, "user-created");
    return pages_shows(done) ? show(req, res, &me, done) : done;
}
