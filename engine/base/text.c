/* Comparing, cutting and converting borrowed text. */
#include "base/text.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool text_equal_nocase(struct text a, struct text b)
{
    return a.n == b.n && text_compare_nocase(a, b) == 0;
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

bool text_starts_with(struct text t, struct text prefix)
{
    return t.n >= prefix.n && text_equal((struct text){t.p, prefix.n}, prefix);
}

bool text_starts_with_nocase(struct text t, struct text prefix)
{
    return t.n >= prefix.n && text_equal_nocase((struct text){t.p, prefix.n}, prefix);
}

const char *text_find(struct text t, char c)
{
    return t.n ? memchr(t.p, c, t.n) : NULL;
}

const char *text_search(struct text t, struct text needle)
{
    return t.n && needle.n ? memmem(t.p, t.n, needle.p, needle.n) : NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct text text_trim(struct text t)
{
    while (t.n && is_space(t.p[0])) {
        t.p++;
        t.n--;
    }
    while (t.n && is_space(t.p[t.n - 1]))
        t.n--;
    return t;
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
    while (rest->n && is_space(rest->p[0])) {
        rest->p++;
        rest->n--;
    }
    if (!rest->n)
        return TEXT_NONE;
    struct text word = {rest->p, 0};
    while (rest->n && !is_space(rest->p[0])) {
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
        if (t.p[i] < '0' || t.p[i] > '9')
            return ERROR_SYNTAX;
        unsigned digit = (unsigned)(t.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return ERROR_SYNTAX;
        v = v * 10 + digit;
    }
    *value = v;
    return 0;
}

int text_to_u32(struct text t, uint32_t *value)
{
    uint64_t v;
    int error = text_to_u64(t, &v);
    if (error || v > UINT32_MAX)
        return ERROR_SYNTAX;
    *value = (uint32_t)v;
    return 0;
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
