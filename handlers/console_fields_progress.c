/* How far a publication of the schema is, what a dry run found, and who does not fit. */
#include "handlers/console_fields_page.h"

#include <string.h>

#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/publication.h"

/* --- who does not fit --- */

static enum err make_failure(struct request *req, const struct custom_failure *failure,
                             struct template_vars *ret_item)
{
    struct template_var *vars = arena_array(req->ctx.arena, 3, sizeof *vars);
    char *id = arena_alloc(req->ctx.arena, UUID_TEXT_SIZE);
    const char *login = NULL;
    struct user user = {0};

    if (vars == NULL || id == NULL)
        return ERR_MEMORY;
    uuid_text(&failure->user_id, id);
    /* Somebody may be gone by now. */
    if (user_find(&req->ctx, &failure->user_id, &user) == ERR_OK)
        login = user_login_name(&user);
    fail_clear(&req->ctx);
    vars[0] = (struct template_var){.name = "user-id", .text = id};
    vars[1] = (struct template_var){.name = "user-login", .text = login != NULL ? login : id};
    vars[2] = (struct template_var){
        .name = "failure",
        .text = arena_printf(req->ctx.arena, "%s %s", failure->pointer, failure->message)};
    *ret_item = (struct template_vars){.vars = vars, .count = 3};
    return ERR_OK;
}

enum err console_fields_sample(struct request *req, const struct list *failures, const char *name,
                               struct template_var *ret_var)
{
    const struct custom_failure *of = failures->items;
    struct template_vars *items = arena_array(req->ctx.arena, failures->count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < failures->count; i++)
        TRY(make_failure(req, &of[i], &items[i]));
    *ret_var = (struct template_var){.name = name, .items = items, .item_count = failures->count};
    return ERR_OK;
}

const char *console_fields_verdict(struct ctx *ctx, int64_t failing, int64_t checked)
{
    if (failing == 0)
        return arena_printf(ctx->arena, "All of %s fit this schema.",
                            words_count(ctx, checked, "user"));
    return arena_printf(ctx->arena, "%s of %s %s not fit this schema.", words_number(ctx, failing),
                        words_count(ctx, checked, "user"), failing == 1 ? "does" : "do");
}

/* --- what goes on --- */

static const char *step_words(const char *state)
{
    static const char *const steps[][2] = {
        {"queued", "waiting for its turn"},
        {"cancelling", "being cancelled"},
        {"checking", "looking at all users"},
        {"fencing", "preparing the database"},
        {"rechecking", "looking at all users once more"},
        {"indexing", "building indexes"},
        {"opening", "preparing the database"},
        {"activating", "coming in force"},
        {"dropping", "removing old indexes"},
        {"converting", "rewriting what is stored"},
        {"tightening", "preparing the database"},
        {"sweeping", "rewriting what is stored"},
    };

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (strcmp(steps[i][0], state) == 0)
            return steps[i][1];
    }
    return state;
}

static const char *sentence(struct ctx *ctx, const struct publication_status *status)
{
    const char *what = status->dry_run ? "Trying" : "Publishing";
    const long long version = (long long)status->version;

    if (!status->is_over)
        return arena_printf(ctx->arena, "%s version %lld: %s. %s of %s looked at so far.", what,
                            version, step_words(status->state), words_number(ctx, status->checked),
                            words_count(ctx, status->total, "user"));
    if (status->dry_run && strcmp(status->state, "done") == 0)
        return console_fields_verdict(ctx, status->failing, status->checked);
    if (strcmp(status->state, "cancelled") == 0)
        return arena_printf(ctx->arena, "%s version %lld was cancelled. Nothing was changed.", what,
                            version);
    return arena_printf(ctx->arena, "Version %lld was not published. %s", version,
                        status->failing > 0
                            ? console_fields_verdict(ctx, status->failing, status->checked)
                        : status->message != NULL ? status->message
                                                  : "Publish it again.");
}

enum err console_fields_progress(struct request *req, struct page *page, bool *ret_publishing)
{
    struct ctx *ctx = &req->ctx;
    struct publication_status status = {0};
    const enum err found = publication_status(ctx, &status);
    struct template_var sample;

    if (found != ERR_NOT_FOUND)
        TRY(found);
    TRY(console_fields_sample(req, &status.sample, "publication-sample", &sample));
    *ret_publishing = found == ERR_OK && !status.is_over && !status.dry_run;

    const bool is_cancelled = found == ERR_OK && strncmp(status.state, "cancel", 6) == 0;
    const bool is_bad =
        found == ERR_OK && !is_cancelled && (status.failing > 0 || status.error != NULL);
    const struct template_var vars[] = {
        sample,
        {.name = "publication", .text = found == ERR_OK ? sentence(ctx, &status) : NULL},
        {.name = "publication-bad", .text = words_when(is_bad)},
        {.name = "has-publication-sample", .text = words_when(status.sample.count > 0)},
        {.name = "publication-runs", .text = words_when(found == ERR_OK && !status.is_over)},
        {.name = "is-cancelled", .text = words_when(is_cancelled)},
        {.name = "trial-runs",
         .text = words_when(found == ERR_OK && !status.is_over && status.dry_run)},
        {.name = "publication-checked",
         .text = arena_printf(ctx->arena, "%lld", (long long)status.checked)},
        {.name = "publication-total",
         .text =
             arena_printf(ctx->arena, "%lld", (long long)(status.total > 0 ? status.total : 1))},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}
