/* Columns as Kamailio's acc module has them; texts are cut to what its columns hold. */
#include "record/rows.h"

#include "base/error.h"

#include <jansson.h>
#include <time.h>

#define TIME_BYTES sizeof "YYYY-MM-DD HH:MM:SS"

/* Characters that the columns of Kamailio's tables hold. */
#define METHOD_MOST  16
#define TAG_MOST     128
#define CALL_ID_MOST 255
#define CODE_MOST    3
#define REASON_MOST  128

#define EVENT_COLUMNS "method, from_tag, to_tag, callid, sip_code, sip_reason, time"

static const struct {
    const char *name, *columns;
    size_t count;
} tables[ROW_TABLE_COUNT] = {
    [ROW_ACC] = {"acc", EVENT_COLUMNS, 7},
    [ROW_MISSED] = {"missed_calls", EVENT_COLUMNS, 7},
    [ROW_CDR] = {"acc_cdrs", "start_time, end_time, duration", 3},
};

const char *row_table_name(enum row_table table)
{
    return tables[table].name;
}

/* "column=name" */
static struct text column_of(const char *extra, struct text *name)
{
    struct text rest = text_of(extra);
    struct text column = text_split(&rest, '=');
    *name = text_is_set(rest) ? rest : column;
    return column;
}

size_t row_columns(enum row_table table, const struct row_extra *extra)
{
    return tables[table].count + extra->count;
}

struct text row_statement(enum row_table table, const struct row_extra *extra, size_t count,
                          struct arena *arena)
{
    struct text name, columns = text_of(tables[table].columns), places = TEXT("?");
    for (size_t i = 0; i < extra->count; i++)
        columns = arena_printf(arena, "%.*s, %.*s", TEXT_ARG(columns),
                               TEXT_ARG(column_of(extra->v[i], &name)));
    for (size_t i = 1; i < row_columns(table, extra); i++)
        places = arena_printf(arena, "%.*s, ?", TEXT_ARG(places));
    struct text row = arena_printf(arena, "(%.*s)", TEXT_ARG(places)), rows = row;
    for (size_t i = 1; i < count; i++)
        rows = arena_printf(arena, "%.*s, %.*s", TEXT_ARG(rows), TEXT_ARG(row));
    if (!columns.p || !places.p || !row.p || !rows.p)
        return TEXT_NONE;
    return arena_printf(arena, "INSERT INTO %s (%.*s) VALUES %.*s", tables[table].name,
                        TEXT_ARG(columns), TEXT_ARG(rows));
}

/* ---- is it there? ---- */

/* The column of acc_cdrs that says whose a row is: its place among the further ones. @return -1: none does */
static int call_id_column(const struct row_extra *extra, struct text *column)
{
    for (size_t i = 0; i < extra->count; i++) {
        struct text name;
        *column = column_of(extra->v[i], &name);
        if (text_equal(name, TEXT("call_id")))
            return (int)i;
    }
    return -1;
}

struct text row_question(enum row_table table, const struct row_extra *extra, struct arena *arena)
{
    struct text column;
    if (table != ROW_CDR)
        return arena_printf(arena,
                            "SELECT count(*) FROM %s WHERE method = ? AND from_tag = ? AND "
                            "to_tag = ? AND callid = ? AND sip_code = ? AND time = ?",
                            tables[table].name);
    if (call_id_column(extra, &column) < 0)
        return TEXT_NONE;
    return arena_printf(
        arena, "SELECT count(*) FROM %s WHERE start_time = ? AND end_time = ? AND %.*s = ?",
        tables[table].name, TEXT_ARG(column));
}

size_t row_key(const struct row *row, const struct row_extra *extra,
               struct database_value key[ROW_KEY_MOST])
{
    static const unsigned event[ROW_KEY_MOST] = {0, 1, 2, 3, 4, 6}; /* all but the reason */
    struct text column;
    if (row->table != ROW_CDR) {
        for (size_t i = 0; i < ROW_KEY_MOST; i++)
            key[i] = row->values[event[i]];
        return ROW_KEY_MOST;
    }
    int at = call_id_column(extra, &column);
    if (at < 0)
        return 0;
    key[0] = row->values[0];
    key[1] = row->values[1];
    key[2] = row->values[tables[ROW_CDR].count + (size_t)at];
    return 3;
}

/* ---- values ---- */

/* A line that is being turned into rows. */
struct reading {
    const json_t *record;
    const struct row_extra *extra; /* of each table */
    struct arena *arena;
    struct text line;
    struct row **last;
    int error;
};

/* At most so many characters of UTF-8; NUL, which PostgreSQL refuses, ends it. */
static struct text cut(const char *p, size_t most)
{
    size_t n = 0, characters = 0;
    for (; p && p[n]; n++)
        if ((p[n] & 0xC0) != 0x80 && characters++ == most)
            break;
    return (struct text){p ? p : "", n};
}

static struct database_value text_value(struct reading *r, const char *p, size_t most)
{
    struct text copy = arena_copy(r->arena, cut(p, most));
    if (!copy.p)
        r->error = ERROR_MEMORY;
    return (struct database_value){.type = DATABASE_TEXT, .text = copy};
}

/* Local time, as Kamailio writes it. */
static struct database_value time_value(struct reading *r, json_int_t ms)
{
    char text[TIME_BYTES];
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    if (!localtime_r(&seconds, &tm) || !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm))
        memcpy(text, "1970-01-01 00:00:00", sizeof text);
    return text_value(r, text, sizeof text);
}

static const char *string_at(const struct reading *r, const char *object, const char *name)
{
    const json_t *in = object ? json_object_get(r->record, object) : r->record;
    const char *s = json_string_value(json_object_get(in, name));
    return s ? s : "";
}

static json_int_t number_at(const struct reading *r, const char *object, const char *name)
{
    const json_t *in = object ? json_object_get(r->record, object) : r->record;
    return json_integer_value(json_object_get(in, name));
}

/* A field of the script's, else one of the record's own. */
static struct database_value extra_value(struct reading *r, struct text name)
{
    struct text key = arena_printf(r->arena, "%.*s", TEXT_ARG(name));
    if (!key.p) {
        r->error = ERROR_MEMORY;
        return (struct database_value){0};
    }
    const json_t *value = json_object_get(json_object_get(r->record, "fields"), key.p);
    if (!value)
        value = json_object_get(r->record, key.p);
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING: return text_value(r, json_string_value(value), SIZE_MAX);
    case JSON_INTEGER:
        return (struct database_value){.type = DATABASE_INTEGER,
                                       .integer = json_integer_value(value)};
    case JSON_REAL:
        return (struct database_value){.type = DATABASE_REAL, .real = json_real_value(value)};
    case JSON_TRUE:
    case JSON_FALSE:
        return (struct database_value){.type = DATABASE_INTEGER, .integer = json_is_true(value)};
    default: return (struct database_value){0};
    }
}

/* ---- rows ---- */

static struct database_value *add_row(struct reading *r, enum row_table table)
{
    const struct row_extra *extra = &r->extra[table];
    struct row *row = arena_zalloc(r->arena, sizeof *row);
    size_t columns = row_columns(table, extra);
    if (row)
        row->values = arena_zalloc(r->arena, columns * sizeof *row->values);
    if (!row || !row->values) {
        r->error = ERROR_MEMORY;
        return NULL;
    }
    row->table = table;
    row->line = r->line;
    for (size_t i = 0; i < extra->count; i++) {
        struct text name;
        column_of(extra->v[i], &name);
        row->values[tables[table].count + i] = extra_value(r, name);
    }
    *r->last = row;
    r->last = &row->next;
    return row->values;
}

/* @param from, to  whose tag is From's and To's: the sender's comes first */
static void add_event(struct reading *r, enum row_table table, const char *method, const char *from,
                      const char *to, json_int_t code, const char *reason, json_int_t ms)
{
    struct database_value *v = add_row(r, table);
    struct text digits = arena_printf(r->arena, "%03d", (int)(code % 1000));
    if (!v || !digits.p) {
        r->error = ERROR_MEMORY;
        return;
    }
    *v++ = text_value(r, method, METHOD_MOST);
    *v++ = text_value(r, string_at(r, from, "tag"), TAG_MOST);
    *v++ = text_value(r, string_at(r, to, "tag"), TAG_MOST);
    *v++ = text_value(r, string_at(r, NULL, "call_id"), CALL_ID_MOST);
    *v++ = text_value(r, digits.p, CODE_MOST);
    *v++ = text_value(r, reason, REASON_MOST);
    *v++ = time_value(r, ms);
}

static void add_cdr(struct reading *r)
{
    struct database_value *v = add_row(r, ROW_CDR);
    if (!v)
        return;
    *v++ = time_value(r, number_at(r, "times_ms", "answer"));
    *v++ = time_value(r, number_at(r, "times_ms", "end"));
    *v++ = (struct database_value){
        .type = DATABASE_REAL,
        .real = (double)number_at(r, NULL, "duration_ms") / 1000,
    };
}

static void add_invite(struct reading *r, enum row_table table, json_int_t ms)
{
    add_event(r, table, "INVITE", "caller", "callee", number_at(r, NULL, "status"),
              string_at(r, NULL, "reason"), ms);
}

static void add_rows(struct reading *r, bool wants_missed)
{
    json_int_t answer_ms = number_at(r, "times_ms", "answer");
    json_int_t end_ms = number_at(r, "times_ms", "end");
    bool by_callee = strcmp(string_at(r, NULL, "ended_by"), "callee") == 0;
    add_invite(r, ROW_ACC, answer_ms ? answer_ms : end_ms);
    if (!answer_ms) {
        if (wants_missed)
            add_invite(r, ROW_MISSED, end_ms);
        return;
    }
    if (strcmp(string_at(r, NULL, "end"), "idle") != 0) /* nobody said BYE then */
        add_event(r, ROW_ACC, "BYE", by_callee ? "callee" : "caller",
                  by_callee ? "caller" : "callee", 200, "OK", end_ms);
    add_cdr(r);
}

int rows_of_line(struct text line, const struct row_extra extra[ROW_TABLE_COUNT], bool wants_missed,
                 struct arena *arena, struct row **last)
{
    json_t *record = json_loadb(line.p, line.n, 0, NULL);
    struct reading r = {
        .record = record, .extra = extra, .arena = arena, .line = line, .last = last};
    if (!json_is_object(record)) {
        json_decref(record);
        return ERROR_SYNTAX;
    }
    add_rows(&r, wants_missed);
    json_decref(record);
    return r.error;
}
