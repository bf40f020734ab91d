/* Orders: read, written for the database, and taken along in cursors. */
#include "models/user_order.h"

#include <string.h>

#define TEXT_MAX     ((size_t)8 * 1024)
#define POSITION_MAX 2900 /* bytes of all values: what a cursor holds */

static const char *const key_names[USER_ORDER_MAX] = {"_k0", "_k1", "_k2"};
static const char *const key_paths[USER_ORDER_MAX] = {"$_k0", "$_k1", "$_k2"};

/* ---- reading ---- */

static enum err read_field(struct ctx *ctx, const char *name, struct user_order *order)
{
    const bool down = *name == '-';
    struct user_field *field = &order->fields[order->count];
    const enum err found = user_field_find(ctx, name + (down ? 1 : 0), field);

    if (found == ERR_NOT_FOUND)
        return fail(ctx, ERR_VALIDATION, "sort", "sort: there is no field %s; there are %s.",
                    name + (down ? 1 : 0), user_field_names);
    if (found == ERR_FORBIDDEN)
        return fail(ctx, ERR_VALIDATION, "sort",
                    "sort: %s is stored encrypted, so it has no order.", field->name);
    TRY(found);
    for (size_t i = 0; i < order->count; i++) {
        if (strcmp(order->fields[i].name, field->name) == 0)
            return fail(ctx, ERR_VALIDATION, "sort", "sort names %s twice.", field->name);
    }
    order->down[order->count++] = down;
    return ERR_OK;
}

/* Nothing that stands behind the id says anything. */
static void cut_at_id(struct user_order *order)
{
    order->id_down = order->count > 0 && order->down[0];
    for (size_t i = 0; i < order->count; i++) {
        if (strcmp(order->fields[i].element, "_id") != 0)
            continue;
        order->id_down = order->down[i];
        order->count = i;
    }
}

enum err user_order_read(struct ctx *ctx, const char *text, struct user_order *ret_order)
{
    char *names = text != NULL ? arena_strdup(ctx->arena, text) : NULL, *rest = names;

    *ret_order = (struct user_order){.count = 0};
    if (text == NULL)
        return ERR_OK;
    if (names == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for an order");
    for (const char *name = strsep(&rest, ","); name != NULL; name = strsep(&rest, ",")) {
        if (ret_order->count == USER_ORDER_MAX)
            return fail(ctx, ERR_VALIDATION, "sort", "sort takes at most %d fields.",
                        USER_ORDER_MAX);
        TRY(read_field(ctx, name, ret_order));
    }
    cut_at_id(ret_order);
    return ERR_OK;
}

bool user_order_ignores_case(const struct user_order *order)
{
    for (size_t i = 0; i < order->count; i++) {
        if (order->fields[i].ignores_case)
            return true;
    }
    return false;
}

enum err user_order_text(struct ctx *ctx, const struct user_order *order, const char **ret_text)
{
    struct buf out;

    buf_init(&out, ctx->arena, TEXT_MAX);
    for (size_t i = 0; i < order->count; i++)
        buf_printf(&out, "%c%s,", order->down[i] ? '-' : '+', order->fields[i].name);
    buf_printf(&out, "%cid", order->id_down ? '-' : '+');
    *ret_text = buf_text(&out);
    return *ret_text != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for an order");
}

/* ---- for the database ---- */

/* What has no order of its own counts as absent: {$cond: [{$in: [{$type: f}, […]]}, null, f]} */
static enum err put_key(struct ctx *ctx, const char *name, const char *element, bson_t *out)
{
    const char *path = arena_printf(ctx->arena, "$%s", element);
    bson_t key, condition, test, among, type, types;

    if (path == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for an order");
    bson_append_document_begin(out, name, -1, &key);
    BSON_APPEND_ARRAY_BEGIN(&key, "$cond", &condition);
    BSON_APPEND_DOCUMENT_BEGIN(&condition, "0", &test);
    BSON_APPEND_ARRAY_BEGIN(&test, "$in", &among);
    BSON_APPEND_DOCUMENT_BEGIN(&among, "0", &type);
    bson_put_text(&type, "$type", path);
    bson_append_document_end(&among, &type);
    BSON_APPEND_ARRAY_BEGIN(&among, "1", &types);
    bson_put_text(&types, "0", "array");
    bson_put_text(&types, "1", "object");
    bson_put_text(&types, "2", "missing");
    bson_append_array_end(&among, &types);
    bson_append_array_end(&test, &among);
    bson_append_document_end(&condition, &test);
    (void)bson_append_null(&condition, "1", -1);
    bson_put_text(&condition, "2", path);
    bson_append_array_end(&key, &condition);
    bson_append_document_end(out, &key);
    return ERR_OK;
}

enum err user_order_put_keys(struct ctx *ctx, const struct user_order *order, bson_t *out)
{
    for (size_t i = 0; i < order->count; i++)
        TRY(put_key(ctx, key_names[i], order->fields[i].element, out));
    if (order->count == 0)
        bson_put_text(out, key_names[0], "$_id"); /* so that there is one */
    return ERR_OK;
}

void user_order_put_sort(const struct user_order *order, bson_t *out)
{
    for (size_t i = 0; i < order->count; i++)
        (void)bson_append_int32(out, key_names[i], -1, order->down[i] ? -1 : 1);
    (void)bson_append_int32(out, "_id", -1, order->id_down ? -1 : 1);
}

/* {operator: [path, {$literal: value}]} */
static void put_test(bson_t *list, uint32_t place, const char *operator, const char * path,
                     const struct user_value *value)
{
    bson_t test, sides, literal;
    const char *key;
    char room[16];

    bson_uint32_to_string(place, &key, room, sizeof room);
    BSON_APPEND_DOCUMENT_BEGIN(list, key, &test);
    bson_append_array_begin(&test, operator, - 1, &sides);
    bson_put_text(&sides, "0", path);
    BSON_APPEND_DOCUMENT_BEGIN(&sides, "1", &literal);
    user_value_put(&literal, "$literal", value);
    bson_append_document_end(&sides, &literal);
    bson_append_array_end(&test, &sides);
    bson_append_document_end(list, &test);
}

/* Equal in all fields before, and behind in this one: {$and: […]} */
void user_order_put_after(const struct user_order *order, const struct user_position *position,
                          bson_t *out)
{
    const struct user_value id = {.type = USER_VALUE_ID, .id = position->id};
    bson_t alternatives;

    BSON_APPEND_ARRAY_BEGIN(out, "$or", &alternatives);
    for (size_t i = 0; i <= order->count; i++) {
        const bool is_id = i == order->count;
        const bool down = is_id ? order->id_down : order->down[i];
        bson_t alternative, tests;
        const char *key;
        char room[16];

        bson_uint32_to_string((uint32_t)i, &key, room, sizeof room);
        BSON_APPEND_DOCUMENT_BEGIN(&alternatives, key, &alternative);
        BSON_APPEND_ARRAY_BEGIN(&alternative, "$and", &tests);
        for (size_t before = 0; before < i; before++)
            put_test(&tests, (uint32_t)before, "$eq", key_paths[before], &position->values[before]);
        put_test(&tests, (uint32_t)i, down ? "$lt" : "$gt", is_id ? "$_id" : key_paths[i],
                 is_id ? &id : &position->values[i]);
        bson_append_array_end(&alternative, &tests);
        bson_append_document_end(&alternatives, &alternative);
    }
    bson_append_array_end(out, &alternatives);
}

/* ---- in cursors ---- */

enum err user_order_position(struct ctx *ctx, const struct user_order *order,
                             const struct user *user, const char *ret_values[USER_ORDER_MAX + 1])
{
    AUTO(bson_destroy) bson_t *document = bson_new();
    char id[UUID_TEXT_SIZE];
    size_t size = 0;

    if (!schema_to_bson(&user_schema, user, document))
        return fail_internal(ctx, ERR_INTERNAL, "a user does not fit a document");
    for (size_t i = 0; i < order->count; i++) {
        const struct user_value value = user_value_of(document, order->fields[i].element);
        const char *text = user_value_text(ctx, &value);

        ret_values[i] = text != NULL ? arena_strdup(ctx->arena, text) : NULL;
        if (ret_values[i] == NULL)
            return fail_internal(ctx, ERR_MEMORY, "no memory for a position");
        size += strlen(ret_values[i]);
    }
    if (size > POSITION_MAX)
        return fail(ctx, ERR_VALIDATION, "sort",
                    "sort: the texts at the end of this page are too long to go on from; at most "
                    "%d bytes can be. Sort by a shorter field.",
                    POSITION_MAX);
    uuid_text(&user->id, id);
    ret_values[order->count] = arena_strdup(ctx->arena, id);
    return ret_values[order->count] != NULL
               ? ERR_OK
               : fail_internal(ctx, ERR_MEMORY, "no memory for a position");
}

enum err user_order_parse(const struct user_order *order, const char *const *values,
                          struct user_position *ret_position)
{
    *ret_position = (struct user_position){0};
    for (size_t i = 0; i < order->count; i++) {
        if (!user_value_parse(values[i], &ret_position->values[i]))
            return ERR_BAD_CURSOR;
    }
    return uuid_parse(values[order->count], &ret_position->id) ? ERR_OK : ERR_BAD_CURSOR;
}
