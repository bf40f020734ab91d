/* The client behind trusted proxies. */
#include "app/proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/network.h"

#define ADDRESS_TEXT 64

bool proxy_is_trusted(const struct strs *trusted, const char *text)
{
    const struct address address = address_read(text);

    return network_list_has(trusted, &address);
}

/* The last element of a comma-separated list, cut off it: *length shrinks. */
static const char *take_last(const char *list, size_t *length, size_t *ret_size)
{
    size_t end = *length;
    size_t start;

    while (end > 0 && (list[end - 1] == ' ' || list[end - 1] == ','))
        end--;
    start = end;
    while (start > 0 && list[start - 1] != ',')
        start--;
    *length = start;
    while (start < end && list[start] == ' ')
        start++;
    *ret_size = end - start;
    return list + start;
}

/* One hop of X-Forwarded-For as an address; "1.2.3.4:5678" and "[::1]:5678" lose their port. */
static bool copy_hop(const char *hop, size_t size, char out[ADDRESS_TEXT])
{
    if (size > 0 && hop[0] == '[') {
        const char *end = memchr(hop, ']', size);
        if (end == NULL)
            return false;
        size = (size_t)(end - hop) - 1;
        hop++;
    } else {
        const char *colon = memchr(hop, ':', size);
        if (colon != NULL && memchr(colon + 1, ':', size - (size_t)(colon + 1 - hop)) == NULL)
            size = (size_t)(colon - hop);
    }
    if (size == 0 || size >= ADDRESS_TEXT)
        return false;
    memcpy(out, hop, size);
    out[size] = '\0';
    return address_read(out).bits != 0;
}

/* Walks all X-Forwarded-For headers from the right. */
static enum err find_client(struct request *req, const struct strs *trusted)
{
    for (size_t i = req->header_count; i > 0; i--) {
        const struct http_header *header = &req->headers[i - 1];
        size_t length = strlen(header->value);

        if (strcasecmp(header->name, "X-Forwarded-For") != 0)
            continue;
        while (length > 0) {
            char address[ADDRESS_TEXT];
            size_t size;
            const char *hop = take_last(header->value, &length, &size);

            if (!copy_hop(hop, size, address))
                return ERR_OK; /* nonsense: the last good hop stands */
            req->ctx.ip = arena_strdup(req->ctx.arena, address);
            if (req->ctx.ip == NULL)
                return fail_internal(&req->ctx, ERR_MEMORY, "no memory for an address");
            if (!proxy_is_trusted(trusted, address))
                return ERR_OK;
        }
    }
    return ERR_OK;
}

/* What the nearest proxy said: the last element of the last header of that name. */
static enum err last_value(struct request *req, const char *name, const char **ret_value)
{
    *ret_value = NULL;
    for (size_t i = req->header_count; i > 0 && *ret_value == NULL; i--) {
        const struct http_header *header = &req->headers[i - 1];
        size_t length = strlen(header->value);
        size_t size;

        if (strcasecmp(header->name, name) != 0)
            continue;
        const char *text = take_last(header->value, &length, &size);
        *ret_value = arena_strndup(req->ctx.arena, text, size);
        if (*ret_value == NULL)
            return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a forwarded header");
    }
    return ERR_OK;
}

enum err proxy_resolve(struct request *req, const struct strs *trusted)
{
    const char *value;

    req->ctx.ip = req->peer;
    if (trusted->count == 0 || !proxy_is_trusted(trusted, req->peer))
        return ERR_OK;
    TRY(find_client(req, trusted));
    TRY(last_value(req, "X-Forwarded-Proto", &value));
    if (value != NULL)
        req->https = strcasecmp(value, "https") == 0;
    TRY(last_value(req, "X-Forwarded-Host", &value));
    if (value != NULL && value[0] != '\0')
        req->authority = value;
    return ERR_OK;
}
