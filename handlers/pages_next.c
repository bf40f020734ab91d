/* What is followed is written anew: one slash, then bytes that stand in paths and queries; the rest
 * percent-encoded. Browsers read "//", "/\" and tabs before a slash as another host. */
#include "handlers/pages_next.h"

#include <stdlib.h>
#include <string.h>

#include "handlers/pages_internal.h"

#define PATH_BYTES \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?"
#define HEX "0123456789ABCDEFabcdef"

static bool is_escape(const char *at)
{
    return at[0] == '%' && at[1] != '\0' && strchr(HEX, at[1]) != NULL && at[2] != '\0' &&
           strchr(HEX, at[2]) != NULL;
}

/* A control character, or what separates the parts of an address in some reader's eyes. */
static bool is_odd(unsigned char c)
{
    return c < ' ' || c == '\\' || c == 0x7f;
}

static bool is_odd_escape(const char *at)
{
    const char digits[] = {at[1], at[2], '\0'};
    const unsigned long c = strtoul(digits, NULL, 16);

    return is_odd((unsigned char)c) || c == '/';
}

static bool is_path(const char *text)
{
    const size_t length = strnlen(text, PAGES_NEXT_MAX + 1);

    if (length > PAGES_NEXT_MAX || text[0] != '/' || text[1] == '/')
        return false;
    for (const char *at = text; *at != '\0'; at++) {
        if (is_odd((unsigned char)*at) || (is_escape(at) && is_odd_escape(at)))
            return false;
    }
    return true;
}

static const char *written_anew(struct request *req, const char *text)
{
    struct buf out;

    buf_init(&out, req->ctx.arena, 3 * PAGES_NEXT_MAX + 1);
    for (; *text != '\0'; text++) {
        if (strchr(PATH_BYTES, *text) != NULL || is_escape(text))
            buf_putc(&out, *text);
        else
            buf_printf(&out, "%%%02X", (unsigned)(unsigned char)*text);
    }
    return buf_ok(&out) ? buf_text(&out) : NULL;
}

enum err pages_next(struct request *req, const char **ret_path)
{
    const char *sent = NULL;

    *ret_path = NULL;
    if (req->method == GET)
        TRY(request_query(req, "next", &sent));
    else
        sent = pages_typed(req, "next");
    if (sent == NULL || !is_path(sent))
        return ERR_OK;
    *ret_path = written_anew(req, sent);
    return *ret_path != NULL ? ERR_OK
                             : fail_internal(&req->ctx, ERR_MEMORY, "no memory for a path");
}

enum err pages_next_go(struct request *req, struct response *res)
{
    const char *path = NULL;

    TRY(pages_next(req, &path));
    return path != NULL ? respond_redirect(req, res, path) : pages_redirect(req, res, "/dashboard");
}
