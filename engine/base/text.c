/* Comparing, cutting and converting borrowed text. */
#include "base/text.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

#define SAFE_DIGITS    19 /* so many fit into 64 bits, whichever they are */
#define SAFE_DIGITS_32 9  /* and into 32 */

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool text_bytes_equal_nocase(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i] && lower(a[i]) != lower(b[i])) /* nearly all are equal as they are */
            return false;
    return true;
}

bool text_bytes_equal_rare(const char *a, const char *b, size_t n)
{
    return text_bytes_equal_nocase(a, b, n);
}

int text_compare_nocase(struct text a, struct text b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++) {
        int d = lower(a.p[i]) - lower(b.p[i]);
        if (d)
            return d;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

const char *text_search(struct text t, struct text needle)
{
    return t.n && needle.n ? memmem(t.p, t.n, needle.p, needle.n) : NULL;
}

struct text text_trim_front(struct text t)
{
    while (t.n && text_is_space(t.p[0])) {
        t.p++;
        t.n--;
    }
    return t;
}

struct text text_trim(struct text t)
{
    const char *p = t.p, *end = p;
    if (t.n) /* an absent text has no end */
        end += t.n;
    while (p < end && text_is_space(*p))
        p++;
    while (p < end && text_is_space(end[-1]))
        end--;
    return text_span(p, end);
}

struct text text_split(struct text *rest, char separator)
{
    const char *cut = text_find(*rest, separator);
    struct text head = *rest;
    if (!cut) {
        *rest = TEXT_NONE;
        return head;
    }
    const char *end = rest->p + rest->n;
    head.n = (size_t)(cut - rest->p);
    *rest = text_span(cut + 1, end);
    return head;
}

struct text text_word(struct text *rest)
{
    while (rest->n && text_is_space(rest->p[0])) {
        rest->p++;
        rest->n--;
    }
    if (!rest->n)
        return TEXT_NONE;
    struct text word = {rest->p, 0};
    while (rest->n && !text_is_space(rest->p[0])) {
        rest->p++;
        rest->n--;
        word.n++;
    }
    return word;
}

int text_to_u64(struct text t, uint64_t *value)
{
    uint64_t v = 0;
    if (!t.n)
        return ERROR_SYNTAX;
    for (size_t i = 0; i < t.n; i++) {
        unsigned digit = (unsigned char)t.p[i] - (unsigned)'0';
        if (digit > 9)
            return ERROR_SYNTAX;
        if (i < SAFE_DIGITS)
            v = v * 10 + digit;
        else if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return ERROR_SYNTAX;
    }
    *value = v;
    return 0;
}

static __attribute__((cold, noinline)) int long_to_u32(struct text t, uint32_t *value)
{
    uint64_t v;
    int error = text_to_u64(t, &v);
    if (error || v > UINT32_MAX)
        return ERROR_SYNTAX;
    *value = (uint32_t)v;
    return 0;
}

int text_to_u32(struct text t, uint32_t *value)
{
    uint32_t v = 0;
    if (!t.n || t.n > SAFE_DIGITS_32)
        return long_to_u32(t, value);
    for (const char *at = t.p, *end = at + t.n; at < end; at++) {
        unsigned digit = (unsigned char)*at - (unsigned)'0';
        if (digit > 9)
            return ERROR_SYNTAX;
        v = v * 10 + digit;
    }
    *value = v;
    return 0;
}

struct text text_print_u64(uint64_t value, char out[TEXT_U64_BYTES])
{
    size_t i = TEXT_U64_BYTES;
    do {
        out[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return text_span(out + i, out + TEXT_U64_BYTES);
}

void text_print_hex64(uint64_t value, char out[TEXT_HEX64_BYTES])
{
    for (unsigned i = 0; i < 2; i++) { /* eight digits at a step, one in each byte of a word */
        uint64_t v = i ? (uint32_t)value : value >> 32;
        v = (v << 16 | v) & 0x0000ffff0000ffffu;
        v = (v << 8 | v) & 0x00ff00ff00ff00ffu;
        v = (v << 4 | v) & 0x0f0f0f0f0f0f0f0fu;
        uint64_t is_letter = (v + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
        v = __builtin_bswap64(v + 0x3030303030303030u + is_letter * ('a' - '9' - 1));
        memcpy(out + 8 * i, &v, sizeof v);
    }
}

char *text_strdup(struct text t)
{
    char *s = memory_raw(t.n + 1);
    if (!s)
        return NULL;
    if (t.n)
        memcpy(s, t.p, t.n);
    s[t.n] = 0;
    return s;
}

bool text_to_array(struct text t, char *array, size_t size_bytes)
{
    if (t.n >= size_bytes) {
        if (size_bytes)
            array[0] = 0;
        return false;
    }
    if (t.n)
        memcpy(array, t.p, t.n);
    array[t.n] = 0;
    return true;
}
