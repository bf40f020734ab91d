/* The audit log: making rows, sealing them, reading them. audit_writer.c commits them. */
#include "models/audit.h"

#include <string.h>

#include "app/app.h"
#include "app/buf.h"
#include "app/config.h"
#include "app/db.h"
#include "app/secret.h"
#include "app/text.h"
#include "models/audit_writer.h"
#include "models/tenant.h"

#define USER_AGENT_BYTES 256
#define CANONICAL_BYTES  4096
#define DAY_MS           (INT64_C(24) * 3600 * 1000)

const char *const audit_statuses[] = {"success", "failed", NULL};

/* clang-format off */
static const struct field audit_fields[] = {
    FIELD_UUID(struct audit_row, audit_id, "audit_id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct audit_row, tenant_id, "tenant_id", F_READONLY | F_INTERNAL | F_REQUIRED),
    FIELD_UUID(struct audit_row, user_id, "user_id", F_READONLY | F_ALWAYS),
    FIELD_UUID(struct audit_row, actor_id, "actor_id", F_READONLY),
    FIELD_UUID(struct audit_row, key_id, "key_id", F_READONLY),
    FIELD_STR(struct audit_row, client_id, "oauth_client_id", F_READONLY, 1, 63),
    FIELD_STR(struct audit_row, action, "action", F_READONLY | F_REQUIRED, 1, 64),
    FIELD_STR(struct audit_row, status, "status", F_READONLY | F_REQUIRED, 1, 16, .values = audit_statuses),
    FIELD_STR(struct audit_row, reason, "reason", F_READONLY, 1, 64),
    FIELD_INT_OPT(struct audit_row, count, has_count, "count", F_READONLY, 1, INT64_MAX),
    FIELD_STR(struct audit_row, ip_address, "ip_address", F_READONLY | F_ALWAYS, 1, 64),
    FIELD_STR(struct audit_row, user_agent, "user_agent", F_READONLY, 1, USER_AGENT_BYTES),
    FIELD_STR(struct audit_row, request_id, "request_id", F_READONLY, 1, 128),
    FIELD_TIME(struct audit_row, timestamp, "timestamp", F_READONLY | F_REQUIRED),
    FIELD_UUID(struct audit_row, writer, "writer", F_READONLY | F_INTERNAL | F_REQUIRED),
    FIELD_INT(struct audit_row, n, "n", F_READONLY | F_INTERNAL | F_REQUIRED, 1, INT64_MAX),
    FIELD_BYTES(struct audit_row, mac, "mac", F_READONLY | F_INTERNAL | F_REQUIRED),
    FIELD_TIME(struct audit_row, purge_at, "purge_at", F_READONLY | F_INTERNAL),
};
const struct schema audit_schema = {
    .name = "audit_row", .collection = "audit_logs",
    .size = sizeof(struct audit_row), SCHEMA_FIELDS(audit_fields),
};
/* clang-format on */

/* --- sealing --- */

static void put_number(struct buf *out, uint64_t number, int bytes)
{
    while (bytes-- > 0)
        buf_putc(out, (char)(uint8_t)(number >> (8 * bytes)));
}

/* Length first, so that no two rows have the same bytes; absent is a length of its own. */
static void put_text(struct buf *out, const char *text)
{
    if (text == NULL) {
        put_number(out, UINT32_MAX, 4);
        return;
    }
    put_number(out, strlen(text), 4);
    buf_puts(out, text);
}

static void put_id(struct buf *out, const struct uuid *id)
{
    buf_add(out, id->bytes, sizeof id->bytes);
}

enum err audit_mac(struct ctx *ctx, const uint8_t key[32], const struct audit_row *row,
                   uint8_t ret_mac[AUDIT_MAC_SIZE])
{
    struct buf out;

    buf_init(&out, ctx->arena, CANONICAL_BYTES);
    buf_puts(&out, row->client_id == NULL ? "tenantd audit 1" : "tenantd audit 2");
    if (row->client_id != NULL)
        put_text(&out, row->client_id);
    put_id(&out, &row->audit_id);
    put_id(&out, &row->tenant_id);
    put_id(&out, &row->user_id);
    put_id(&out, &row->key_id);
    put_text(&out, row->action);
    put_text(&out, row->status);
    put_text(&out, row->reason);
    put_text(&out, row->ip_address);
    put_text(&out, row->user_agent);
    put_text(&out, row->request_id);
    put_number(&out, (uint64_t)row->timestamp, 8);
    put_id(&out, &row->writer);
    put_number(&out, (uint64_t)row->n, 8);
    put_number(&out, (uint64_t)row->purge_at, 8);
    /* What few rows have tells itself by its length. */
    if (row->has_count)
        put_number(&out, (uint64_t)row->count, 8);
    if (!uuid_is_zero(&row->actor_id))
        put_id(&out, &row->actor_id);
    if (!buf_ok(&out))
        return fail_internal(ctx, ERR_MEMORY, "an audit row too large to seal");
    secret_mac(key, out.data, out.size, ret_mac);
    return ERR_OK;
}

/* --- making --- */

/* The milliseconds that a UUIDv7 begins with: rows sort alike by id and by time. */
static int64_t id_time(const struct uuid *id)
{
    int64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id->bytes[i];
    return ms;
}

static int64_t purge_at(const struct ctx *ctx, int64_t timestamp)
{
    int64_t days = ctx->tenant != NULL
                       ? tenant_plan(ctx->app, ctx->tenant).audit_days
                       : config_plan_of(app_config(ctx->app), PLAN_FREE)->audit_days;

    return days > 0 ? timestamp + days * DAY_MS : 0;
}

static enum err make_row(struct ctx *ctx, const char *action, const char *status,
                         struct audit_row *row)
{
    if (uuid_is_zero(&ctx->tenant_id))
        return fail_internal(ctx, ERR_INTERNAL, "an audit row (%s) without a tenant", action);

    row->audit_id = uuid_new();
    row->timestamp = id_time(&row->audit_id);
    row->tenant_id = ctx->tenant_id;
    row->key_id = ctx->who.key_id;
    row->client_id = ctx->who.client_id;
    if (!uuid_equal(&ctx->who.user_id, &row->user_id))
        row->actor_id = ctx->who.user_id;
    row->action = action;
    row->status = status;
    row->purge_at = purge_at(ctx, row->timestamp);
    TRY(text_clip(ctx, ctx->ip, 64, &row->ip_address));
    TRY(text_clip(ctx, ctx->user_agent, USER_AGENT_BYTES, &row->user_agent));
    return text_clip(ctx, ctx->request_id, 128, &row->request_id);
}

/* A command without the writer's thread: each row is the only one of a writer of its own. */
static enum err seal_alone(struct ctx *ctx, struct audit_row *row)
{
    uint8_t key[SECRET_KEY_SIZE];
    uint8_t *mac = arena_alloc(ctx->arena, AUDIT_MAC_SIZE);

    if (mac == NULL)
        return fail_internal(ctx, ERR_MEMORY, "an audit row");
    row->writer = row->audit_id;
    row->n = 1;
    secret_derive(app_config(ctx->app)->master_key_bytes, "audit", key);
    enum err err = audit_mac(ctx, key, row, mac);
    secret_wipe(key, sizeof key);
    row->mac = (struct bytes){.data = mac, .size = AUDIT_MAC_SIZE};
    return err;
}

static enum err commit_row(struct ctx *ctx, struct audit_row *row)
{
    if (ctx->app->audit != NULL)
        return audit_writer_commit(ctx->app->audit, ctx, row);
    TRY(seal_alone(ctx, row));
    return db_insert(ctx, &audit_schema, row);
}

enum err audit_write(struct ctx *ctx, const char *action, const char *status,
                     const struct uuid *user_id, const char *reason)
{
    struct audit_row row = {.reason = reason};

    if (user_id != NULL)
        row.user_id = *user_id;
    TRY(make_row(ctx, action, status, &row));
    return commit_row(ctx, &row);
}

enum err audit_write_refusals(struct ctx *ctx, const char *action, const char *reason,
                              const struct uuid *user_id, int64_t count)
{
    struct audit_row row = {.reason = reason, .count = count, .has_count = count > 1};

    if (user_id != NULL)
        row.user_id = *user_id;
    TRY(make_row(ctx, action, "failed", &row));
    return commit_row(ctx, &row);
}

enum err audit_prepare(struct ctx *ctx, const char *action, const char *status,
                       const struct uuid *user_id, struct audit_row *ret_row)
{
    *ret_row = (struct audit_row){.user_id = *user_id};
    return make_row(ctx, action, status, ret_row);
}

enum err audit_insert_prepared(struct ctx *ctx, struct audit_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ctx->transaction == NULL)
            return fail_internal(ctx, ERR_INTERNAL, "the audit row of %s outside a transaction",
                                 rows[i].action);
        if (ctx->app->audit != NULL)
            TRY(audit_writer_number(ctx->app->audit, ctx, &rows[i]));
        else
            TRY(seal_alone(ctx, &rows[i]));
    }
    return db_insert_many(ctx, &audit_schema, &(struct list){.items = rows, .count = count});
}

/* Within the transaction that it tells of. */
static enum err insert_row(struct ctx *ctx, const char *action, const char *status,
                           struct audit_row *row)
{
    TRY(make_row(ctx, action, status, row));
    return audit_insert_prepared(ctx, row, 1);
}

enum err audit_insert(struct ctx *ctx, const char *action, const char *status,
                      const struct uuid *user_id, const char *reason)
{
    struct audit_row row = {.reason = reason};

    if (user_id != NULL)
        row.user_id = *user_id;
    return insert_row(ctx, action, status, &row);
}

enum err audit_insert_counted(struct ctx *ctx, const char *action, int64_t count,
                              const char *reason)
{
    struct audit_row row = {.reason = reason, .count = count, .has_count = count > 1};

    return insert_row(ctx, action, "success", &row);
}

/* --- reading --- */

/* One bound of a range that may have two: {name: {operator: value, …}} is put by parts. */
struct bound {
    const char *operator;
    bson_value_t value; /* of type 0: none */
};

static void put_range(const char *name, const struct bound bounds[2], bson_t *filter)
{
    bson_t range;

    if (bounds[0].value.value_type == 0 && bounds[1].value.value_type == 0)
        return;
    bson_append_document_begin(filter, name, -1, &range);
    for (int i = 0; i < 2; i++) {
        if (bounds[i].value.value_type != 0)
            (void)bson_append_value(&range, bounds[i].operator, - 1, &bounds[i].value);
    }
    bson_append_document_end(filter, &range);
}

static bson_value_t time_value(int64_t ms)
{
    bson_value_t value = {.value_type = BSON_TYPE_DATE_TIME};

    value.value.v_datetime = ms;
    return value;
}

/* From from to to, which is not included, and beyond the row last seen. Rows of the same
 * millisecond are told apart by their id, in which the time stands too. */
static void put_place(const struct audit_filter *filter, bson_t *where)
{
    const bool seen = !uuid_is_zero(&filter->after), up = filter->oldest_first;
    struct bound times[2] = {{.operator= "$gte" }, {.operator= "$lt" } };
    struct bound ids[2] = {{.operator= up ? "$gt" : "$lt" } };
    uint8_t bytes[sizeof filter->after.bytes];
    int64_t from = filter->from;

    if (seen && up && id_time(&filter->after) > from)
        from = id_time(&filter->after);
    if (from > 0)
        times[0].value = time_value(from);
    if (filter->to > 0)
        times[1].value = time_value(filter->to);
    if (seen && !up && (filter->to <= 0 || id_time(&filter->after) < filter->to))
        times[1] = (struct bound){.operator= "$lte", .value = time_value(id_time(&filter->after))};
    if (seen) {
        memcpy(bytes, filter->after.bytes, sizeof bytes);
        ids[0].value.value_type = BSON_TYPE_BINARY;
        ids[0].value.value.v_binary.subtype = BSON_SUBTYPE_UUID;
        ids[0].value.value.v_binary.data = bytes;
        ids[0].value.value.v_binary.data_len = sizeof bytes;
    }
    put_range("timestamp", times, where);
    put_range("_id", ids, where);
}

/* An index begins with tenant, action and status: without a status all are named, which the
 * database merges in order. */
static void put_status(const struct audit_filter *filter, bson_t *where)
{
    bson_t in, list;

    if (filter->status != NULL)
        bson_put_text(where, "status", filter->status);
    if (filter->status != NULL || filter->action == NULL)
        return;
    bson_append_document_begin(where, "status", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &list);
    for (uint32_t i = 0; audit_statuses[i] != NULL; i++)
        bson_put_text(&list, i == 0 ? "0" : "1", audit_statuses[i]);
    bson_append_array_end(&in, &list);
    bson_append_document_end(where, &in);
}

enum err audit_list(struct ctx *ctx, const struct audit_filter *filter, struct list *ret_rows)
{
    const int direction = filter->oldest_first ? 1 : -1;
    AUTO(bson_destroy) bson_t *where = bson_new();
    AUTO(bson_destroy)
    bson_t *sort = BCON_NEW("timestamp", BCON_INT32(direction), "_id", BCON_INT32(direction));
    const struct db_find find = {.filter = where, .sort = sort, .limit = filter->limit};

    if (filter->action != NULL)
        bson_put_text(where, "action", filter->action);
    put_status(filter, where);
    if (!uuid_is_zero(&filter->user_id))
        bson_put_uuid(where, "user_id", &filter->user_id);
    put_place(filter, where);
    return db_find_many(ctx, &audit_schema, &find, ret_rows);
}
