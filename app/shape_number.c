/* Numbers and equality of JSON as they are in BSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/shape.h"

/* Below it every double that is an integer is exact. */
#define TWO_53       9007199254740992.0
#define TWO_63       9223372036854775808.0
#define MAX_NESTING  32
#define DECIMAL_SIZE 32

struct number number_of(const bson_iter_t *element)
{
    if (BSON_ITER_HOLDS_INT64(element) || BSON_ITER_HOLDS_INT32(element))
        return (struct number){.given = true, .integer = bson_iter_as_int64(element)};
    if (BSON_ITER_HOLDS_DOUBLE(element))
        return (struct number){.given = true, .real = true, .fraction = bson_iter_double(element)};
    return (struct number){.given = false};
}

static int compare_mixed(int64_t integer, double real)
{
    if (real >= TWO_63)
        return -1;
    if (real < -TWO_63)
        return 1;

    const int64_t whole = (int64_t)real;
    const double rest = real - (double)whole;

    if (integer != whole)
        return integer < whole ? -1 : 1;
    return (rest < 0) - (rest > 0);
}

int number_compare(const struct number *a, const struct number *b)
{
    if (!a->real && !b->real)
        return (a->integer > b->integer) - (a->integer < b->integer);
    if (a->real && b->real)
        return (a->fraction > b->fraction) - (a->fraction < b->fraction);
    return a->real ? -compare_mixed(b->integer, a->fraction)
                   : compare_mixed(a->integer, b->fraction);
}

static double as_double(const struct number *number)
{
    return number->real ? number->fraction : (double)number->integer;
}

/* People write decimals: 4.02 is a multiple of 0.01, though no doubles are. The nearest multiple
 * is the number when both read the same in the 15 digits that every double keeps; the database
 * compares so too. */
static bool is_decimal_multiple(const struct number *number, const struct number *of)
{
    char is[DECIMAL_SIZE], multiple[DECIMAL_SIZE];
    const double times = as_double(number) / as_double(of);

    if (!isfinite(times) || fabs(times) > TWO_53)
        return fmod(as_double(number), as_double(of)) == 0;
    snprintf(is, sizeof is, "%.15g", as_double(number));
    snprintf(multiple, sizeof multiple, "%.15g", nearbyint(times) * as_double(of));
    return strcmp(is, multiple) == 0 || as_double(number) == 0;
}

/* digits / 10^places; false when the decimal that it reads as is another double, or is large. */
static bool read_decimal(double positive, int64_t *ret_digits, int *ret_places)
{
    char text[DECIMAL_SIZE]; /* d.dddddddddddddde±xx: 15 digits */

    snprintf(text, sizeof text, "%.14e", positive);
    if (strtod(text, NULL) != positive)
        return false;
    *ret_digits = text[0] - '0';
    for (const char *at = text + 2; *at != 'e'; at++)
        *ret_digits = *ret_digits * 10 + (*at - '0');
    *ret_places = 14 - (int)strtoll(strchr(text, 'e') + 1, NULL, 10);
    return *ret_places >= 0;
}

/* Of an integer, which has more digits than a double: exactly, as the database does. */
static bool is_whole_multiple(const struct number *number, int64_t digits, int places)
{
    int64_t rest =
        number->real ? (int64_t)fmod(number->fraction, (double)digits) : number->integer % digits;

    for (int i = 0; i < places && rest != 0; i++)
        rest = rest * 10 % digits;
    return rest == 0;
}

/* 10.0 as 10. */
static struct number whole(const struct number *number)
{
    if (number->real && number->fraction == floor(number->fraction) &&
        number->fraction >= -TWO_63 && number->fraction < TWO_63)
        return (struct number){.given = true, .integer = (int64_t)number->fraction};
    return *number;
}

bool number_is_multiple(const struct number *number, const struct number *of)
{
    const struct number left = whole(number), right = whole(of);
    const bool is_whole = !left.real || left.fraction == floor(left.fraction);
    int64_t digits;
    int places;

    if (!left.real && !right.real)
        return right.integer != 0 && left.integer % right.integer == 0;
    if (is_whole && right.real && read_decimal(right.fraction, &digits, &places))
        return is_whole_multiple(&left, digits, places);
    return is_decimal_multiple(&left, &right);
}

void number_put(const struct number *number, struct buf *out)
{
    if (!number->real)
        buf_int(out, number->integer);
    else
        buf_printf(out, "%.15g", number->fraction);
}

/* ---- equality ---- */

static bool equal(const bson_iter_t *a, const bson_iter_t *b, unsigned depth);

static size_t count_of(const bson_iter_t *nested)
{
    bson_iter_t inner;
    size_t count = 0;

    for (bool more = bson_iter_recurse(nested, &inner) && bson_iter_next(&inner); more;
         more = bson_iter_next(&inner))
        count++;
    return count;
}

static bool equal_objects(const bson_iter_t *a, const bson_iter_t *b, unsigned depth)
{
    bson_iter_t left, right;

    if (count_of(a) != count_of(b) || !bson_iter_recurse(a, &left))
        return false;
    while (bson_iter_next(&left)) {
        if (!bson_iter_recurse(b, &right) || !bson_iter_find(&right, bson_iter_key(&left)) ||
            !equal(&left, &right, depth + 1))
            return false;
    }
    return true;
}

static bool equal_arrays(const bson_iter_t *a, const bson_iter_t *b, unsigned depth)
{
    bson_iter_t left, right;

    if (!bson_iter_recurse(a, &left) || !bson_iter_recurse(b, &right))
        return false;
    while (bson_iter_next(&left)) {
        if (!bson_iter_next(&right) || !equal(&left, &right, depth + 1))
            return false;
    }
    return !bson_iter_next(&right);
}

static bool equal_texts(const bson_iter_t *a, const bson_iter_t *b)
{
    uint32_t left = 0, right = 0;
    const char *text = bson_iter_utf8(a, &left), *other = bson_iter_utf8(b, &right);

    return left == right && memcmp(text, other, left) == 0;
}

static bool equal(const bson_iter_t *a, const bson_iter_t *b, unsigned depth)
{
    const struct number left = number_of(a), right = number_of(b);

    if (left.given || right.given)
        return left.given && right.given && number_compare(&left, &right) == 0;
    if (bson_iter_type(a) != bson_iter_type(b) || depth > MAX_NESTING)
        return false;
    if (BSON_ITER_HOLDS_UTF8(a))
        return equal_texts(a, b);
    if (BSON_ITER_HOLDS_BOOL(a))
        return bson_iter_bool(a) == bson_iter_bool(b);
    if (BSON_ITER_HOLDS_DOCUMENT(a))
        return equal_objects(a, b, depth);
    if (BSON_ITER_HOLDS_ARRAY(a))
        return equal_arrays(a, b, depth);
    return BSON_ITER_HOLDS_NULL(a);
}

bool element_equal(const bson_iter_t *a, const bson_iter_t *b)
{
    return equal(a, b, 0);
}

/* ---- sums ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 29;
}

static uint64_t sum(const bson_iter_t *element, unsigned depth);

/* Of an array by order, of an object by name in any order. */
static uint64_t sum_nested(const bson_iter_t *element, unsigned depth)
{
    const bool ordered = BSON_ITER_HOLDS_ARRAY(element);
    uint64_t total = ordered ? 17 : 19;
    bson_iter_t inner;

    if (depth > MAX_NESTING || !bson_iter_recurse(element, &inner))
        return total;
    while (bson_iter_next(&inner)) {
        const char *key = bson_iter_key(&inner);
        const uint64_t one = sum(&inner, depth + 1);

        total = ordered ? mix(total, &one, sizeof one) : total + mix(one, key, strlen(key));
    }
    return total;
}

static uint64_t sum(const bson_iter_t *element, unsigned depth)
{
    const uint64_t start = UINT64_C(14695981039346656037);
    const struct number number = number_of(element);
    uint32_t length = 0;
    unsigned char type;

    if (number.given) {
        const double real = as_double(&number) + 0.0; /* -0.0 is 0 */

        return mix(start, &real, sizeof real);
    }
    if (BSON_ITER_HOLDS_UTF8(element)) {
        const char *text = bson_iter_utf8(element, &length);

        return mix(start + 1, text, length);
    }
    if (BSON_ITER_HOLDS_DOCUMENT(element) || BSON_ITER_HOLDS_ARRAY(element))
        return sum_nested(element, depth);
    type = BSON_ITER_HOLDS_BOOL(element) && bson_iter_bool(element) ? 1 : 0;
    return mix(start + (uint64_t)bson_iter_type(element), &type, sizeof type);
}

uint64_t element_hash(const bson_iter_t *element)
{
    return sum(element, 0);
}
