/* The dashboard's list of sign-ins, and the forms that end one of them or all others. */
#include "handlers/pages.h"

#include "app/template.h"
#include "handlers/pages_forms.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/user_security.h"
#include "models/user_sessions.h"

#define SHOWN 5 /* the others are behind a fold */

static enum err describe(struct request *req, const struct user_session *session,
                         struct template_vars *ret_item)
{
    struct ctx *ctx = &req->ctx;
    struct template_var *vars = arena_array(ctx->arena, 8, sizeof *vars);
    char *id = arena_alloc(ctx->arena, UUID_TEXT_SIZE);

    if (vars == NULL || id == NULL)
        return ERR_MEMORY;
    uuid_text(&session->id, id);
    vars[0] = (struct template_var){.name = "session-id", .text = id};
    vars[1] = (struct template_var){.name = "device", .text = session->device};
    vars[2] = (struct template_var){.name = "is-current", .text = words_when(session->current)};
    vars[3] =
        (struct template_var){.name = "is-token", .text = words_when(session->kind[0] == 't')};
    vars[4] = (struct template_var){.name = "ip", .text = session->ip};
    vars[5] = (struct template_var){.name = "seen", .text = words_ago(ctx, session->last_seen_at)};
    vars[6] =
        (struct template_var){.name = "seen-at", .text = words_moment(ctx, session->last_seen_at)};
    vars[7] =
        (struct template_var){.name = "signed-in", .text = words_moment(ctx, session->created_at)};
    *ret_item = (struct template_vars){.vars = vars, .count = 8};
    return ERR_OK;
}

/* This device first, then the newest. */
static enum err list_items(struct request *req, struct template_vars **ret_items, size_t *ret_count)
{
    struct list found = {0};
    size_t count = 0;

    TRY(user_sessions_list(&req->ctx, &req->ctx.who.user_id, &found));

    const struct user_session *sessions = found.items;
    struct template_vars *items = arena_array(req->ctx.arena, found.count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < found.count; i++) {
            if (sessions[i].current == (pass == 0))
                TRY(describe(req, &sessions[i], &items[count++]));
        }
    }
    *ret_items = items;
    *ret_count = count;
    return ERR_OK;
}

enum err sessions_add_vars(struct request *req, struct page *page)
{
    struct template_vars *items = NULL;
    const char *token = NULL;
    size_t count = 0;

    TRY(pages_session_token(req, "sessions", &token));
    TRY(list_items(req, &items, &count));

    const size_t shown = count > SHOWN ? SHOWN : count, more = count - shown;
    const struct template_var vars[] = {
        {.name = "sessions-token", .text = token},
        {.name = "sessions", .items = items, .item_count = shown},
        {.name = "more-sessions", .items = items + shown, .item_count = more},
        {.name = "more-count",
         .text = more > 0 ? words_count(&req->ctx, (int64_t)more, "more device") : NULL},
        {.name = "has-others", .text = words_when(count > 1)},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

/* --- ending --- */

static enum err check_form(struct request *req)
{
    if (!pages_has_session(req))
        return ERR_UNAUTHENTICATED;
    return pages_check_session_form(req, "sessions", pages_typed(req, "form_token"));
}

static enum err end_one(struct request *req)
{
    struct session_form in;
    struct uuid id;

    TRY(check_form(req));
    TRY(request_input(req, &in));
    if (in.session == NULL || !uuid_parse(in.session, &id))
        return ERR_NOT_FOUND;
    return user_sessions_end(&req->ctx, &req->ctx.who.user_id, &id);
}

/* What ended meanwhile by itself is as gone as the person wanted it. */
enum err handle_session_end_form(struct request *req, struct response *res)
{
    enum err ended = end_one(req);

    if (ended == ERR_NOT_FOUND) {
        fail_clear(&req->ctx);
        ended = ERR_OK;
    }
    if (ended != ERR_OK)
        return dashboard_show_again(req, res, "sessions", ended);
    return pages_redirect(req, res, "/dashboard?notice=session-ended");
}

/* Everything ends, logins in flight too; this browser goes on with a new session. */
static enum err end_others(struct request *req, struct response *res)
{
    struct user user = {0};

    TRY(check_form(req));
    TRY(user_end_all(&req->ctx, &req->ctx.who.user_id, "session.revoked"));

    const bool found = pages_read_user(req, &user) == ERR_OK;

    return pages_go_on(req, res, found ? &user : NULL, "sessions-ended");
}

enum err handle_sessions_end_others_form(struct request *req, struct response *res)
{
    const enum err ended = end_others(req, res);

    if (ended != ERR_OK)
        return dashboard_show_again(req, res, "sessions", ended);
    return ERR_OK;
}
