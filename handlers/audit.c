/* Reading the audit log: filtered pages, newest first, and the export, oldest first. */
#include "handlers/audit.h"

#include <string.h>

#include "app/clock.h"
#include "app/paging.h"
#include "app/stream.h"
#include "models/audit.h"
#include "models/audit_event.h"
#include "models/platform_key.h"
#include "models/tenant.h"
#include "models/user_authority.h"

#define EXPORT_ROWS  250 /* in one part, at most 3 KB each */
#define FILTER_COUNT 5

struct event_page {
    struct list events;
    const char *next;
};

struct audit_query {
    const char *action, *status, *cursor;
    struct uuid user_id;
    int64_t from, to, limit;
};

struct export_query {
    int64_t from, to;
};

static const char *check_action(const char *text)
{
    const size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.");

    return text[length] == '\0' ? NULL : "must be an action such as login or user.password_changed";
}

#define FROM_DOC "Rows of this moment and later, RFC 3339."
#define TO_DOC   "Rows before this moment, RFC 3339."

/* clang-format off */
static const struct field audit_query_fields[] = {
    FIELD_STR(struct audit_query, action, "action", F_NONE, 1, 64, .check = check_action, .doc = "Rows of this action alone."),
    FIELD_STR(struct audit_query, status, "status", F_NONE, 1, 16, .values = audit_statuses, .doc = "Rows with this status alone."),
    FIELD_UUID(struct audit_query, user_id, "user_id", F_NONE, .doc = "Rows about this user alone."),
    FIELD_TIME(struct audit_query, from, "from", F_NONE, .doc = FROM_DOC),
    FIELD_TIME(struct audit_query, to, "to", F_NONE, .doc = TO_DOC),
    FIELD_INT(struct audit_query, limit, "limit", F_NONE, 1, 200, .doc = "Rows of a page, 50 when absent."),
    FIELD_STR(struct audit_query, cursor, "cursor", F_NONE, 1, CURSOR_TEXT_MAX, .doc = "What next of the page before said; the other parameters must be the same."),
};
const struct schema audit_query_schema = {
    .name = "audit_query", .size = sizeof(struct audit_query), SCHEMA_FIELDS(audit_query_fields),
};

static const struct field export_query_fields[] = {
    FIELD_TIME(struct export_query, from, "from", F_NONE, .doc = FROM_DOC),
    FIELD_TIME(struct export_query, to, "to", F_NONE, .doc = TO_DOC),
};
const struct schema audit_export_query_schema = {
    .name = "audit_export_query", .size = sizeof(struct export_query), SCHEMA_FIELDS(export_query_fields),
};

static const struct field audit_page_fields[] = {
    FIELD_LIST(struct event_page, events, "events", F_REQUIRED | F_ALWAYS, &audit_event_schema, 200),
    FIELD_STR(struct event_page, next, "next", F_ALWAYS, 1, 1024, .doc = "Cursor of the next page; null on the last."),
};
const struct schema audit_page_schema = {
    .name = "audit_page", .size = sizeof(struct event_page), SCHEMA_FIELDS(audit_page_fields),
};
/* clang-format on */

static enum err check_range(struct request *req, int64_t from, int64_t to)
{
    if (from != 0 && to != 0 && from > to)
        return fail(&req->ctx, ERR_VALIDATION, "from", "from must not be later than to.");
    return ERR_OK;
}

/* --- pages --- */

static enum err to_events(struct request *req, const struct list *rows, struct list *ret_events)
{
    const struct audit_row *row = rows->items;
    struct audit_event *events = arena_array(req->ctx.arena, rows->count + 1, sizeof *events);

    if (events == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < rows->count; i++)
        events[i] = audit_event_of(&row[i]);
    *ret_events = (struct list){.items = events, .count = rows->count};
    return ERR_OK;
}

/* A cursor goes with the words of the filter as they came. */
static enum err read_parameters(struct request *req, const char *ret_parameters[FILTER_COUNT])
{
    static const char *const names[FILTER_COUNT] = {"action", "status", "user_id", "from", "to"};

    for (size_t i = 0; i < FILTER_COUNT; i++)
        TRY(request_query(req, names[i], &ret_parameters[i]));
    return ERR_OK;
}

static enum err name_next(struct request *req, const struct paging *paging, const struct uuid *last,
                          const char **ret_next)
{
    char text[UUID_TEXT_SIZE];
    const char *const values[] = {text};

    uuid_text(last, text);
    return paging_next(req, paging, values, ret_next);
}

static enum err read_filter(struct request *req, struct audit_filter *ret_filter)
{
    struct audit_query query;

    TRY(request_query_input(req, &query));
    TRY(check_range(req, query.from, query.to));
    *ret_filter = (struct audit_filter){.action = query.action,
                                        .status = query.status,
                                        .user_id = query.user_id,
                                        .from = query.from,
                                        .to = query.to};
    return ERR_OK;
}

enum err handle_audit_list(struct request *req, struct response *res)
{
    struct audit_filter filter;
    struct event_page page = {0};
    struct list rows = {0};
    struct paging paging;
    const char *parameters[FILTER_COUNT];
    const struct cursor_list list = {
        .name = "audit", .parameters = parameters, .parameter_count = FILTER_COUNT};

    TRY(read_filter(req, &filter));
    TRY(read_parameters(req, parameters));
    TRY(paging_read(req, &list, 1, &paging));
    if (paging.begun && !uuid_parse(paging.values[0], &filter.after))
        return ERR_BAD_CURSOR;
    filter.limit = paging.limit + 1;
    TRY(audit_list(&req->ctx, &filter, &rows));

    const struct audit_row *found = rows.items;

    if (paging_cut(&paging, &rows))
        TRY(name_next(req, &paging, &found[rows.count - 1].audit_id, &page.next));
    TRY(to_events(req, &rows, &page.events));
    return respond(req, res, 200, &page);
}

/* Also of tenants that are gone, until the days of their rows end. */
enum err handle_admin_tenant_audit(struct request *req, struct response *res)
{
    struct tenant *tenant = ARENA_NEW(req->ctx.arena, struct tenant);
    struct uuid id;

    if (tenant == NULL)
        return ERR_MEMORY;
    if (!uuid_parse(request_param(req, "id"), &id) || uuid_is_zero(&id))
        return ERR_NOT_FOUND;
    TRY(tenant_find(&req->ctx, &id, tenant));
    ctx_set_tenant(&req->ctx, tenant, &tenant->id);
    return handle_audit_list(req, res);
}

/* What concerns no tenant: platform keys. */
enum err handle_admin_audit(struct request *req, struct response *res)
{
    ctx_set_tenant(&req->ctx, &platform_tenant, &platform_tenant.id);
    return handle_audit_list(req, res);
}

/* --- export --- */

struct export
{
    struct audit_filter filter;
    bool told; /* the row about this export is written */
};

/* Nothing leaves before the row that says so is durable. */
static enum err tell(struct ctx *ctx, struct export *export)
{
    const struct uuid *user = uuid_is_zero(&ctx->who.user_id) ? NULL : &ctx->who.user_id;

    if (export->told)
        return ERR_OK;
    export->told = true;
    return audit_write(ctx, "audit.exported", "success", user, NULL);
}

/* A long export ends with the rights of whoever began it. */
static enum err export_part(struct ctx *ctx, void *arg, struct buf *out, bool *ret_done)
{
    struct export *export = arg;
    struct list rows = {0};

    if (export->told)
        TRY(user_authority_lasts(ctx, ROLE_ADMIN));
    TRY(tell(ctx, export));
    TRY(audit_list(ctx, &export->filter, &rows));

    const struct audit_row *row = rows.items;

    for (size_t i = 0; i < rows.count; i++) {
        const struct audit_event event = audit_event_of(&row[i]);

        schema_to_json(&audit_event_schema, &event, out);
        buf_putc(out, '\n');
    }
    if (rows.count > 0)
        export->filter.after = row[rows.count - 1].audit_id;
    *ret_done = rows.count < EXPORT_ROWS;
    return buf_ok(out) ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "a part of an export");
}

enum err handle_audit_export(struct request *req, struct response *res)
{
    const char *name = arena_printf(req->ctx.arena, "attachment; filename=\"audit-%s.ndjson\"",
                                    req->ctx.tenant->slug);
    struct export *export = ARENA_NEW(req->ctx.arena, struct export);
    struct export_query query;

    if (name == NULL || export == NULL)
        return ERR_MEMORY;
    TRY(request_query_input(req, &query));
    TRY(check_range(req, query.from, query.to));
    export->filter = (struct audit_filter){.from = query.from,
                                           .to = query.to != 0 ? query.to : clock_now_ms(),
                                           .oldest_first = true,
                                           .limit = EXPORT_ROWS};
    response_header(res, "Content-Disposition", name);
    return respond_stream(req, res, "application/x-ndjson", export_part, export);
}
