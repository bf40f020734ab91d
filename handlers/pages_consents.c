/* The dashboard's list of applications that have access, and the form that takes one's back. */
#include "handlers/pages.h"

#include "handlers/pages_forms.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/user_consents.h"

static enum err describe(struct request *req, const struct user_consent *consent,
                         struct template_vars *ret_item)
{
    struct template_var *vars = arena_array(req->ctx.arena, 4, sizeof *vars);

    if (vars == NULL)
        return ERR_MEMORY;
    vars[0] = (struct template_var){.name = "client-id", .text = consent->client_id};
    vars[1] = (struct template_var){.name = "client-name", .text = consent->client_name};
    vars[2] = (struct template_var){.name = "scope", .text = consent->scope};
    vars[3] =
        (struct template_var){.name = "allowed", .text = words_day(&req->ctx, consent->created_at)};
    *ret_item = (struct template_vars){.vars = vars, .count = 4};
    return ERR_OK;
}

enum err consents_add_vars(struct request *req, struct page *page)
{
    struct list found = {0};
    const char *token = NULL;

    TRY(pages_session_token(req, "consents", &token));
    TRY(user_consents_list(&req->ctx, &req->ctx.who.user_id, &found));

    const struct user_consent *consents = found.items;
    struct template_vars *items = arena_array(req->ctx.arena, found.count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < found.count; i++)
        TRY(describe(req, &consents[i], &items[i]));

    const struct template_var vars[] = {
        {.name = "consents-token", .text = token},
        {.name = "consents", .items = items, .item_count = found.count},
        {.name = "has-consents", .text = words_when(found.count > 0)},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

static enum err end_one(struct request *req)
{
    struct consent_form in;

    if (!pages_has_session(req))
        return ERR_UNAUTHENTICATED;
    TRY(pages_check_session_form(req, "consents", pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    if (in.client == NULL)
        return ERR_NOT_FOUND;
    return user_consents_end(&req->ctx, &req->ctx.who.user_id, in.client);
}

/* What was taken back meanwhile is as gone as the person wanted it. */
enum err handle_consent_end_form(struct request *req, struct response *res)
{
    enum err ended = end_one(req);

    if (ended == ERR_NOT_FOUND) {
        fail_clear(&req->ctx);
        ended = ERR_OK;
    }
    if (ended != ERR_OK)
        return dashboard_show_again(req, res, "consents", ended);
    return pages_redirect(req, res, "/dashboard?notice=consent-ended");
}
