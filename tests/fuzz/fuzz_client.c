/*
 * How an OAuth client proves itself (OA-9): the first line of the input is Authorization (empty:
 * not sent), the rest is the form. Who gets in has shown exactly one credential, and it is a good
 * one by a model that decodes for itself. After a first byte of "!" the rest changes a good header.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/cache.h"
#include "app/form.h"
#include "app/routes.h"
#include "app/secret.h"
#include "middleware/middleware.h"
#include "models/oauth_client.h"
#include "models/tenant.h"
#include "support/fuzz.h"

#define SECRET "s:+%/\xc3\xa9 secret"
/* "both:" and the secret, form-encoded. */
#define GOOD   "Basic Ym90aDpzJTNBJTJCJTI1JTJGJUMzJUE5K3NlY3JldA=="

static struct bare bare;
static const struct tenant acme = {.id = {{1}}, .slug = "acme", .status = TENANT_ACTIVE};
static uint8_t hash[SHA256_SIZE];
static struct oauth_client clients[] = {
    {.id = "both", .tenant_id = {{1}}},
    {.id = "basic", .tenant_id = {{1}}, .auth_method = CLIENT_AUTH_BASIC},
    {.id = "post", .tenant_id = {{1}}, .auth_method = CLIENT_AUTH_POST},
    {.id = "page", .tenant_id = {{1}}, .auth_method = CLIENT_AUTH_NONE},
    {.id = "lost", .tenant_id = {{2}}},
};

static enum err by_client(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)ctx;
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++) {
        if (strlen(clients[i].id) == size && memcmp(clients[i].id, key, size) == 0) {
            *ret_data = &clients[i];
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum err by_tenant(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    (void)ctx;
    if (size != 16 || memcmp(acme.id.bytes, key, size) != 0)
        return ERR_NOT_FOUND;
    *ret_data = &acme;
    return ERR_OK;
}

static void begin(void)
{
    if (bare.app.clients != NULL)
        return;
    bare_init(&bare);
    bare.app.clients = cache_new("clients", 16, 60000, by_client);
    bare.app.tenants = cache_new("tenants", 16, 60000, by_tenant);
    secret_sha256(SECRET, strlen(SECRET), hash);
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++) {
        if (clients[i].auth_method != CLIENT_AUTH_NONE)
            clients[i].secret_hash = (struct bytes){.data = hash, .size = sizeof hash};
    }
}

/* --- the model --- */

static int digit_of(char c, const char *digits)
{
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* Six bits a character, until the padding. */
static void from_base64(const char *text, char *ret)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, count = 0;

    for (; digit_of(*text, letters) >= 0; text++) {
        bits = (bits << 6 | (unsigned)digit_of(*text, letters)) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *ret++ = (char)(bits >> count & 0xff);
        }
    }
    *ret = '\0';
}

static void from_form(char *text)
{
    static const char hex[] = "0123456789abcdef";
    char *out = text;

    for (; *text != '\0'; text++) {
        *out = *text == '+' ? ' ' : *text;
        if (*text == '%') {
            const int high = digit_of((char)(text[1] | 0x20), hex);
            const int low = digit_of((char)(text[2] | 0x20), hex);

            *out = (char)(high * 16 + low);
            text += 2;
        }
        out++;
    }
    *out = '\0';
}

static const char *field(const struct request *req, const char *name)
{
    const struct value *value = value_get(req->input, name);

    return value != NULL && value->string.length > 0 ? value->string.text : NULL;
}

/* Of a request that was let in. */
static void check(const struct request *req, const char *header)
{
    const struct oauth_client *client = req->client;
    const char *id = field(req, "client_id"), *secret = field(req, "client_secret");

    require(client != NULL && client != &clients[4]);
    require(strcmp(req->ctx.who.client_id, client->id) == 0);
    require(req->ctx.who.credential == CREDENTIAL_CLIENT && req->ctx.tenant == &acme);
    require(field(req, "client_assertion") == NULL);
    require(id == NULL || strcmp(id, client->id) == 0);
    if (header == NULL) {
        require(id != NULL);
        require((secret == NULL) == (client == &clients[3]));
        require(secret == NULL || (client != &clients[1] && strcmp(secret, SECRET) == 0));
        return;
    }
    require(secret == NULL && (client == &clients[0] || client == &clients[1]));

    char *text = malloc(strlen(header) + 1), *rest = text;

    require(text != NULL && strncasecmp(header, "basic ", 6) == 0);
    header += 6;
    from_base64(header + strspn(header, " "), text);

    char *shown = strsep(&rest, ":");

    require(rest != NULL);
    from_form(shown);
    from_form(rest);
    require(strcmp(shown, client->id) == 0 && strcmp(rest, SECRET) == 0);
    free(text);
}

/* --- asking --- */

static enum err ask(const char *header, const char *form)
{
    static const struct route route = {.auth = AUTH_CLIENT};
    struct request *req = fuzz_request(&bare);
    struct response res = {0};
    struct value input;

    req->route = &route;
    if (form_parse(&req->ctx, form, strlen(form), &input) != ERR_OK)
        return ERR_BAD_REQUEST;
    req->input = &input;
    if (header != NULL)
        req->headers[req->header_count++] = (struct http_header){"Authorization", header};

    const enum err proven = mw_client(req, &res);

    if (proven == ERR_OK)
        check(req, header);
    else
        require(req->client == NULL);
    cache_release_holds(&req->ctx);
    return proven;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *form = text;
    char changed[] = GOOD;

    begin();
    if (size > 0 && data[0] == '!') {
        for (size_t i = 1; i + 1 < size; i += 2)
            changed[data[i] % strlen(GOOD)] ^= (char)data[i + 1];
        (void)ask(changed, "");
        require(ask(GOOD, "client_id=both") == ERR_OK);
        require(ask(GOOD, "client_id=both&client_secret=x") == ERR_BAD_REQUEST);
        require(ask(NULL, "client_id=page") == ERR_OK);
    } else {
        const char *header = strsep(&form, "\n");
        const enum err proven = ask(header[0] != '\0' ? header : NULL, form != NULL ? form : "");

        require(proven == ERR_OK || proven == ERR_BAD_REQUEST || proven == ERR_INVALID_CLIENT);
    }
    free(text);
    arena_reset(&bare.arena);
    return 0;
}
