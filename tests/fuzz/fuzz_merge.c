/*
 * Merge patches (RFC 7396, IN-3): the input is {"d": document, "p": patch}. The result is the one
 * of an independent merge of the two trees, and a refusal has a reason that this one sees too.
 */
#include <stdint.h>
#include <string.h>

#include "app/document.h"
#include "app/json.h"
#include "support/fuzz.h"

static struct bare bare;

/* ---- an independent merge: a list of members that grows, as the RFC's pseudocode has it ---- */

static void set(struct value *object, const char *name, const struct value *value)
{
    for (size_t i = 0; i < object->object.count; i++) {
        if (strcmp(object->object.members[i].name, name) == 0) {
            object->object.members[i].value = *value;
            return;
        }
    }
    object->object.members[object->object.count++] = (struct member){.name = name, .value = *value};
}

static void take_out(struct value *object, const char *name)
{
    size_t kept = 0;

    for (size_t i = 0; i < object->object.count; i++) {
        if (strcmp(object->object.members[i].name, name) != 0)
            object->object.members[kept++] = object->object.members[i];
    }
    object->object.count = kept;
}

static struct value merge(const struct value *target, const struct value *patch)
{
    struct value result = {.type = VALUE_OBJECT};
    const size_t have = target != NULL && target->type == VALUE_OBJECT ? target->object.count : 0;

    if (patch->type != VALUE_OBJECT)
        return *patch;
    result.object.members =
        arena_array(&bare.arena, have + patch->object.count + 1, sizeof(struct member));
    require(result.object.members != NULL);
    for (size_t i = 0; i < have; i++)
        set(&result, target->object.members[i].name, &target->object.members[i].value);
    for (size_t i = 0; i < patch->object.count; i++) {
        const struct member *member = &patch->object.members[i];

        if (member->value.type == VALUE_NULL) {
            take_out(&result, member->name);
            continue;
        }
        const struct value merged = merge(value_get(&result, member->name), &member->value);
        set(&result, member->name, &merged);
    }
    return result;
}

/* ---- what the limits count, of a tree ---- */

struct measure {
    size_t members, depth;
    bool bad_name;
};

static bool is_bad(const char *name)
{
    return name[0] == '\0' || name[0] == '$' || strchr(name, '.') != NULL ||
           strcmp(name, "__proto__") == 0 || strcmp(name, "constructor") == 0 ||
           strcmp(name, "prototype") == 0;
}

static void count(const struct value *value, size_t depth, struct measure *measure)
{
    if (value->type != VALUE_OBJECT && value->type != VALUE_ARRAY)
        return;
    if (depth > measure->depth)
        measure->depth = depth;
    for (size_t i = 0; value->type == VALUE_ARRAY && i < value->array.count; i++)
        count(&value->array.items[i], depth + 1, measure);
    for (size_t i = 0; value->type == VALUE_OBJECT && i < value->object.count; i++) {
        const struct member *member = &value->object.members[i];

        measure->members++;
        measure->bad_name = measure->bad_name || is_bad(member->name);
        count(&member->value, depth + 1, measure);
    }
}

/* ---- equality, without regard to the order of members ---- */

static bool same(const struct value *a, const struct value *b);

static bool same_objects(const struct value *a, const struct value *b)
{
    if (a->object.count != b->object.count)
        return false;
    for (size_t i = 0; i < a->object.count; i++) {
        const struct value *twin = value_get(b, a->object.members[i].name);

        if (twin == NULL || !same(&a->object.members[i].value, twin))
            return false;
    }
    return true;
}

static bool same_items(const struct value *a, const struct value *b)
{
    if (a->array.count != b->array.count)
        return false;
    for (size_t i = 0; i < a->array.count; i++) {
        if (!same(&a->array.items[i], &b->array.items[i]))
            return false;
    }
    return true;
}

static bool same(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case VALUE_OBJECT:
        return same_objects(a, b);
    case VALUE_ARRAY:
        return same_items(a, b);
    case VALUE_STRING:
        return strcmp(a->string.text, b->string.text) == 0;
    case VALUE_INT:
        return a->integer == b->integer;
    case VALUE_REAL:
        return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    case VALUE_BOOL:
        return a->boolean == b->boolean;
    case VALUE_NULL:
    case VALUE_UNSET:
        break;
    }
    return true;
}

static void compare(const struct bytes *merged, const struct value *expected)
{
    struct value result, text;
    struct buf out;

    buf_init(&out, &bare.arena, (size_t)1024 * 1024);
    buf_puts(&out, "{\"r\":");
    document_to_json(merged, &out);
    buf_putc(&out, '}');
    require(json_parse(&bare.ctx, buf_text(&out), out.size, &text) == ERR_OK);
    result = *value_get(&text, "r");
    require(same(&result, expected));
}

static void check(const struct value *start, const struct value *patch, size_t size)
{
    struct bytes document, merged;
    struct measure of_patch = {0}, of_result = {0};

    if (document_from_value(&bare.ctx, "d", start, &document) != ERR_OK)
        return;

    const enum err code = document_merge(&bare.ctx, "d", &document, patch, &merged);

    count(patch, 1, &of_patch);
    if (patch->type != VALUE_OBJECT) {
        require(code == ERR_CUSTOM_FIELDS);
        return;
    }

    const struct value expected = merge(start, patch);

    count(&expected, 1, &of_result);

    const bool over =
        of_result.members > DOCUMENT_MAX_MEMBERS || of_result.depth > DOCUMENT_MAX_DEPTH;

    if (code == ERR_OK) {
        require(!over && !of_result.bad_name);
        compare(&merged, &expected);
        return;
    }
    require(code == ERR_CUSTOM_FIELDS && bare.ctx.failure.detail != NULL);
    /* Escapes of a character may take six times its room. */
    require(over || of_patch.bad_name || of_patch.depth > DOCUMENT_MAX_DEPTH ||
            size * 6 > DOCUMENT_MAX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct value input;

    if (bare.app.started_ms == 0) {
        bare_init(&bare);
        bare.app.started_ms = 1;
    }
    fail_clear(&bare.ctx);
    if (json_parse(&bare.ctx, (const char *)data, size, &input) == ERR_OK) {
        const struct value *start = value_get(&input, "d"), *patch = value_get(&input, "p");

        if (start != NULL && patch != NULL)
            check(start, patch, size);
    }
    arena_reset(&bare.arena);
    return 0;
}
