/* ETag and If-Match. */
#include "app/etag.h"

#include <stdio.h>
#include <string.h>

enum err etag_set(struct request *req, struct response *res, int64_t version)
{
    const char *tag = arena_printf(req->ctx.arena, "\"%lld\"", (long long)version);

    if (tag == NULL)
        return ERR_MEMORY;
    response_header(res, "ETag", tag);
    return ERR_OK;
}

enum err etag_demand(const struct request *req, bool required)
{
    return required && request_header(req, "If-Match") == NULL ? ERR_IF_MATCH_REQUIRED : ERR_OK;
}

/* The comparison is the strong one: a weak tag (W/) is another text. */
static bool lists(const char *header, const char *tag)
{
    const size_t length = strlen(tag);

    while (*(header += strspn(header, ", \t")) != '\0') {
        const size_t item = strcspn(header, ",");
        size_t used = item;

        while (used > 0 && (header[used - 1] == ' ' || header[used - 1] == '\t'))
            used--;
        if (used == length && strncmp(header, tag, length) == 0)
            return true;
        header += item;
    }
    return false;
}

bool etag_is_known(const struct request *req, int64_t version)
{
    const char *header = request_header(req, "If-None-Match");
    char tag[32], weak[sizeof tag + 2];

    if (header == NULL)
        return false;
    (void)snprintf(tag, sizeof tag, "\"%lld\"", (long long)version);
    (void)snprintf(weak, sizeof weak, "W/%s", tag);
    return strcmp(header, "*") == 0 || lists(header, tag) || lists(header, weak);
}

enum err etag_match(struct request *req, int64_t version, int64_t *ret_version)
{
    const char *header = request_header(req, "If-Match");

    *ret_version = 0;
    if (header == NULL || strcmp(header, "*") == 0)
        return ERR_OK;

    const char *tag = arena_printf(req->ctx.arena, "\"%lld\"", (long long)version);

    if (tag == NULL)
        return ERR_MEMORY;
    if (!lists(header, tag))
        return ERR_PRECONDITION;
    *ret_version = version;
    return ERR_OK;
}
