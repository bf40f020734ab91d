/* What handlers and middleware read of a request (the reading half of app/http.h). */
#include "app/http.h"

#include <string.h>
#include <strings.h>

#include "app/form.h"
#include "app/routes.h"
#include "app/text.h"

const char *request_header(const struct request *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++) {
        if (strcasecmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    }
    return NULL;
}

size_t request_header_count(const struct request *req, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < req->header_count; i++)
        count += strcasecmp(req->headers[i].name, name) == 0;
    return count;
}

const char *request_param(const struct request *req, const char *name)
{
    for (size_t i = 0; i < req->param_count; i++) {
        if (strcmp(req->params[i].name, name) == 0)
            return req->params[i].value;
    }
    return "";
}

static enum err parse_query(struct request *req)
{
    const char *query = req->query != NULL ? req->query : "";
    struct value *parsed;

    if (req->query_input != NULL)
        return ERR_OK;
    parsed = ARENA_NEW(req->ctx.arena, struct value);
    if (parsed == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a query");
    TRY(form_parse(&req->ctx, query, strlen(query), parsed));
    req->query_input = parsed;
    return ERR_OK;
}

enum err request_query(struct request *req, const char *name, const char **ret_value)
{
    *ret_value = NULL;
    TRY(parse_query(req));

    const struct value *value = value_get(req->query_input, name);
    if (value != NULL && value->string.length > 0)
        *ret_value = value->string.text;
    return ERR_OK;
}

enum err request_limit(struct request *req, int64_t standard, int64_t maximum, int64_t *ret_limit)
{
    const char *text;
    int64_t limit = 0;

    TRY(request_query(req, "limit", &text));
    if (text == NULL) {
        *ret_limit = standard;
        return ERR_OK;
    }
    for (const char *at = text; *at != '\0' && limit <= maximum; at++)
        limit = *at >= '0' && *at <= '9' ? limit * 10 + (*at - '0') : maximum + 1;
    if (limit < 1 || limit > maximum)
        return fail(&req->ctx, ERR_VALIDATION, "limit", "limit must be a number from 1 to %lld.",
                    (long long)maximum);
    *ret_limit = limit;
    return ERR_OK;
}

/* The value of name in one Cookie header ("a=1; b=2"), or NULL; not NUL-terminated. */
static const char *find_cookie(const char *header, const char *name, size_t *ret_length)
{
    size_t name_length = strlen(name);

    while (*header != '\0') {
        header += strspn(header, " ;");
        size_t length = strcspn(header, ";");
        if (length > name_length && header[name_length] == '=' &&
            strncmp(header, name, name_length) == 0) {
            *ret_length = length - name_length - 1;
            return header + name_length + 1;
        }
        header += length;
    }
    return NULL;
}

const char *request_cookie(struct request *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++) {
        size_t length;

        if (strcasecmp(req->headers[i].name, "Cookie") != 0)
            continue;
        const char *value = find_cookie(req->headers[i].value, name, &length);
        if (value == NULL)
            continue;
        while (length > 0 && value[length - 1] == ' ')
            length--;
        return arena_strndup(req->ctx.arena, value, length);
    }
    return NULL;
}

/* --- media types --- */

/* One element of an Accept header. */
struct media_range {
    const char *type; /* not NUL-terminated */
    size_t length;
    bool refused; /* q=0 */
};

static bool next_range(const char **at, struct media_range *ret_range)
{
    const char *start = *at + strspn(*at, " \t,");
    size_t whole = strcspn(start, ",");
    size_t length = strcspn(start, ",; \t");

    if (*start == '\0')
        return false;
    *ret_range = (struct media_range){.type = start, .length = length};
    for (const char *p = start; p + 2 < start + whole; p++) {
        if ((*p == ';' || *p == ' ') && (p[1] == 'q' || p[1] == 'Q') && p[2] == '=') {
            size_t zeros = strspn(p + 3, "0.");
            ret_range->refused = zeros > 0 && (p[3 + zeros] < '1' || p[3 + zeros] > '9');
        }
    }
    *at = start + whole;
    return true;
}

static bool range_is(const struct media_range *range, const char *type)
{
    return range->length == strlen(type) && strncasecmp(range->type, type, range->length) == 0;
}

bool request_accepts_html(const struct request *req)
{
    const char *accept = request_header(req, "Accept");
    struct media_range range;

    for (const char *at = accept != NULL ? accept : ""; next_range(&at, &range);) {
        if (range_is(&range, "text/html"))
            return !range.refused;
    }
    return false;
}

static bool range_is_json(const struct media_range *range)
{
    if (range_is(range, "application/json"))
        return true;
    return range->length > 17 && strncasecmp(range->type, "application/", 12) == 0 &&
           strncasecmp(range->type + range->length - 5, "+json", 5) == 0;
}

bool request_wants_json_only(const struct request *req)
{
    const char *accept = request_header(req, "Accept");
    struct media_range range;
    bool is_json = false;

    for (const char *at = accept != NULL ? accept : ""; next_range(&at, &range);) {
        if (range.refused)
            continue;
        if (!range_is_json(&range))
            return false;
        is_json = true;
    }
    return is_json;
}

/* --- input --- */

enum err request_input_sized(struct request *req, void *ret_struct, size_t size)
{
    static const struct value empty = {.type = VALUE_OBJECT};
    const struct schema *schema = req->route != NULL ? req->route->in : NULL;

    if (schema == NULL || schema->size != size)
        return fail_internal(&req->ctx, ERR_INTERNAL, "the input struct is not the row's schema");
    memset(ret_struct, 0, size);
    return schema_decode(&req->ctx, schema, req->input != NULL ? req->input : &empty,
                         req->route->body == BODY_MERGE_PATCH ? DECODE_PATCH : DECODE_INPUT,
                         ret_struct);
}

enum err request_query_input_sized(struct request *req, void *ret_struct, size_t size)
{
    const struct schema *schema = req->route != NULL ? routes_query(req->route) : NULL;

    if (schema == NULL || schema->size != size)
        return fail_internal(&req->ctx, ERR_INTERNAL, "the query's struct is not the row's schema");
    TRY(parse_query(req));
    memset(ret_struct, 0, size);
    return schema_decode(&req->ctx, schema, req->query_input, DECODE_QUERY, ret_struct);
}

enum err request_part(struct request *req, struct bytes *ret_part)
{
    *ret_part = (struct bytes){0};
    return req->parts.next != NULL ? req->parts.next(req, req->parts.arg, ret_part) : ERR_OK;
}
