/* Rows, columns, faults, and reading a file whole. */
#include "base/rows.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOUND_MOST 80 /* bytes of a wrong column that a fault repeats */

int rows_fault(char **fault, int error, const char *format, ...)
{
    if (!fault)
        return error;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    *fault = n < 0 ? NULL : memory_raw((size_t)n + 1);
    if (*fault)
        vsnprintf(*fault, (size_t)n + 1, format, again);
    va_end(again);
    return error;
}

int rows_refuse(const struct rows *rows, const char *what, struct text found, const char *remedy)
{
    int n = found.n > FOUND_MOST ? FOUND_MOST : (int)found.n;
    return rows_fault(rows->fault, ERROR_SYNTAX, "%s:%u: %s \"%.*s\"; %s", rows->name, rows->number,
                      what, n, found.p ? found.p : "", remedy);
}

void rows_begin(struct rows *rows, struct text bytes, const char *name, char **fault)
{
    if (text_starts_with(bytes, TEXT("\xef\xbb\xbf")))
        bytes = (struct text){bytes.p + 3, bytes.n - 3};
    *rows = (struct rows){name, bytes, 0, fault};
}

static bool has_control_character(struct text t)
{
    for (size_t i = 0; i < t.n; i++)
        if ((unsigned char)t.p[i] < ' ' && t.p[i] != '\t')
            return true;
    return false;
}

int rows_next(struct rows *rows, struct text *row)
{
    while (text_is_set(rows->rest)) {
        *row = text_trim(text_split(&rows->rest, '\n'));
        rows->number++;
        if (!row->n || row->p[0] == '#')
            continue;
        if (has_control_character(*row))
            return rows_fault(rows->fault, ERROR_SYNTAX,
                              "%s:%u: a control character in the line; write plain text",
                              rows->name, rows->number);
        return 0;
    }
    *row = TEXT_NONE;
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

struct text rows_column(struct text *row)
{
    const char *p = row->p, *end = row->p + row->n;
    while (p < end && is_space(*p))
        p++;
    if (p == end || *p == '#') {
        *row = text_span(end, end);
        return TEXT_NONE;
    }
    const char *begin = p;
    while (p < end && !is_space(*p))
        p++;
    *row = text_span(p, end);
    return text_span(begin, p);
}

/* @p row begins with a quote. */
static int quoted_column(const struct rows *rows, struct text *row, struct text *value)
{
    struct text inside = {row->p + 1, row->n - 1};
    const char *close = text_find(inside, '"');
    if (!close)
        return rows_refuse(rows, "the quoted text does not end:", *row, "add the closing quote");
    *value = text_span(inside.p, close);
    *row = text_span(close + 1, row->p + row->n);
    if (row->n && !is_space(row->p[0]))
        return rows_refuse(rows, "text right behind the closing quote:", *row,
                           "put all of it between one pair of quotes");
    return 0;
}

int rows_last_column(const struct rows *rows, struct text *row, struct text *value)
{
    *row = text_trim(*row);
    if (!row->n || row->p[0] != '"') {
        *value = rows_column(row);
    } else {
        int error = quoted_column(rows, row, value);
        if (error)
            return error;
    }
    struct text more = rows_column(row);
    if (!text_is_set(more))
        return 0;
    return rows_refuse(rows, "text behind the last column:", more,
                       "write the last column without spaces, or between quotes");
}

static int read_all(int fd, struct text *bytes, const char *path, char **fault)
{
    struct stat status;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode))
        return rows_fault(fault, ERROR_NOT_FOUND, "%s: not a file; name a file", path);
    if ((uint64_t)status.st_size > ROWS_FILE_BYTES)
        return rows_fault(fault, ERROR_LIMIT, "%s: larger than %u bytes; split it", path,
                          ROWS_FILE_BYTES);
    size_t room = (size_t)status.st_size, n = 0;
    char *p = memory_raw(room);
    if (!p)
        return ERROR_MEMORY;
    while (n < room) {
        ssize_t got = read(fd, p + n, room - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            memory_free_raw(p);
            return rows_fault(fault, ERROR_NOT_FOUND, "%s: cannot be read: %s", path,
                              strerror(errno));
        }
        if (got == 0) /* somebody shortened it meanwhile */
            break;
        n += (size_t)got;
    }
    *bytes = (struct text){p, n};
    return 0;
}

int rows_read_file(struct text *bytes, const char *path, char **fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rows_fault(fault, ERROR_NOT_FOUND,
                          "%s: cannot be opened: %s; correct its name or its rights", path,
                          strerror(errno));
    int error = read_all(fd, bytes, path, fault);
    close(fd);
    return error;
}
