/*
 * time.c - ISO 8601 dates and date-times to seconds since the epoch
 * (rag_str_to_time of buf.h).
 *
 * Accepted: YYYY-MM-DD, and behind it T (or t, or one space) hh:mm with
 * optional :ss, a fraction (dropped), and Z or +hh:mm, +hhmm, +hh. Without a
 * zone the local one holds. Called from any thread.
 */
#include "base/buf.h"

#include <string.h>
#include <time.h>

/* Exactly n digits at *p; false leaves *p. */
static bool take_digits(const char **p, int n, int *out) {
    int v = 0;
    for (int i = 0; i < n; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9')
            return false;
        v = v * 10 + (c - '0');
    }
    *p += n;
    *out = v;
    return true;
}

static bool take_char(const char **p, char c) {
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static int days_in_month(int y, int m) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

typedef struct iso_time {
    int year, month, day, hour, minute, second;
    bool has_time, has_zone;
    int zone_s; /* seconds east of UTC */
} iso_time;

static bool parse_zone(const char **p, iso_time *t) {
    if (take_char(p, 'Z') || take_char(p, 'z')) {
        t->has_zone = true;
        return true;
    }
    int sign = **p == '+' ? 1 : **p == '-' ? -1 : 0, h, m = 0;
    if (sign == 0)
        return true; /* none: local */
    (*p)++;
    if (!take_digits(p, 2, &h))
        return false;
    if (take_char(p, ':')) {
        if (!take_digits(p, 2, &m))
            return false;
    } else if (**p && !take_digits(p, 2, &m)) {
        return false;
    }
    /* The widest offset ever in use is +14:00 (RFC 3339 allows 23:59). */
    if (h > 23 || m > 59)
        return false;
    t->has_zone = true;
    t->zone_s = sign * (h * 3600 + m * 60);
    return true;
}

static bool parse_iso(const char *p, iso_time *t) {
    *t = (iso_time){0};
    if (!take_digits(&p, 4, &t->year) || !take_char(&p, '-') ||
        !take_digits(&p, 2, &t->month) || !take_char(&p, '-') ||
        !take_digits(&p, 2, &t->day))
        return false;
    if (t->year < 1 || t->month < 1 || t->month > 12 || t->day < 1 ||
        t->day > days_in_month(t->year, t->month))
        return false;
    if (*p == '\0')
        return true;
    if (!take_char(&p, 'T') && !take_char(&p, 't') && !take_char(&p, ' '))
        return false;
    t->has_time = true;
    if (!take_digits(&p, 2, &t->hour) || !take_char(&p, ':') ||
        !take_digits(&p, 2, &t->minute))
        return false;
    if (take_char(&p, ':') && !take_digits(&p, 2, &t->second))
        return false;
    /* 60 is a leap second; it counts as the next minute's first. */
    if (t->hour > 23 || t->minute > 59 || t->second > 60)
        return false;
    if (take_char(&p, '.') || take_char(&p, ',')) {
        int digit, n = 0;
        while (take_digits(&p, 1, &digit))
            n++;
        if (n == 0)
            return false;
    }
    return parse_zone(&p, t) && *p == '\0';
}

int rag_str_to_time(const char *s, bool end_of_day, long long *out,
                    rag_error *err) {
    iso_time t;
    if (!s || !parse_iso(s, &t))
        return rag_error_set(err, RAG_E_DATA,
                             "\"%s\" is no date: write 2026-03-01 or "
                             "2026-03-01T09:00:00+09:00",
                             s ? s : "");
    struct tm tm = {.tm_year = t.year - 1900,
                    .tm_mon = t.month - 1,
                    .tm_mday = t.day,
                    .tm_hour = t.hour,
                    .tm_min = t.minute,
                    .tm_sec = t.second,
                    .tm_isdst = -1};
    bool last_second = end_of_day && !t.has_time;
    if (last_second)
        tm.tm_mday++; /* days are not always 86,400 s: next midnight - 1 */
    time_t v;
    if (t.has_zone) {
        tm.tm_isdst = 0;
        v = timegm(&tm) - t.zone_s;
    } else {
        tm.tm_wday = -1; /* tells a real -1 from a failure */
        v = mktime(&tm);
        if (v == (time_t)-1 && tm.tm_wday == -1)
            return rag_error_set(err, RAG_E_DATA,
                                 "\"%s\" is outside of what this system's "
                                 "clock can say",
                                 s);
    }
    *out = (long long)v - (last_second ? 1 : 0);
    return 0;
}
