/* The console's page of custom fields: edit the schema, try it on the users, publish it. */
#include "handlers/console.h"

#include <stdlib.h>
#include <string.h>

#include "app/json.h"
#include "app/value_bson.h"
#include "handlers/console_fields_edit.h"
#include "handlers/console_fields_page.h"
#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "models/publication.h"

#define USE "console-fields"

static const char first_schema[] = "{\n"
                                   "  \"type\": \"object\",\n"
                                   "  \"properties\": {\n"
                                   "  }\n"
                                   "}";

/* --- looking --- */

/* The schema in force, or the older one that ?version= names, as a draft; the field that ?field=
 * names in its form. */
static enum err read_page(struct request *req, struct fields_page *page)
{
    struct ctx *ctx = &req->ctx;
    struct custom_schema stored = {0};
    const char *version = NULL;
    struct value schema;
    enum err found;

    page->draft = first_schema;
    TRY(request_query(req, "version", &version));
    found = version == NULL ? custom_schema_find(ctx, &stored)
                            : custom_schema_version(ctx, strtoll(version, NULL, 10), &stored);
    if (found == ERR_NOT_FOUND && version == NULL)
        return ERR_OK;
    TRY(found);
    TRY(fields_pretty_document(ctx, &stored.schema, &page->draft));
    TRY(value_from_bson(ctx, &stored.schema, &schema));
    TRY(request_query(req, "field", &page->field.name));
    return console_field_read(ctx, &schema, &page->field);
}

enum err handle_console_fields(struct request *req, struct response *res)
{
    struct user me = {0};
    struct fields_page page = {.me = &me};
    const enum err entered = console_enter(req, ROLE_ADMIN, &me);

    if (entered != ERR_OK)
        return pages_to_login(req, res, entered);
    TRY(read_page(req, &page));
    return console_fields_respond(req, res, &page);
}

/* --- steps --- */

/* The draft with its field put or removed; the draft that comes of it is shown, also when it is no
 * valid schema yet. */
static enum err edit_field(struct request *req, struct value *schema, struct fields_page *page)
{
    const bool removes = strcmp(page->field.step, "remove") == 0;
    const struct shape *shape = NULL;
    struct bytes document = {0};

    TRY(removes ? console_field_remove(&req->ctx, page->field.name, schema)
                : console_field_put(&req->ctx, &page->field, schema));
    TRY(value_to_bson(&req->ctx, schema, &document));
    TRY(fields_pretty_document(&req->ctx, &document, &page->draft));
    TRY(shape_compile(&req->ctx, schema, &shape));
    page->done = arena_printf(req->ctx.arena,
                              removes ? "%s is taken out of the schema below. Try it, then publish."
                                      : "%s stands in the schema below. Try it, then publish.",
                              page->field.name);
    /* The next field has a title of its own. */
    page->field = (struct fields_form){.step = page->field.step, .version = page->field.version};
    return page->done == NULL ? ERR_MEMORY : ERR_OK;
}

static enum err show_field(struct request *req, const struct value *schema,
                           struct fields_page *page)
{
    TRY(console_field_find(&req->ctx, page->field.name, schema));
    return console_field_read(&req->ctx, schema, &page->field);
}

/* What takes longer than a few seconds goes on in the background. */
static enum err run_schema(struct request *req, const struct value *schema,
                           struct fields_page *page, const char **ret_notice)
{
    struct custom_trial *trial = ARENA_NEW(req->ctx.arena, struct custom_trial);
    enum err done;

    if (trial == NULL)
        return ERR_MEMORY;
    trial->schema = schema;
    trial->dry_run = strcmp(page->field.step, "publish") != 0;
    trial->version = page->field.version != NULL ? strtoll(page->field.version, NULL, 10) : -1;
    if (trial->dry_run)
        trial->version = -1;
    done = custom_schema_put(&req->ctx, trial);
    if (done == ERR_OK || done == ERR_SCHEMA_UNMET)
        page->trial = trial;
    if (done == ERR_OK && !trial->dry_run)
        *ret_notice = trial->is_over ? "schema-published" : "schema-publishing";
    return done;
}

/* The page shows what came of it anyway. A dry run is cancelled beside the editor, which stays. */
static enum err cancel(struct request *req, struct fields_page *page, const char **ret_notice)
{
    struct publication_status status;
    const enum err cancelled = publication_cancel(&req->ctx, &status);

    if (cancelled != ERR_OK && cancelled != ERR_NOT_FOUND && cancelled != ERR_CONFLICT)
        return cancelled;
    if (page->field.schema == NULL)
        *ret_notice = cancelled == ERR_OK ? "schema-cancelled" : "schema-ended";
    else
        page->done = cancelled == ERR_OK ? "It is cancelled." : "There was nothing left to cancel.";
    fail_clear(&req->ctx);
    return ERR_OK;
}

static enum err run(struct request *req, struct fields_page *page, const char **ret_notice)
{
    struct value schema;

    TRY(pages_check_session_form(req, USE, page->field.form_token));
    if (page->field.step == NULL)
        page->field.step = "try";
    if (strcmp(page->field.step, "cancel") == 0)
        return cancel(req, page, ret_notice);
    if (strcmp(page->field.step, "look") == 0)
        return ERR_OK;
    TRY(json_parse(&req->ctx, page->draft, strlen(page->draft), &schema));
    if (strcmp(page->field.step, "show") == 0)
        return show_field(req, &schema, page);
    if (strcmp(page->field.step, "put") == 0 || strcmp(page->field.step, "remove") == 0)
        return edit_field(req, &schema, page);
    return run_schema(req, &schema, page, ret_notice);
}

enum err handle_console_fields_form(struct request *req, struct response *res)
{
    struct user me = {0};
    struct fields_page page = {.me = &me, .is_sent = true};
    const char *notice = NULL;
    enum err done = console_enter(req, ROLE_OWNER, &me);

    if (done != ERR_OK)
        return pages_to_login(req, res, done);
    TRY(request_input(req, &page.field));
    page.draft = page.field.schema != NULL ? page.field.schema : "";
    TRY(fields_unix_lines(req, page.draft, &page.draft));
    page.code = run(req, &page, &notice);
    if (page.code == ERR_OK && notice != NULL)
        return console_redirect(req, res,
                                arena_printf(req->ctx.arena, "/fields?notice=%s", notice));
    return page.code == ERR_OK || pages_shows(page.code) ? console_fields_respond(req, res, &page)
                                                         : page.code;
}
