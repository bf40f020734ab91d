/* Rows of the outbox: putting, claiming, ending. */
#include "models/outbox.h"

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/outbox_workers.h"
#include "models/audit.h"

#define MARGIN_MS  INT64_C(10000)          /* beside the request, for looks at the database */
#define KEPT_MS    (INT64_C(8) * 86400000) /* longer than outbox.give_up_hours */
#define CLOCKS_MS  INT64_C(600000)         /* how far the clocks of instances may be apart */
#define ERROR_SIZE 256

static const char *const kind_names[] = {NULL, "logout", NULL};

/* clang-format off */
static const struct field outbox_fields[] = {
    FIELD_UUID(struct outbox_row, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct outbox_row, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_ENUM(struct outbox_row, kind, "kind", F_READONLY | F_REQUIRED, kind_names),
    FIELD_STR(struct outbox_row, target, "target", F_READONLY | F_REQUIRED, 1, 63),
    FIELD_UUID(struct outbox_row, user_id, "user_id", F_READONLY),
    FIELD_UUID(struct outbox_row, session_id, "session_id", F_READONLY),
    FIELD_INT(struct outbox_row, attempts, "attempts", F_READONLY, 0, INT64_MAX),
    FIELD_STR(struct outbox_row, last_error, "last_error", F_READONLY, 1, ERROR_SIZE),
    FIELD_TIME(struct outbox_row, due_at, "due_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct outbox_row, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct outbox_row, expires_at, "expires_at", F_READONLY | F_REQUIRED),
};
const struct schema outbox_schema = {
    .name = "outbox_row", .collection = "outbox", .global = true,
    .size = sizeof(struct outbox_row), SCHEMA_FIELDS(outbox_fields),
};
/* clang-format on */

/* --- putting --- */

static void settled(void *arg, enum db_end end)
{
    struct app *app = arg;

    if (end != DB_ABORTED)
        outbox_workers_wake(app->outbox);
}

enum err outbox_put(struct ctx *ctx, const struct list *rows)
{
    const int64_t now = clock_now_ms();
    struct outbox_row *row = rows->items;

    if (rows->count == 0)
        return ERR_OK;
    for (size_t i = 0; i < rows->count; i++, row++) {
        row->id = uuid_new();
        row->tenant_id = ctx->tenant_id;
        row->due_at = row->created_at = now;
        row->expires_at = now + KEPT_MS;
    }
    TRY(db_insert_many(ctx, &outbox_schema, rows));
    return db_on_settled(ctx, settled, ctx->app)
               ? ERR_OK
               : fail_internal(ctx, ERR_MEMORY, "no memory for messages to applications");
}

/* --- claiming --- */

static void put_tenants(bson_t *filter, const struct uuid *busy, size_t count)
{
    bson_t none, list;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "tenant_id", &none);
    BSON_APPEND_ARRAY_BEGIN(&none, "$nin", &list);
    for (size_t i = 0; i < count; i++)
        bson_put_uuid(&list, "0", &busy[i]); /* the server does not read these names */
    bson_append_array_end(&none, &list);
    bson_append_document_end(filter, &none);
}

/* What a newer version put there is that version's to deliver. */
static void put_kinds(bson_t *filter)
{
    bson_t known, list;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "kind", &known);
    BSON_APPEND_ARRAY_BEGIN(&known, "$in", &list);
    for (size_t i = OUTBOX_LOGOUT; kind_names[i] != NULL; i++)
        bson_put_text(&list, "0", kind_names[i]); /* the server does not read these names */
    bson_append_array_end(&known, &list);
    bson_append_document_end(filter, &known);
}

/* The bound serves the index; the database's clock decides. */
static void put_due(bson_t *filter)
{
    AUTO(bson_destroy)
    bson_t *due = BCON_NEW("$lte", "[", BCON_UTF8("$due_at"), BCON_UTF8("$$NOW"), "]");
    bson_t bound;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "due_at", &bound);
    bson_put_time(&bound, "$lte", clock_now_ms() + CLOCKS_MS);
    bson_append_document_end(filter, &bound);
    BSON_APPEND_DOCUMENT(filter, "$expr", due);
}

enum err outbox_claim(struct ctx *ctx, const struct uuid *busy, size_t busy_count,
                      struct outbox_row *ret_row)
{
    const int64_t claim = app_config(ctx->app)->fetch.timeout_ms + MARGIN_MS;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("0", "{", "$set", "{", "due_at", "{", "$add", "[", BCON_UTF8("$$NOW"),
                              BCON_INT64(claim), "]", "}", "attempts", "{", "$add", "[", "{",
                              "$ifNull", "[", BCON_UTF8("$attempts"), BCON_INT64(0), "]", "}",
                              BCON_INT64(1), "]", "}", "}", "}");

    put_due(filter);
    put_kinds(filter);
    if (busy_count > 0)
        put_tenants(filter, busy, busy_count);
    return db_find_and_update(
        ctx, &outbox_schema,
        &(struct db_change){.filter = filter, .update = update, .pipeline = true}, ret_row);
}

/* --- ending --- */

/* The claim of this attempt. */
static void put_claimed(bson_t *filter, const struct outbox_row *row)
{
    bson_put_uuid(filter, "_id", &row->id);
    bson_put_int(filter, "attempts", row->attempts);
}

static enum err finish(struct ctx *ctx, void *arg)
{
    const struct outbox_end *end = arg;
    AUTO(bson_destroy) bson_t *filter = bson_new();

    put_claimed(filter, end->row);
    TRY(db_delete_one(ctx, &outbox_schema, filter));
    return end->action == NULL
               ? ERR_OK
               : audit_insert(ctx, end->action, end->status, &end->row->user_id, end->reason);
}

enum err outbox_finish(struct ctx *ctx, const struct outbox_end *end)
{
    struct outbox_end copy = *end;

    return db_transaction(ctx, finish, &copy);
}

enum err outbox_postpone(struct ctx *ctx, const struct outbox_row *row, int64_t after_ms,
                         const char *why)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("0", "{", "$set", "{", "due_at", "{", "$add", "[", BCON_UTF8("$$NOW"),
                              BCON_INT64(after_ms), "]", "}", "last_error", "{", "$literal",
                              BCON_UTF8(why), "}", "}", "}");
    struct outbox_row postponed = {0};

    put_claimed(filter, row);
    return db_find_and_update(
        ctx, &outbox_schema,
        &(struct db_change){.filter = filter, .update = update, .pipeline = true}, &postponed);
}
