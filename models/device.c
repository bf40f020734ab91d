/* Device cookies: one fixed binary layout, big endian, with its MAC. */
#include "models/device.h"

#include <string.h>

#include "app/clock.h"
#include "app/keys.h"
#include "app/secret.h"

#define VERSION 1
#define PURPOSE 'd'
#define BODY_SIZE \
    70 /* version 1, purpose 1, key id 4, tenant 16, user 16, device 16, epoch 8, time 8 */
#define SIZE (BODY_SIZE + SECRET_MAC_SIZE)

static void put_number(uint8_t *out, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(number >> (8 * (size - 1 - i)));
}

static uint64_t get_number(const uint8_t *in, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | in[i];
    return number;
}

static void write_body(const struct user *user, const struct device *device, uint32_t key_id,
                       uint8_t body[BODY_SIZE])
{
    body[0] = VERSION;
    body[1] = PURPOSE;
    put_number(body + 2, key_id, 4);
    memcpy(body + 6, user->tenant_id.bytes, 16);
    memcpy(body + 22, user->id.bytes, 16);
    memcpy(body + 38, device->id.bytes, 16);
    put_number(body + 54, (uint64_t)user->security_epoch, 8);
    put_number(body + 62, (uint64_t)device->sign_in_at, 8);
}

static void compute_mac(const struct numbered_key *key, const uint8_t body[BODY_SIZE],
                        uint8_t ret_mac[SECRET_MAC_SIZE])
{
    uint8_t purpose_key[SECRET_KEY_SIZE];

    secret_derive(key->key, "known device", purpose_key);
    secret_mac(purpose_key, body, BODY_SIZE, ret_mac);
    secret_wipe(purpose_key, sizeof purpose_key);
}

/* The cookie is one that we made for this user as it is now, only the device may vary. */
static bool is_genuine(const struct key_set *keys, const struct user *user, const uint8_t raw[SIZE])
{
    const struct numbered_key *key = key_set_mac(keys, (uint32_t)get_number(raw + 2, 4));
    struct device device = {.sign_in_at = (int64_t)get_number(raw + 62, 8)};
    uint8_t body[BODY_SIZE], mac[SECRET_MAC_SIZE];

    if (key == NULL)
        return false;
    memcpy(device.id.bytes, raw + 38, 16);
    write_body(user, &device, key->id, body);
    compute_mac(key, body, mac);
    return memcmp(body, raw, sizeof body) == 0 && secret_equal(mac, raw + BODY_SIZE, sizeof mac);
}

enum err device_read(struct ctx *ctx, const struct user *user, const char *cookie,
                     struct device *ret_device)
{
    const struct key_set *keys = NULL;
    uint8_t raw[SIZE];

    *ret_device = (struct device){.sign_in_at = 0};
    if (cookie == NULL || strnlen(cookie, BASE64URL_LENGTH(SIZE) + 1) != BASE64URL_LENGTH(SIZE) ||
        base64url_decode(cookie, BASE64URL_LENGTH(SIZE), raw, sizeof raw) != SIZE)
        return ERR_OK;
    TRY(keys_get(ctx, &keys));
    if (!is_genuine(keys, user, raw))
        return ERR_OK;

    const int64_t sign_in_at = (int64_t)get_number(raw + 62, 8);

    if (clock_now_ms() - sign_in_at > DEVICE_SECONDS * 1000)
        return ERR_OK;
    memcpy(ret_device->id.bytes, raw + 38, 16);
    ret_device->sign_in_at = sign_in_at;
    return ERR_OK;
}

enum err device_write(struct ctx *ctx, const struct user *user, const struct device *device,
                      const char **ret_cookie)
{
    const struct device made = {
        .id = uuid_is_zero(&device->id) ? uuid_new() : device->id,
        .sign_in_at = user->last_login_at,
    };
    const struct key_set *keys = NULL;
    char *text = arena_alloc(ctx->arena, BASE64URL_LENGTH(SIZE) + 1);
    uint8_t raw[SIZE];

    if (text == NULL)
        return ERR_MEMORY;
    TRY(keys_get(ctx, &keys));
    write_body(user, &made, keys->macs[0].id, raw);
    compute_mac(&keys->macs[0], raw, raw + BODY_SIZE);
    base64url_encode(raw, sizeof raw, text);
    *ret_cookie = text;
    return ERR_OK;
}
