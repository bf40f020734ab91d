/* Clocks, and RFC 3339 in both directions without the C library's time zones. */
#include "app/clock.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#define DAY_MS      INT64_C(86400000)
/* 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z: what RFC 3339 can write. */
#define TIME_MIN_MS INT64_C(-62167219200000)
#define TIME_MAX_MS INT64_C(253402300799999)

static int64_t read_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_now_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_thread_cpu_us(void)
{
    return read_us(CLOCK_THREAD_CPUTIME_ID);
}

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. Years are counted from
 * March, so that the leap day is the last one of a year, in eras of 400 years (146,097 days). */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_of_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;

    *ret_day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *ret_month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0));
}

/* So many digits and the character that follows them. */
static char *put_number(char *out, int width, int number, char end)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
    out[width] = end;
    return out + width + 1;
}

void time_text(int64_t ms, char ret_text[TIME_TEXT_SIZE])
{
    int year;
    int month;
    int day;

    if (ms < TIME_MIN_MS)
        ms = TIME_MIN_MS;
    if (ms > TIME_MAX_MS)
        ms = TIME_MAX_MS;

    int64_t days = (ms >= 0 ? ms : ms - (DAY_MS - 1)) / DAY_MS;
    int rest = (int)(ms - days * DAY_MS);
    date_of_days(days, &year, &month, &day);
    char *out = put_number(ret_text, 4, year, '-');
    out = put_number(out, 2, month, '-');
    out = put_number(out, 2, day, 'T');
    out = put_number(out, 2, rest / 3600000, ':');
    out = put_number(out, 2, rest / 60000 % 60, ':');
    out = put_number(out, 2, rest / 1000 % 60, '.');
    out = put_number(out, 3, rest % 1000, 'Z');
    *out = '\0';
}

/* Exactly width digits between least and most, then moves on. */
static bool take_number(const char **text, int width, int least, int most, int *ret_number)
{
    int number = 0;

    for (int i = 0; i < width; i++) {
        char c = **text;

        if (c < '0' || c > '9')
            return false;
        number = number * 10 + (c - '0');
        (*text)++;
    }
    *ret_number = number;
    return number >= least && number <= most;
}

static bool take_char(const char **text, char upper, char lower)
{
    if (**text != upper && **text != lower)
        return false;
    (*text)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool take_date(const char **text, int64_t *ret_days)
{
    int year;
    int month;
    int day;

    if (!take_number(text, 4, 0, 9999, &year) || !take_char(text, '-', '-') ||
        !take_number(text, 2, 1, 12, &month) || !take_char(text, '-', '-') ||
        !take_number(text, 2, 1, days_in_month(year, month), &day))
        return false;
    *ret_days = days_of_date(year, month, day);
    return true;
}

/* Digits past the milliseconds are dropped. Leap seconds are refused: a count of milliseconds since
 * 1970 has no place for them. */
static bool take_time(const char **text, int64_t *ret_ms)
{
    int hour;
    int minute;
    int second;
    int fraction = 0;

    if (!take_number(text, 2, 0, 23, &hour) || !take_char(text, ':', ':') ||
        !take_number(text, 2, 0, 59, &minute) || !take_char(text, ':', ':') ||
        !take_number(text, 2, 0, 59, &second))
        return false;
    if (take_char(text, '.', '.')) {
        size_t digits = strspn(*text, "0123456789");

        if (digits == 0)
            return false;
        for (size_t i = 0; i < 3; i++)
            fraction = fraction * 10 + (i < digits ? (*text)[i] - '0' : 0);
        *text += digits;
    }
    *ret_ms = ((int64_t)hour * 3600 + minute * INT64_C(60) + second) * 1000 + fraction;
    return true;
}

static bool take_offset(const char **text, int64_t *ret_ms)
{
    int hours;
    int minutes;
    int sign = **text == '-' ? -1 : 1;

    *ret_ms = 0;
    if (take_char(text, 'Z', 'z'))
        return true;
    if (!take_char(text, '+', '-') || !take_number(text, 2, 0, 23, &hours) ||
        !take_char(text, ':', ':') || !take_number(text, 2, 0, 59, &minutes))
        return false;
    *ret_ms = sign * (hours * INT64_C(60) + minutes) * INT64_C(60000);
    return true;
}

bool time_parse(const char *text, int64_t *ret_ms)
{
    int64_t days;
    int64_t time;
    int64_t offset;

    if (!take_date(&text, &days) || !take_char(&text, 'T', 't') || !take_time(&text, &time) ||
        !take_offset(&text, &offset) || *text != '\0')
        return false;

    int64_t ms = days * DAY_MS + time - offset;
    if (ms < TIME_MIN_MS || ms > TIME_MAX_MS)
        return false;
    *ret_ms = ms;
    return true;
}
