/* Which passwords are guessed first. */
#include "models/password_policy.h"

#include <ctype.h>
#include <string.h>

#include "app/app.h"
#include "app/password.h"
#include "app/text.h"
#include "models/tenant.h"

#define PASSWORD_BYTES ((size_t)BCRYPT_MAX_PASSWORD * 4) /* longer ones are not guessed */
#define MIN_STEM       4                                 /* letters that make a word */
#define MAX_DECORATION 6 /* digits and signs around a word that add nothing */
#define MIN_RUN        3
#define MAX_STRAYS     2
#define MIN_DISTINCT   5  /* different characters, when nothing else is known */
#define MIN_DIGITS     12 /* of a password of digits alone: fewer are dates and numbers */
#define MIN_WORD       4  /* of the words of tenant and user */
#define MIN_REST       6  /* letters that must be left without those words */
#define MAX_WORDS      24

/* --- forms of a text --- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || ((unsigned char)c & 0x80) != 0;
}

/* Letters written as digits and signs. */
static void undo_signs(char *text)
{
    static const char signs[] = "0134578@$!|+", letters[] = "oieastbasilt";

    for (; *text != '\0'; text++) {
        const char *sign = strchr(signs, *text);

        if (sign != NULL)
            *text = letters[sign - signs];
    }
}

/* The part between the digits and signs at both ends. */
static void stem_of(const char *text, const char **ret_start, size_t *ret_length)
{
    size_t length = strlen(text);

    while (length > 0 && !is_letter(text[length - 1]))
        length--;
    while (length > 0 && !is_letter(*text)) {
        text++;
        length--;
    }
    *ret_start = text;
    *ret_length = length;
}

/* --- tables and patterns --- */

/* FNV-1a, as in cmake/common_passwords.py. */
static uint64_t hash_of(const char *text, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool is_in_table(const char *text, size_t length)
{
    const uint64_t hash = hash_of(text, length);
    size_t low = 0, high = common_password_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (common_passwords[middle] == hash)
            return true;
        if (common_passwords[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* The place of a character in a row of the keyboard or the alphabet, -1 when it is not in it. */
static int place_in(const char *row, char c)
{
    const char *at = c != '\0' ? strchr(row, c) : NULL;

    return at != NULL ? (int)(at - row) : -1;
}

/* To the next key, the key before, or the same key again. */
static bool is_step(char from, char to, int step)
{
    static const char *const rows[] = {"abcdefghijklmnopqrstuvwxyz",
                                       "01234567890",
                                       "qwertyuiop",
                                       "asdfghjkl",
                                       "zxcvbnm",
                                       "qwertzuiop",
                                       "yxcvbnm",
                                       "azertyuiop",
                                       "wxcvbn",
                                       "!@#$%^&*()"};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int a = place_in(rows[i], from), b = place_in(rows[i], to);

        if (a >= 0 && b >= 0 && b - a == step)
            return true;
    }
    return step == 0 && from == to;
}

static size_t run_length(const char *text, size_t length)
{
    size_t longest = 1;

    for (int step = -1; step <= 1; step++) {
        size_t end = 1;

        while (end < length && is_step(text[end - 1], text[end], step))
            end++;
        longest = end > longest ? end : longest;
    }
    return longest;
}

/* Little but runs of three or more: abcd1234, qwertyuiop, zzz111, 12345678a. */
static bool is_runs(const char *text, size_t length)
{
    size_t strays = 0;

    for (size_t i = 0; i < length;) {
        const size_t run = run_length(text + i, length - i);

        strays += run < MIN_RUN ? run : 0;
        i += run;
    }
    return length > 0 && strays <= MAX_STRAYS;
}

/* The length of the block that the text repeats, the whole length when it repeats none. */
static size_t period_of(const char *text, size_t length)
{
    for (size_t period = 1; period <= length / 2; period++) {
        if (length % period == 0 && memcmp(text, text + period, length - period) == 0)
            return period;
    }
    return length;
}

static size_t distinct_in(const char *text)
{
    bool seen[256] = {false};
    size_t count = 0;

    for (; *text != '\0'; text++) {
        count += !seen[(unsigned char)*text];
        seen[(unsigned char)*text] = true;
    }
    return count;
}

static bool is_number(const char *text)
{
    const size_t length = strlen(text);

    return strspn(text, "0123456789 ./-:") == length && length < MIN_DIGITS;
}

/* --- common passwords --- */

static bool is_guessed(const char *text, size_t length)
{
    const size_t period = period_of(text, length);

    return is_in_table(text, length) || is_runs(text, length) ||
           (period < length && (period < MIN_STEM || is_in_table(text, period)));
}

/* The text itself, and its stem when what stands around it adds little. */
static bool is_guessed_with_decoration(const char *text)
{
    const size_t whole = strlen(text);
    const char *stem = NULL;
    size_t length = 0;

    stem_of(text, &stem, &length);
    return is_guessed(text, whole) ||
           (length >= MIN_STEM && whole - length <= MAX_DECORATION && is_guessed(stem, length));
}

bool password_is_common(const char *password)
{
    char plain[PASSWORD_BYTES];
    const char *stem = NULL;
    size_t length = 0;

    if (strlen(password) >= sizeof plain)
        return false;
    if (distinct_in(password) < MIN_DISTINCT || is_number(password) ||
        is_guessed_with_decoration(password))
        return true;
    /* Signs as letters, of the whole and of what is left without the signs at its ends. */
    memcpy(plain, password, strlen(password) + 1);
    undo_signs(plain);
    if (is_guessed_with_decoration(plain))
        return true;
    stem_of(password, &stem, &length);
    return length >= MIN_STEM && strlen(password) - length <= MAX_DECORATION &&
           is_guessed(plain + (stem - password), length);
}

/* --- words of the tenant and the user --- */

struct words {
    const char *items[MAX_WORDS];
    size_t count;
};

/* The parts of a name or an address, in canonical form. */
static enum err add_words(struct ctx *ctx, const char *text, struct words *words)
{
    static const char between[] = " \t.,;:_-+@/&'\"()";
    const char *canonical = NULL;

    if (text == NULL)
        return ERR_OK;
    TRY(text_canonical(ctx, text, &canonical));

    char *rest = arena_strdup(ctx->arena, canonical);

    if (rest == NULL)
        return ERR_MEMORY;
    while (rest != NULL && words->count < MAX_WORDS) {
        const char *word = strsep(&rest, between);

        if (strlen(word) >= MIN_WORD)
            words->items[words->count++] = word;
    }
    return ERR_OK;
}

/* Takes every occurrence of the word out of the text; false when there is none. */
static bool take_out(char *text, const char *word)
{
    const size_t length = strlen(word);
    bool found = false;

    for (char *at = strstr(text, word); at != NULL; at = strstr(at, word)) {
        memmove(at, at + length, strlen(at + length) + 1);
        found = true;
    }
    return found;
}

static size_t letters_in(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += is_letter(*text);
    return count;
}

/* Little but the words is left when they are taken out. */
static bool is_made_of(const char *password, const struct words *words, bool undone)
{
    char rest[PASSWORD_BYTES];
    bool found = false;

    if (strlen(password) >= sizeof rest)
        return false;
    memcpy(rest, password, strlen(password) + 1);
    if (undone)
        undo_signs(rest);
    for (size_t i = 0; i < words->count; i++)
        found = take_out(rest, words->items[i]) || found;
    return found && letters_in(rest) < MIN_REST;
}

static enum err check_words(struct ctx *ctx, const char *field, const char *password,
                            const struct password_owner *owner)
{
    const char *const texts[] = {owner->username,   owner->email,      owner->name,
                                 ctx->tenant->name, ctx->tenant->slug, ctx->tenant->domain};
    struct words words = {.items = {"tenantd"}, .count = 1};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        TRY(add_words(ctx, texts[i], &words));
    if (!is_made_of(password, &words, false) && !is_made_of(password, &words, true))
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, field,
                "The password must not be made of the names of the user or of this organisation.");
}

/* --- for callers --- */

enum err password_policy_prepare(struct ctx *ctx, const char *field, const char *password,
                                 const char **ret_password)
{
    return password_prepare(ctx, field, password, tenant_password_min_length(ctx), ret_password);
}

enum err password_policy_check(struct ctx *ctx, const char *field, const char *password,
                               const struct password_owner *owner)
{
    const char *canonical = NULL;

    if (!tenant_blocks_common_passwords(ctx))
        return ERR_OK;
    TRY(text_canonical(ctx, password, &canonical));
    if (password_is_common(canonical))
        return fail(ctx, ERR_VALIDATION, field,
                    "This password is among those that are guessed first; choose another, perhaps "
                    "several unusual words.");
    return check_words(ctx, field, canonical, owner);
}
