/* Lists for the holder of an access key: users and audit rows of its tenant, newest pages by
 * cursor. */
#include "app/paging.h"
#include "handlers/clients.h"
#include "models/audit.h"
#include "models/user.h"

struct user_page {
    struct list users;
    const char *next;
};

struct event {
    struct uuid audit_id, user_id, client_id, key_id;
    const char *action, *status, *reason, *ip_address, *user_agent, *request_id;
    int64_t timestamp;
};

struct event_page {
    struct list events;
    const char *next;
};

/* clang-format off */
static const struct field client_users_fields[] = {
    FIELD_LIST(struct user_page, users, "users", F_REQUIRED | F_ALWAYS, &user_schema, 200),
    FIELD_STR(struct user_page, next, "next", F_ALWAYS, 1, 1024, .doc = "Cursor of the next page; null on the last."),
};
const struct schema client_users_schema = {
    .name = "user_page", .size = sizeof(struct user_page), SCHEMA_FIELDS(client_users_fields),
};

static const struct field event_fields[] = {
    FIELD_UUID(struct event, audit_id, "audit_id", F_REQUIRED),
    FIELD_UUID(struct event, user_id, "user_id", F_ALWAYS, .doc = "null when no user is known."),
    FIELD_UUID(struct event, client_id, "client_id", F_REQUIRED, .doc = "The tenant."),
    FIELD_STR(struct event, action, "action", F_REQUIRED, 1, 64, .example = "login"),
    FIELD_STR(struct event, status, "status", F_REQUIRED, 1, 16, .example = "success"),
    FIELD_STR(struct event, reason, "reason", F_NONE, 1, 64),
    FIELD_STR(struct event, ip_address, "ip_address", F_ALWAYS, 1, 64),
    FIELD_STR(struct event, user_agent, "user_agent", F_ALWAYS, 1, 512),
    FIELD_UUID(struct event, key_id, "key_id", F_NONE),
    FIELD_STR(struct event, request_id, "request_id", F_NONE, 1, 64),
    FIELD_TIME(struct event, timestamp, "timestamp", F_REQUIRED),
};
static const struct schema event_schema = {
    .name = "audit_event", .size = sizeof(struct event), SCHEMA_FIELDS(event_fields),
};
static const struct field client_audit_fields[] = {
    FIELD_LIST(struct event_page, events, "events", F_REQUIRED | F_ALWAYS, &event_schema, 200),
    FIELD_STR(struct event_page, next, "next", F_ALWAYS, 1, 1024, .doc = "Cursor of the next page; null on the last."),
};
const struct schema client_audit_schema = {
    .name = "audit_page", .size = sizeof(struct event_page), SCHEMA_FIELDS(client_audit_fields),
};
/* clang-format on */

/* Both lists go by a UUID: where this page begins, zero = at the beginning. */
static enum err position_of(const struct paging *paging, struct uuid *ret_position)
{
    *ret_position = (struct uuid){0};
    if (!paging->begun || uuid_parse(paging->values[0], ret_position))
        return ERR_OK;
    return ERR_BAD_CURSOR;
}

static enum err name_next(struct request *req, const struct paging *paging, const struct uuid *last,
                          const char **ret_next)
{
    char text[UUID_TEXT_SIZE];
    const char *const values[] = {text};

    uuid_text(last, text);
    return paging_next(req, paging, values, ret_next);
}

enum err handle_client_users(struct request *req, struct response *res)
{
    static const struct cursor_list list = {.name = "users"};
    struct user_page page = {0};
    struct paging paging;
    struct uuid position;

    TRY(paging_read(req, &list, 1, &paging));
    TRY(position_of(&paging, &position));
    TRY(user_list(&req->ctx, &position, paging.limit + 1, &page.users));

    const struct user *users = page.users.items;

    if (paging_cut(&paging, &page.users))
        TRY(name_next(req, &paging, &users[page.users.count - 1].id, &page.next));
    return respond(req, res, 200, &page);
}

static enum err to_events(struct request *req, const struct list *rows, struct list *ret_events)
{
    const struct audit_row *row = rows->items;
    struct event *events = arena_array(req->ctx.arena, rows->count + 1, sizeof *events);

    if (events == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < rows->count; i++, row++)
        events[i] = (struct event){.audit_id = row->audit_id,
                                   .user_id = row->user_id,
                                   .client_id = row->tenant_id,
                                   .key_id = row->key_id,
                                   .action = row->action,
                                   .status = row->status,
                                   .reason = row->reason,
                                   .ip_address = row->ip_address,
                                   .user_agent = row->user_agent,
                                   .request_id = row->request_id,
                                   .timestamp = row->timestamp};
    *ret_events = (struct list){.items = events, .count = rows->count};
    return ERR_OK;
}

enum err handle_client_audit(struct request *req, struct response *res)
{
    struct audit_filter filter = {0};
    struct event_page page = {0};
    struct list rows = {0};
    struct paging paging;

    TRY(request_query(req, "action", &filter.action));
    TRY(request_query(req, "status", &filter.status));

    const char *const parameters[] = {filter.action, filter.status};
    const struct cursor_list list = {
        .name = "audit", .parameters = parameters, .parameter_count = 2};

    TRY(paging_read(req, &list, 1, &paging));
    TRY(position_of(&paging, &filter.before));
    filter.limit = paging.limit + 1;
    TRY(audit_list(&req->ctx, &filter, &rows));

    const struct audit_row *found = rows.items;

    if (paging_cut(&paging, &rows))
        TRY(name_next(req, &paging, &found[rows.count - 1].audit_id, &page.next));
    TRY(to_events(req, &rows, &page.events));
    return respond(req, res, 200, &page);
}
