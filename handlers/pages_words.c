/* Times and numbers for people. English, UTC. */
#include "handlers/pages_words.h"

#include <stddef.h>

#include "app/clock.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

const char *words_when(bool is_so)
{
    return is_so ? "yes" : NULL;
}

const char *words_day(struct ctx *ctx, int64_t ms)
{
    char text[TIME_TEXT_SIZE];

    if (ms == 0)
        return NULL;
    time_text(ms, text);
    return arena_strndup(ctx->arena, text, 10);
}

const char *words_moment(struct ctx *ctx, int64_t ms)
{
    char text[TIME_TEXT_SIZE];

    if (ms == 0)
        return NULL;
    time_text(ms, text);
    return arena_printf(ctx->arena, "%.10s %.5s UTC", text, text + 11);
}

const char *words_count(struct ctx *ctx, int64_t number, const char *noun)
{
    const char *digits = words_number(ctx, number);

    return digits == NULL
               ? NULL
               : arena_printf(ctx->arena, "%s %s%s", digits, noun, number == 1 ? "" : "s");
}

const char *words_ago(struct ctx *ctx, int64_t ms)
{
    const int64_t age = clock_now_ms() - ms;
    const char *span;

    if (ms == 0)
        return NULL;
    if (age < 2 * MINUTE_MS)
        return "just now";
    if (age >= 30 * DAY_MS)
        return words_day(ctx, ms);
    if (age >= 2 * DAY_MS)
        span = words_count(ctx, age / DAY_MS, "day");
    else if (age >= DAY_MS)
        return "yesterday";
    else if (age >= HOUR_MS)
        span = words_count(ctx, age / HOUR_MS, "hour");
    else
        span = words_count(ctx, age / MINUTE_MS, "minute");
    return span == NULL ? NULL : arena_printf(ctx->arena, "%s ago", span);
}

const char *words_number(struct ctx *ctx, int64_t number)
{
    if (number < 0 || number >= INT64_C(1000000000000))
        return arena_printf(ctx->arena, "%lld", (long long)number);
    if (number >= 1000000000)
        return arena_printf(ctx->arena, "%lld,%03lld,%03lld,%03lld",
                            (long long)(number / 1000000000), (long long)(number / 1000000 % 1000),
                            (long long)(number / 1000 % 1000), (long long)(number % 1000));
    if (number >= 1000000)
        return arena_printf(ctx->arena, "%lld,%03lld,%03lld", (long long)(number / 1000000),
                            (long long)(number / 1000 % 1000), (long long)(number % 1000));
    if (number >= 1000)
        return arena_printf(ctx->arena, "%lld,%03lld", (long long)(number / 1000),
                            (long long)(number % 1000));
    return arena_printf(ctx->arena, "%lld", (long long)number);
}

const char *words_span(struct ctx *ctx, int64_t seconds)
{
    static const struct {
        int64_t seconds;
        const char *noun;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}};

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (seconds >= units[i].seconds && seconds % units[i].seconds == 0)
            return words_count(ctx, seconds / units[i].seconds, units[i].noun);
    }
    return words_count(ctx, seconds, "second");
}

bool words_parse_day(struct ctx *ctx, const char *text, int64_t *ret_ms)
{
    const char *moment = arena_printf(ctx->arena, "%.40sT00:00:00Z", text);

    return moment != NULL && time_parse(moment, ret_ms);
}
