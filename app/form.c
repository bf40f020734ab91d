/* Form-encoded text (WHATWG URL §5.1) into a flat object of strings. */
#include "app/form.h"

#include <string.h>

#include "app/text.h"

static enum err refuse(struct ctx *ctx, const char *field, const char *reason)
{
    return fail(ctx, ERR_BAD_REQUEST, field, "%s", reason);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes text into the arena. */
static enum err decode(struct ctx *ctx, const char *text, size_t length, const char **ret_text,
                       size_t *ret_length)
{
    char *out = arena_alloc(ctx->arena, length + 1);
    size_t size = 0;

    if (out == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a form");
    for (size_t i = 0; i < length; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(text[i + 2]);
            if (low < 0)
                return refuse(ctx, NULL, "A percent sign is not followed by two hex digits.");
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[size++] = c;
    }
    if (!text_is_utf8(out, size))
        return refuse(ctx, NULL, "The form is not valid UTF-8 without NUL.");
    *ret_text = out;
    *ret_length = size;
    return ERR_OK;
}

enum err form_decode(struct ctx *ctx, const char *text, size_t length, const char **ret_text)
{
    size_t unused;

    return decode(ctx, text, length, ret_text, &unused);
}

static enum err parse_field(struct ctx *ctx, const char *text, size_t length, struct member *member)
{
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
    size_t value_length = equals != NULL ? length - name_length - 1 : 0;
    size_t unused;

    TRY(decode(ctx, text, name_length, &member->name, &unused));
    member->value = (struct value){.type = VALUE_STRING, .plain = true};
    return decode(ctx, equals != NULL ? equals + 1 : "", value_length, &member->value.string.text,
                  &member->value.string.length);
}

static size_t count_fields(const char *text, size_t length)
{
    size_t count = length > 0 ? 1 : 0;

    for (size_t i = 0; i < length; i++)
        count += text[i] == '&';
    return count;
}

enum err form_parse_repeats(struct ctx *ctx, const char *text, size_t length,
                            struct value *ret_value)
{
    size_t most = count_fields(text, length);
    struct member *members;
    size_t count = 0;

    if (most > FORM_MAX_FIELDS)
        return refuse(ctx, NULL, "The form has more than 500 fields.");
    members = arena_array(ctx->arena, most, sizeof *members);
    if (members == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a form");
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '&', length - at);
        size_t size = end != NULL ? (size_t)(end - text) - at : length - at;

        if (size > 0) {
            TRY(parse_field(ctx, text + at, size, &members[count]));
            count++;
        }
        at += size + 1;
    }
    *ret_value = (struct value){.type = VALUE_OBJECT};
    ret_value->object.members = members;
    ret_value->object.count = count;
    return ERR_OK;
}

enum err form_parse(struct ctx *ctx, const char *text, size_t length, struct value *ret_value)
{
    TRY(form_parse_repeats(ctx, text, length, ret_value));

    const struct member *members = ret_value->object.members;

    for (size_t i = 1; i < ret_value->object.count; i++) {
        for (size_t j = 0; j < i && strcmp(members[i].name, FORM_MAY_REPEAT) != 0; j++) {
            if (strcmp(members[i].name, members[j].name) == 0)
                return refuse(ctx, members[i].name, "A field is given twice.");
        }
    }
    return ERR_OK;
}

/* ---- writing ---- */

static void put_encoded(struct buf *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        if (strchr(plain, c) != NULL) {
            buf_putc(out, *text);
            continue;
        }
        buf_putc(out, '%');
        buf_putc(out, digits[c >> 4]);
        buf_putc(out, digits[c & 15]);
    }
}

void form_put(struct buf *out, const char *name, const char *value)
{
    if (out->size > 0)
        buf_putc(out, '&');
    put_encoded(out, name);
    buf_putc(out, '=');
    put_encoded(out, value);
}
