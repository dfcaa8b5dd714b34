/*
 * Reading a dispatcher list. The form is Kamailio's: five columns, the last three optional. Unlike
 * there a line that makes no sense is refused with its place and what to write, instead of being
 * guessed at or skipped.
 */
#include "dispatcher/list_file.h"

#include "base/error.h"
#include "base/rows.h"

#define LINE_FORM "a line is: setid uri [flags] [priority] [attrs]"

static int parse_priority(struct text t, int *priority)
{
    bool is_negative = t.n && t.p[0] == '-';
    uint32_t value;
    if (is_negative)
        t = (struct text){t.p + 1, t.n - 1};
    if (text_to_u32(t, &value) || value > INT32_MAX)
        return ERROR_SYNTAX;
    *priority = is_negative ? -(int)value : (int)value;
    return 0;
}

static int parse_line(const struct rows *rows, struct text row, struct dispatcher_line *line)
{
    *line = (struct dispatcher_line){.number = rows->number};
    struct text word = rows_column(&row);
    if (text_to_u32(word, &line->set))
        return rows_refuse(rows, "the set is not a number:", word, LINE_FORM);
    line->uri = rows_column(&row);
    if (!text_is_set(line->uri))
        return rows_refuse(rows, "no URI behind set", word, LINE_FORM);
    word = rows_column(&row);
    if (!text_is_set(word))
        return 0;
    if (text_to_u32(word, &line->flags) || (line->flags & ~DISPATCHER_FLAGS_KNOWN))
        return rows_refuse(rows, "unknown flags", word,
                           "add up 1 inactive, 2 trying, 4 disabled, 8 probing, 16 no DNS, "
                           "32 no ping");
    word = rows_column(&row);
    if (!text_is_set(word))
        return 0;
    if (parse_priority(word, &line->priority))
        return rows_refuse(rows, "the priority is not a number:", word, LINE_FORM);
    return rows_last_column(rows, &row, &line->attrs);
}

int dispatcher_list_parse(struct text list, const char *name, dispatcher_line_handler *visit,
                          void *arg, char **fault)
{
    struct rows rows;
    struct text row;
    int error;
    rows_begin(&rows, list, name, fault);
    while (!(error = rows_next(&rows, &row)) && text_is_set(row)) {
        struct dispatcher_line line;
        error = parse_line(&rows, row, &line);
        if (!error)
            error = visit(arg, &line);
        if (error)
            return error;
    }
    return error;
}
