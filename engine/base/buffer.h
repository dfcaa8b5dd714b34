/* A growing byte buffer that remembers its first error, so that a writer checks once at the end. */
#pragma once

#include "base/text.h"

#include <stdarg.h>

/** Zero-initialised is empty and ready. */
struct buffer {
    char *p;     /**< bytes; owned */
    size_t n;    /**< bytes written */
    size_t room; /**< bytes allocated */
    int error;   /**< first failure, 0 while all went well */
};

void buffer_append_u64(struct buffer *buffer, uint64_t value);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** The same with a list of values, which is used up. */
void buffer_vprintf(struct buffer *buffer, const char *format, va_list values)
    __attribute__((format(printf, 2, 0)));
/** Make room for @p size_bytes more. */
void buffer_reserve(struct buffer *buffer, size_t size_bytes);
/** Append @p t, which may be absent. */
void buffer_append(struct buffer *buffer, struct text t);
static inline void buffer_append_char(struct buffer *buffer, char c)
{
    buffer_append(buffer, (struct text){&c, 1});
}
/** What was written; borrowed until the next write. */
static inline struct text buffer_text(const struct buffer *buffer)
{
    return (struct text){buffer->p ? buffer->p : "", buffer->n};
}
/** Forget the bytes and the error, keep the room. */
void buffer_clear(struct buffer *buffer);
/** Give the memory back; the buffer is empty and ready again. */
void buffer_release(struct buffer *buffer);
