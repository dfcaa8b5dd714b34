/* Names of header fields. Length, first and last letter tell all known names apart. */
#include "sip/header.h"

static const struct text names[HEADER_KIND_COUNT] = {
#define XX(name, text, compact) [HEADER_##name] = {text, sizeof(text) - 1},
    HEADERS(XX)
#undef XX
};

static const char compacts[HEADER_KIND_COUNT] = {
#define XX(name, text, compact) [HEADER_##name] = compact,
    HEADERS(XX)
#undef XX
};

/* Found by trial, so that no two names share a slot; the compiler refuses a name that would. */
#define SLOT(first, last, length)     ((5u * (first) + 7u * ((last) + (length))) & 255)
#define AT(kind, first, last, length) [SLOT(first, last, length)] = HEADER_##kind

/* clang-format off */
static const uint8_t slots[256] = {
    AT(VIA, 'v', 'a', 3), AT(FROM, 'f', 'm', 4), AT(TO, 't', 'o', 2), AT(CALL_ID, 'c', 'd', 7),
    AT(CSEQ, 'c', 'q', 4), AT(MAX_FORWARDS, 'm', 's', 12), AT(CONTACT, 'c', 't', 7),
    AT(ROUTE, 'r', 'e', 5), AT(RECORD_ROUTE, 'r', 'e', 12), AT(CONTENT_LENGTH, 'c', 'h', 14),
    AT(CONTENT_TYPE, 'c', 'e', 12), AT(MAX_BREADTH, 'm', 'h', 11),
    AT(PROXY_REQUIRE, 'p', 'e', 13), AT(REQUIRE, 'r', 'e', 7), AT(SUPPORTED, 's', 'd', 9),
    AT(UNSUPPORTED, 'u', 'd', 11), AT(ALLOW, 'a', 'w', 5), AT(EXPIRES, 'e', 's', 7),
    AT(USER_AGENT, 'u', 't', 10), AT(SERVER, 's', 'r', 6), AT(TIMESTAMP, 't', 'p', 9),
    AT(RETRY_AFTER, 'r', 'r', 11), AT(REASON, 'r', 'n', 6), AT(RSEQ, 'r', 'q', 4),
    AT(RACK, 'r', 'k', 4), AT(AUTHORIZATION, 'a', 'n', 13), AT(PROXY_AUTHORIZATION, 'p', 'n', 19),
    AT(WWW_AUTHENTICATE, 'w', 'e', 16), AT(PROXY_AUTHENTICATE, 'p', 'e', 18),
    AT(P_ASSERTED_IDENTITY, 'p', 'y', 19), AT(P_PREFERRED_IDENTITY, 'p', 'y', 20),
    AT(REMOTE_PARTY_ID, 'r', 'd', 15), AT(DIVERSION, 'd', 'n', 9), AT(REFER_TO, 'r', 'o', 8),
    AT(REFERRED_BY, 'r', 'y', 11), AT(EVENT, 'e', 't', 5), AT(PATH, 'p', 'h', 4),
    AT(SUBJECT, 's', 't', 7), AT(CONTENT_ENCODING, 'c', 'g', 16),
    AT(SESSION_EXPIRES, 's', 's', 15), AT(MIN_SE, 'm', 'e', 6), AT(REPLACES, 'r', 's', 8),
    AT(ACCEPT_CONTACT, 'a', 't', 14), AT(REJECT_CONTACT, 'r', 't', 14),
    AT(REQUEST_DISPOSITION, 'r', 'n', 19), AT(ALLOW_EVENTS, 'a', 's', 12),
    AT(IDENTITY, 'i', 'y', 8), AT(DATE, 'd', 'e', 4), AT(WARNING, 'w', 'g', 7),
};
/* clang-format on */

static __attribute__((cold, noinline)) enum header_kind find_compact(char letter)
{
    for (unsigned kind = 1; kind < HEADER_KIND_COUNT; kind++)
        if (compacts[kind] == (letter | 0x20))
            return (enum header_kind)kind;
    return HEADER_OTHER;
}

static inline uint64_t difference(const char *a, const char *b, size_t word_bytes)
{
    uint64_t x = 0, y = 0;
    memcpy(&x, a, word_bytes);
    memcpy(&y, b, word_bytes);
    return x ^ y;
}

/* Are these equal, of two bytes or more? Each header line asks: words that overlap take no call. */
static inline bool is_same(const char *a, const char *b, size_t n)
{
    if (n > 16)
        return memcmp(a, b, n) == 0;
    if (n >= 8)
        return !(difference(a, b, 8) | difference(a + n - 8, b + n - 8, 8));
    if (n >= 4)
        return !(difference(a, b, 4) | difference(a + n - 4, b + n - 4, 4));
    return !(difference(a, b, 2) | difference(a + n - 2, b + n - 2, 2));
}

enum header_kind header_kind_parse(struct text name)
{
    if (name.n < 2)
        return name.n ? find_compact(name.p[0]) : HEADER_OTHER;
    unsigned first = (unsigned char)name.p[0] | 0x20,
             last = (unsigned char)name.p[name.n - 1] | 0x20;
    enum header_kind kind = slots[SLOT(first, last, (unsigned)name.n)];
    const struct text *known = &names[kind];
    if (name.n != known->n)
        return HEADER_OTHER;
    bool is_known = is_same(name.p, known->p, name.n) || text_equal_nocase(name, *known);
    return is_known ? kind : HEADER_OTHER;
}

const char *header_kind_name(enum header_kind kind)
{
    return (unsigned)kind < HEADER_KIND_COUNT ? names[kind].p : NULL;
}

bool header_is(const struct header *header, enum header_kind kind, struct text name)
{
    if (header->kind != kind)
        return false;
    return kind != HEADER_OTHER || text_equal_nocase(header->name, name);
}
