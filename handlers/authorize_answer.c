/* What goes back to the application: code or error, state unchanged, and the issuer (RFC 9207). */
#include "handlers/authorize_internal.h"

#include <string.h>

#include "app/form.h"
#include "app/page.h"
#include "app/redirect_uri.h"
#include "handlers/pages_internal.h"
#include "models/tenant.h"

#define LOCATION_MAX ((size_t)32 * 1024)

bool authorize_is_ours(const char *name)
{
    return strcmp(name, PARAM_CONFIRM) == 0 || strcmp(name, PARAM_FORM_TOKEN) == 0 ||
           strcmp(name, PARAM_SIGNED_IN) == 0;
}

void authorize_put_query(struct buf *out, const struct authorize *request)
{
    const struct value *sent = request->sent;

    for (size_t i = 0; i < sent->object.count; i++) {
        const struct member *member = &sent->object.members[i];

        if (!authorize_is_ours(member->name))
            form_put(out, member->name, member->value.string.text);
    }
}

/* --- by redirect, or by a form that the browser posts --- */

#define ANSWER_PARAMS 4

struct answer {
    struct {
        const char *name, *value;
    } params[ANSWER_PARAMS];
    size_t count;
};

static void add(struct answer *answer, const char *name, const char *value)
{
    if (value == NULL)
        return;
    answer->params[answer->count].name = name;
    answer->params[answer->count++].value = value;
}

static enum err by_redirect(struct request *req, struct response *res,
                            const struct authorize *request, const struct answer *answer)
{
    const char *uri = request->redirect_uri;
    struct buf query;

    buf_init(&query, req->ctx.arena, LOCATION_MAX);
    for (size_t i = 0; i < answer->count; i++)
        form_put(&query, answer->params[i].name, answer->params[i].value);

    const char *location =
        buf_text(&query) == NULL
            ? NULL
            : arena_printf(req->ctx.arena, "%s%c%s", uri, strchr(uri, '?') != NULL ? '&' : '?',
                           buf_text(&query));

    if (location == NULL)
        return ERR_MEMORY;
    return respond_redirect(req, res, location);
}

static enum err by_form_post(struct request *req, struct response *res,
                             const struct authorize *request, const struct answer *answer)
{
    struct template_var *fields = arena_array(req->ctx.arena, ANSWER_PARAMS * 2, sizeof *fields);
    struct template_vars *items = arena_array(req->ctx.arena, ANSWER_PARAMS, sizeof *items);

    if (fields == NULL || items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < answer->count; i++) {
        fields[i * 2] = (struct template_var){.name = "name", .text = answer->params[i].name};
        fields[i * 2 + 1] = (struct template_var){.name = "value", .text = answer->params[i].value};
        items[i] = (struct template_vars){.vars = &fields[i * 2], .count = 2};
    }

    const struct template_var vars[] = {
        {.name = "action", .text = request->redirect_uri},
        {.name = "client", .text = request->client->name},
        {.name = "fields", .items = items, .item_count = answer->count},
    };
    const struct page page = {
        .template_name = "form-post",
        .title = "Going back",
        .form_action = request->redirect_uri,
        .submits_itself = true,
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    return pages_respond(req, res, 200, &page);
}

static enum err respond_answer(struct request *req, struct response *res,
                               const struct authorize *request, struct answer *answer)
{
    const char *issuer = NULL;

    TRY(tenant_issuer(&req->ctx, req->ctx.tenant, &issuer));
    add(answer, "state", request->state);
    add(answer, "iss", issuer);
    response_no_store(res);
    response_header(res, "Referrer-Policy", "no-referrer");
    return request->by_form_post ? by_form_post(req, res, request, answer)
                                 : by_redirect(req, res, request, answer);
}

enum err authorize_refuse(struct request *req, struct response *res,
                          const struct authorize *request)
{
    struct answer answer = {.count = 0};

    add(&answer, "error", request->error);
    add(&answer, "error_description", request->description);
    return respond_answer(req, res, request, &answer);
}

enum err authorize_succeed(struct request *req, struct response *res,
                           const struct authorize *request, const char *code)
{
    struct answer answer = {.count = 0};

    add(&answer, "code", code);
    return respond_answer(req, res, request, &answer);
}
