/* Names of header fields. A name is looked for only among those that begin with its letter. */
#include "sip/header.h"

#define KINDS_OF_LETTER 13

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

/* Most frequent first; a test proves that every name is found. */
static const uint8_t by_letter[26][KINDS_OF_LETTER] = {
    ['a' - 'a'] = {HEADER_ALLOW, HEADER_AUTHORIZATION, HEADER_ALLOW_EVENTS, HEADER_ACCEPT_CONTACT},
    ['c' - 'a'] = {HEADER_CALL_ID, HEADER_CSEQ, HEADER_CONTACT, HEADER_CONTENT_LENGTH,
                   HEADER_CONTENT_TYPE, HEADER_CONTENT_ENCODING},
    ['d' - 'a'] = {HEADER_DATE, HEADER_DIVERSION},
    ['e' - 'a'] = {HEADER_EXPIRES, HEADER_EVENT},
    ['f' - 'a'] = {HEADER_FROM},
    ['i' - 'a'] = {HEADER_IDENTITY},
    ['m' - 'a'] = {HEADER_MAX_FORWARDS, HEADER_MAX_BREADTH, HEADER_MIN_SE},
    ['p' - 'a'] = {HEADER_P_ASSERTED_IDENTITY, HEADER_P_PREFERRED_IDENTITY,
                   HEADER_PROXY_AUTHORIZATION, HEADER_PROXY_AUTHENTICATE, HEADER_PROXY_REQUIRE,
                   HEADER_PATH},
    ['r' - 'a'] = {HEADER_ROUTE, HEADER_RECORD_ROUTE, HEADER_REQUIRE, HEADER_REASON, HEADER_RSEQ,
                   HEADER_RACK, HEADER_RETRY_AFTER, HEADER_REFER_TO, HEADER_REMOTE_PARTY_ID,
                   HEADER_REFERRED_BY, HEADER_REPLACES, HEADER_REJECT_CONTACT,
                   HEADER_REQUEST_DISPOSITION},
    ['s' - 'a'] = {HEADER_SUPPORTED, HEADER_SESSION_EXPIRES, HEADER_SERVER, HEADER_SUBJECT},
    ['t' - 'a'] = {HEADER_TO, HEADER_TIMESTAMP},
    ['u' - 'a'] = {HEADER_USER_AGENT, HEADER_UNSUPPORTED},
    ['v' - 'a'] = {HEADER_VIA},
    ['w' - 'a'] = {HEADER_WWW_AUTHENTICATE, HEADER_WARNING},
};

static bool is_name(struct text name, enum header_kind kind)
{
    const struct text *known = &names[kind];
    return name.n == known->n &&
           (memcmp(name.p, known->p, name.n) == 0 || text_equal_nocase(name, *known));
}

static enum header_kind find_compact(char letter)
{
    for (unsigned kind = 1; kind < HEADER_KIND_COUNT; kind++)
        if (compacts[kind] == letter)
            return (enum header_kind)kind;
    return HEADER_OTHER;
}

enum header_kind header_kind_parse(struct text name)
{
    char letter = name.n ? (char)(name.p[0] | 0x20) : 0;
    if (letter < 'a' || letter > 'z')
        return HEADER_OTHER;
    if (name.n == 1)
        return find_compact(letter);
    const uint8_t *kinds = by_letter[letter - 'a'];
    for (unsigned i = 0; i < KINDS_OF_LETTER && kinds[i]; i++)
        if (is_name(name, (enum header_kind)kinds[i]))
            return (enum header_kind)kinds[i];
    return HEADER_OTHER;
}

/* Without a call for lengths that names have. */
static inline bool is_same(const char *a, const char *b, size_t n)
{
    uint64_t x[2], y[2];
    uint32_t u[2], v[2];
    if (n >= 8 && n <= 16) { /* the halves overlap when n < 16 */
        memcpy(&x[0], a, 8);
        memcpy(&x[1], a + n - 8, 8);
        memcpy(&y[0], b, 8);
        memcpy(&y[1], b + n - 8, 8);
        return !((x[0] ^ y[0]) | (x[1] ^ y[1]));
    }
    if (n >= 4 && n < 8) {
        memcpy(&u[0], a, 4);
        memcpy(&u[1], a + n - 4, 4);
        memcpy(&v[0], b, 4);
        memcpy(&v[1], b + n - 4, 4);
        return !((u[0] ^ v[0]) | (u[1] ^ v[1]));
    }
    return memcmp(a, b, n) == 0;
}

enum header_kind header_kind_scan(struct text *line, struct text *name)
{
    unsigned letter = line->n ? (unsigned char)line->p[0] - (unsigned)'A' : 26;
    if (letter >= 26)
        return HEADER_OTHER;
    const uint8_t *kinds = by_letter[letter];
    for (unsigned i = 0; i < KINDS_OF_LETTER && kinds[i]; i++) {
        const struct text *known = &names[kinds[i]];
        if (line->n <= known->n || line->p[known->n] != ':' ||
            !is_same(line->p, known->p, known->n))
            continue;
        *name = (struct text){line->p, known->n};
        *line = (struct text){line->p + known->n + 1, line->n - known->n - 1};
        return (enum header_kind)kinds[i];
    }
    return HEADER_OTHER;
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
