/* Reading the parameter, and cutting users down to it. */
#include "models/user_fields.h"

#include <string.h>

#include "app/bson_auto.h"
#include "app/document.h"

#define CUSTOM    "custom_fields"
#define MAX_NAMES 50
#define MAX_TEXT  4000
#define MAX_DEPTH 16

struct fields_query {
    const char *fields;
};

/* clang-format off */
static const struct field query_fields[] = {
    FIELD_STR(struct fields_query, fields, "fields", F_NONE, 1, MAX_TEXT, .doc = USER_FIELDS_DOC, .example = "email,custom_fields.department"),
};
const struct schema user_fields_query_schema = {
    .name = "user_fields_query", .size = sizeof(struct fields_query), SCHEMA_FIELDS(query_fields),
};
/* clang-format on */

/* ---- reading ---- */

static bool leaves(const struct field *field)
{
    return (field->flags & (F_SECRET | F_INTERNAL | F_WRITE_ONLY)) == 0;
}

static enum err refuse(struct ctx *ctx, const char *name)
{
    struct buf names;

    buf_init(&names, ctx->arena, 1024);
    for (size_t i = 0; i < user_schema.field_count; i++) {
        if (leaves(&user_schema.fields[i]))
            buf_printf(&names, "%s, ", user_schema.fields[i].name);
    }
    buf_puts(&names, CUSTOM ".<name>");
    return fail(ctx, ERR_BAD_REQUEST, "fields", "fields: \"%.60s\" is none of %s.", name,
                buf_text(&names) != NULL ? buf_text(&names) : "the members of a user");
}

/* "custom_fields.a.b": no empty step. */
static bool is_path(const char *name)
{
    const size_t length = strlen(name);

    return strncmp(name, CUSTOM ".", sizeof CUSTOM) == 0 && name[sizeof CUSTOM] != '.' &&
           name[sizeof CUSTOM] != '\0' && name[length - 1] != '.' && strstr(name, "..") == NULL;
}

static enum err add(struct ctx *ctx, const char *name, bool *all_custom, struct user_fields *fields)
{
    const int index = schema_field_index(&user_schema, name);

    if (is_path(name)) {
        const size_t length = strlen(name + sizeof CUSTOM);

        fields->longest = length > fields->longest ? length : fields->longest;
        fields->paths.items[fields->paths.count++] = name + sizeof CUSTOM;
        return ERR_OK;
    }
    if (index < 0 || !leaves(&user_schema.fields[index]))
        return refuse(ctx, name);
    fields->mask |= UINT64_C(1) << index;
    *all_custom = *all_custom || strcmp(name, CUSTOM) == 0;
    return ERR_OK;
}

enum err user_fields_parse(struct ctx *ctx, const char *text, struct user_fields *ret_fields)
{
    char *rest = text != NULL ? arena_strdup(ctx->arena, text) : NULL, *name;
    bool all_custom = false;
    size_t count = 0;

    *ret_fields = (struct user_fields){0};
    if (text == NULL)
        return ERR_OK;
    if (strlen(text) > MAX_TEXT)
        return fail(ctx, ERR_BAD_REQUEST, "fields", "fields has at most %d bytes.", MAX_TEXT);
    ret_fields->paths.items = arena_array(ctx->arena, MAX_NAMES, sizeof *ret_fields->paths.items);
    if (rest == NULL || ret_fields->paths.items == NULL)
        return ERR_MEMORY;
    ret_fields->mask = user_field_bit("id");
    while ((name = strsep(&rest, ",")) != NULL) {
        if (++count > MAX_NAMES)
            return fail(ctx, ERR_BAD_REQUEST, "fields", "fields: at most %d names.", MAX_NAMES);
        TRY(add(ctx, name, &all_custom, ret_fields));
    }
    if (all_custom)
        ret_fields->paths.count = 0;
    if (ret_fields->paths.count > 0)
        ret_fields->mask |= user_field_bit(CUSTOM);
    return ERR_OK;
}

/* ---- cutting ---- */

/* Where the walk is: the path down to here, without the name of the element. */
struct prefix {
    const struct strs *paths;
    char *text; /* room for the longest path */
    size_t length, room;
};

enum wanted { WANTED_NOT = 0, WANTED_PARTLY, WANTED_WHOLE };

static enum wanted is_wanted(const struct prefix *prefix, size_t length)
{
    enum wanted wanted = WANTED_NOT;

    for (size_t i = 0; i < prefix->paths->count; i++) {
        const char *path = prefix->paths->items[i];

        if (strncmp(path, prefix->text, length) != 0)
            continue;
        if (path[length] == '\0')
            return WANTED_WHOLE;
        if (path[length] == '.')
            wanted = WANTED_PARTLY;
    }
    return wanted;
}

static bool cut(struct prefix *prefix, bson_iter_t at, bson_t *out, unsigned depth);

static bool cut_member(struct prefix *prefix, const bson_iter_t *at, bson_t *out, unsigned depth)
{
    const char *name = bson_iter_key(at);
    const size_t before = prefix->length, dot = before > 0, length = before + dot + strlen(name);
    bson_iter_t inner;
    bson_t child;

    if (length >= prefix->room || depth > MAX_DEPTH)
        return true; /* longer than every path */
    if (dot)
        prefix->text[before] = '.';
    memcpy(prefix->text + before + dot, name, strlen(name) + 1);

    const enum wanted wanted = is_wanted(prefix, length);

    if (wanted == WANTED_WHOLE)
        return bson_append_iter(out, name, -1, at);
    if (wanted == WANTED_NOT || !BSON_ITER_HOLDS_DOCUMENT(at) || !bson_iter_recurse(at, &inner))
        return true;
    prefix->length = length;

    const bool done = bson_append_document_begin(out, name, -1, &child);
    const bool filled = done && cut(prefix, inner, &child, depth + 1);

    prefix->length = before;
    return done && bson_append_document_end(out, &child) && filled;
}

static bool cut(struct prefix *prefix, bson_iter_t at, bson_t *out, unsigned depth)
{
    while (bson_iter_next(&at)) {
        if (!cut_member(prefix, &at, out, depth))
            return false;
    }
    return true;
}

enum err user_fields_apply(struct ctx *ctx, const struct user_fields *fields, struct user *user)
{
    AUTO(bson_destroy) bson_t *out = bson_new();
    struct prefix prefix = {.paths = &fields->paths, .room = fields->longest + 1};
    const uint8_t *bytes = NULL;
    bson_iter_t at;
    bson_t view;

    user->shown = fields->mask;
    if (fields->paths.count == 0)
        return ERR_OK;
    prefix.text = arena_alloc(ctx->arena, prefix.room);
    if (prefix.text == NULL)
        return ERR_MEMORY;
    if (!document_view(&user->custom_fields, &view) || !bson_iter_init(&at, &view))
        return fail_internal(ctx, ERR_INTERNAL, "custom_fields are no valid document");
    if (cut(&prefix, at, out, 1))
        bytes = arena_memdup(ctx->arena, bson_get_data(out), out->len);
    if (bytes == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for custom fields");
    user->custom_fields = (struct bytes){.data = bytes, .size = out->len};
    return ERR_OK;
}
