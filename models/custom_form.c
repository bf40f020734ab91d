/* Between the stored form of custom fields and their JSON form: one walk in each direction. */
#include "models/custom_form.h"

#include <stdio.h>
#include <string.h>

#include "app/bson_auto.h"
#include "app/clock.h"
#include "app/document.h"
#include "app/log.h"
#include "models/custom_seal.h"

#define MAX_DEPTH   16 /* ours are 5 deep; what other writers nested deeper is not shown */
#define DATE_LENGTH 10
#define DAY_MS      INT64_C(86400000)

/* The way to an element; on the stack, innermost last. */
struct step {
    const struct step *up;
    const char *name;
};

/* What differs between the directions is done to one element by turn; everything around it is
 * copied. */
struct walk {
    struct ctx *ctx;
    const struct custom_form *form;
    enum shape_party party; /* members that it may not see are left out */
    bool to_write;
    const bson_t *before; /* whose ciphertext stays, or NULL */
    const struct step *at;
    enum err (*turn)(struct walk *walk, bson_t *out, const bson_iter_t *at,
                     const struct shape *shape);
    unsigned depth;
};

static enum err no_memory(struct ctx *ctx)
{
    return fail_internal(ctx, ERR_MEMORY, "no memory for custom fields");
}

/* The shape of the member or item; NULL when nothing is said about it. */
static const struct shape *shape_of(const struct shape *around, const bson_iter_t *at,
                                    bool is_array)
{
    const struct shape_property *property;

    if (around == NULL)
        return NULL;
    if (is_array)
        return around->items;
    property = shape_find(around, bson_iter_key(at));
    return property != NULL ? property->shape : around->others;
}

static enum err copy_members(struct walk *walk, bson_t *out, const bson_iter_t *around,
                             const struct shape *shape)
{
    const bool is_array = BSON_ITER_HOLDS_ARRAY(around);
    bson_iter_t at;

    if (!bson_iter_recurse(around, &at))
        return fail_internal(walk->ctx, ERR_INTERNAL, "custom fields are no valid BSON");
    while (bson_iter_next(&at)) {
        const struct shape *inner = shape_of(shape, &at, is_array);
        const struct step here = {.up = walk->at, .name = bson_iter_key(&at)};
        enum err turned = ERR_OK;

        walk->at = &here;
        if (inner == NULL || inner->read <= walk->party)
            turned = walk->turn(walk, out, &at, inner);
        walk->at = here.up;
        TRY(turned);
    }
    return ERR_OK;
}

/* The element as it is; of an object or array each part as it turns. */
static enum err copy(struct walk *walk, bson_t *out, const bson_iter_t *at,
                     const struct shape *shape)
{
    const bool is_object = BSON_ITER_HOLDS_DOCUMENT(at);
    const char *key = bson_iter_key(at);
    enum err copied;
    bson_t child;

    if (!is_object && !BSON_ITER_HOLDS_ARRAY(at))
        return bson_append_iter(out, key, -1, at) ? ERR_OK : no_memory(walk->ctx);
    if (walk->depth == MAX_DEPTH)
        return bson_append_null(out, key, -1) ? ERR_OK : no_memory(walk->ctx);
    if (is_object ? !bson_append_document_begin(out, key, -1, &child)
                  : !bson_append_array_begin(out, key, -1, &child))
        return no_memory(walk->ctx);
    walk->depth++;
    copied = copy_members(walk, &child, at, shape);
    walk->depth--;

    /* Ended after an error too: the child borrows the parent's memory. */
    const bool ended =
        is_object ? bson_append_document_end(out, &child) : bson_append_array_end(out, &child);

    return copied != ERR_OK || ended ? copied : no_memory(walk->ctx);
}

static enum err run(struct walk *walk, const struct bytes *document, struct bytes *ret_document)
{
    AUTO(bson_destroy) bson_t *whole = bson_new();
    AUTO(bson_destroy) bson_t *out = bson_new();
    const uint8_t *bytes;
    bson_iter_t root;
    bson_t view;

    if (!document_view(document, &view) || !bson_append_document(whole, "", 0, &view) ||
        !bson_iter_init(&root, whole) || !bson_iter_next(&root))
        return fail_internal(walk->ctx, ERR_INTERNAL, "custom fields are no valid BSON");
    TRY(copy_members(walk, out, &root, walk->form->shape));
    bytes = arena_memdup(walk->ctx->arena, bson_get_data(out), out->len);
    if (bytes == NULL)
        return no_memory(walk->ctx);
    *ret_document = (struct bytes){.data = bytes, .size = out->len};
    return ERR_OK;
}

/* address.city: names have no dots. */
static enum err path_of(struct walk *walk, const char **ret_path)
{
    const char *path = "";

    for (const struct step *at = walk->at; at != NULL && path != NULL; at = at->up)
        path = arena_printf(walk->ctx->arena, path[0] != '\0' ? "%s.%s" : "%s%s", at->name, path);
    *ret_path = path;
    return path != NULL ? ERR_OK : no_memory(walk->ctx);
}

/* ---- to JSON form ---- */

/* "…:30Z" where the milliseconds are none: as most clients write it. */
static void moment_text(int64_t ms, bool is_date, char ret_text[TIME_TEXT_SIZE])
{
    char *fraction;

    time_text(ms, ret_text);
    fraction = strstr(ret_text, ".000Z");
    if (is_date)
        ret_text[DATE_LENGTH] = '\0';
    else if (fraction != NULL)
        memcpy(fraction, "Z", sizeof "Z");
}

static enum shape_format format_of(const struct shape *shape)
{
    return shape != NULL ? shape->format : SHAPE_NO_FORMAT;
}

static enum err put_moment(struct walk *walk, bson_t *out, const char *key, int64_t ms,
                           bool is_date)
{
    char text[TIME_TEXT_SIZE];

    moment_text(ms, is_date, text);
    return bson_append_utf8(out, key, -1, text, -1) ? ERR_OK : no_memory(walk->ctx);
}

static enum err to_json(struct walk *walk, bson_t *out, const bson_iter_t *at,
                        const struct shape *shape);

static enum err open_value(struct walk *walk, const bson_iter_t *at, bson_iter_t *ret_value,
                           bson_t *ret_document)
{
    struct custom_place place = {.user_id = &walk->form->user_id};
    struct bytes plain = {0};
    bool is_current;

    TRY(path_of(walk, &place.path));
    TRY(custom_open(walk->ctx, &place, at, &plain, &is_current));
    if (!document_view(&plain, ret_document) || !bson_iter_init(ret_value, ret_document) ||
        !bson_iter_next(ret_value))
        return fail_internal(walk->ctx, ERR_INTERNAL, "%s holds no value", place.path);
    return ERR_OK;
}

static enum err show_sealed(struct walk *walk, bson_t *out, const bson_iter_t *at,
                            const struct shape *shape)
{
    bson_iter_t value;
    bson_t document;
    const enum err opened = open_value(walk, at, &value, &document);

    if (opened == ERR_OK)
        return to_json(walk, out, &value, shape);
    if (opened != ERR_INTERNAL)
        return opened;
    log_event(LOG_ERROR, "custom_field_unreadable", "reason", walk->ctx->failure.internal, NULL);
    fail_clear(walk->ctx);
    return !walk->to_write || bson_append_iter(out, bson_iter_key(at), -1, at)
               ? ERR_OK
               : no_memory(walk->ctx);
}

/* Moments in any offset become the one text that they have once they are stored. */
static enum err to_json(struct walk *walk, bson_t *out, const bson_iter_t *at,
                        const struct shape *shape)
{
    const enum shape_format format = format_of(shape);
    const char *key = bson_iter_key(at);
    int64_t ms;

    if (BSON_ITER_HOLDS_DATE_TIME(at))
        return put_moment(walk, out, key, bson_iter_date_time(at), format == SHAPE_DATE);
    if (BSON_ITER_HOLDS_UTF8(at) && format == SHAPE_DATE_TIME &&
        time_parse(bson_iter_utf8(at, NULL), &ms))
        return put_moment(walk, out, key, ms, false);
    if (BSON_ITER_HOLDS_BINARY(at))
        return show_sealed(walk, out, at, shape);
    return copy(walk, out, at, shape);
}

static bool is_json(bson_iter_t at, unsigned depth)
{
    while (bson_iter_next(&at)) {
        const bool nested = BSON_ITER_HOLDS_DOCUMENT(&at) || BSON_ITER_HOLDS_ARRAY(&at);
        bson_iter_t inner;

        if (BSON_ITER_HOLDS_DATE_TIME(&at) || BSON_ITER_HOLDS_BINARY(&at))
            return false;
        if (nested &&
            (depth == MAX_DEPTH || !bson_iter_recurse(&at, &inner) || !is_json(inner, depth + 1)))
            return false;
    }
    return true;
}

/* Most documents: nothing to hide and nothing to turn into text. */
static bool is_as_it_is(const struct shape *shape, const struct bytes *stored)
{
    bson_iter_t at;
    bson_t view;

    if (shape != NULL && (shape->has_readers || shape->has_moments))
        return false;
    return document_view(stored, &view) && bson_iter_init(&at, &view) && is_json(at, 1);
}

enum err custom_fields_show(struct ctx *ctx, const struct custom_sight *sight,
                            const struct bytes *stored, struct bytes *ret_fields)
{
    struct walk walk = {.ctx = ctx,
                        .form = &sight->form,
                        .party = sight->party,
                        .to_write = sight->to_write,
                        .turn = to_json};

    if (is_as_it_is(sight->form.shape, stored)) {
        *ret_fields = *stored;
        return ERR_OK;
    }
    return run(&walk, stored, ret_fields);
}

enum err custom_fields_canonical(struct ctx *ctx, const struct custom_form *form,
                                 const struct bytes *fields, struct bytes *ret_fields)
{
    return custom_fields_show(
        ctx, &(struct custom_sight){.form = *form, .party = SHAPE_SERVER, .to_write = true}, fields,
        ret_fields);
}

/* ---- to stored form ---- */

static bool has_forms(const struct shape *shape)
{
    return shape != NULL && (shape->has_moments || shape->has_secrets);
}

static bool parse_moment(enum shape_format format, const char *text, int64_t *ret_ms)
{
    char moment[TIME_TEXT_SIZE];

    if (format == SHAPE_DATE_TIME)
        return time_parse(text, ret_ms);
    if (format != SHAPE_DATE || strlen(text) != DATE_LENGTH)
        return false;
    (void)snprintf(moment, sizeof moment, "%sT00:00:00Z", text);
    return time_parse(moment, ret_ms);
}

/* Ciphertext of the same value by the key in use. */
static enum err keep_sealed(struct walk *walk, const struct custom_place *place,
                            const struct bytes *plain, bson_iter_t *ret_kept, bool *ret_is_kept)
{
    struct bytes was = {0};
    bool is_current = false;
    bson_iter_t root;

    *ret_is_kept = false;
    if (walk->before == NULL || !bson_iter_init(&root, walk->before) ||
        !bson_iter_find_descendant(&root, place->path, ret_kept) || !custom_is_sealed(ret_kept))
        return ERR_OK;

    const enum err opened = custom_open(walk->ctx, place, ret_kept, &was, &is_current);

    if (opened == ERR_INTERNAL) {
        fail_clear(walk->ctx);
        return ERR_OK;
    }
    TRY(opened);
    *ret_is_kept =
        is_current && was.size == plain->size && memcmp(was.data, plain->data, was.size) == 0;
    return ERR_OK;
}

static enum err seal_value(struct walk *walk, bson_t *out, const bson_iter_t *at)
{
    AUTO(bson_destroy) bson_t *document = bson_new();
    struct custom_place place = {.user_id = &walk->form->user_id};
    struct bytes plain, sealed = {0};
    bson_iter_t kept;
    bool is_kept;

    if (!bson_append_iter(document, NULL, 0, at))
        return no_memory(walk->ctx);
    plain = (struct bytes){.data = bson_get_data(document), .size = document->len};
    TRY(path_of(walk, &place.path));
    TRY(keep_sealed(walk, &place, &plain, &kept, &is_kept));
    if (is_kept)
        return bson_append_iter(out, bson_iter_key(at), -1, &kept) ? ERR_OK : no_memory(walk->ctx);
    TRY(custom_seal(walk->ctx, &place, &plain, &sealed));
    return bson_append_binary(out, bson_iter_key(at), -1, BSON_SUBTYPE_USER, sealed.data,
                              (uint32_t)sealed.size)
               ? ERR_OK
               : no_memory(walk->ctx);
}

static enum err to_stored(struct walk *walk, bson_t *out, const bson_iter_t *at,
                          const struct shape *shape)
{
    int64_t ms;

    if (shape != NULL && shape->is_encrypted)
        return seal_value(walk, out, at);
    if (BSON_ITER_HOLDS_UTF8(at) && parse_moment(format_of(shape), bson_iter_utf8(at, NULL), &ms))
        return bson_append_date_time(out, bson_iter_key(at), -1, ms) ? ERR_OK
                                                                     : no_memory(walk->ctx);
    return copy(walk, out, at, shape);
}

enum err custom_fields_store(struct ctx *ctx, const struct custom_form *form,
                             const struct bytes *before, const struct bytes *fields,
                             struct bytes *ret_stored)
{
    struct walk walk = {.ctx = ctx, .form = form, .party = SHAPE_SERVER, .turn = to_stored};
    bson_t view;

    if (!has_forms(form->shape)) {
        *ret_stored = *fields;
        return ERR_OK;
    }
    if (!document_view(before, &view))
        return fail_internal(ctx, ERR_INTERNAL, "custom fields are no valid BSON");
    walk.before = &view;
    return run(&walk, fields, ret_stored);
}

/* ---- from one version to another ---- */

/* A date of the database that the later version can say without loss is said by it: so a document
 * that was converted before stays as it is, and a date may become the moment of its midnight. */
static enum err say_later(struct walk *walk, bson_t *out, const bson_iter_t *at,
                          const struct shape *shape)
{
    const enum shape_format format = format_of(shape);
    int64_t ms;

    if (!BSON_ITER_HOLDS_DATE_TIME(at))
        return copy(walk, out, at, shape);
    ms = bson_iter_date_time(at);
    if (format == SHAPE_DATE_TIME || (format == SHAPE_DATE && ms % DAY_MS == 0))
        return put_moment(walk, out, bson_iter_key(at), ms, format == SHAPE_DATE);
    return copy(walk, out, at, shape);
}

/* The JSON form that it has by the one, as the other sees it. */
static enum err carry_over(struct ctx *ctx, const struct custom_conversion *conversion,
                           const struct bytes *stored, struct bytes *ret_fields)
{
    const struct custom_sight from = {
        .form = {.shape = conversion->from, .user_id = conversion->user_id},
        .party = SHAPE_SERVER,
        .to_write = true,
    };
    const struct custom_form to = {.shape = conversion->to, .user_id = conversion->user_id};
    struct walk walk = {.ctx = ctx, .form = &to, .party = SHAPE_SERVER, .turn = say_later};

    *ret_fields = *stored;
    if (to.shape != NULL && to.shape->has_moments)
        TRY(run(&walk, stored, ret_fields));
    TRY(custom_fields_show(ctx, &from, ret_fields, ret_fields));
    return custom_fields_canonical(ctx, &to, ret_fields, ret_fields);
}

enum err custom_fields_convert(struct ctx *ctx, const struct custom_conversion *conversion,
                               const struct bytes *stored, struct bytes *ret_stored)
{
    const struct custom_form to = {.shape = conversion->to, .user_id = conversion->user_id};
    struct bytes fields = {0};

    TRY(carry_over(ctx, conversion, stored, &fields));
    return custom_fields_store(ctx, &to, stored, &fields, ret_stored);
}

enum err custom_fields_try(struct ctx *ctx, const struct custom_conversion *conversion,
                           const struct bytes *stored, struct shape_failures *ret_failures)
{
    struct bytes fields = {0};

    TRY(carry_over(ctx, conversion, stored, &fields));
    return shape_check(ctx, conversion->to, "/custom_fields", &fields, ret_failures);
}

static bool is_moment(const struct shape *shape)
{
    const enum shape_format format = format_of(shape);

    return format == SHAPE_DATE || format == SHAPE_DATE_TIME;
}

bool custom_fields_is_stored_by(const struct shape *shape, const bson_iter_t *value)
{
    if (shape->is_encrypted || BSON_ITER_HOLDS_BINARY(value))
        return shape->is_encrypted && custom_is_sealed(value);
    if (BSON_ITER_HOLDS_DATE_TIME(value))
        return is_moment(shape);
    return !BSON_ITER_HOLDS_UTF8(value) || !is_moment(shape);
}

/* Members that one of both does not name are what its additionalProperties say. */
static bool members_alike(const struct shape *from, const struct shape *to)
{
    for (size_t i = 0; i < from->property_count; i++) {
        const struct shape_property *other = shape_find(to, from->properties[i].name);

        if (!custom_fields_stored_alike(from->properties[i].shape,
                                        other != NULL ? other->shape : to->others))
            return false;
    }
    return true;
}

bool custom_fields_stored_alike(const struct shape *from, const struct shape *to)
{
    static const struct shape nothing = {.types = SHAPE_ANY};

    if (!has_forms(from) && !has_forms(to))
        return true;
    from = from != NULL ? from : &nothing;
    to = to != NULL ? to : &nothing;
    if (from->is_encrypted || to->is_encrypted)
        return from->is_encrypted == to->is_encrypted;
    return is_moment(from) == is_moment(to) && members_alike(from, to) && members_alike(to, from) &&
           custom_fields_stored_alike(from->items, to->items) &&
           custom_fields_stored_alike(from->others, to->others);
}
