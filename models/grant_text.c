/* Texts of grants: one fixed binary layout, big endian, with its MAC. */
#include "models/grant_text.h"

#include <string.h>

#define BODY_SIZE   30 /* version 1, purpose 1, key id 4, tenant 16, epoch 4, generation 4 */
#define SECRET_SIZE (BODY_SIZE + SECRET_MAC_SIZE)
#define ID_LENGTH   (UUID_TEXT_SIZE - 1)

static void put_u32(uint8_t *out, uint32_t number)
{
    out[0] = (uint8_t)(number >> 24);
    out[1] = (uint8_t)(number >> 16);
    out[2] = (uint8_t)(number >> 8);
    out[3] = (uint8_t)number;
}

static uint32_t get_u32(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static enum grant_purpose purpose_of(const struct grant_claims *claims)
{
    return claims->purpose == GRANT_PURPOSE_CODE ? GRANT_PURPOSE_CODE : GRANT_PURPOSE_REFRESH;
}

static void write_body(const struct grant_claims *claims, uint8_t body[BODY_SIZE])
{
    body[0] = GRANT_TEXT_VERSION;
    body[1] = (uint8_t)purpose_of(claims);
    put_u32(body + 2, claims->key_id);
    memcpy(body + 6, claims->tenant_id.bytes, 16);
    put_u32(body + 22, claims->user_epoch);
    put_u32(body + 26, claims->generation);
}

static void compute_mac(const struct numbered_key *key, const struct grant_claims *claims,
                        uint8_t ret_mac[SECRET_MAC_SIZE])
{
    uint8_t purpose_key[SECRET_KEY_SIZE], message[16 + BODY_SIZE];

    secret_derive(key->key,
                  purpose_of(claims) == GRANT_PURPOSE_CODE ? "authorization code" : "refresh token",
                  purpose_key);
    memcpy(message, claims->grant_id.bytes, 16);
    write_body(claims, message + 16);
    secret_mac(purpose_key, message, sizeof message, ret_mac);
    secret_wipe(purpose_key, sizeof purpose_key);
}

enum err grant_text_make(struct ctx *ctx, const struct key_set *keys,
                         const struct grant_claims *claims, const char **ret_text)
{
    struct grant_claims made = *claims;
    uint8_t secret[SECRET_SIZE];
    char *text = arena_alloc(ctx->arena, ID_LENGTH + 1 + BASE64URL_LENGTH(SECRET_SIZE) + 1);

    if (text == NULL)
        return ERR_MEMORY;
    made.key_id = keys->macs[0].id;
    write_body(&made, secret);
    compute_mac(&keys->macs[0], &made, secret + BODY_SIZE);
    uuid_text(&made.grant_id, text);
    text[ID_LENGTH] = '.';
    base64url_encode(secret, sizeof secret, text + ID_LENGTH + 1);
    *ret_text = text;
    return ERR_OK;
}

enum err grant_text_parse(const char *text, struct grant_claims *ret_claims)
{
    char id[UUID_TEXT_SIZE];
    uint8_t secret[SECRET_SIZE];
    struct grant_claims claims = {0};
    const size_t length = strnlen(text, 256);

    if (length != ID_LENGTH + 1 + BASE64URL_LENGTH(SECRET_SIZE) || text[ID_LENGTH] != '.')
        return ERR_BAD_REFRESH;
    memcpy(id, text, ID_LENGTH);
    id[ID_LENGTH] = '\0';
    /* One text per token: upper-case digits are refused too. */
    if (!uuid_parse(id, &claims.grant_id) || strpbrk(id, "ABCDEF") != NULL)
        return ERR_BAD_REFRESH;
    if (base64url_decode(text + ID_LENGTH + 1, length - ID_LENGTH - 1, secret, sizeof secret) !=
        SECRET_SIZE)
        return ERR_BAD_REFRESH;
    if (secret[0] != GRANT_TEXT_VERSION ||
        (secret[1] != GRANT_PURPOSE_REFRESH && secret[1] != GRANT_PURPOSE_CODE))
        return ERR_BAD_REFRESH;
    claims.purpose = (enum grant_purpose)secret[1];
    claims.key_id = get_u32(secret + 2);
    memcpy(claims.tenant_id.bytes, secret + 6, 16);
    claims.user_epoch = get_u32(secret + 22);
    claims.generation = get_u32(secret + 26);
    memcpy(claims.mac, secret + BODY_SIZE, SECRET_MAC_SIZE);
    *ret_claims = claims;
    return ERR_OK;
}

enum err grant_text_verify(const struct key_set *keys, const struct grant_claims *claims)
{
    const struct numbered_key *key = key_set_mac(keys, claims->key_id);
    uint8_t mac[SECRET_MAC_SIZE];

    if (key == NULL)
        return ERR_BAD_REFRESH;
    compute_mac(key, claims, mac);
    return secret_equal(mac, claims->mac, sizeof mac) ? ERR_OK : ERR_BAD_REFRESH;
}
