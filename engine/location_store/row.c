/* Columns of Kamailio's `location` table. Times are local ones, since Kamailio writes them so. */
#include "location_store/row.h"

#include "base/error.h"

#include <math.h>
#include <time.h>

#define HOUR_BYTES 13 /* "2026-11-21 12" */

/* ---- writing ---- */

static struct database_value text_value(struct text t)
{
    if (!text_is_set(t))
        return (struct database_value){.type = DATABASE_NULL};
    return (struct database_value){.type = DATABASE_TEXT, .text = t};
}

/** Where NULL is not allowed. */
static struct database_value text_value_or_empty(struct text t)
{
    return text_value(text_is_set(t) ? t : TEXT(""));
}

static struct database_value integer_value(int64_t n)
{
    return (struct database_value){.type = DATABASE_INTEGER, .integer = n};
}

void row_print_time(char out[ROW_TIME_BYTES], uint64_t ms)
{
    time_t seconds = ms == LOCATION_NEVER ? 0 : (time_t)(ms / 1000);
    struct tm tm;
    if (!localtime_r(&seconds, &tm) || !strftime(out, ROW_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm))
        memcpy(out, "1970-01-01 00:00:00", ROW_TIME_BYTES);
}

void row_write(struct database_value *values, struct row_scratch *scratch, struct text aor,
               const struct location_binding *binding, bool use_domain)
{
    struct text user = aor, domain = TEXT_NONE;
    for (size_t i = aor.n; use_domain && i-- > 0;) {
        if (aor.p[i] == '@') {
            user = (struct text){aor.p, i};
            domain = (struct text){aor.p + i + 1, aor.n - i - 1};
            break;
        }
    }
    row_print_time(scratch->expires, binding->expires_ms);
    row_print_time(scratch->modified, binding->modified_ms);
    bool has_methods = binding->methods && binding->methods != METHOD_SET_ALL;
    double q = binding->q == CONTACT_Q_NONE ? -1.0 : binding->q / 1000.0;
    struct database_value *value = values;
    *value++ = text_value_or_empty(user);
    *value++ = text_value(domain);
    *value++ = text_value_or_empty(binding->ruid);
    *value++ = text_value_or_empty(binding->contact);
    *value++ = text_value(binding->received);
    *value++ = text_value(binding->path);
    *value++ = text_value(text_of(scratch->expires));
    *value++ = (struct database_value){.type = DATABASE_REAL, .real = q};
    *value++ = text_value_or_empty(binding->call_id);
    *value++ = integer_value((int32_t)binding->cseq);
    *value++ = text_value(text_of(scratch->modified));
    *value++ = integer_value((int32_t)binding->flags);
    *value++ = integer_value((int32_t)binding->contact_flags);
    *value++ = text_value_or_empty(binding->user_agent);
    *value++ = text_value(binding->socket);
    *value++ = has_methods ? integer_value((int32_t)binding->methods) : text_value(TEXT_NONE);
    *value++ = text_value(binding->instance);
    *value = integer_value((int32_t)binding->reg_id);
}

/* ---- reading ---- */

static struct text text_at(const struct database_value *row, int column)
{
    const struct database_value *value = &row[column];
    return value->type == DATABASE_TEXT && value->text.n ? value->text : TEXT_NONE;
}

static uint32_t number_at(const struct database_value *row, int column, uint32_t otherwise)
{
    const struct database_value *value = &row[column];
    switch (value->type) {
    case DATABASE_INTEGER: return (uint32_t)value->integer;
    case DATABASE_REAL: return (uint32_t)(int64_t)value->real;
    default: return otherwise;
    }
}

static bool two_digits(const char *p, int *number)
{
    *number = (p[0] - '0') * 10 + p[1] - '0';
    return p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9';
}

/** The hour of local time that a text begins with, or NULL: it is none. */
static const struct row_hour *find_hour(struct row_clock *clock, struct text t)
{
    struct tm tm = {.tm_isdst = -1};
    int number;
    if (!two_digits(t.p + HOUR_BYTES - 2, &number))
        return NULL;
    struct row_hour *hour = &clock->hours[number & (ROW_CLOCK_HOURS - 1)];
    if (memcmp(hour->text, t.p, HOUR_BYTES) == 0)
        return hour;
    char text[HOUR_BYTES + 1] = "";
    memcpy(text, t.p, HOUR_BYTES);
    const char *end = strptime(text, "%Y-%m-%d %H", &tm);
    tm.tm_isdst = -1;
    time_t start_s = end && !*end ? mktime(&tm) : -1;
    if (start_s == -1)
        return NULL;
    memcpy(hour->text, text, sizeof text);
    hour->start_s = start_s;
    return hour;
}

/** @return false: it is no time */
static bool read_time(struct row_clock *clock, struct text t, uint64_t *ms)
{
    int minute, second;
    const struct row_hour *hour = t.n < ROW_TIME_BYTES - 1 ? NULL : find_hour(clock, t);
    if (!hour || !two_digits(t.p + 14, &minute) || !two_digits(t.p + 17, &second))
        return false;
    int64_t seconds = hour->start_s + minute * 60 + second;
    *ms = seconds <= 0 ? 0 : (uint64_t)seconds * 1000;
    return true;
}

static int16_t read_q(const struct database_value *value)
{
    double q = value->type == DATABASE_REAL      ? value->real
               : value->type == DATABASE_INTEGER ? (double)value->integer
                                                 : -1;
    return q < 0 || q > 1 ? CONTACT_Q_NONE : (int16_t)lround(q * 1000);
}

static int read_aor(const struct database_value *row, bool use_domain, struct arena *arena,
                    struct text *aor)
{
    struct text user = text_at(row, 0), domain = text_at(row, 1);
    *aor = user;
    if (!user.n)
        return ERROR_SYNTAX;
    if (use_domain && domain.n)
        *aor = arena_printf(arena, "%.*s@%.*s", TEXT_ARG(user), TEXT_ARG(domain));
    return text_is_set(*aor) ? 0 : ERROR_MEMORY;
}

int row_read(const struct database_value *row, bool use_domain, struct row_clock *clock,
             struct arena *arena, struct text *aor, struct location_binding *binding)
{
    *binding = (struct location_binding){
        .ruid = text_at(row, 2),
        .contact = text_at(row, 3),
        .received = text_at(row, 4),
        .path = text_at(row, 5),
        .q = read_q(&row[7]),
        .call_id = text_at(row, 8),
        .cseq = number_at(row, 9, 0),
        .flags = number_at(row, 11, 0),
        .contact_flags = number_at(row, 12, 0),
        .user_agent = text_at(row, 13),
        .socket = text_at(row, 14),
        .methods = number_at(row, 15, METHOD_SET_ALL),
        .instance = text_at(row, 16),
        .reg_id = number_at(row, 17, 0),
    };
    if (!read_time(clock, text_at(row, 6), &binding->expires_ms) || !binding->contact.n)
        return ERROR_SYNTAX;
    if (binding->expires_ms == 0)
        binding->expires_ms = LOCATION_NEVER;
    if (!read_time(clock, text_at(row, 10), &binding->modified_ms))
        binding->modified_ms = 0;
    return read_aor(row, use_domain, arena, aor);
}
