/* RFC 8259, as far as records need it. */
#include "record/writer.h"

#include <math.h>

#define WHOLE_MOST 9007199254740992.0 /* 2^53: up to it a number of Lua's may be a whole one */

static void begin(struct writer *writer, const char *name)
{
    if (writer->needs_comma)
        buffer_append_char(writer->out, ',');
    writer->needs_comma = true;
    if (!name)
        return;
    buffer_append_char(writer->out, '"');
    buffer_append(writer->out, text_of(name));
    buffer_append(writer->out, TEXT("\":"));
}

void writer_open(struct writer *writer, const char *name, char bracket)
{
    begin(writer, name);
    buffer_append_char(writer->out, bracket);
    writer->needs_comma = false;
}

void writer_close(struct writer *writer, char bracket)
{
    buffer_append_char(writer->out, bracket);
    writer->needs_comma = true;
}

/* Bytes of the character that begins at @p p; 0: it is none (RFC 3629 s4). */
static size_t character(const unsigned char *p, size_t n)
{
    unsigned char first = p[0];
    size_t size = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (!size || first > 0xF4 || size > n)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((first == 0xE0 && p[1] < 0xA0) || (first == 0xED && p[1] > 0x9F) ||
        (first == 0xF0 && p[1] < 0x90) || (first == 0xF4 && p[1] > 0x8F))
        return 0;
    return size;
}

static bool is_utf8(struct text t)
{
    for (size_t i = 0; i < t.n;) {
        size_t size = character((const unsigned char *)t.p + i, t.n - i);
        if (!size)
            return false;
        i += size;
    }
    return true;
}

static bool is_plain(unsigned char c, bool is_valid)
{
    return c >= ' ' && c != '"' && c != '\\' && (c < 0x80 ? c != 0x7F : is_valid);
}

static void escape(struct buffer *out, unsigned char c)
{
    if (c >= 0x80)
        buffer_append_char(out, '?');
    else if (c == '"' || c == '\\')
        buffer_printf(out, "\\%c", c);
    else
        buffer_printf(out, "\\u%04x", c);
}

void writer_text(struct writer *writer, const char *name, struct text t)
{
    struct buffer *out = writer->out;
    bool is_valid = is_utf8(t);
    size_t from = 0;
    begin(writer, name);
    buffer_append_char(out, '"');
    for (size_t i = 0; i < t.n; i++) {
        if (is_plain((unsigned char)t.p[i], is_valid))
            continue;
        buffer_append(out, (struct text){t.p + from, i - from});
        escape(out, (unsigned char)t.p[i]);
        from = i + 1;
    }
    if (from < t.n)
        buffer_append(out, (struct text){t.p + from, t.n - from});
    buffer_append_char(out, '"');
}

static void append_integer(struct buffer *out, int64_t value)
{
    if (value < 0)
        buffer_append_char(out, '-');
    buffer_append_u64(out, value < 0 ? 0u - (uint64_t)value : (uint64_t)value);
}

void writer_integer(struct writer *writer, const char *name, int64_t value)
{
    begin(writer, name);
    append_integer(writer->out, value);
}

void writer_hundredths(struct writer *writer, const char *name, double value)
{
    uint64_t hundredths = (uint64_t)(fabs(value) * 100 + 0.5);
    begin(writer, name);
    if (value < 0 && hundredths)
        buffer_append_char(writer->out, '-');
    buffer_append_u64(writer->out, hundredths / 100);
    buffer_append_char(writer->out, '.');
    buffer_append_char(writer->out, (char)('0' + hundredths % 100 / 10));
    buffer_append_char(writer->out, (char)('0' + hundredths % 10));
}

void writer_number(struct writer *writer, const char *name, double value)
{
    bool fits = value >= -WHOLE_MOST && value <= WHOLE_MOST;
    if (!isfinite(value)) {
        writer_literal(writer, name, "null");
    } else if (fits && (double)(int64_t)value == value) {
        writer_integer(writer, name, (int64_t)value);
    } else {
        begin(writer, name);
        buffer_printf(writer->out, "%.17g", value);
    }
}

void writer_literal(struct writer *writer, const char *name, const char *literal)
{
    begin(writer, name);
    buffer_append(writer->out, text_of(literal));
}
