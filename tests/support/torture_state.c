/* The documents of a database, what changed among them, and putting that back. */
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/db.h"
#include "models/tenant.h"
#include "support/torture.h"

#define DOCUMENTS_MAX 4096
#define LINES_MAX     128
#define LINE_MAX_SIZE 256

/* Written along the way, with no promise that a failure takes it back, or repaired later. */
static const char *const ignored[] = {
    "leases",          "login_attempts", "tenant_usage",      "platform_counters", "known_devices",
    "access_key_uses", "rate_limits",    "schema_migrations", "idempotency_keys",
};

struct document {
    const char *collection; /* points into bytes */
    bson_t *bytes;          /* {c: collection, d: document} */
    const uint8_t *data;    /* the document within */
    uint32_t size;
    bson_iter_t id;
};

struct torture_state {
    size_t count;
    struct document documents[DOCUMENTS_MAX];
};

static mongoc_client_t *client;

static void close_client(void)
{
    mongoc_client_destroy(client);
}

static void run(const bson_t *command, bson_t *reply)
{
    bson_error_t error;

    if (client == NULL) {
        client = mongoc_client_new(getenv("TEST_MONGODB_URI"));
        (void)atexit(close_client);
    }
    if (!mongoc_client_command_simple(client, db_name(torture_app()->db), command, NULL, reply,
                                      &error)) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
}

/* Runs it without looking at the answer; destroys it. */
static void run_only(bson_t *command)
{
    bson_t reply;

    run(command, &reply);
    bson_destroy(&reply);
    bson_destroy(command);
}

/* --- reading --- */

/* A call that gets through ends what failed transactions left on the server. */
static void settle(void)
{
    struct arena arena;
    struct ctx ctx;
    struct tenant tenant;
    const struct uuid nobody = {{1}};

    arena_init(&arena, (size_t)64 * 1024);
    ctx_init(&ctx, torture_app(), &arena);
    if (tenant_find(&ctx, &nobody, &tenant) != ERR_NOT_FOUND)
        abort();
    ctx_clear(&ctx);
    arena_clear(&arena);
}

static void add_stage(bson_t *stages, uint32_t at, const char *collection)
{
    bson_t *stage =
        BCON_NEW("$unionWith", "{", "coll", BCON_UTF8(collection), "pipeline", "[", "{", "$project",
                 "{", "_id", BCON_INT32(0), "c", "{", "$literal", BCON_UTF8(collection), "}", "d",
                 BCON_UTF8("$$ROOT"), "}", "}", "]", "}");
    char text[16];
    const char *name = NULL;

    (void)bson_uint32_to_string(at, &name, text, sizeof text);
    bson_append_document(stages, name, -1, stage);
    bson_destroy(stage);
}

/* All collections, each a stage of one pipeline. */
static void add_stages(bson_t *stages)
{
    bson_t *command = BCON_NEW("listCollections", BCON_INT32(1), "nameOnly", BCON_BOOL(true),
                               "cursor", "{", "batchSize", BCON_INT32(1000), "}");
    bson_t *nothing = BCON_NEW("$match", "{", "$expr", BCON_BOOL(false), "}");
    bson_t reply;
    bson_iter_t top, batch, items, name;

    run(command, &reply);
    bson_append_document(stages, "0", -1, nothing);
    if (!bson_iter_init(&top, &reply) ||
        !bson_iter_find_descendant(&top, "cursor.firstBatch", &batch) ||
        !bson_iter_recurse(&batch, &items))
        abort();
    for (uint32_t at = 1; bson_iter_next(&items);) {
        if (bson_iter_recurse(&items, &name) && bson_iter_find(&name, "name") &&
            strncmp(bson_iter_utf8(&name, NULL), "system.", 7) != 0)
            add_stage(stages, at++, bson_iter_utf8(&name, NULL));
    }
    bson_destroy(&reply);
    bson_destroy(nothing);
    bson_destroy(command);
}

static void add_document(struct torture_state *state, bson_iter_t *at)
{
    struct document *document = &state->documents[state->count++];
    const uint8_t *data = NULL;
    uint32_t size = 0;
    bson_iter_t it;

    bson_iter_document(at, &size, &data);
    document->bytes = bson_new_from_data(data, size);
    if (state->count == DOCUMENTS_MAX || !bson_iter_init_find(&it, document->bytes, "c"))
        abort();
    document->collection = bson_iter_utf8(&it, NULL);
    if (!bson_iter_init_find(&it, document->bytes, "d"))
        abort();
    bson_iter_document(&it, &document->size, &document->data);
    if (!bson_iter_init_from_data(&document->id, document->data, document->size) ||
        !bson_iter_find(&document->id, "_id"))
        abort();
}

/* Of a field: its value's bytes. */
static const uint8_t *value_bytes(const bson_iter_t *it, size_t *ret_size)
{
    const size_t start = it->key + strlen(bson_iter_key(it)) + 1;

    *ret_size = it->next_off - start;
    return it->raw + start;
}

static int compare_values(const bson_iter_t *a, const bson_iter_t *b)
{
    size_t size_a, size_b;
    const uint8_t *bytes_a = value_bytes(a, &size_a), *bytes_b = value_bytes(b, &size_b);

    if (size_a != size_b)
        return size_a < size_b ? -1 : 1;
    return memcmp(bytes_a, bytes_b, size_a);
}

static int compare_documents(const void *one, const void *other)
{
    const struct document *a = one, *b = other;
    const int order = strcmp(a->collection, b->collection);

    return order != 0 ? order : compare_values(&a->id, &b->id);
}

struct torture_state *torture_state_read(void)
{
    struct torture_state *state = calloc(1, sizeof *state);
    bson_t command = BSON_INITIALIZER, stages, cursor, reply;
    bson_iter_t top, batch, items;

    if (state == NULL)
        abort();
    settle();
    bson_append_utf8(&command, "aggregate", -1, "leases", -1);
    bson_append_array_begin(&command, "pipeline", -1, &stages);
    add_stages(&stages);
    bson_append_array_end(&command, &stages);
    bson_append_document_begin(&command, "cursor", -1, &cursor);
    bson_append_int32(&cursor, "batchSize", -1, DOCUMENTS_MAX);
    bson_append_document_end(&command, &cursor);
    run(&command, &reply);
    if (!bson_iter_init(&top, &reply) ||
        !bson_iter_find_descendant(&top, "cursor.firstBatch", &batch) ||
        !bson_iter_recurse(&batch, &items))
        abort();
    while (bson_iter_next(&items))
        add_document(state, &items);
    bson_destroy(&reply);
    bson_destroy(&command);
    qsort(state->documents, state->count, sizeof state->documents[0], compare_documents);
    return state;
}

void torture_state_free(struct torture_state *state)
{
    for (size_t i = 0; state != NULL && i < state->count; i++)
        bson_destroy(state->documents[i].bytes);
    free(state);
}

/* --- comparing --- */

/* Calls each with what is only in the one, only in the other, or in both and not the same. */
typedef void (*change_fn)(const struct document *before, const struct document *after, void *arg);

static void walk(const struct torture_state *before, const struct torture_state *after,
                 change_fn each, void *arg)
{
    for (size_t b = 0, a = 0; b < before->count || a < after->count;) {
        const struct document *old = b < before->count ? &before->documents[b] : NULL;
        const struct document *new = a < after->count ? &after->documents[a] : NULL;
        int order = 0;

        if (old == NULL || new == NULL)
            order = new == NULL ? -1 : 1;
        else
            order = compare_documents(old, new);
        if (order < 0)
            each(old, NULL, arg);
        else if (order > 0)
            each(NULL, new, arg);
        else if (old->size != new->size || memcmp(old->data, new->data, old->size) != 0)
            each(old, new, arg);
        b += order <= 0;
        a += order >= 0;
    }
}

static bool is_ignored(const char *collection)
{
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        if (strcmp(collection, ignored[i]) == 0)
            return true;
    }
    return false;
}

struct lines {
    size_t count;
    char text[LINES_MAX][LINE_MAX_SIZE];
};

static bool find(const struct document *document, const char *field, bson_iter_t *ret_it)
{
    return bson_iter_init_from_data(ret_it, document->data, document->size) &&
           bson_iter_find(ret_it, field);
}

/* The names of the fields that the one has otherwise than the other. */
static void append_fields(const struct document *document, const struct document *other,
                          bool both_ways, char *line)
{
    bson_iter_t it, same;

    if (!bson_iter_init_from_data(&it, document->data, document->size))
        abort();
    while (bson_iter_next(&it)) {
        if (find(other, bson_iter_key(&it), &same) &&
            (!both_ways || compare_values(&it, &same) == 0))
            continue;
        const size_t used = strlen(line);

        snprintf(line + used, LINE_MAX_SIZE - used, "%s%s", line[used - 1] == '~' ? "" : ",",
                 bson_iter_key(&it));
    }
}

static void append_text(const struct document *document, const char *field, char *line)
{
    const size_t used = strlen(line);
    bson_iter_t it;

    if (find(document, field, &it) && BSON_ITER_HOLDS_UTF8(&it))
        snprintf(line + used, LINE_MAX_SIZE - used, ":%s", bson_iter_utf8(&it, NULL));
}

static void add_line(const struct document *before, const struct document *after, void *arg)
{
    struct lines *lines = arg;
    const struct document *document = after != NULL ? after : before;
    char *line = lines->text[lines->count];

    if (is_ignored(document->collection))
        return;
    if (++lines->count == LINES_MAX)
        abort();
    const char kind = before == NULL ? '+' : after == NULL ? '-' : '~';

    snprintf(line, LINE_MAX_SIZE, "%s%c",
             strncmp(document->collection, "users_", 6) == 0 ? "users" : document->collection,
             kind);
    if (before != NULL && after != NULL) {
        append_fields(after, before, true, line);
        append_fields(before, after, false, line);
    }
    if (before == NULL && strcmp(document->collection, "audit_logs") == 0) {
        append_text(document, "status", line);
        append_text(document, "action", line);
    }
    if (before == NULL && strcmp(document->collection, "tenants") == 0)
        append_text(document, "status", line);
    /* A note of a use, at most one a minute; a refusal, which may be an earlier one's. */
    if (strcmp(line, "platform_keys~last_used_at") == 0 ||
        strncmp(line, "audit_logs+:failed", strlen("audit_logs+:failed")) == 0)
        lines->count--;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(a, b);
}

void torture_difference(const struct torture_state *before, const struct torture_state *after,
                        char ret_lines[TORTURE_DIFFERENCE])
{
    struct lines *lines = calloc(1, sizeof *lines);
    size_t used = 0;

    if (lines == NULL)
        abort();
    walk(before, after, add_line, lines);
    qsort(lines->text, lines->count, sizeof lines->text[0], compare_lines);
    ret_lines[0] = '\0';
    for (size_t i = 0; i < lines->count && used < TORTURE_DIFFERENCE; i++)
        used +=
            (size_t)snprintf(ret_lines + used, TORTURE_DIFFERENCE - used, "%s ", lines->text[i]);
    free(lines);
}

/* --- putting back --- */

static bson_t *id_query(const struct document *document)
{
    bson_t *query = bson_new();

    bson_append_iter(query, "_id", -1, &document->id);
    return query;
}

static void put_back(const struct document *before, const struct document *after, void *arg)
{
    bson_t whole;
    bool *remembered = arg;
    const struct document *document = before != NULL ? before : after;
    bson_t *query = id_query(document);

    *remembered |= strcmp(document->collection, "tenants") == 0 ||
                   strcmp(document->collection, "access_keys") == 0 ||
                   strcmp(document->collection, "signing_keys") == 0;
    if (before == NULL)
        run_only(BCON_NEW("delete", BCON_UTF8(document->collection), "deletes", "[", "{", "q",
                          BCON_DOCUMENT(query), "limit", BCON_INT32(1), "}", "]"));
    else if (bson_init_static(&whole, before->data, before->size))
        run_only(BCON_NEW("update", BCON_UTF8(document->collection), "updates", "[", "{", "q",
                          BCON_DOCUMENT(query), "u", BCON_DOCUMENT(&whole), "upsert",
                          BCON_BOOL(true), "}", "]"));
    bson_destroy(query);
}

bool torture_restore(const struct torture_state *before, const struct torture_state *after)
{
    bool remembered = false;

    walk(before, after, put_back, &remembered);
    return remembered;
}
