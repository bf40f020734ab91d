/* Own and allowed origins. */
#include "middleware/origin.h"

#include <string.h>
#include <strings.h>

#include "app/app.h"
#include "models/tenant_origin.h"

/* Skips "http://" or "https://"; NULL when there is neither. */
static const char *authority_of(const char *origin, bool *ret_https)
{
    *ret_https = strncasecmp(origin, "https://", 8) == 0;
    if (*ret_https)
        return origin + 8;
    return strncasecmp(origin, "http://", 7) == 0 ? origin + 7 : NULL;
}

/* Length of the host and port without the scheme's own port. */
static size_t significant(const char *authority, size_t length, bool https)
{
    const char *port = https ? ":443" : ":80";
    size_t port_length = strlen(port);

    if (length > port_length && memcmp(authority + length - port_length, port, port_length) == 0)
        return length - port_length;
    return length;
}

static bool same_authority(const char *a, size_t a_length, const char *b, size_t b_length,
                           bool https)
{
    a_length = significant(a, a_length, https);
    b_length = significant(b, b_length, https);
    return a_length == b_length && strncasecmp(a, b, a_length) == 0;
}

static bool is_origin_of(const char *origin, const char *url)
{
    bool https;
    bool url_https;
    const char *a = authority_of(origin, &https);
    const char *b = url != NULL ? authority_of(url, &url_https) : NULL;

    return a != NULL && b != NULL && https == url_https &&
           same_authority(a, strlen(a), b, strcspn(b, "/?#"), https);
}

bool origin_is_own(const struct request *req, const char *origin)
{
    bool https;
    const char *authority = authority_of(origin, &https);

    if (authority == NULL)
        return false;
    if (https == req->https && req->authority != NULL && req->authority[0] != '\0' &&
        same_authority(authority, strlen(authority), req->authority, strlen(req->authority), https))
        return true;
    return is_origin_of(origin, app_config(req->ctx.app)->server.public_url);
}

/* http://localhost and its subdomains on any port. */
static bool is_localhost(const char *origin)
{
    static const char name[] = "localhost";
    bool https;
    const char *authority = authority_of(origin, &https);
    size_t length;

    if (authority == NULL || https)
        return false;
    length = strcspn(authority, ":");
    if (authority[length] == ':' &&
        (authority[length + 1] == '\0' ||
         authority[length + 1 + strspn(authority + length + 1, "0123456789")] != '\0'))
        return false;
    if (length < strlen(name) ||
        strncasecmp(authority + length - strlen(name), name, strlen(name)) != 0)
        return false;
    if (length == strlen(name))
        return true;
    return authority[length - strlen(name) - 1] == '.' &&
           strspn(authority, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") >=
               length;
}

bool origin_is_local(const struct request *req, const char *origin)
{
    return app_is_development(req->ctx.app) && is_localhost(origin);
}

bool origin_is_allowed(const struct request *req, const char *origin)
{
    return origin_is_local(req, origin) ||
           (req->ctx.tenant != NULL && tenant_allows_origin(req->ctx.tenant, origin));
}
