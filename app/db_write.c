/*
 * Writing: inserts, updates, findAndModify and deletes, each one command. Here is the second half
 * of isolation: no document enters under another tenant than the ctx's, and no update changes whose
 * a document is.
 */
#include "app/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/db_internal.h"

/* --- whose document it is --- */

static bool holds_tenant(const bson_t *doc, struct uuid *ret_id)
{
    const uint8_t *data = NULL;
    uint32_t size = 0;
    bson_subtype_t subtype = BSON_SUBTYPE_BINARY;
    bson_iter_t it;

    if (!bson_iter_init_find(&it, doc, "tenant_id") || !BSON_ITER_HOLDS_BINARY(&it))
        return false;
    bson_iter_binary(&it, &subtype, &size, &data);
    if (subtype != BSON_SUBTYPE_UUID || size != sizeof ret_id->bytes)
        return false;
    memcpy(ret_id->bytes, data, size);
    return !uuid_is_zero(ret_id);
}

static enum err check_owner(const struct db_call *call, const bson_t *doc)
{
    struct uuid owner;

    if (call->schema->global)
        return ERR_OK;
    if (!holds_tenant(doc, &owner))
        return fail_internal(call->ctx, ERR_INTERNAL, "%s: a document without a tenant",
                             call->collection);
    if (call->use != DB_WRITE_ANY_TENANT && !uuid_equal(&owner, &call->ctx->tenant_id))
        return fail_internal(call->ctx, ERR_INTERNAL, "%s: a document of another tenant",
                             call->collection);
    return ERR_OK;
}

/* True when a {$set: {…}} or the like names the tenant. */
static bool names_tenant(const bson_iter_t *operation)
{
    bson_iter_t it;

    if (BSON_ITER_HOLDS_UTF8(operation)) /* {$unset: "tenant_id"} of a pipeline */
        return strcmp(bson_iter_utf8(operation, NULL), "tenant_id") == 0;
    return bson_iter_recurse(operation, &it) && bson_iter_find(&it, "tenant_id");
}

/* Operators that change named fields, and none that puts a new document in the place of the old. */
static bool is_safe_stage(const bson_iter_t *stage)
{
    static const char *const refused[] = {"$replaceRoot", "$replaceWith", "$project", "$rename"};
    const char *name = bson_iter_key(stage);

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (strcmp(name, refused[i]) == 0)
            return false;
    }
    return name[0] == '$' && !names_tenant(stage);
}

static bool is_safe_document(bson_iter_t *it)
{
    while (bson_iter_next(it)) {
        if (!is_safe_stage(it))
            return false;
    }
    return true;
}

static bool is_pipeline(const bson_t *update)
{
    bson_iter_t it;

    return bson_iter_init(&it, update) && bson_iter_next(&it) &&
           strcmp(bson_iter_key(&it), "0") == 0;
}

static enum err check_update(const struct db_call *call, const bson_t *update)
{
    bson_iter_t it, stage;
    bool safe = bson_iter_init(&it, update);

    if (safe && !is_pipeline(update))
        safe = is_safe_document(&it);
    else
        while (safe && bson_iter_next(&it))
            safe = bson_iter_recurse(&it, &stage) && is_safe_document(&stage);
    if (!safe || bson_empty(update))
        return fail_internal(call->ctx, ERR_INTERNAL, "%s: not an update of named fields",
                             call->collection);
    return ERR_OK;
}

/* --- building --- */

static enum err put_filter(const struct db_call *call, const char *name, const bson_t *filter,
                           bson_t *out)
{
    bson_t child;

    bson_append_document_begin(out, name, -1, &child);
    enum err err = db_filter(call, filter, &child);
    bson_append_document_end(out, &child);
    return err;
}

static void put_update(const char *name, const bson_t *update, bson_t *out)
{
    if (is_pipeline(update))
        (void)bson_append_array(out, name, -1, update);
    else
        (void)bson_append_document(out, name, -1, update);
}

static int64_t reply_count(const bson_t *reply)
{
    return db_reply_int(reply, "n");
}

/* --- inserting --- */

static enum err put_document(const struct db_call *call, size_t index, const void *struct_ptr,
                             bson_t *out)
{
    char text[16];
    const char *name = NULL;
    bson_t doc;

    (void)bson_uint32_to_string((uint32_t)index, &name, text, sizeof text);
    bson_append_document_begin(out, name, -1, &doc);
    bool fits = schema_to_bson(call->schema, struct_ptr, &doc);
    enum err err = check_owner(call, &doc);
    bson_append_document_end(out, &doc);
    if (!fits)
        return fail_internal(call->ctx, ERR_MEMORY, "%s: a document too large", call->collection);
    return err;
}

static enum err insert(struct db_call *call, const struct list *structs, bool ordered,
                       bson_t *reply)
{
    bson_t command_bytes = BSON_INITIALIZER, documents;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    const char *at = structs->items;
    enum err err = ERR_OK;

    bson_put_text(command, "insert", call->collection);
    bson_append_array_begin(command, "documents", -1, &documents);
    for (size_t i = 0; i < structs->count && err == ERR_OK; i++)
        err = put_document(call, i, at + i * call->schema->size, &documents);
    bson_append_array_end(command, &documents);
    TRY(err);
    bson_put_bool(command, "ordered", ordered);
    return db_run(call, command, reply);
}

enum err db_insert_many(struct ctx *ctx, const struct schema *schema, const struct list *structs)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    if (structs->count == 0)
        return ERR_OK;
    TRY(db_call_begin(ctx, schema, DB_WRITE, &call));
    return insert(&call, structs, true, reply);
}

enum err db_insert(struct ctx *ctx, const struct schema *schema, const void *struct_ptr)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER, documents;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_WRITE, &call));
    bson_put_text(command, "insert", call.collection);
    bson_append_array_begin(command, "documents", -1, &documents);
    enum err err = put_document(&call, 0, struct_ptr, &documents);
    bson_append_array_end(command, &documents);
    TRY(err);
    return db_run(&call, command, reply);
}

/* Marks the documents that the server refused; those that were there already are as good as stored.
 * False when the answer is about the whole command. */
static bool read_refused(const bson_t *reply, bool *ret_refused, size_t count)
{
    bson_iter_t it, errors, error;

    if (!bson_iter_init_find(&it, reply, "writeErrors") || !bson_iter_recurse(&it, &errors))
        return false;
    while (bson_iter_next(&errors)) {
        int64_t index = -1, code = 0;

        if (!bson_iter_recurse(&errors, &error))
            return false;
        while (bson_iter_next(&error)) {
            if (strcmp(bson_iter_key(&error), "index") == 0)
                index = bson_iter_as_int64(&error);
            else if (strcmp(bson_iter_key(&error), "code") == 0)
                code = bson_iter_as_int64(&error);
        }
        if (code != DB_CODE_DUPLICATE && index >= 0 && (size_t)index < count)
            ret_refused[index] = true;
    }
    return true;
}

enum err db_insert_batch_any_tenant(struct ctx *ctx, const struct schema *schema,
                                    const struct list *structs, bool *ret_refused)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    memset(ret_refused, 0, structs->count * sizeof *ret_refused);
    if (structs->count == 0)
        return ERR_OK;
    TRY(db_call_begin(ctx, schema, DB_WRITE_ANY_TENANT, &call));
    enum err err = insert(&call, structs, false, reply);
    if (err == ERR_OK || err == ERR_DB_UNAVAILABLE || bson_has_field(reply, "writeConcernError"))
        return err;
    if (!read_refused(reply, ret_refused, structs->count))
        return err;
    fail_clear(ctx);
    return ERR_OK;
}

/* --- updating --- */

static enum err update(struct db_call *call, const bson_t *filter, const bson_t *change,
                       bson_t *reply)
{
    bson_t command_bytes = BSON_INITIALIZER, updates, one;
    AUTO(bson_destroy) bson_t *command = &command_bytes;

    TRY(check_update(call, change));
    bson_put_text(command, "update", call->collection);
    bson_append_array_begin(command, "updates", -1, &updates);
    bson_append_document_begin(&updates, "0", -1, &one);
    enum err err = put_filter(call, "q", filter, &one);
    put_update("u", change, &one);
    bson_put_bool(&one, "multi", call->use == DB_WRITE_MANY);
    bson_append_document_end(&updates, &one);
    bson_append_array_end(command, &updates);
    TRY(err);
    return db_run(call, command, reply);
}

enum err db_update_one(struct ctx *ctx, const struct schema *schema, const bson_t *filter,
                       const bson_t *change)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_WRITE, &call));
    TRY(update(&call, filter, change, reply));
    return reply_count(reply) > 0 ? ERR_OK : ERR_NOT_FOUND;
}

enum err db_update_many(struct ctx *ctx, const struct schema *schema, const bson_t *filter,
                        const bson_t *change, int64_t *ret_modified)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_WRITE_MANY, &call));
    TRY(update(&call, filter, change, reply));
    *ret_modified = db_reply_int(reply, "nModified");
    return ERR_OK;
}

/* The answer's document, or what its absence means. */
static enum err decode_changed(struct db_call *call, const struct db_change *change,
                               const bson_t *reply, void *ret_struct)
{
    const uint8_t *data = NULL;
    uint32_t size = 0;
    bson_iter_t it;
    bson_t doc;

    if (!bson_iter_init_find(&it, reply, "value") || !BSON_ITER_HOLDS_DOCUMENT(&it)) {
        if (!change->upsert)
            return ERR_NOT_FOUND;
        memset(ret_struct, 0, call->schema->size);
        return ERR_OK;
    }
    bson_iter_document(&it, &size, &data);
    if (!bson_init_static(&doc, data, size))
        return fail_internal(call->ctx, ERR_INTERNAL, "%s: a broken answer", call->collection);
    return schema_from_bson(call->ctx, call->schema, &doc, ret_struct);
}

enum err db_find_and_update(struct ctx *ctx, const struct schema *schema,
                            const struct db_change *change, void *ret_struct)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_WRITE, &call));
    TRY(check_update(&call, change->update));
    bson_put_text(command, "findAndModify", call.collection);
    TRY(put_filter(&call, "query", change->filter, command));
    put_update("update", change->update, command);
    bson_put_bool(command, "new", !change->before);
    bson_put_bool(command, "upsert", change->upsert);
    TRY(db_run(&call, command, reply));
    return decode_changed(&call, change, reply, ret_struct);
}

/* --- deleting --- */

enum err db_run_delete(struct db_call *call, const bson_t *filter, bool many, bson_t *reply)
{
    bson_t command_bytes = BSON_INITIALIZER, deletes, one;
    AUTO(bson_destroy) bson_t *command = &command_bytes;

    bson_put_text(command, "delete", call->collection);
    bson_append_array_begin(command, "deletes", -1, &deletes);
    bson_append_document_begin(&deletes, "0", -1, &one);
    (void)bson_append_document(&one, "q", -1, filter);
    bson_put_int(&one, "limit", many ? 0 : 1);
    bson_append_document_end(&deletes, &one);
    bson_append_array_end(command, &deletes);
    return db_run(call, command, reply);
}

static enum err delete_with(struct db_call *call, const bson_t *filter, bson_t *reply)
{
    bson_t whole_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *whole = &whole_bytes;

    TRY(db_filter(call, filter, whole));
    return db_run_delete(call, whole, call->use == DB_WRITE_MANY, reply);
}

enum err db_delete_one(struct ctx *ctx, const struct schema *schema, const bson_t *filter)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_WRITE, &call));
    TRY(delete_with(&call, filter, reply));
    return reply_count(reply) > 0 ? ERR_OK : ERR_NOT_FOUND;
}

enum err db_delete_many(struct ctx *ctx, const struct schema *schema, const bson_t *filter,
                        int64_t *ret_deleted)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_WRITE_MANY, &call));
    TRY(delete_with(&call, filter, reply));
    *ret_deleted = reply_count(reply);
    return ERR_OK;
}
