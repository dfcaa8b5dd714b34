/* Growing by doubling; the first error sticks. */
#include "base/buffer.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>

#define BUFFER_FIRST_BYTES 1024

void buffer_reserve(struct buffer *buffer, size_t size_bytes)
{
    if (buffer->error || buffer->room - buffer->n >= size_bytes)
        return;
    size_t room = buffer->room ? buffer->room : BUFFER_FIRST_BYTES;
    if (size_bytes > SIZE_MAX / 4 || buffer->n > SIZE_MAX / 4) { /* doubling would overflow */
        buffer->error = ERROR_MEMORY;
        return;
    }
    while (room - buffer->n < size_bytes)
        room *= 2;
    char *p = memory_raw_resize(buffer->p, room);
    if (!p) {
        buffer->error = ERROR_MEMORY;
        return;
    }
    buffer->p = p;
    buffer->room = room;
}

/* Not inline: a message that is printed calls it some ten times, and its code is there once. */
void buffer_append(struct buffer *buffer, struct text t)
{
    if (buffer->room - buffer->n < t.n)
        buffer_reserve(buffer, t.n);
    if (buffer->error || !t.n)
        return;
    memcpy(buffer->p + buffer->n, t.p, t.n);
    buffer->n += t.n;
}

void buffer_append_u64(struct buffer *buffer, uint64_t value)
{
    char digits[TEXT_U64_BYTES];
    buffer_append(buffer, text_print_u64(value, digits));
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list values)
{
    va_list again;
    size_t room = buffer->error ? 0 : buffer->room - buffer->n;
    va_copy(again, values);
    int n = vsnprintf(room ? buffer->p + buffer->n : NULL, room, format, values);
    if (n >= 0 && (size_t)n >= room) { /* it did not fit */
        buffer_reserve(buffer, (size_t)n + 1);
        if (!buffer->error)
            vsnprintf(buffer->p + buffer->n, (size_t)n + 1, format, again);
    }
    va_end(again);
    if (n >= 0 && !buffer->error)
        buffer->n += (size_t)n;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    buffer_vprintf(buffer, format, values);
    va_end(values);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->n = 0;
    buffer->error = 0;
}

void buffer_release(struct buffer *buffer)
{
    memory_free_raw(buffer->p);
    *buffer = (struct buffer){0};
}
