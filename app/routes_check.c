/* The checks of the route table that stop the start, and a row's place in it. */
#include "app/routes.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define METHODS_ALLOWED ((unsigned)(GET | POST | PUT | PATCH | DELETE))
#define CREDENTIALS     ((unsigned)(AUTH_SESSION | AUTH_BEARER | AUTH_KEY | AUTH_PLATFORM))

size_t route_index(const struct route *route)
{
    return route != NULL ? (size_t)(route - routes) : SIZE_MAX;
}

static const char *check_path(const struct route *route)
{
    size_t params = 0;

    if (route->path == NULL || route->path[0] != '/')
        return "has no path";
    for (const char *at = strchr(route->path, '{'); at != NULL; at = strchr(at + 1, '{')) {
        const char *end = strchr(at, '}');
        if (at[-1] != '/' || end == NULL || end == at + 1 || (end[1] != '/' && end[1] != '\0'))
            return "has a parameter that is no whole segment";
        params++;
    }
    if (params > HTTP_MAX_PARAMS)
        return "has too many parameters";
    if (strlen(route->path) > 1 && route->path[strlen(route->path) - 1] == '/')
        return "ends with a slash";
    return NULL;
}

static const char *check_columns(const struct route *route)
{
    if (route->method == METHOD_UNSET || ((unsigned)route->method & ~METHODS_ALLOWED) != 0)
        return "has no method of GET, POST, PUT, PATCH and DELETE";
    if (route->handler == NULL)
        return "has no handler";
    if (route->tenant == TENANT_UNSET)
        return "has no tenant rule";
    if (route->auth == AUTH_UNSET)
        return "accepts no credential and is not public";
    if (route->rate == RATE_UNSET)
        return "has no rate class";
    if (route->body == BODY_UNSET)
        return "has no body rule";
    if (route->status < 200 || route->status > 399)
        return "has no status of success";
    if (route->flags == 0)
        return "has no flags (ROUTE_PLAIN when there is nothing special)";
    if (route->summary == NULL || route->summary[0] == '\0')
        return "has no summary";
    return NULL;
}

/* Columns that only make sense together. */
static const char *check_columns_together(const struct route *route)
{
    bool is_open = (route->auth & (AUTH_PUBLIC | AUTH_IGNORE | AUTH_BODY | AUTH_CLIENT)) != 0;

    if (!is_open && (route->auth & CREDENTIALS) == 0)
        return "accepts no credential and is not public";
    if ((route->auth & AUTH_IGNORE) != 0 && (route->auth & CREDENTIALS) != 0)
        return "ignores credentials and accepts some";
    if ((route->auth & AUTH_CLIENT) != 0 &&
        (route->auth != AUTH_CLIENT || route->body != BODY_FORM || route->method != POST ||
         route->tenant != TENANT_OPTIONAL))
        return "takes OAuth clients, but is no POST of a form for them alone";
    if ((route->auth & AUTH_PLATFORM) != 0 &&
        ((route->auth & (CREDENTIALS & ~(unsigned)AUTH_PLATFORM)) != 0 ||
         route->tenant != TENANT_IGNORED))
        return "takes platform keys beside a tenant's credentials or hints";
    if ((route->auth & AUTH_OPTIONAL) != 0 && (route->auth & CREDENTIALS) == 0)
        return "has an optional credential but none to accept";
    if (route->scope != NULL && (route->auth & (AUTH_BEARER | AUTH_KEY)) == 0)
        return "asks for a scope but takes neither token nor key";
    if (route->role != ROLE_UNSET && (route->auth & (AUTH_SESSION | AUTH_BEARER)) == 0)
        return "asks for a role but takes no user";
    if (route->body != BODY_NONE && route->body_cap == 0)
        return "takes a body but has no cap for it";
    if (route->body != BODY_NONE && route->in == NULL)
        return "takes a body but has no input schema";
    if ((route->flags & ROUTE_IDEMPOTENT) != 0 &&
        (route->method != POST || route->rate == RATE_NONE ||
         (route->flags & (ROUTE_SETS_COOKIE | ROUTE_PAGE)) != 0))
        return "takes an Idempotency-Key but is no limited POST without cookies";
    if (route->method == GET && route->body != BODY_NONE)
        return "takes a body with GET";
    return NULL;
}

/* The paths are alike when their parameters are: "/users/{id}" and "/users/{name}". */
static bool is_same_path(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        if (*a != *b)
            return false;
        if (*a == '{') {
            a = strchr(a, '}');
            b = strchr(b, '}');
        }
        a++;
        b++;
    }
    return *a == *b;
}

static bool is_twice(size_t row)
{
    for (size_t i = 0; i < row; i++) {
        if (((unsigned)routes[i].method & (unsigned)routes[row].method) != 0 &&
            is_same_path(routes[i].path, routes[row].path))
            return true;
    }
    return false;
}

const char *routes_check(void)
{
    static char sentence[256]; /* of the start alone */

    for (size_t i = 0; i < route_count; i++) {
        const char *mistake = check_path(&routes[i]);
        if (mistake == NULL)
            mistake = check_columns(&routes[i]);
        if (mistake == NULL)
            mistake = check_columns_together(&routes[i]);
        if (mistake == NULL && is_twice(i))
            mistake = "stands there twice";
        if (mistake == NULL)
            continue;
        snprintf(sentence, sizeof sentence, "route %zu (%s) %s", i,
                 routes[i].path != NULL ? routes[i].path : "no path", mistake);
        return sentence;
    }
    return NULL;
}
