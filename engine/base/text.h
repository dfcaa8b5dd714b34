/* Borrowed text: a pointer and a length into bytes that somebody else holds. Never NUL-terminated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** A slice. An absent text has p == NULL; an empty one has p != NULL and n == 0. */
struct text {
    const char *p; /**< first byte; borrowed */
    size_t n;      /**< size_bytes */
};

/** A struct text of a string literal. */
#define TEXT(literal) ((struct text){("" literal), sizeof(literal) - 1})
/** The absent text. */
#define TEXT_NONE ((struct text){NULL, 0})
/** Arguments for "%.*s". */
#define TEXT_ARG(t) (int)(t).n, ((t).p ? (t).p : "")

static inline struct text text_of(const char *s)
{
    return (struct text){s, s ? strlen(s) : 0};
}

static inline struct text text_span(const char *begin, const char *end)
{
    return (struct text){begin, (size_t)(end - begin)};
}

static inline bool text_is_set(struct text t)
{
    return t.p != NULL;
}

static inline bool text_equal(struct text a, struct text b)
{
    return a.n == b.n && (b.n == 0 || memcmp(a.p, b.p, b.n) == 0);
}

/** Are @p n bytes equal but for the case of ASCII letters? */
bool text_bytes_equal_nocase(const char *a, const char *b, size_t n);
/** The same, where they nearly always are equal as they stand, so that this is hardly ever asked. */
bool text_bytes_equal_rare(const char *a, const char *b, size_t n) __attribute__((cold));
/* Nearly everybody writes a name as the RFC does: beside a literal that takes no call and no loop. */
static inline bool text_bytes_equal_usual(const char *a, const char *b, size_t n)
{
    return __builtin_constant_p(n) ? memcmp(a, b, n) == 0 || text_bytes_equal_rare(a, b, n)
                                   : text_bytes_equal_nocase(a, b, n);
}
/** ASCII case-insensitive equality, as SIP tokens compare (RFC 3261 s7.3.1). A literal is @p b. */
static inline bool text_equal_nocase(struct text a, struct text b)
{
    return a.n == b.n && text_bytes_equal_usual(a.p, b.p, b.n);
}
/** ASCII case-insensitive order: <0, 0, >0. */
int text_compare_nocase(struct text a, struct text b);
static inline bool text_starts_with(struct text t, struct text prefix)
{
    return t.n >= prefix.n && text_equal((struct text){t.p, prefix.n}, prefix);
}
static inline bool text_starts_with_nocase(struct text t, struct text prefix)
{
    return t.n >= prefix.n && text_bytes_equal_usual(t.p, prefix.p, prefix.n);
}
/** First place of @p c in @p t, or NULL. */
static inline const char *text_find(struct text t, char c)
{
    return t.n ? memchr(t.p, c, t.n) : NULL;
}
/** First place of @p needle in @p t, or NULL. */
const char *text_search(struct text t, struct text needle);
/** Space, tab, CR or LF. */
static inline bool text_is_space(char c)
{
    const uint64_t spaces = UINT64_C(1) << ' ' | 1u << '\t' | 1u << '\r' | 1u << '\n';
    return (unsigned char)c <= ' ' && spaces >> c & 1;
}
/** Without spaces, tabs, CR and LF at both ends. */
struct text text_trim(struct text t);
/** The same, in front alone. */
struct text text_trim_front(struct text t);
/**
 * Cut at the first @p separator: returns what stands before it and moves *rest behind it
 * (absent when there was none).
 */
struct text text_split(struct text *rest, char separator);
/** Next run of non-space bytes of *rest; absent at the end. */
struct text text_word(struct text *rest);
/** Decimal number of the whole text. @return 0 or ERROR_SYNTAX (empty, sign, overflow, other bytes) */
int text_to_u64(struct text t, uint64_t *value);
int text_to_u32(struct text t, uint32_t *value);
#define TEXT_U64_BYTES 20
/** Decimal digits. @return text in @p out */
struct text text_print_u64(uint64_t value, char out[TEXT_U64_BYTES]);
#define TEXT_HEX64_BYTES 16
/** Sixteen lower-case hexadecimal digits into @p out, without NUL. */
void text_print_hex64(uint64_t value, char out[TEXT_HEX64_BYTES]);
/** A NUL-terminated copy on the heap, returned owned (free()); NULL without memory. */
char *text_strdup(struct text t);
/** Copy into a NUL-terminated array. @return false (and an empty string) when it does not fit */
bool text_to_array(struct text t, char *array, size_t size_bytes);
