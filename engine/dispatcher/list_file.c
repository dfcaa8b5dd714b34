/*
 * Reading a dispatcher list. The form is Kamailio's: five columns between spaces or tabs, the last
 * three optional, attributes one word or a quoted text, "#" begins a comment where a column could
 * begin. Unlike there a line that makes no sense is refused with its place and what to write,
 * instead of being guessed at or skipped.
 */
#include "dispatcher/list_file.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_FORM "a line is: setid uri [flags] [priority] [attrs]"

int dispatcher_fault(char **fault, int error, const char *format, ...)
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

/* Where we are in a list. */
struct reader {
    const char *name;
    unsigned line;
    char **fault;
};

static int refuse(const struct reader *reader, const char *what, struct text found,
                  const char *remedy)
{
    int n = found.n > 80 ? 80 : (int)found.n;
    return dispatcher_fault(reader->fault, ERROR_SYNTAX, "%s:%u: %s \"%.*s\"; %s", reader->name,
                            reader->line, what, n, found.p ? found.p : "", remedy);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Next column, absent at the end of the line or before a comment. */
static struct text column(struct text *rest)
{
    const char *p = rest->p, *end = rest->p + rest->n;
    while (p < end && is_space(*p))
        p++;
    if (p == end || *p == '#') {
        *rest = text_span(end, end);
        return TEXT_NONE;
    }
    const char *begin = p;
    while (p < end && !is_space(*p))
        p++;
    *rest = text_span(p, end);
    return text_span(begin, p);
}

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

/* The fifth column: a word, or a text in double quotes that may hold spaces. */
static int parse_attrs(const struct reader *reader, struct text *rest, struct text *attrs)
{
    struct text left = text_trim(*rest);
    if (!left.n || left.p[0] != '"') {
        *attrs = column(rest);
        return 0;
    }
    struct text inside = {left.p + 1, left.n - 1};
    const char *close = text_find(inside, '"');
    if (!close)
        return refuse(reader, "the quoted attributes do not end:", left, "add the closing quote");
    *attrs = text_span(inside.p, close);
    *rest = text_span(close + 1, left.p + left.n);
    if (rest->n && !is_space(rest->p[0]))
        return refuse(reader, "text right behind the closing quote:", *rest,
                      "put all attributes between one pair of quotes");
    return 0;
}

static bool has_control_character(struct text t)
{
    for (size_t i = 0; i < t.n; i++)
        if ((unsigned char)t.p[i] < ' ' && t.p[i] != '\t')
            return true;
    return false;
}

/* @return 0 with line->uri absent for an empty line */
static int parse_line(const struct reader *reader, struct text rest, struct dispatcher_line *line)
{
    *line = (struct dispatcher_line){.number = reader->line};
    struct text word = column(&rest);
    if (!text_is_set(word))
        return 0;
    if (text_to_u32(word, &line->set))
        return refuse(reader, "the set is not a number:", word, LINE_FORM);
    line->uri = column(&rest);
    if (!text_is_set(line->uri))
        return refuse(reader, "no URI behind set", word, LINE_FORM);
    word = column(&rest);
    if (!text_is_set(word))
        return 0;
    if (text_to_u32(word, &line->flags) || (line->flags & ~DISPATCHER_FLAGS_KNOWN))
        return refuse(reader, "unknown flags", word,
                      "add up 1 inactive, 2 trying, 4 disabled, 8 probing, 16 no DNS, 32 no ping");
    word = column(&rest);
    if (!text_is_set(word))
        return 0;
    if (parse_priority(word, &line->priority))
        return refuse(reader, "the priority is not a number:", word, LINE_FORM);
    int error = parse_attrs(reader, &rest, &line->attrs);
    if (error)
        return error;
    word = column(&rest);
    if (text_is_set(word))
        return refuse(reader, "text behind the attributes:", word,
                      "write attributes without spaces, or between quotes");
    return 0;
}

int dispatcher_list_parse(struct text list, const char *name, dispatcher_line_handler *visit,
                          void *arg, char **fault)
{
    struct reader reader = {name, 0, fault};
    if (text_starts_with(list, TEXT("\xef\xbb\xbf"))) /* a byte order mark */
        list = (struct text){list.p + 3, list.n - 3};
    while (text_is_set(list)) {
        struct text row = text_trim(text_split(&list, '\n'));
        struct dispatcher_line line;
        reader.line++;
        if (has_control_character(row) && row.p[0] != '#')
            return dispatcher_fault(fault, ERROR_SYNTAX,
                                    "%s:%u: a control character in the line; write plain text",
                                    name, reader.line);
        int error = parse_line(&reader, row, &line);
        if (!error && text_is_set(line.uri))
            error = visit(arg, &line);
        if (error)
            return error;
    }
    return 0;
}

static int read_all(int fd, struct text *textp, const char *path, char **fault)
{
    struct stat status;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode))
        return dispatcher_fault(fault, ERROR_NOT_FOUND,
                                "%s: not a file; name a dispatcher list file", path);
    if ((uint64_t)status.st_size > DISPATCHER_FILE_BYTES)
        return dispatcher_fault(fault, ERROR_LIMIT, "%s: larger than %u bytes; split the list",
                                path, DISPATCHER_FILE_BYTES);
    size_t room = (size_t)status.st_size, n = 0;
    char *bytes = memory_raw(room);
    if (!bytes)
        return ERROR_MEMORY;
    while (n < room) {
        ssize_t got = read(fd, bytes + n, room - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            memory_free_raw(bytes);
            return dispatcher_fault(fault, ERROR_NOT_FOUND, "%s: cannot be read: %s", path,
                                    strerror(errno));
        }
        if (got == 0) /* somebody shortened it */
            break;
        n += (size_t)got;
    }
    *textp = (struct text){bytes, n};
    return 0;
}

int dispatcher_file_read(struct text *textp, const char *path, char **fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return dispatcher_fault(fault, ERROR_NOT_FOUND,
                                "%s: cannot be opened: %s; correct dispatcher.file", path,
                                strerror(errno));
    int error = read_all(fd, textp, path, fault);
    close(fd);
    return error;
}
