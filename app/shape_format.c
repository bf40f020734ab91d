/* The keyword "format": what each accepts. */
#include <string.h>

#include "app/clock.h"
#include "app/shape.h"
#include "app/text.h"
#include "app/uuid.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Full dates alone: the rest of a moment is put behind it. */
static bool is_date(const char *text)
{
    char moment[32] = "";
    int64_t ms;

    if (strlen(text) != 10)
        return false;
    memcpy(moment, text, 10);
    memcpy(moment + 10, "T00:00:00Z", 11);
    return time_parse(moment, &ms);
}

/* RFC 3986: a scheme, and none but the characters that a URI has. */
static bool is_uri(const char *text)
{
    const char *at = text;

    if (!is_alpha(*at))
        return false;
    while (is_alpha(*at) || is_digit(*at) || *at == '+' || *at == '-' || *at == '.')
        at++;
    if (*at != ':' || at[1] == '\0')
        return false;
    for (at++; *at != '\0'; at++) {
        if (*at == '%' && !(is_hex(at[1]) && is_hex(at[2])))
            return false;
        if (!is_alpha(*at) && !is_digit(*at) && strchr("-._~:/?#[]@!$&'()*+,;=%", *at) == NULL)
            return false;
    }
    return true;
}

const char *shape_format_check(enum shape_format format, const char *text)
{
    struct uuid id;
    int64_t ms;

    switch (format) {
    case SHAPE_EMAIL:
        return text_check_email(text) == NULL ? NULL : "must be one e-mail address";
    case SHAPE_DATE:
        return is_date(text) ? NULL : "must be a date like 2026-01-31";
    case SHAPE_DATE_TIME:
        return time_parse(text, &ms) ? NULL
                                     : "must be a moment like 2026-01-31T09:30:00Z (RFC 3339)";
    case SHAPE_URI:
        return is_uri(text) ? NULL : "must be a URI with its scheme, like https://example.com/";
    case SHAPE_UUID:
        return uuid_parse(text, &id) ? NULL
                                     : "must be a UUID like 0190a5b4-5b1c-7c3e-8a41-0123456789ab";
    case SHAPE_NO_FORMAT:
        break;
    }
    return NULL;
}
