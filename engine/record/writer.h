/*
 * JSON appended to a buffer as it is told, without a tree in between: what a thread does for every call
 * must not cost half a call. The buffer remembers the first error.
 */
#pragma once

#include "base/buffer.h"

/** Zero-initialised but for its buffer it is ready. */
struct writer {
    struct buffer *out; /**< borrowed */
    bool needs_comma;
};

/** Begin an object '{' or an array '['. @param name  in an object; NULL: within an array, or the outermost */
void writer_open(struct writer *writer, const char *name, char bracket);
void writer_close(struct writer *writer, char bracket);
/** A text; what is no UTF-8 gets '?' for each byte beyond ASCII. */
void writer_text(struct writer *writer, const char *name, struct text t);
void writer_integer(struct writer *writer, const char *name, int64_t value);
/** With two digits behind the point. */
void writer_hundredths(struct writer *writer, const char *name, double value);
/** As exact as a script's number; one that is not finite is null. */
void writer_number(struct writer *writer, const char *name, double value);
/** true, false, null. */
void writer_literal(struct writer *writer, const char *name, const char *literal);
