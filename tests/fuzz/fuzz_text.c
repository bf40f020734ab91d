/*
 * Text rules, times and UUIDs over any valid UTF-8: canonical forms are their own canonical form,
 * slugs are slugs, what is accepted holds none of what it must not.
 */
#include <stdint.h>
#include <string.h>

#include "app/clock.h"
#include "app/text.h"
#include "app/uuid.h"
#include "support/fuzz.h"

static void check_forms(struct ctx *ctx, const char *text)
{
    const char *once;
    const char *twice;

    require(text_canonical(ctx, text, &once) == ERR_OK && text_is_utf8(once, strlen(once)));
    require(text_canonical(ctx, once, &twice) == ERR_OK && strcmp(once, twice) == 0);
    require(text_nfc(ctx, text, &once) == ERR_OK);
    require(text_nfc(ctx, once, &twice) == ERR_OK && strcmp(once, twice) == 0);
    require(text_slugify(ctx, text, &once) == ERR_OK && text_check_slug(once) == NULL);
}

static void check_rules(struct ctx *ctx, const char *text)
{
    const char *host;

    if (text_check_email(text) == NULL)
        require(strlen(text) <= 254 && strpbrk(text, " \t\r\n,;<>\"()[]\\:") == NULL &&
                strchr(text, '@') == strrchr(text, '@'));
    if (text_check_username(text) == NULL)
        require(strpbrk(text, "@\t\r\n") == NULL && text_code_points(text) <= 64);
    if (text_check_name(text) == NULL)
        require(strpbrk(text, "\t\r\n") == NULL);
    if (text_check_domain(text) == NULL)
        require(strlen(text) <= 253 && strchr(text, '.') != NULL);
    require(text_host(ctx, text, &host) == ERR_OK);
    if (host != NULL)
        require(strpbrk(host, " \t\r\n/\\@%") == NULL && strlen(host) <= 253);
}

static void check_values(const char *text)
{
    char shown[TIME_TEXT_SIZE];
    struct uuid id;
    int64_t ms;
    int64_t again;

    if (time_parse(text, &ms)) {
        time_text(ms, shown);
        require(time_parse(shown, &again) && again == ms);
    }
    if (uuid_parse(text, &id)) {
        char same[UUID_TEXT_SIZE];

        uuid_text(&id, same);
        require(strcasecmp(same, text) == 0);
    }
    (void)uuid_parse_hex(text, &id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct ctx ctx;

    if (size > 4096 || !text_is_utf8((const char *)data, size))
        return 0;
    arena_init(&arena, (size_t)1024 * 1024);
    ctx_init(&ctx, NULL, &arena);

    const char *text = arena_strndup(&arena, (const char *)data, size);
    check_forms(&ctx, text);
    check_rules(&ctx, text);
    check_values(text);
    ctx_clear(&ctx);
    arena_clear(&arena);
    return 0;
}
