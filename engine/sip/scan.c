/* Sets of bytes and scanning steps. */
#include "sip/scan.h"

#include "base/address.h"
#include "base/error.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Sets as bits, 64 bytes a word; the bytes beyond ASCII are displayed, and visible. */
#define BIT(c)   ((uint64_t)1 << ((c)&63))
#define DIGITS   0x03ff000000000000u /* word 0 */
#define LETTERS  0x07fffffe07fffffeu /* word 1 */
#define VISIBLE0 0xfffffffe00000000u /* '!' to '?' */
#define VISIBLE1 0x7fffffffffffffffu /* '@' to '~' */
#define MARK0    (BIT('-') | BIT('.') | BIT('!') | BIT('*') | BIT('\'') | BIT('(') | BIT(')'))
#define MARK1    (BIT('_') | BIT('~'))

#define TOKEN0                                                                                     \
    (DIGITS | BIT('-') | BIT('.') | BIT('!') | BIT('%') | BIT('*') | BIT('+') | BIT('\''))
#define TOKEN1  (LETTERS | BIT('_') | BIT('`') | BIT('~'))
#define SCHEME0 (DIGITS | BIT('+') | BIT('-') | BIT('.'))
#define SCHEME1 LETTERS
/* Deviation: '#' stands unescaped in dialled service codes ("*21#"). */
#define USER0                                                                                      \
    (DIGITS | MARK0 | BIT('&') | BIT('=') | BIT('+') | BIT('$') | BIT(',') | BIT(';') | BIT('?') | \
     BIT('/') | BIT('#'))
#define USER1     (LETTERS | MARK1)
#define PASSWORD0 (DIGITS | MARK0 | BIT('&') | BIT('=') | BIT('+') | BIT('$') | BIT(','))
#define PASSWORD1 (LETTERS | MARK1)
/* Deviation: '_' is common in host names of private networks. */
#define HOST0 (DIGITS | BIT('-') | BIT('.'))
#define HOST1 (LETTERS | BIT('_'))
/* Deviation: '=' and ',' inside a value ("opaque=user:epid:a="), and empty parameters. */
#define PARAMS0                                                                                    \
    (DIGITS | MARK0 | BIT('/') | BIT(':') | BIT('&') | BIT('+') | BIT('$') | BIT('=') | BIT(';') | \
     BIT(','))
#define PARAMS1 (LETTERS | MARK1 | BIT('[') | BIT(']'))
#define HEADERS0                                                                                   \
    (DIGITS | MARK0 | BIT('/') | BIT('?') | BIT(':') | BIT('+') | BIT('$') | BIT('=') | BIT('&') | \
     BIT(';') | BIT(','))
#define HEADERS1 (LETTERS | MARK1 | BIT('[') | BIT(']'))
#define OPAQUE0  (VISIBLE0 & ~(BIT('<') | BIT('>') | BIT('"') | BIT('%')))
#define OPAQUE1  VISIBLE1
#define NUMBER0                                                                                    \
    (DIGITS | BIT('+') | BIT('*') | BIT('#') | BIT('-') | BIT('.') | BIT('(') | BIT(')'))
#define NUMBER1 0x0000007e0000007eu /* A-F a-f */
/* Deviation: any byte that cannot be mistaken for structure, UTF-8 included, not only tokens. */
#define DISPLAY0                                                                                   \
    ((VISIBLE0 & ~(BIT('<') | BIT('>') | BIT('"') | BIT(',') | BIT(';') | BIT(':'))) | BIT(' ') |  \
     BIT('\t') | BIT('\r') | BIT('\n'))
#define DISPLAY1 (VISIBLE1 & ~BIT('\\'))
#define VALUE0   (VISIBLE0 & ~(BIT('<') | BIT('>') | BIT('"') | BIT(',') | BIT(';')))
#define VALUE1   (VISIBLE1 & ~BIT('\\'))
#define ORDINARY0                                                                                  \
    (DIGITS | BIT(' ') | BIT('<') | BIT('>') | BIT(':') | BIT(';') | BIT('=') | BIT('.') |         \
     BIT('-') | BIT('+') | BIT('/') | BIT('*'))
#define ORDINARY1 (LETTERS | BIT('@') | BIT('_') | BIT('[') | BIT(']'))
#define QUOTED0   (BIT(' ') | (VISIBLE0 & ~(BIT('<') | BIT('>') | BIT('"') | BIT('%'))))
#define QUOTED1   (VISIBLE1 & ~BIT('\\'))

#define IN(set, c) (((c) < 64 ? set##0 : set##1) >> ((c)&63) & 1 ? CHARS_##set : 0)
#define ASCII(c)                                                                                   \
    (IN(TOKEN, c) | IN(SCHEME, c) | IN(USER, c) | IN(PASSWORD, c) | IN(HOST, c) | IN(PARAMS, c) |  \
     IN(HEADERS, c) | IN(OPAQUE, c) | IN(NUMBER, c) | IN(DISPLAY, c) | IN(VALUE, c) |              \
     IN(ORDINARY, c) | IN(QUOTED, c) | ((c) >= '0' && (c) <= '9' ? CHARS_DIGIT : 0) |              \
     ((c) > ' ' ? CHARS_VISIBLE : 0))
#define FOUR(c)    ASCII(c), ASCII(c + 1), ASCII(c + 2), ASCII(c + 3)
#define SIXTEEN(c) FOUR(c), FOUR(c + 4), FOUR(c + 8), FOUR(c + 12)

const uint16_t char_sets[256] = {
    SIXTEEN(0),  SIXTEEN(16),  SIXTEEN(32),
    SIXTEEN(48), SIXTEEN(64),  SIXTEEN(80),
    SIXTEEN(96), SIXTEEN(112), [128 ... 255] = CHARS_DISPLAY | CHARS_VISIBLE,
};

/* Are the four bytes in one set, and @p set is it? */
static inline bool four_are_in(enum char_set set, const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return char_sets[p[0]] & char_sets[p[1]] & char_sets[p[2]] & char_sets[p[3]] & set;
}

struct text scan_set(struct text *rest, enum char_set set)
{
    struct text run = {rest->p, 0};
    while (run.n + 4 <= rest->n && four_are_in(set, run.p + run.n))
        run.n += 4;
    while (run.n < rest->n && char_is_in(set, run.p[run.n]))
        run.n++;
    scan_skip(rest, run.n);
    return run;
}

#ifdef __SSE2__
/* Are all in most of CHARS_ORDINARY: letters, '-' to '>', '@', '+', '_' and space? */
static inline bool sixteen_are_ordinary(const char *at)
{
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i lower = _mm_or_si128(c, _mm_set1_epi8(0x20));
    __m128i good = _mm_and_si128(_mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)),
                                 _mm_cmplt_epi8(lower, _mm_set1_epi8('z' + 1)));
    good = _mm_or_si128(good, _mm_and_si128(_mm_cmpgt_epi8(c, _mm_set1_epi8('-' - 1)),
                                            _mm_cmplt_epi8(c, _mm_set1_epi8('>' + 1))));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(c, _mm_set1_epi8('@')));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(c, _mm_set1_epi8('+')));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(c, _mm_set1_epi8('_')));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(c, _mm_set1_epi8(' ')));
    return _mm_movemask_epi8(good) == 0xffff;
}

static inline bool sixteen_are_visible(const char *at)
{
    const __m128i least = _mm_set1_epi8(' ' + 1);
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)at);
    return _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(c, least), least)) == 0xffff;
}

/* Inlined with what it asks for. The last step begins where sixteen are left. */
static inline __attribute__((always_inline)) bool is_all(struct text t, enum char_set set,
                                                         bool sixteen_are(const char *at))
{
    while (t.n > 16 && sixteen_are(t.p))
        scan_skip(&t, t.n < 32 ? t.n - 16 : 16);
    return (t.n == 16 && sixteen_are(t.p)) || scan_is_all(t, set);
}
#else
#define is_all(t, set, sixteen_are) scan_is_all(t, set)
#endif

bool scan_is_ordinary(struct text t)
{
    return is_all(t, CHARS_ORDINARY, sixteen_are_ordinary);
}

bool scan_is_visible(struct text t)
{
    return is_all(t, CHARS_VISIBLE, sixteen_are_visible);
}

struct text scan_quoted(struct text *rest)
{
    if (!rest->n || rest->p[0] != '"')
        return TEXT_NONE;
    for (size_t i = 1; i < rest->n; i++) {
        if (rest->p[i] == '\\') {
            i++;
        } else if (rest->p[i] == '"') {
            struct text quoted = {rest->p, i + 1};
            scan_skip(rest, i + 1);
            return quoted;
        }
    }
    return TEXT_NONE;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool scan_is_escaped(struct text t, enum char_set set)
{
    for (;;) {
        scan_set(&t, set);
        if (!t.n)
            return true;
        if (t.p[0] != '%' || t.n < 3 || !is_hex(t.p[1]) || !is_hex(t.p[2]))
            return false;
        scan_skip(&t, 3);
    }
}

/* IPv6reference with its brackets; absent when it is none. */
static __attribute__((noinline)) struct text scan_ipv6(struct text *rest)
{
    const char *close = text_find(*rest, ']');
    if (!close)
        return TEXT_NONE;
    struct text host = text_span(rest->p, close + 1);
    struct address address;
    if (address_parse_host(&address, host) || !address_is_ipv6(&address))
        return TEXT_NONE;
    scan_skip(rest, host.n);
    return host;
}

/* 1*DIGIT, up to 65535; 0 is no port. */
static int scan_port(struct text *rest, uint16_t *port)
{
    uint32_t number = 0;
    size_t n = 0;
    for (; n < rest->n; n++) {
        unsigned digit = (unsigned char)rest->p[n] - (unsigned)'0';
        if (digit > 9)
            break;
        if (number <= UINT16_MAX) /* too large stays too large */
            number = number * 10 + digit;
    }
    if (number == 0 || number > UINT16_MAX)
        return ERROR_SYNTAX;
    *port = (uint16_t)number;
    scan_skip(rest, n);
    return 0;
}

int scan_host_port(struct text *rest, struct text *host, uint16_t *port, bool spaces)
{
    bool is_ipv6 = rest->n && rest->p[0] == '[';
    *host = is_ipv6 ? scan_ipv6(rest) : scan_set(rest, CHARS_HOST);
    *port = 0;
    if (!host->n)
        return ERROR_SYNTAX;
    struct text behind = *rest;
    if (spaces)
        scan_space(&behind);
    if (!scan_char(&behind, ':'))
        return 0;
    if (spaces)
        scan_space(&behind);
    if (scan_port(&behind, port))
        return ERROR_SYNTAX;
    *rest = behind;
    return 0;
}

int scan_param(struct text *rest, struct scan_param *param)
{
    scan_space(rest);
    if (!rest->n)
        return 0;
    if (!scan_char(rest, ';'))
        return ERROR_SYNTAX;
    scan_space(rest);
    param->name = scan_set(rest, CHARS_TOKEN);
    param->value = TEXT_NONE;
    if (!param->name.n)
        return ERROR_SYNTAX;
    scan_space(rest);
    if (!scan_char(rest, '='))
        return 1;
    scan_space(rest);
    param->value = rest->n && rest->p[0] == '"' ? scan_quoted(rest) : scan_set(rest, CHARS_VALUE);
    return param->value.n ? 1 : ERROR_SYNTAX;
}
