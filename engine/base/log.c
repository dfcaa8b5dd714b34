/* Formatting of log lines, and the sink that writes to stderr. */
#include "base/log.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define CALL_ID_BYTES    128 /* of a longer Call-ID, the rest is not shown */
#define LINE_ROOM        (LOG_LINE_BYTES + CALL_ID_BYTES + 64) /* a line with all around it */
#define LOG_BUFFER_BYTES (16384 + LINE_ROOM) /* written when there is no room for one more line */

struct log_buffer {
    pthread_mutex_t mutex;
    size_t n;
    char bytes[LOG_BUFFER_BYTES];
};

static void buffer_destroy(void *arg)
{
    struct log_buffer *buffer = arg;
    pthread_mutex_destroy(&buffer->mutex);
}

int log_buffer_create(struct log_buffer **bufferp)
{
    struct log_buffer *buffer = memory_alloc(sizeof *buffer, buffer_destroy);
    if (!buffer)
        return ERROR_MEMORY;
    pthread_mutex_init(&buffer->mutex, NULL);
    *bufferp = buffer;
    return 0;
}

static void write_bytes(const char *bytes, size_t size_bytes)
{
    ssize_t ignored = write(STDERR_FILENO, bytes, size_bytes);
    (void)ignored;
}

static void buffer_write(struct log_buffer *buffer)
{
    if (buffer->n)
        write_bytes(buffer->bytes, buffer->n);
    buffer->n = 0;
}

void log_flush(struct log *log)
{
    if (!log->buffer)
        return;
    pthread_mutex_lock(&log->buffer->mutex);
    buffer_write(log->buffer);
    pthread_mutex_unlock(&log->buffer->mutex);
}

static const char *const level_names[] = {"error", "warning", "info", "debug"};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

int log_level_parse(enum log_level *level, struct text name)
{
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (text_equal_nocase(name, text_of(level_names[i]))) {
            *level = (enum log_level)i;
            return 0;
        }
    return ERROR_SYNTAX;
}

static const char *const group_names[] = {
#define XX(name, text) text,
    LOG_GROUPS(XX)
#undef XX
};

const char *log_group_name(enum log_group group)
{
    return group < LOG_GROUP_COUNT ? group_names[group] : "?";
}

/* Of eight bytes: not 0 when one of them is below ' ', or DEL. */
static uint64_t controls_of(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u, highs = ones << 7;
    uint64_t del = bytes ^ (ones * 0x7f);
    return (((bytes - ones * ' ') & ~bytes) | ((del - ones) & ~del)) & highs;
}

/* Copy eight bytes. @return false, and nothing is copied: there is a control character */
static bool put_eight(char *out, const char *p)
{
    uint64_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    if (controls_of(bytes))
        return false;
    memcpy(out, &bytes, sizeof bytes);
    return true;
}

/*
 * Copy at most @p most bytes of a text. Data from the network must not start a second line or move the
 * terminal's cursor.
 */
static char *put_printable(char *out, struct text t, size_t most)
{
    size_t n = t.n < most ? t.n : most, i = 0;
    while (n - i >= 8 && put_eight(out + i, t.p + i))
        i += 8;
    if (n >= 8 && n - i < 8 && put_eight(out + n - 8, t.p + n - 8))
        i = n;
    for (; i < n; i++) {
        char c = t.p[i];
        bool is_control = (unsigned char)c < ' ' || c == 0x7f;
        out[i] = (char)(c == '\n' || c == '\t' ? ' ' : is_control ? '?' : c);
    }
    return out + n;
}

/* Copy a text of ours. */
static char *put(char *out, struct text t)
{
    memcpy(out, t.p, t.n);
    return out + t.n;
}

/* "info: script: LINE [CALL-ID]". @return how many bytes of the LINE_ROOM at @p out */
static size_t print_line(char *out, enum log_level level, enum log_group group, struct text call_id,
                         struct text line)
{
    char *at = put(out, text_of(level_names[level]));
    at = put(at, TEXT(": "));
    at = put(at, text_of(log_group_name(group)));
    at = put(at, TEXT(": "));
    at = put_printable(at, line, LOG_LINE_BYTES - 1);
    if (call_id.n) {
        at = put(at, TEXT(" ["));
        at = put_printable(at, call_id, CALL_ID_BYTES);
        *at++ = ']';
    }
    *at++ = '\n';
    return (size_t)(at - out);
}

static void write_stderr(struct log *log, enum log_level level, enum log_group group,
                         struct text call_id, struct text line)
{
    struct log_buffer *buffer = log->buffer;
    if (!buffer) {
        char out[LINE_ROOM];
        write_bytes(out, print_line(out, level, group, call_id, line));
        return;
    }
    pthread_mutex_lock(&buffer->mutex);
    if (buffer->n + LINE_ROOM > sizeof buffer->bytes)
        buffer_write(buffer);
    buffer->n += print_line(buffer->bytes + buffer->n, level, group, call_id, line);
    if (level <= LOG_WARNING)
        buffer_write(buffer);
    pthread_mutex_unlock(&buffer->mutex);
}

void log_text(struct log *log, enum log_level level, enum log_group group, struct text call_id,
              struct text line)
{
    if (log->sink)
        log->sink(log->arg, level, group, call_id, line);
    else
        write_stderr(log, level, group, call_id, line);
}

void log_write(struct log *log, enum log_level level, enum log_group group, struct text call_id,
               const char *format, ...)
{
    char line[LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0)
        return;
    struct text text = {line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1};
    log_text(log, level, group, call_id, text);
}
