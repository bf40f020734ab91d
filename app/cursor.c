/* Page cursors: values, each with a NUL behind it, sealed with what they are good for beside. */
#include "app/cursor.h"

#include <string.h>

#include "app/app.h"
#include "app/buf.h"
#include "app/config.h"
#include "app/secret.h"

#define VALUES_BYTES     3000
#define PARAMETERS_BYTES ((size_t)64 * 1024)

static enum err refuse(struct ctx *ctx, const char *why)
{
    fail_clear(ctx);
    return fail_internal(ctx, ERR_BAD_CURSOR, "%s", why);
}

/* --- what it is good for --- */

/* A presence mark before and a NUL behind each, so that no two sets have the same bytes. */
static enum err digest_parameters(struct ctx *ctx, const struct cursor_list *list,
                                  uint8_t ret_digest[SHA256_SIZE])
{
    struct buf all;

    buf_init(&all, ctx->arena, PARAMETERS_BYTES);
    buf_puts(&all, "parameters");
    for (size_t i = 0; i < list->parameter_count; i++) {
        const char *parameter = list->parameters[i];

        buf_putc(&all, parameter != NULL ? '+' : '-');
        buf_puts(&all, parameter != NULL ? parameter : "");
        buf_putc(&all, '\0');
    }
    if (!buf_ok(&all))
        return fail_internal(ctx, ERR_MEMORY, "the parameters of a list");
    secret_sha256(all.data, all.size, ret_digest);
    return ERR_OK;
}

static enum err context_of(struct ctx *ctx, const struct cursor_list *list, const char **ret_text)
{
    uint8_t digest[SHA256_SIZE];
    char digest_text[BASE64URL_LENGTH(SHA256_SIZE) + 1];
    char tenant[UUID_TEXT_SIZE];

    TRY(digest_parameters(ctx, list, digest));
    base64url_encode(digest, sizeof digest, digest_text);
    uuid_text(&ctx->tenant_id, tenant);
    *ret_text = arena_printf(ctx->arena, "cursor %s %s %s", list->name, tenant, digest_text);
    return *ret_text != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a cursor");
}

static void cursor_key(struct ctx *ctx, uint8_t ret_key[SECRET_KEY_SIZE])
{
    secret_derive(app_config(ctx->app)->master_key_bytes, "cursor", ret_key);
}

/* --- making --- */

static enum err pack(struct ctx *ctx, const char *const *values, size_t count,
                     struct bytes *ret_packed)
{
    struct buf packed;

    if (count == 0 || count > CURSOR_VALUES_MAX)
        return fail_internal(ctx, ERR_INTERNAL, "a cursor of %zu values", count);
    buf_init(&packed, ctx->arena, VALUES_BYTES + CURSOR_VALUES_MAX);
    for (size_t i = 0; i < count; i++)
        buf_add(&packed, values[i], strlen(values[i]) + 1);
    if (!buf_ok(&packed))
        return fail_internal(ctx, ERR_INTERNAL, "the position of a cursor is too long");
    *ret_packed = (struct bytes){.data = (const uint8_t *)packed.data, .size = packed.size};
    return ERR_OK;
}

enum err cursor_make(struct ctx *ctx, const struct cursor_list *list, const char *const *values,
                     size_t count, const char **ret_cursor)
{
    uint8_t key[SECRET_KEY_SIZE];
    struct bytes packed, sealed;
    const char *context;

    TRY(pack(ctx, values, count, &packed));
    TRY(context_of(ctx, list, &context));
    cursor_key(ctx, key);

    const enum err done = secret_seal(ctx, key, &packed, context, &sealed);

    secret_wipe(key, sizeof key);
    TRY(done);

    char *text = arena_alloc(ctx->arena, BASE64URL_LENGTH(sealed.size) + 1);

    if (text == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a cursor");
    base64url_encode(sealed.data, sealed.size, text);
    *ret_cursor = text;
    return ERR_OK;
}

/* --- reading --- */

static enum err open_cursor(struct ctx *ctx, const struct cursor_list *list, const char *cursor,
                            struct bytes *ret_packed)
{
    const size_t length = strnlen(cursor, CURSOR_TEXT_MAX + 1);
    uint8_t key[SECRET_KEY_SIZE];
    const char *context;

    if (length > CURSOR_TEXT_MAX)
        return refuse(ctx, "the cursor is too long");

    uint8_t *bytes = arena_alloc(ctx->arena, length + 1);

    if (bytes == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a cursor");

    const int64_t size = base64url_decode(cursor, length, bytes, length);

    if (size < 0)
        return refuse(ctx, "the cursor is malformed");
    TRY(context_of(ctx, list, &context));
    cursor_key(ctx, key);

    const struct bytes sealed = {.data = bytes, .size = (size_t)size};
    const enum err opened = secret_open(ctx, key, &sealed, context, ret_packed);

    secret_wipe(key, sizeof key);
    return opened == ERR_INTERNAL ? refuse(ctx, "the cursor was not made for this list, or changed")
                                  : opened;
}

enum err cursor_read(struct ctx *ctx, const struct cursor_list *list, const char *cursor,
                     const char **ret_values, size_t count)
{
    struct bytes packed;

    TRY(open_cursor(ctx, list, cursor, &packed));

    const char *at = (const char *)packed.data;
    const char *end = at + packed.size;

    for (size_t i = 0; i < count; i++) {
        const char *stop = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;

        if (stop == NULL)
            return refuse(ctx, "the cursor has too few values");
        ret_values[i] = at;
        at = stop + 1;
    }
    return at == end ? ERR_OK : refuse(ctx, "the cursor has too many values");
}
