/* Parts are found by scanning, nothing is decoded or normalised: what looks different is different.
 */
#include "app/redirect_uri.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Of an absolute URI; each part lies within the text. */
struct parts {
    const char *scheme, *authority, *rest; /* authority: NULL without "//" */
    size_t scheme_length, authority_length;
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool split(const char *uri, struct parts *ret)
{
    const char *at = uri;

    if (!is_letter(*at))
        return false;
    while (is_letter(*at) || is_digit(*at) || *at == '+' || *at == '-' || *at == '.')
        at++;
    if (*at != ':')
        return false;
    *ret = (struct parts){.scheme = uri, .scheme_length = (size_t)(at - uri), .rest = at + 1};
    if (at[1] != '/' || at[2] != '/')
        return true;
    ret->authority = at + 3;
    ret->authority_length = strcspn(ret->authority, "/?#");
    ret->rest = ret->authority + ret->authority_length;
    return true;
}

static bool scheme_is(const struct parts *parts, const char *name)
{
    return strlen(name) == parts->scheme_length &&
           strncasecmp(parts->scheme, name, parts->scheme_length) == 0;
}

/* Of "host", "host:port" and "[v6]:port"; the port's digits follow. */
static size_t host_length(const struct parts *parts)
{
    if (parts->authority_length > 0 && parts->authority[0] == '[') {
        const char *end = memchr(parts->authority, ']', parts->authority_length);

        return end != NULL ? (size_t)(end - parts->authority) + 1 : 0;
    }

    const char *colon = memchr(parts->authority, ':', parts->authority_length);

    return colon != NULL ? (size_t)(colon - parts->authority) : parts->authority_length;
}

static bool is_loopback(const struct parts *parts)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    const size_t length = parts->authority != NULL ? host_length(parts) : 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == length && strncasecmp(parts->authority, names[i], length) == 0)
            return true;
    }
    return false;
}

/* Nothing, or a colon with one to five digits that make a port. */
static bool port_is_valid(const char *text, size_t length)
{
    uint32_t port = 0;

    if (length == 0)
        return true;
    if (text[0] != ':' || length < 2 || length > 6)
        return false;
    for (size_t i = 1; i < length; i++) {
        if (!is_digit(text[i]))
            return false;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    return port > 0 && port <= UINT16_MAX;
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Between brackets an address of version 6; else letters, digits, dots and hyphens, no dot or
 * hyphen at an end of a label. */
static bool host_is_valid(const char *host, size_t length)
{
    if (length == 0 || length > 253)
        return false;
    if (host[0] == '[') {
        for (size_t i = 1; i + 1 < length; i++) {
            if (!is_hex(host[i]) && host[i] != ':' && host[i] != '.')
                return false;
        }
        return length > 3;
    }
    for (size_t i = 0; i < length; i++) {
        const bool at_end = i == 0 || i + 1 == length || host[i - 1] == '.' || host[i + 1] == '.';

        if (host[i] == '-' || host[i] == '.') {
            if (at_end)
                return false;
        } else if (!is_letter(host[i]) && !is_digit(host[i])) {
            return false;
        }
    }
    return true;
}

/* What RFC 3986 allows in path and query; a star would look like a pattern. */
static bool is_uri_byte(char c)
{
    return is_letter(c) || is_digit(c) || (c != '\0' && strchr("-._~:/?[]@!$&'()+,;=%", c) != NULL);
}

static bool escapes_are_whole(const char *text)
{
    for (; (text = strchr(text, '%')) != NULL; text++) {
        if (!is_hex(text[1]) || !is_hex(text[2]))
            return false;
    }
    return true;
}

/* "." and ".." would be taken away by the browser, also when escaped. */
static bool has_dot_segment(const char *path)
{
    while (*path == '/') {
        size_t dots = 0;

        for (path++; *path != '\0' && strchr("/?#", *path) == NULL;) {
            const bool escaped = strncasecmp(path, "%2e", 3) == 0;

            if (*path != '.' && !escaped) {
                dots = 3;
                path++;
                continue;
            }
            dots++;
            path += escaped ? 3 : 1;
        }
        if (dots == 1 || dots == 2)
            return true;
    }
    return false;
}

static const char *check_bytes(const char *uri)
{
    const size_t length = strnlen(uri, REDIRECT_URI_MAX + 1);

    if (length == 0 || length > REDIRECT_URI_MAX)
        return "must have 1 to 2000 bytes";
    if (strchr(uri, '#') != NULL)
        return "must not have a fragment";
    if (strchr(uri, '*') != NULL)
        return "must be one whole URI: there are no patterns";
    for (const char *at = uri; *at != '\0'; at++) {
        if (!is_uri_byte(*at))
            return "must be a URI in ASCII: escape other characters as %XX";
    }
    return escapes_are_whole(uri) ? NULL : "has a % without two hexadecimal digits behind it";
}

/* http and https. */
static const char *check_web(const struct parts *parts, const struct redirect_rule *rule)
{
    if (parts->authority == NULL)
        return "must name a host: https://app.example/callback";
    if (memchr(parts->authority, '@', parts->authority_length) != NULL)
        return "must not hold a user name or password";

    const size_t host = host_length(parts);

    if (!host_is_valid(parts->authority, host))
        return "must name a valid host: https://app.example/callback";
    if (!port_is_valid(parts->authority + host, parts->authority_length - host))
        return "has a bad port";
    if (has_dot_segment(parts->rest))
        return "must not have \".\" or \"..\" in its path";
    if (scheme_is(parts, "https") || rule->is_development)
        return NULL;
    return rule->is_native && is_loopback(parts)
               ? NULL
               : "must begin with https:// (http:// only for a native application on loopback)";
}

/* Schemes of applications have a dot, like the domain that they belong to (RFC 8252 §7.1): that
 * leaves out javascript, data, file and all others that a browser handles itself. */
static const char *check_private(const struct parts *parts, const struct redirect_rule *rule)
{
    if (!rule->is_native || rule->is_web_only)
        return "must begin with https://";
    if (memchr(parts->scheme, '.', parts->scheme_length) == NULL)
        return "must have a scheme made of a domain, such as com.example.app:/callback";
    return NULL;
}

const char *redirect_uri_check(const char *uri, const struct redirect_rule *rule)
{
    struct parts parts;
    const char *mistake = check_bytes(uri);

    if (mistake != NULL)
        return mistake;
    if (!split(uri, &parts))
        return "must be an absolute URI: https://app.example/callback";
    if (scheme_is(&parts, "https") || scheme_is(&parts, "http"))
        return check_web(&parts, rule);
    return check_private(&parts, rule);
}

/* Both are loopback URIs whose authorities differ in the port alone. */
static bool differ_in_port(const char *registered, const char *sent)
{
    struct parts a, b;

    if (!split(registered, &a) || !split(sent, &b) || !scheme_is(&a, "http") ||
        !scheme_is(&b, "http") || a.authority == NULL || b.authority == NULL || !is_loopback(&a))
        return false;

    const size_t host = host_length(&a);

    return a.scheme_length == b.scheme_length &&
           strncmp(a.scheme, b.scheme, a.scheme_length) == 0 && host == host_length(&b) &&
           strncmp(a.authority, b.authority, host) == 0 &&
           port_is_valid(b.authority + host, b.authority_length - host) &&
           strcmp(a.rest, b.rest) == 0;
}

bool redirect_uri_matches(const char *registered, const char *sent, bool is_native)
{
    return strcmp(registered, sent) == 0 || (is_native && differ_in_port(registered, sent));
}

size_t redirect_uri_origin(const char *uri)
{
    struct parts parts;

    if (!split(uri, &parts) || parts.authority == NULL ||
        (!scheme_is(&parts, "http") && !scheme_is(&parts, "https")))
        return 0;
    return (size_t)(parts.rest - uri);
}
