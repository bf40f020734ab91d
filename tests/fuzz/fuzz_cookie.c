/*
 * Cookie headers of any bytes (HT-5, TS-6): each line of the input is one header. What a name means
 * is compared with a reader that cuts the text at every ";" first, and what the values say is read
 * as session cookie and refresh token.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/cookies.h"
#include "app/secret.h"
#include "models/grant_text.h"
#include "models/session.h"
#include "models/tenant.h"
#include "support/fuzz.h"

#define LINES_MAX 4

static const struct tenant acme = {.id = {{1}}, .slug = "acme"};

/* The first piece "name=value" of a header, without the blanks around it, or NULL. */
static char *naive_value(const char *header, const char *name)
{
    char *copy = strdup(header), *rest = copy, *found = NULL;
    const size_t length = strlen(name);

    for (char *piece = strsep(&rest, ";"); piece != NULL && found == NULL;
         piece = strsep(&rest, ";")) {
        while (*piece == ' ')
            piece++;
        if (strncmp(piece, name, length) == 0 && piece[length] == '=')
            found = strdup(piece + length + 1);
    }
    free(copy);
    for (size_t end = found != NULL ? strlen(found) : 0; end > 0 && found[end - 1] == ' ';)
        found[--end] = '\0';
    return found;
}

static void compare(struct request *req, const char *name)
{
    const char *value = request_cookie(req, name);
    char *naive = NULL;

    for (size_t i = 0; i < req->header_count && naive == NULL; i++)
        naive = naive_value(req->headers[i].value, name);
    require((value == NULL) == (naive == NULL));
    require(value == NULL || strcmp(value, naive) == 0);
    free(naive);
}

/* Whatever names a tenant has the one spelling that we write. */
static void read_session(const char *value)
{
    uint8_t raw[64];
    char spelled[96];
    struct uuid tenant;

    if (!session_peek_tenant(value, &tenant))
        return;

    const int64_t size = base64url_decode(value, strlen(value), raw, sizeof raw);

    require(size >= 18 && memcmp(raw + 2, tenant.bytes, 16) == 0);
    base64url_encode(raw, (size_t)size, spelled);
    require(strcmp(spelled, value) == 0);
}

static void check(struct request *req)
{
    static const char *const kinds[] = {"session", "access", "refresh", "device"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct grant_claims claims;
        const char *name = NULL, *value = NULL;

        if (cookie_name(req, kinds[i], acme.slug, &name) != ERR_OK ||
            tenant_cookie_get(req, kinds[i], &value) != ERR_OK)
            abort();
        compare(req, name);
        require(value == NULL || value[0] != '\0');
        if (value == NULL)
            continue;
        read_session(value);
        (void)!grant_text_parse(value, &claims);
    }
    compare(req, "session-acm");
    compare(req, "ession-acme");
}

static void read_headers(struct request *req, char *text)
{
    for (char *line = strsep(&text, "\n"); line != NULL && req->header_count < LINES_MAX;
         line = strsep(&text, "\n"))
        req->headers[req->header_count++] = (struct http_header){"Cookie", line};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bare bare;
    char *text = fuzz_text(data, size);

    bare_init(&bare);

    struct request *req = fuzz_request(&bare);

    req->ctx.tenant = &acme;
    req->https = size % 2 != 0;
    read_headers(req, text);
    check(req);
    bare_clear(&bare);
    free(text);
    return 0;
}
