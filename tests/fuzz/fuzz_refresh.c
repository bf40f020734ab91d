/*
 * Any text as a refresh token (TS-5, TS-6): what has the form has one spelling, and nothing is
 * proven that the key did not make. After a first byte of "!" the rest changes a good token.
 */
#include <stdint.h>
#include <string.h>

#include "app/secret.h"
#include "models/grant_text.h"
#include "support/fuzz.h"

static struct key_set make_keys(uint32_t id)
{
    struct key_set keys = {.mac_count = 1};

    keys.macs[0].id = id;
    memset(keys.macs[0].key, 7, sizeof keys.macs[0].key);
    return keys;
}

static const char *make(struct ctx *ctx, const struct key_set *keys,
                        const struct grant_claims *claims)
{
    const char *text = NULL;

    require(grant_text_make(ctx, keys, claims, &text) == ERR_OK);
    return text;
}

/* Nothing stands in the text but what the claims say: their own text proves, and only it. */
static void read_text(struct ctx *ctx, const char *text)
{
    struct grant_claims claims;

    if (grant_text_parse(text, &claims) != ERR_OK)
        return;

    const struct key_set keys = make_keys(claims.key_id);
    const char *good = make(ctx, &keys, &claims);
    const bool proven = grant_text_verify(&keys, &claims) == ERR_OK;

    require(strlen(good) == strlen(text));
    require(proven == (strcmp(good, text) == 0));
    require(memcmp(good, text, strlen(text) - BASE64URL_LENGTH(SECRET_MAC_SIZE + 2)) == 0);
}

/* Pairs of bytes: where, and what is changed there. */
static void change(struct ctx *ctx, const uint8_t *data, size_t size)
{
    const struct key_set keys = make_keys(1);
    struct grant_claims claims = {.grant_id = {{1}}, .tenant_id = {{2}}, .generation = 3};
    const char *good = make(ctx, &keys, &claims);
    char *text = arena_strdup(ctx->arena, good);
    const size_t length = strlen(text);

    for (size_t i = 0; i + 1 < size; i += 2)
        text[data[i] % length] ^= (char)data[i + 1];

    const bool accepted =
        grant_text_parse(text, &claims) == ERR_OK && grant_text_verify(&keys, &claims) == ERR_OK;

    require(accepted == (strcmp(text, good) == 0));
    if (accepted)
        require(claims.generation == 3 && claims.grant_id.bytes[0] == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bare bare;

    bare_init(&bare);
    if (size > 0 && data[0] == '!')
        change(&bare.ctx, data + 1, size - 1);
    else
        read_text(&bare.ctx, arena_strndup(&bare.arena, (const char *)data, size));
    bare_clear(&bare);
    return 0;
}
