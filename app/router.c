/*
 * The router: a tree of path segments over the route table. A path is cut and decoded once; fixed
 * segments win over parameters, and a path that exists in fixed form never falls back to a
 * parameter because of its method. Tenant prefixes (/t/{slug}, /tenants/{slug}) are taken off
 * before the look-up.
 */
#include "app/router.h"

#include <stdlib.h>
#include <string.h>

#include "app/text.h"

#define MAX_SEGMENTS 16
#define METHODS      5 /* GET POST PUT PATCH DELETE: bits 0 to 4 of enum method */
#define ALIAS        "/api/v1"

struct node {
    const char *text; /* of the segment, inside a route's path */
    size_t length;
    struct node *child; /* fixed segments */
    struct node *next;  /* sibling */
    struct node *param; /* {anything} */
    const struct route *routes[METHODS];
    bool is_alias; /* reached through /api/v1 by a row that is written without it */
};

static struct node root;

struct segment {
    const char *text;
    size_t length;
};

struct path {
    struct segment segments[MAX_SEGMENTS];
    size_t count;
    bool trailing_slash;
};

/* Every row's first two segments are reserved by C21; these are first segments of the API that is
 * documented but whose rows come later, so that no tenant takes them before. */
static const char *const reserved_words[] = {
    "www",       "api",       "admin",   "auth",        "static",   "docs",       "mail",
    "localhost", "t",         "clients", "oauth",       "tenants",  "users",      "device",
    "dev",       "dashboard", "media",   "invitations", "webhooks", "playground", "login",
    "logout",    "register",  "verify",  "reset",       "health",   "ready",      "metrics",
};

/* --- building --- */

/* The next segment of a path at *at ("/a/b"), or false at its end. */
static bool next_segment(const char **at, struct segment *ret_segment)
{
    if (**at != '/' || (*at)[1] == '\0')
        return false;
    ret_segment->text = *at + 1;
    ret_segment->length = strcspn(ret_segment->text, "/");
    *at = ret_segment->text + ret_segment->length;
    return true;
}

static struct node *find_child(const struct node *node, const struct segment *segment)
{
    for (struct node *child = node->child; child != NULL; child = child->next) {
        if (child->length == segment->length &&
            memcmp(child->text, segment->text, segment->length) == 0)
            return child;
    }
    return NULL;
}

static struct node *node_new(const struct segment *segment)
{
    struct node *node = calloc(1, sizeof *node);

    if (node == NULL)
        abort(); /* at start, before the first request */
    node->text = segment->text;
    node->length = segment->length;
    return node;
}

static struct node *descend(struct node *node, const struct segment *segment)
{
    struct node *child;

    if (segment->text[0] == '{') {
        if (node->param == NULL)
            node->param = node_new(segment);
        return node->param;
    }
    child = find_child(node, segment);
    if (child == NULL) {
        child = node_new(segment);
        child->next = node->child;
        node->child = child;
    }
    return child;
}

static void insert(struct node *node, const struct route *route, bool is_alias)
{
    struct segment segment;

    for (const char *at = route->path; next_segment(&at, &segment);)
        node = descend(node, &segment);
    node->is_alias = is_alias;
    for (unsigned i = 0; i < METHODS; i++) {
        if ((route->method & (1u << i)) != 0 && node->routes[i] == NULL)
            node->routes[i] = route;
    }
}

void router_init(void)
{
    const struct segment api = {.text = "api", .length = 3};
    const struct segment v1 = {.text = "v1", .length = 2};

    if (root.child != NULL)
        return;
    for (size_t i = 0; i < route_count; i++) {
        insert(&root, &routes[i], false);
        if ((routes[i].flags & ROUTE_API_V1) != 0)
            insert(descend(descend(&root, &api), &v1), &routes[i], true);
    }
}

/* --- cutting and decoding --- */

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

/* One character of a path: decoded, or -1 when it may not stand there. A decoded slash, backslash
 * or NUL would mean another path to whoever decodes at another time. */
static int decode_char(const char **at)
{
    int c = (unsigned char)**at;

    if (c == '%') {
        int high = hex_value((*at)[1]);
        int low = high < 0 ? -1 : hex_value((*at)[2]);
        if (low < 0)
            return -1;
        c = high * 16 + low;
        *at += 2;
        if (c == '/')
            return -1;
    }
    (*at)++;
    return c < 0x20 || c == 0x7f || c == '\\' || c == '#' || c == '?' ? -1 : c;
}

static bool is_dots(const char *text, size_t length)
{
    return (length == 1 && text[0] == '.') || (length == 2 && text[0] == '.' && text[1] == '.');
}

static enum err refuse(struct request *req, const char *reason)
{
    return fail(&req->ctx, ERR_BAD_REQUEST, NULL, "%s", reason);
}

/* Decodes one segment to *out, which has room, and moves both. */
static enum err decode_segment(struct request *req, const char **at, char **out)
{
    char *start = *out;

    while (**at != '\0' && **at != '/') {
        int c = decode_char(at);
        if (c < 0)
            return refuse(req, "The path holds an escape or character that is not allowed.");
        *(*out)++ = (char)c;
    }

    size_t length = (size_t)(*out - start);
    if (length == 0)
        return refuse(req, "The path holds an empty segment.");
    if (is_dots(start, length))
        return refuse(req, "The path holds a \".\" or \"..\" segment.");
    if (!text_is_utf8(start, length))
        return refuse(req, "The path is not valid UTF-8.");
    return ERR_OK;
}

/* Fills req->path and the segments, which lie in it. A path with too many segments is cut off
 * there: it matches nothing. */
static enum err cut_path(struct request *req, const char *raw, struct path *path)
{
    char *text = arena_alloc(req->ctx.arena, strlen(raw) + 1);
    char *out = text;

    if (text == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a path");
    if (raw[0] != '/')
        return refuse(req, "The path must begin with a slash.");
    while (*raw == '/') {
        raw++;
        *out++ = '/';
        if (*raw == '\0') {
            path->trailing_slash = true;
            break;
        }
        char *start = out;
        TRY(decode_segment(req, &raw, &out));
        if (path->count == MAX_SEGMENTS)
            return fail(&req->ctx, ERR_NOT_FOUND, NULL, NULL);
        path->segments[path->count++] = (struct segment){start, (size_t)(out - start)};
    }
    *out = '\0';
    req->path = req->routed_path = text;
    return ERR_OK;
}

/* --- looking up --- */

static bool is_end(const struct node *node)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (node->routes[i] != NULL)
            return true;
    }
    return false;
}

/* The node of a path, fixed segments first; NULL when there is none. Depth is bounded by the table.
 */
static const struct node *find_node(const struct node *node, const struct segment *segments,
                                    size_t count)
{
    const struct node *found = NULL;

    if (count == 0)
        return is_end(node) ? node : NULL;
    const struct node *child = find_child(node, &segments[0]);
    if (child != NULL)
        found = find_node(child, segments + 1, count - 1);
    if (found == NULL && node->param != NULL)
        found = find_node(node->param, segments + 1, count - 1);
    return found;
}

static bool segment_is(const struct segment *segment, const char *text)
{
    return segment->length == strlen(text) && memcmp(segment->text, text, segment->length) == 0;
}

static char *copy_segment(struct request *req, const struct segment *segment)
{
    return arena_strndup(req->ctx.arena, segment->text, segment->length);
}

/* The path from a segment on; the segments lie in req->path, which ends where the path ends. */
static const char *path_from(const struct path *path, size_t first)
{
    return first < path->count ? path->segments[first].text - 1 : "/";
}

/* What a path leads to: the segments after a tenant prefix, in tail, and how many of them come
 * before the first one of the row's path (an alias has two more, a row below /tenants may have one
 * less). */
struct target {
    const struct node *node;
    const struct segment *tail;
    size_t count;
    int ahead;
};

/* Looks the path up from that segment on; an alias counts as the row it stands for. */
static void look_up(struct request *req, const struct path *path, size_t first,
                    struct target *target)
{
    target->tail = path->segments + first;
    target->count = path->count - first;
    target->node = find_node(&root, target->tail, target->count);
    if (target->node != NULL && target->node->is_alias) {
        target->ahead = 2;
        first += 2;
    }
    req->routed_path = path_from(path, first);
}

/* /t/{slug}/X is X of that tenant. */
static enum err match_short_prefix(struct request *req, const struct path *path,
                                   struct target *target)
{
    req->path_tenant = copy_segment(req, &path->segments[1]);
    if (req->path_tenant == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a path");
    look_up(req, path, 2, target);
    return ERR_OK;
}

/* The segments are those of a row, letter by letter: no parameter among them. */
static bool is_fixed(const struct node *node, const struct segment *segments, size_t count)
{
    for (size_t i = 0; node != NULL && i < count; i++)
        node = find_child(node, &segments[i]);
    return node != NULL;
}

/* /tenants/{slug}/X is /tenants/X when that is a route, else /X; what is fixed wins here too, so
 * that /tenants/{slug}/users/me is /users/me. */
static enum err match_long_prefix(struct request *req, const struct path *path,
                                  struct target *target)
{
    const struct segment tenants = {.text = "tenants", .length = 7};
    const struct node *below = find_child(&root, &tenants);
    char *slug = copy_segment(req, &path->segments[1]);

    if (slug == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a path");
    if (router_is_reserved_slug(slug) || (path->count == 2 && !path->trailing_slash))
        return ERR_OK;
    req->path_tenant = slug;
    look_up(req, path, 2, target);
    const struct node *node =
        below != NULL && target->count > 0 ? find_node(below, target->tail, target->count) : NULL;
    if (node == NULL || (target->node != NULL && is_fixed(&root, target->tail, target->count) &&
                         !is_fixed(below, target->tail, target->count)))
        return ERR_OK;
    target->node = node;
    target->ahead = -1;
    req->routed_path = arena_printf(req->ctx.arena, "/tenants%s", path_from(path, 2));
    return req->routed_path != NULL ? ERR_OK
                                    : fail_internal(&req->ctx, ERR_MEMORY, "no memory for a path");
}

static enum err find_target(struct request *req, const struct path *path, struct target *target)
{
    if (path->count >= 2 && segment_is(&path->segments[0], "t"))
        return match_short_prefix(req, path, target);
    look_up(req, path, 0, target);
    if (target->node == NULL && path->count >= 2 && segment_is(&path->segments[0], "tenants"))
        return match_long_prefix(req, path, target);
    return ERR_OK;
}

/* --- parameters --- */

/* {id} of the row's path, from the segments that matched it. */
static enum err take_params(struct request *req, const struct route *route,
                            const struct target *target)
{
    const struct segment *segment = target->tail + target->ahead;
    struct segment part;

    req->param_count = 0;
    for (const char *at = route->path; next_segment(&at, &part); segment++) {
        if (part.text[0] != '{')
            continue;
        struct http_header *param = &req->params[req->param_count++];
        param->name = arena_strndup(req->ctx.arena, part.text + 1, part.length - 2);
        param->value = copy_segment(req, segment);
        if (param->name == NULL || param->value == NULL)
            return fail_internal(&req->ctx, ERR_MEMORY, "no memory for path parameters");
    }
    return ERR_OK;
}

/* {cid} names a tenant; beside a tenant prefix it is a second hint. */
static void take_cid(struct request *req)
{
    for (size_t i = 0; i < req->param_count; i++) {
        if (strcmp(req->params[i].name, "cid") != 0)
            continue;
        if (req->path_tenant != NULL)
            req->path_client = req->params[i].value;
        else
            req->path_tenant = req->params[i].value;
    }
}

static unsigned methods_of(const struct node *node)
{
    unsigned methods = 0;

    for (unsigned i = 0; i < METHODS; i++) {
        if (node->routes[i] != NULL)
            methods |= 1u << i;
    }
    return methods;
}

static const struct route *route_for(const struct node *node, enum method method)
{
    for (unsigned i = 0; i < METHODS; i++) {
        if ((unsigned)method == 1u << i)
            return node->routes[i];
    }
    return NULL;
}

enum err router_match(struct request *req, const char *raw_path, enum method method,
                      unsigned *ret_allowed)
{
    struct path path = {.count = 0};
    struct target target = {.node = NULL};

    *ret_allowed = 0;
    req->route = NULL;
    req->path_tenant = req->path_client = NULL;
    req->param_count = 0;
    req->path = req->routed_path = "/";
    TRY(cut_path(req, raw_path, &path));
    TRY(find_target(req, &path, &target));
    if (target.node == NULL || (path.trailing_slash && target.count > 0))
        return fail(&req->ctx, ERR_NOT_FOUND, NULL, NULL);

    *ret_allowed = methods_of(target.node);
    const struct route *route = route_for(target.node, method);
    if (route == NULL)
        return fail(&req->ctx, ERR_METHOD, NULL, NULL);
    TRY(take_params(req, route, &target));
    take_cid(req);
    req->route = route;
    return ERR_OK;
}

bool router_is_reserved_slug(const char *slug)
{
    const struct segment wanted = {.text = slug, .length = strlen(slug)};
    struct segment segment;

    for (size_t i = 0; i < sizeof reserved_words / sizeof reserved_words[0]; i++) {
        if (strcmp(slug, reserved_words[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < route_count; i++) {
        const char *at = routes[i].path;
        for (int n = 0; n < 2 && next_segment(&at, &segment); n++) {
            if (segment.length == wanted.length && memcmp(segment.text, slug, segment.length) == 0)
                return true;
        }
    }
    return false;
}
