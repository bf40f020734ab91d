/* The console's access keys: the list, and the answers that show a new key once. */
#include "handlers/console.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/cursor.h"
#include "handlers/console_forms.h"
#include "handlers/console_internal.h"
#include "handlers/pages_inputs.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/access_key_admin.h"
#include "models/tenant.h"

#define USE          "console-keys"
#define ON_A_PAGE    25
#define DAY_MS       (INT64_C(24) * 3600 * 1000)
#define SCOPE_PREFIX "scope:"

/* What a key with the scope may do. */
static const struct scope {
    const char *name, *field, *words;
} scopes[] = {
    {"auth", SCOPE_PREFIX "auth", "sign users up and in, refresh, sign out"},
    {"users:read", SCOPE_PREFIX "users:read", "read users"},
    {"users:write", SCOPE_PREFIX "users:write", "make, change and delete users"},
    {"users:hashes", SCOPE_PREFIX "users:hashes",
     "export password hashes, and set those of others"},
    {"schema", SCOPE_PREFIX "schema", "read and change the schema of users"},
    {"audit:read", SCOPE_PREFIX "audit:read", "read the audit log"},
};

#define SCOPE_COUNT (sizeof scopes / sizeof scopes[0])

struct keys_view {
    struct user me;
    struct list keys;
    const char *next;
    enum err code; /* of the form that was refused */
    bool is_create;
};

/* --- the list --- */

static enum err read_keys(struct request *req, struct keys_view *view)
{
    static const struct cursor_list list = {.name = "console.keys"};
    const char *cursor = NULL, *position = NULL;
    struct uuid after = {0};

    if (req->method == GET)
        TRY(request_query(req, "cursor", &cursor));
    if (cursor != NULL) {
        TRY(cursor_read(&req->ctx, &list, cursor, &position, 1));
        if (!uuid_parse(position, &after))
            return ERR_BAD_CURSOR;
    }
    TRY(access_key_list(&req->ctx, &after, ON_A_PAGE + 1, &view->keys));
    if (view->keys.count <= ON_A_PAGE)
        return ERR_OK;
    view->keys.count = ON_A_PAGE;

    const struct access_key *keys = view->keys.items;
    char text[UUID_TEXT_SIZE];
    const char *value = text;

    uuid_text(&keys[ON_A_PAGE - 1].id, text);
    TRY(cursor_make(&req->ctx, &list, &value, 1, &cursor));
    return console_address(req, "/keys",
                           (const struct console_query[]){{"cursor", cursor}, {NULL, NULL}},
                           &view->next);
}

static const char *join_scopes(struct ctx *ctx, const struct strs *names)
{
    struct buf out;

    buf_init(&out, ctx->arena, 1024);
    for (size_t i = 0; i < names->count; i++) {
        buf_puts(&out, i > 0 ? " · " : "");
        buf_puts(&out, names->items[i]);
    }
    return buf_text(&out);
}

static enum err describe(struct request *req, const struct access_key *key,
                         struct template_vars *ret_item)
{
    struct ctx *ctx = &req->ctx;
    const int64_t now = clock_now_ms();
    struct template_var *vars = arena_array(ctx->arena, 9, sizeof *vars);
    char *id = arena_alloc(ctx->arena, UUID_TEXT_SIZE), hex[UUID_HEX_SIZE];

    if (vars == NULL || id == NULL)
        return ERR_MEMORY;
    uuid_text(&key->id, id);
    uuid_hex(&key->id, hex);
    vars[0] = (struct template_var){.name = "key-id", .text = id};
    vars[1] = (struct template_var){.name = "key-label",
                                    .text = key->label != NULL ? key->label : "without a name"};
    vars[2] = (struct template_var){.name = "key-text",
                                    .text = arena_printf(ctx->arena, "ak_%.12s…", hex)};
    vars[3] = (struct template_var){.name = "key-scopes", .text = join_scopes(ctx, &key->scopes)};
    vars[4] = (struct template_var){.name = "created", .text = words_day(ctx, key->created_at)};
    vars[5] = (struct template_var){.name = "used", .text = words_ago(ctx, key->last_used_at)};
    vars[6] = (struct template_var){.name = "expires", .text = words_moment(ctx, key->expires_at)};
    vars[7] = (struct template_var){
        .name = "is-expired", .text = words_when(key->expires_at != 0 && key->expires_at <= now)};
    vars[8] =
        (struct template_var){.name = "replaced-until", .text = words_moment(ctx, key->ends_at)};
    *ret_item = (struct template_vars){.vars = vars, .count = 9};
    return ERR_OK;
}

static enum err describe_all(struct request *req, const struct keys_view *view,
                             struct template_var *ret_rows)
{
    const struct access_key *keys = view->keys.items;
    const size_t count = view->keys.count;
    struct template_vars *items = arena_array(req->ctx.arena, count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(describe(req, &keys[i], &items[i]));
    *ret_rows = (struct template_var){.name = "rows", .items = items, .item_count = count};
    return ERR_OK;
}

/* --- the form for a new one --- */

static enum err put_once(struct request *req, struct template_var ret_vars[2])
{
    const struct uuid id = uuid_new();
    char *text = arena_alloc(req->ctx.arena, UUID_TEXT_SIZE);

    if (text == NULL)
        return ERR_MEMORY;
    uuid_text(&id, text);
    return console_put_once(req, USE, text, ret_vars);
}

static enum err check_once(struct request *req, struct uuid *ret_id)
{
    const char *text = NULL;

    TRY(console_check_once(req, USE, &text));
    return uuid_parse(text, ret_id) ? ERR_OK : ERR_FORM_TOKEN;
}

static bool is_default(const char *scope)
{
    const size_t length = strlen(scope);

    for (const char *at = ACCESS_KEY_DEFAULT_SCOPES; (at = strstr(at, scope)) != NULL; at++) {
        if (at[length] == ' ' || at[length] == '\0')
            return true;
    }
    return false;
}

static enum err make_inputs(struct request *req, const struct keys_view *view, struct page *page,
                            bool *ret_beside)
{
    const bool is_refused = view->is_create && view->code != ERR_OK;
    const struct input texts[] = {
        {INPUT_TEXT, "label", "key-label", "Name", NULL, "What uses the key, such as a service.",
         NULL, NULL, NULL, 100, true},
        {INPUT_DATE, "expires_at", "key-expires", "Last day", "optional",
         "The key ends when this day is over (UTC).", NULL, NULL, NULL, 0, false},
    };
    struct input boxes[SCOPE_COUNT];
    struct template_var vars[4];

    for (size_t i = 0; i < SCOPE_COUNT; i++)
        boxes[i] = (struct input){
            .kind = INPUT_CHECK,
            .name = scopes[i].field,
            .id = arena_printf(req->ctx.arena, "key-scope-%zu", i),
            .label = scopes[i].name,
            .note = scopes[i].words,
            .value = is_default(scopes[i].name) ? "on" : NULL,
        };
    TRY(inputs_make(req, &(struct input_form){"inputs", texts, 2, is_refused, view->code},
                    &vars[0]));
    TRY(inputs_make(req, &(struct input_form){"scopes", boxes, SCOPE_COUNT, is_refused, view->code},
                    &vars[1]));
    TRY(put_once(req, &vars[2]));
    *ret_beside = is_refused && inputs_name_failure(req, texts, 2);
    return pages_add_vars(req, page, vars, 4);
}

static enum err show(struct request *req, struct response *res, struct keys_view *view)
{
    struct page page = {.template_name = "console-keys", .title = "Access keys"};
    const char *token = NULL;
    struct template_var rows = {0};
    bool beside = false;

    TRY(make_inputs(req, view, &page, &beside));

    const char *message = console_refusal(req, view->code, beside);
    const struct failure failure = req->ctx.failure;

    TRY(pages_session_token(req, USE, &token));
    TRY(read_keys(req, view));
    TRY(describe_all(req, view, &rows));

    const struct template_var vars[] = {
        rows,
        {.name = "has-rows", .text = words_when(view->keys.count > 0)},
        {.name = "next", .text = view->next},
        {.name = "form-token", .text = token},
        {.name = "failed-create", .text = words_when(view->is_create)},
    };

    TRY(pages_add_vars(req, &page, vars, sizeof vars / sizeof vars[0]));
    req->ctx.failure = failure;
    return console_respond(req, res,
                           &(struct console_view){.user = &view->me,
                                                  .here = "keys",
                                                  .message = message,
                                                  .status = view->code != ERR_OK
                                                                ? error_info(view->code)->status
                                                                : 200},
                           &page);
}

enum err handle_console_keys(struct request *req, struct response *res)
{
    struct keys_view view = {0};
    const enum err entered = console_enter(req, ROLE_OWNER, &view.me);

    return entered != ERR_OK ? pages_to_login(req, res, entered) : show(req, res, &view);
}

/* --- a key that was just made --- */

/* The only answer that ever holds it, so it cannot be a redirect. */
static enum err show_made(struct request *req, struct response *res, int status,
                          const struct user *me, const struct made_key *made)
{
    const struct template_var vars[] = {
        {.name = "key-label", .text = made->key.label != NULL ? made->key.label : "without a name"},
        {.name = "access-key", .text = made->text},
        {.name = "key-scopes", .text = join_scopes(&req->ctx, &made->key.scopes)},
        {.name = "base", .text = app_config(req->ctx.app)->server.public_url},
        {.name = "tenant-slug", .text = req->ctx.tenant->slug},
    };
    struct page page = {.template_name = "console-key-made",
                        .title = "Your new key",
                        .vars = vars,
                        .var_count = sizeof vars / sizeof vars[0]};

    return console_respond(
        req, res, &(struct console_view){.user = me, .here = "keys", .status = status}, &page);
}

static enum err read_scopes(struct request *req, const char **ret_text)
{
    struct buf out;

    buf_init(&out, req->ctx.arena, sizeof ACCESS_KEY_SCOPES);
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (pages_typed(req, scopes[i].field)[0] == '\0')
            continue;
        buf_puts(&out, out.size > 0 ? " " : "");
        buf_puts(&out, scopes[i].name);
    }
    if (out.size == 0)
        return fail(&req->ctx, ERR_VALIDATION, "scopes",
                    "Choose at least one thing that the key "
                    "may do.");
    *ret_text = buf_text(&out);
    return *ret_text == NULL ? ERR_MEMORY : ERR_OK;
}

static enum err create(struct request *req, struct made_key *ret_made)
{
    struct new_access_key wanted = {0};
    struct key_form in;

    TRY(check_once(req, &wanted.id));
    TRY(request_input(req, &in));
    if (in.label == NULL)
        return fail(&req->ctx, ERR_VALIDATION, "label", "Give the key a name.");
    if (in.expires != NULL) {
        if (!words_parse_day(&req->ctx, in.expires, &wanted.expires_at))
            return fail(&req->ctx, ERR_VALIDATION, "expires_at",
                        "The last day must be a date such as 2026-01-31.");
        wanted.expires_at += DAY_MS;
    }
    wanted.label = in.label;
    TRY(read_scopes(req, &wanted.scopes));
    return access_key_create(&req->ctx, &wanted, ret_made);
}

enum err handle_console_key_create(struct request *req, struct response *res)
{
    struct keys_view view = {.is_create = true};
    struct made_key made;
    const enum err entered = console_enter(req, ROLE_OWNER, &view.me);

    if (entered != ERR_OK)
        return pages_to_login(req, res, entered);
    view.code = create(req, &made);
    if (view.code == ERR_OK)
        return show_made(req, res, 201, &view.me, &made);
    if (view.code == ERR_CONFLICT)
        return console_redirect(req, res, "/keys?notice=key-made");
    return pages_shows(view.code) ? show(req, res, &view) : view.code;
}

static enum err rotate(struct request *req, struct made_key *ret_made)
{
    struct key_form in;
    struct uuid id;
    int64_t overlap;

    TRY(pages_check_session_form(req, USE, pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    TRY(console_overlap(req, in.overlap, "key", &overlap));
    if (!uuid_parse(request_param(req, "id"), &id))
        return ERR_NOT_FOUND;
    return access_key_rotate(&req->ctx, &id, overlap, ret_made);
}

enum err handle_console_key_rotate(struct request *req, struct response *res)
{
    struct keys_view view = {0};
    struct made_key made;
    const enum err entered = console_enter(req, ROLE_OWNER, &view.me);

    if (entered != ERR_OK)
        return pages_to_login(req, res, entered);
    view.code = rotate(req, &made);
    if (view.code == ERR_OK)
        return show_made(req, res, 200, &view.me, &made);
    if (view.code == ERR_NOT_FOUND) /* the form was sent again, or another was faster */
        return console_redirect(req, res, "/keys?notice=key-ended");
    return pages_shows(view.code) ? show(req, res, &view) : view.code;
}

static enum err end(struct request *req)
{
    struct uuid id;

    TRY(pages_check_session_form(req, USE, pages_typed(req, "form_token")));
    if (!uuid_parse(request_param(req, "id"), &id))
        return ERR_NOT_FOUND;
    return access_key_delete(&req->ctx, &id);
}

enum err handle_console_key_delete(struct request *req, struct response *res)
{
    struct keys_view view = {0};
    const enum err entered = console_enter(req, ROLE_OWNER, &view.me);

    if (entered != ERR_OK)
        return pages_to_login(req, res, entered);
    view.code = end(req);
    if (view.code == ERR_OK)
        return console_redirect(req, res, "/keys?notice=key-deleted");
    return pages_shows(view.code) ? show(req, res, &view) : view.code;
}
