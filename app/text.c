/* Text of people, with libunistring (normal forms, cases, properties) and libidn2 (domains). */
#include "app/text.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define EMAIL_MAX        254
#define EMAIL_LOCAL_MAX  64
#define DOMAIN_MAX       253
#define LABEL_MAX        63
#define SLUG_MAX         63
/* Leaves room for "-" and a number where a derived slug is taken. */
#define SLUG_DERIVED_MAX 52
#define USERNAME_MAX     64
/* Longer inputs of the normalising functions go to the heap. */
#define SMALL            512

static const uint8_t *utf8(const char *text)
{
    return (const uint8_t *)text;
}

bool text_is_utf8(const char *text, size_t length)
{
    return memchr(text, '\0', length) == NULL && u8_check(utf8(text), length) == NULL;
}

size_t text_code_points(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        if (((unsigned char)*text & 0xc0) != 0x80)
            count++;
    }
    return count;
}

static bool is_ascii(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] >= 0x80)
            return false;
    }
    return true;
}

const char *text_trim(const char *text, size_t length, size_t *ret_length)
{
    ucs4_t c;

    while (length > 0) {
        int size = u8_mbtouc(&c, utf8(text), length);

        if (!uc_is_property_white_space(c))
            break;
        text += size;
        length -= (size_t)size;
    }
    while (length > 0) {
        const uint8_t *last = u8_prev(&c, utf8(text) + length, utf8(text));

        if (last == NULL || !uc_is_property_white_space(c))
            break;
        length = (size_t)(last - utf8(text));
    }
    *ret_length = length;
    return text;
}

/* One of libunistring's conversions, its result copied to the arena. */
typedef uint8_t *(*convert_fn)(const uint8_t *text, size_t size, uint8_t *buffer, size_t *size_p);

static uint8_t *to_nfc(const uint8_t *text, size_t size, uint8_t *buffer, size_t *size_p)
{
    return u8_normalize(UNINORM_NFC, text, size, buffer, size_p);
}

static uint8_t *to_lower_nfc(const uint8_t *text, size_t size, uint8_t *buffer, size_t *size_p)
{
    return u8_tolower(text, size, NULL, UNINORM_NFC, buffer, size_p);
}

static uint8_t *to_lower_nfkc(const uint8_t *text, size_t size, uint8_t *buffer, size_t *size_p)
{
    uint8_t *lower = u8_tolower(text, size, NULL, UNINORM_NFKC, buffer, size_p);

    /* The small sigma has another form at the end of a word: ς is CF 82, σ is CF 83. */
    for (size_t i = 1; lower != NULL && i < *size_p; i++) {
        if (lower[i - 1] == 0xcf && lower[i] == 0x82)
            lower[i] = 0x83;
    }
    return lower;
}

/* Case folded (so that a sharp s becomes ss) and taken apart into letters and marks. */
static uint8_t *to_folded_nfd(const uint8_t *text, size_t size, uint8_t *buffer, size_t *size_p)
{
    return u8_casefold(text, size, NULL, UNINORM_NFD, buffer, size_p);
}

static enum err convert(struct ctx *ctx, convert_fn function, const char *text, size_t length,
                        const char **ret_text)
{
    uint8_t small[SMALL];
    size_t size = sizeof small;
    const char *copy = NULL;

    if (length == 0) {
        *ret_text = "";
        return ERR_OK;
    }

    uint8_t *result = function(utf8(text), length, small, &size);
    if (result != NULL)
        copy = arena_strndup(ctx->arena, (const char *)result, size);
    if (result != small)
        free(result);
    if (copy == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory to normalise a text");
    *ret_text = copy;
    return ERR_OK;
}

enum err text_clip(struct ctx *ctx, const char *text, size_t limit, const char **ret_text)
{
    *ret_text = NULL;
    if (text == NULL || text[0] == '\0')
        return ERR_OK;

    size_t length = strlen(text);
    bool valid = text_is_utf8(text, length);
    if (length > limit)
        length = limit;
    while (valid && length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    char *copy = arena_strndup(ctx->arena, text, length);
    if (copy == NULL)
        return fail_internal(ctx, ERR_MEMORY, "a text to clip");
    for (size_t i = 0; !valid && i < length; i++) {
        if ((unsigned char)copy[i] >= 0x80)
            copy[i] = '?';
    }
    *ret_text = copy;
    return ERR_OK;
}

enum err text_nfc(struct ctx *ctx, const char *text, const char **ret_text)
{
    return convert(ctx, to_nfc, text, strlen(text), ret_text);
}

enum err text_canonical(struct ctx *ctx, const char *text, const char **ret_text)
{
    size_t length;
    const char *nfc = "";

    text = text_trim(text, strlen(text), &length);
    TRY(convert(ctx, to_nfc, text, length, &nfc));
    return convert(ctx, to_lower_nfc, nfc, strlen(nfc), ret_text);
}

enum err text_without_case(struct ctx *ctx, const char *text, const char **ret_text)
{
    return convert(ctx, to_lower_nfkc, text, strlen(text), ret_text);
}

/* --- characters that are refused --- */

static bool is_control(ucs4_t c)
{
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Zl |
                                                   UC_CATEGORY_MASK_Zp);
}

/* Turns the direction of the text that follows: what is shown is not what is stored. */
static bool is_direction_control(ucs4_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static bool is_invisible(ucs4_t c)
{
    return is_control(c) || uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cf) ||
           uc_is_property_default_ignorable_code_point(c) || uc_is_property_not_a_character(c);
}

/* The next code point, 0 at the end. The text is valid UTF-8. */
static ucs4_t next_code_point(const char **text)
{
    ucs4_t c;
    const uint8_t *next = u8_next(&c, utf8(*text));

    if (next == NULL)
        return 0;
    *text = (const char *)next;
    return c;
}

const char *text_check_name(const char *text)
{
    ucs4_t c;

    while ((c = next_code_point(&text)) != 0) {
        if (is_control(c) || is_direction_control(c))
            return "must not contain control characters or line breaks";
    }
    return NULL;
}

const char *text_check_username(const char *text)
{
    size_t count = 0;
    ucs4_t last = ' ';
    ucs4_t c;

    while ((c = next_code_point(&text)) != 0) {
        count++;
        if (c == '@')
            return "must not contain \"@\"; e-mail addresses have a field of their own";
        if (is_invisible(c))
            return "must not contain control or invisible characters";
        if (uc_is_property_white_space(c) && (c != ' ' || last == ' '))
            return "may contain only single blanks, and none at its beginning";
        last = c;
    }
    if (count < 1 || count > USERNAME_MAX)
        return "must have 1 to 64 characters";
    return last == ' ' ? "must not end with a blank" : NULL;
}

/* --- domains --- */

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Labels of letters, digits and inner hyphens (RFC 1123), of 1 to 63 characters, 253 in all. The
 * extra character, if any, is allowed like a letter. Returns the number of labels, 0 when not
 * valid. */
static size_t count_labels(const char *text, size_t length, char extra)
{
    size_t labels = 0;

    if (length > DOMAIN_MAX)
        return 0;
    for (size_t at = 0; at <= length; at++) {
        size_t start = at;

        while (at < length && text[at] != '.') {
            if (!is_letter_or_digit(text[at]) && text[at] != '-' && text[at] != extra)
                return 0;
            at++;
        }
        if (at == start || at - start > LABEL_MAX || text[start] == '-' || text[at - 1] == '-')
            return 0;
        labels++;
    }
    return labels;
}

/* An all-digit last label would make the name an IPv4 address to many readers. */
static bool last_label_is_number(const char *domain)
{
    const char *dot = strrchr(domain, '.');
    const char *label = dot != NULL ? dot + 1 : domain;

    return label[strspn(label, "0123456789")] == '\0';
}

/* Checks A-labels and U-labels (IDNA2008). */
static bool is_idn(const char *domain)
{
    uint8_t *ascii = NULL;
    int result = idn2_lookup_u8(utf8(domain), &ascii,
                                IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_ALABEL_ROUNDTRIP);
    bool valid = result == IDN2_OK &&
                 count_labels((const char *)ascii, strlen((const char *)ascii), '-') > 0;

    idn2_free(ascii);
    return valid;
}

static bool has_a_label(const char *domain)
{
    return strncasecmp(domain, "xn--", 4) == 0 || strcasestr(domain, ".xn--") != NULL;
}

const char *text_check_domain(const char *text)
{
    if (count_labels(text, strlen(text), '-') < 2 || last_label_is_number(text))
        return "must be a host name such as login.example.com, in ASCII (xn-- for other letters)";
    if (has_a_label(text) && !is_idn(text))
        return "must be a host name; one of its xn-- labels is not valid";
    return NULL;
}

/* --- e-mail addresses --- */

/* An atom character of RFC 5322 §3.2.3 or a visible one beyond ASCII (RFC 6531). */
static bool is_local_character(ucs4_t c)
{
    if (c >= 0x80)
        return !is_invisible(c) && !uc_is_property_white_space(c);
    return is_letter_or_digit((char)c) || strchr("!#$%&'*+-/=?^_`{|}~.", (int)c) != NULL;
}

static bool is_local_part(const char *text, const char *at)
{
    ucs4_t last = '.';

    if (at == text || at - text > EMAIL_LOCAL_MAX)
        return false;
    while (text < at) {
        ucs4_t c = next_code_point(&text);

        if (!is_local_character(c) || (c == '.' && last == '.'))
            return false;
        last = c;
    }
    return last != '.';
}

static bool is_mail_domain(const char *domain)
{
    size_t length = strlen(domain);

    if (is_ascii(domain, length))
        return count_labels(domain, length, '-') > 0 && !last_label_is_number(domain) &&
               (!has_a_label(domain) || is_idn(domain));
    for (const char *text = domain; *text != '\0';) {
        ucs4_t c = next_code_point(&text);

        if (c < 0x80 ? !is_letter_or_digit((char)c) && c != '-' && c != '.' : is_invisible(c))
            return false;
    }
    return is_idn(domain);
}

const char *text_check_email(const char *text)
{
    const char *at = strchr(text, '@');

    if (at == NULL || strlen(text) > EMAIL_MAX || !is_local_part(text, at) ||
        !is_mail_domain(at + 1))
        return "must be one e-mail address such as name@example.com, of at most 254 bytes";
    return NULL;
}

/* --- slugs --- */

const char *text_check_slug(const char *text)
{
    size_t length = strlen(text);
    bool valid = length >= 1 && length <= SLUG_MAX && text[0] != '-' && text[length - 1] != '-';

    for (size_t i = 0; i < length && valid; i++) {
        char c = text[i];

        if (c == '-')
            valid = text[i + 1] != '-';
        else
            valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    }
    return valid ? NULL : "must have 1 to 63 lower-case letters, digits and single inner hyphens";
}

enum err text_slugify(struct ctx *ctx, const char *name, const char **ret_slug)
{
    char slug[SLUG_DERIVED_MAX + 1];
    size_t size = 0;
    bool gap = false;
    const char *folded = "";
    ucs4_t c;

    TRY(convert(ctx, to_folded_nfd, name, strlen(name), &folded));
    while ((c = next_code_point(&folded)) != 0 && size < SLUG_DERIVED_MAX) {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            if (gap && size > 0 && size + 1 < SLUG_DERIVED_MAX)
                slug[size++] = '-';
            slug[size++] = (char)c;
            gap = false;
        } else if (c != '\'' && (c < 0x80 || !uc_is_property_alphabetic(c)) &&
                   !uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M)) {
            /* Marks and letters without an ASCII form vanish; all else parts words. */
            gap = true;
        }
    }
    slug[size] = '\0';

    const char *copy = arena_strdup(ctx->arena, size > 0 ? slug : "tenant");
    if (copy == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a slug");
    *ret_slug = copy;
    return ERR_OK;
}

/* --- Host header --- */

/* Length of the host before a valid port, or 0. */
static size_t without_port(const char *host, size_t length)
{
    size_t digits = 0;
    unsigned port = 0;
    size_t at = length;

    while (at > 0 && host[at - 1] >= '0' && host[at - 1] <= '9')
        at--;
    if (at == 0 || host[at - 1] != ':')
        return length;
    for (digits = at; digits < length && port <= 65535; digits++)
        port = port * 10 + (unsigned)(host[digits] - '0');
    return port <= 65535 ? at - 1 : 0;
}

static bool is_ipv6_in_brackets(const char *host, size_t length)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;

    if (length < 4 || length - 2 >= sizeof address || host[0] != '[' || host[length - 1] != ']')
        return false;
    memcpy(address, host + 1, length - 2);
    address[length - 2] = '\0';
    return inet_pton(AF_INET6, address, &parsed) == 1;
}

enum err text_host(struct ctx *ctx, const char *host, const char **ret_host)
{
    size_t length = without_port(host, strlen(host));
    char *lower;

    *ret_host = NULL;
    if (host[0] != '[' && length > 1 && host[length - 1] == '.')
        length--;
    /* Underscores are no host names by the book, but are common in private networks. */
    if (length == 0 || (!is_ipv6_in_brackets(host, length) && count_labels(host, length, '_') == 0))
        return ERR_OK;

    lower = arena_strndup(ctx->arena, host, length);
    if (lower == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a host name");
    for (size_t i = 0; i < length; i++) {
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] - 'A' + 'a');
    }
    *ret_host = lower;
    return ERR_OK;
}
