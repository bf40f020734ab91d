/* UUIDv7: 48 bits of milliseconds, a 12-bit counter begun at random, 62 random bits. */
#include "app/uuid.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app/clock.h"

#define RANDOM_SIZE 10
#define RANDOM_IDS  25

_Static_assert(RANDOM_SIZE *RANDOM_IDS <= 256, "more could be interrupted");

/* Milliseconds << 12 | counter of the newest id: each id takes a value above the last one. */
static _Atomic uint64_t last_stamp;

static uint64_t next_stamp(unsigned seed)
{
    uint64_t now = (uint64_t)clock_now_ms() << 12;
    uint64_t last = atomic_load_explicit(&last_stamp, memory_order_relaxed);
    uint64_t next;

    /* The counter begins in its lower half, so that a burst within one millisecond has room; beyond
     * that, and when the wall clock went back, it runs on into the milliseconds. */
    now |= seed & 0x7ff;
    do {
        next = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak(&last_stamp, &last, next));
    return next;
}

/* Each request has an id: the kernel is asked once for many. Ids name, they prove nothing, so that
 * what is left may lie in memory; a forked child must not go on with it. */
static const uint8_t *next_random(void)
{
    static _Thread_local uint8_t block[RANDOM_IDS][RANDOM_SIZE];
    static _Thread_local size_t left;

    /* 256 bytes are never interrupted; without randomness nothing here may go on. */
    if (left == 0) {
        if (getrandom(block, sizeof block, 0) != (ssize_t)sizeof block)
            abort();
        left = RANDOM_IDS;
    }
    return block[--left];
}

struct uuid uuid_new(void)
{
    const uint8_t *random = next_random();
    struct uuid id;

    uint64_t stamp = next_stamp((unsigned)random[8] << 8 | random[9]);
    for (size_t i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(stamp >> (52 - 8 * i));
    id.bytes[6] = (uint8_t)(0x70 | ((stamp >> 8) & 0x0f));
    id.bytes[7] = (uint8_t)stamp;
    memcpy(id.bytes + 8, random, 8);
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

bool uuid_is_zero(const struct uuid *id)
{
    static const struct uuid zero;

    return uuid_equal(id, &zero);
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* -1 when c is no digit; upper case only when asked for. */
static int hex_digit(char c, bool upper_too)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (upper_too && c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uuid_parse(const char *text, struct uuid *ret_id)
{
    struct uuid id;
    size_t at = 0;

    for (size_t i = 0; i < sizeof id.bytes; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            return false;
        int high = hex_digit(text[at], true);
        int low = high < 0 ? -1 : hex_digit(text[at + 1], true);
        if (low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    if (text[at] != '\0')
        return false;
    *ret_id = id;
    return true;
}

bool uuid_parse_hex(const char *text, struct uuid *ret_id)
{
    struct uuid id;

    for (size_t i = 0; i < sizeof id.bytes; i++) {
        int high = hex_digit(text[2 * i], false);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1], false);
        if (low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_id = id;
    return true;
}

static char *put_hex(char *out, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";

    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 0x0f];
    return out;
}

void uuid_text(const struct uuid *id, char ret_text[UUID_TEXT_SIZE])
{
    char *out = ret_text;

    for (size_t i = 0; i < sizeof id->bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        out = put_hex(out, id->bytes[i]);
    }
    *out = '\0';
}

void uuid_hex(const struct uuid *id, char ret_hex[UUID_HEX_SIZE])
{
    char *out = ret_hex;

    for (size_t i = 0; i < sizeof id->bytes; i++)
        out = put_hex(out, id->bytes[i]);
    *out = '\0';
}
