/*
 * Any text as a token (TS-1, TS-6, MS-4): what is well-formed has one spelling, and nothing passes
 * under a key that signed nothing. Claims are tried twice: as they come, and truly signed.
 */
#include <stdlib.h>
#include <string.h>

#include "app/jws.h"
#include "app/secret.h"
#include "support/fuzz.h"

static struct jws_key *key;

static void make_key(void)
{
    struct bare bare;
    struct jws_generated made;

    if (key != NULL)
        return;
    bare_init(&bare);
    if (jws_generate(&bare.ctx, JWS_ES256, &made) != ERR_OK ||
        jws_key_parse(&bare.ctx, JWS_ES256, made.kid, &made.private_der, &key) != ERR_OK)
        abort();
    bare_clear(&bare);
}

static bool has_spelling(const char *text, size_t length, const struct bytes *part)
{
    char *spelled = malloc(BASE64URL_LENGTH(part->size) + 1);
    bool same;

    base64url_encode(part->data, part->size, spelled);
    same = strlen(spelled) == length && memcmp(spelled, text, length) == 0;
    free(spelled);
    return same;
}

static void read_token(struct ctx *ctx, const char *text, size_t length)
{
    struct jws_parts parts;
    const enum err split = jws_split(ctx, text, length, &parts);

    if (split != ERR_OK) {
        if (split != ERR_BAD_TOKEN && split != ERR_MEMORY)
            abort();
        return;
    }

    const char *payload = (const char *)memchr(text, '.', length) + 1;
    const char *signature = text + parts.signed_length + 1;

    if (!has_spelling(payload, (size_t)(signature - payload) - 1, &parts.payload) ||
        !has_spelling(signature, length - parts.signed_length - 1, &parts.signature))
        abort();
    if (jws_verify(ctx, text, &parts, key, "at+jwt") != ERR_BAD_TOKEN)
        abort();
}

static void sign_and_read(struct ctx *ctx, const char *claims, size_t length)
{
    struct jws_parts parts;
    const struct bytes text = {.data = (const uint8_t *)claims, .size = length};
    const char *token;

    if (jws_sign(ctx, key, "at+jwt", &text, &token) != ERR_OK)
        return;
    /* Empty claims make an empty part, which is refused. */
    if (jws_split(ctx, token, strlen(token), &parts) != (length > 0 ? ERR_OK : ERR_BAD_TOKEN))
        abort();
    if (length > 0 &&
        (jws_verify(ctx, token, &parts, key, "at+jwt") != ERR_OK || parts.payload.size != length ||
         memcmp(parts.payload.data, claims, length) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bare bare;
    const char *text = (const char *)data;

    make_key();
    bare_init(&bare);
    read_token(&bare.ctx, text, size);
    sign_and_read(&bare.ctx, text, size);
    bare_clear(&bare);
    return 0;
}
