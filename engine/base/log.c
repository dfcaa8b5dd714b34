/* Formatting of log lines, and the sink that writes to stderr. */
#include "base/log.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define CALL_ID_BYTES    128   /* of a longer Call-ID, the rest is not shown */
#define LOG_BUFFER_BYTES 16384 /* written at the latest when so much is gathered */

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

static void gather(struct log_buffer *buffer, enum log_level level, const char *line, size_t n)
{
    pthread_mutex_lock(&buffer->mutex);
    if (buffer->n + n > sizeof buffer->bytes)
        buffer_write(buffer);
    memcpy(buffer->bytes + buffer->n, line, n);
    buffer->n += n;
    if (level <= LOG_WARNING)
        buffer_write(buffer);
    pthread_mutex_unlock(&buffer->mutex);
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

/* Of eight bytes at once: is one below ' ', or DEL? */
static bool has_control(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, highs = ones << 7;
    uint64_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    uint64_t del = bytes ^ (ones * 0x7f);
    return (((bytes - ones * ' ') & ~bytes) | ((del - ones) & ~del)) & highs;
}

/* Data from the network must not start a second line or move the terminal's cursor. */
static void make_printable(char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        if (n - i >= 8 && !has_control(p + i)) {
            i += 8;
            continue;
        }
        for (size_t end = n - i >= 8 ? i + 8 : n; i < end; i++)
            if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
                p[i] = p[i] == '\n' || p[i] == '\t' ? ' ' : '?';
    }
}

static char *put(char *out, struct text t, size_t most)
{
    size_t n = t.n < most ? t.n : most;
    if (n)
        memcpy(out, t.p, n);
    return out + n;
}

/* "info: script: LINE [CALL-ID]" */
static void write_stderr(struct log *log, enum log_level level, enum log_group group,
                         struct text call_id, struct text line)
{
    char out[LOG_LINE_BYTES + CALL_ID_BYTES + 64], *at = out;
    at = put(at, text_of(level_names[level]), 16);
    at = put(at, TEXT(": "), 2);
    at = put(at, text_of(log_group_name(group)), 32);
    at = put(at, TEXT(": "), 2);
    at = put(at, line, LOG_LINE_BYTES - 1);
    if (call_id.n) {
        at = put(at, TEXT(" ["), 2);
        at = put(at, call_id, CALL_ID_BYTES);
        at = put(at, TEXT("]"), 1);
    }
    make_printable(out, (size_t)(at - out));
    *at++ = '\n';
    if (log->buffer)
        gather(log->buffer, level, out, (size_t)(at - out));
    else
        write_bytes(out, (size_t)(at - out));
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
