/*
 * Any text as access key, platform key and device cookie (TS-5, TS-13): none is ever accepted that
 * was not made, and what has the form of a platform key has one spelling. After a first byte of "!"
 * the rest changes good ones.
 */
#include <stdint.h>
#include <string.h>

#include "app/cache.h"
#include "app/clock.h"
#include "app/keys.h"
#include "app/secret.h"
#include "models/access_key.h"
#include "models/device.h"
#include "models/platform_key.h"
#include "support/fuzz.h"

static struct bare bare;
static struct made_key made;
static struct made_platform_key platform;
static struct user user = {.id = {{3}}, .tenant_id = {{1}}, .security_epoch = 5};
static const char *device_cookie;

/* The database of this target: one key of one tenant. */
static enum err load_access_key(struct ctx *ctx, const void *key, size_t size,
                                const void **ret_data)
{
    (void)ctx;
    if (size != 32 || memcmp((const char *)key + 16, made.key.id.bytes, 16) != 0)
        return ERR_NOT_FOUND;
    *ret_data = &made.key;
    return ERR_OK;
}

static enum err load_keys(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    struct key_set *set = ARENA_NEW(ctx->arena, struct key_set);

    (void)key;
    (void)size;
    if (set == NULL)
        return ERR_MEMORY;
    set->mac_count = 1;
    set->macs[0].id = 1;
    *ret_data = set;
    return ERR_OK;
}

static void begin(void)
{
    static struct arena scratch;
    const struct device none = {.sign_in_at = 0};

    if (device_cookie != NULL)
        return;
    bare_init(&bare);
    bare.app.access_keys = cache_new("access_keys", 16, 60000, load_access_key);
    bare.app.keys = cache_new("keys", 16, 60000, load_keys);
    bare.ctx.tenant_id = user.tenant_id;
    user.last_login_at = clock_now_ms();
    require(access_key_make(&bare.ctx, &user.tenant_id,
                            &(struct new_access_key){.label = "one", .scopes = "auth"},
                            &made) == ERR_OK);
    require(platform_key_make(&bare.ctx, "one", 0, &platform) == ERR_OK);
    require(device_write(&bare.ctx, &user, &none, &device_cookie) == ERR_OK);
    cache_release_holds(&bare.ctx);
    arena_init(&scratch, (size_t)1024 * 1024);
    bare.ctx.arena = &scratch; /* what was made above stays */
}

static void check(const char *text)
{
    const struct access_key *found = NULL;
    struct platform_key key = {.label = NULL};
    struct device device;

    fail_clear(&bare.ctx);
    require((access_key_verify(&bare.ctx, text, &found) == ERR_OK) ==
            (strcmp(text, made.text) == 0));
    if (platform_key_is_text(text)) {
        char hex[33];

        require(platform_key_parse(&bare.ctx, text, &key) == ERR_OK);
        uuid_hex(&key.id, hex);
        require(strncmp(text + strlen(PLATFORM_KEY_PREFIX), hex, 32) == 0);
        require((key.hash.size == platform.key.hash.size &&
                 memcmp(key.hash.data, platform.key.hash.data, key.hash.size) == 0) ==
                (strcmp(text, platform.text) == 0));
    }
    require(device_read(&bare.ctx, &user, text, &device) == ERR_OK);
    require(uuid_is_zero(&device.id) == (strcmp(text, device_cookie) != 0));
}

static void change(const char *good, const uint8_t *data, size_t size)
{
    char *text = arena_strdup(bare.ctx.arena, good);
    const size_t length = strlen(good);

    for (size_t i = 0; i + 1 < size; i += 2)
        text[data[i] % length] ^= (char)data[i + 1];
    check(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    if (size > 0 && data[0] == '!') {
        change(made.text, data + 1, size - 1);
        change(platform.text, data + 1, size - 1);
        change(device_cookie, data + 1, size - 1);
    } else {
        check(arena_strndup(bare.ctx.arena, (const char *)data, size));
    }
    cache_release_holds(&bare.ctx);
    arena_reset(bare.ctx.arena);
    return 0;
}
