/*
 * Scanning by the ABNF of RFC 3261 s25.1: sets of bytes, and steps that cut what they recognise
 * off the front of a text. Nothing here allocates or copies.
 */
#pragma once

#include "base/text.h"

/** A set of byte values, one bit each. */
struct char_set {
    uint64_t word[4];
};

extern const struct char_set CHARS_TOKEN;    /**< token */
extern const struct char_set CHARS_SCHEME;   /**< scheme of a URI */
extern const struct char_set CHARS_USER;     /**< user, without escapes */
extern const struct char_set CHARS_PASSWORD; /**< password, without escapes */
extern const struct char_set CHARS_HOST;     /**< hostname */
extern const struct char_set CHARS_PARAMS;   /**< uri-parameters with their ';' and '=' */
extern const struct char_set CHARS_HEADERS;  /**< headers of a URI with their '&' and '=' */
extern const struct char_set CHARS_OPAQUE;   /**< what a URI of a foreign scheme may hold */
extern const struct char_set CHARS_NUMBER;   /**< telephone number, RFC 3966 */
extern const struct char_set CHARS_DISPLAY;  /**< unquoted display name, spaces included */
extern const struct char_set CHARS_VALUE;    /**< unquoted value of a header parameter */
extern const struct char_set CHARS_ORDINARY; /**< what almost all headers are made of */
extern const struct char_set CHARS_DIGIT;    /**< 0-9 */

static inline bool char_is_in(const struct char_set *set, char c)
{
    unsigned char u = (unsigned char)c;
    return set->word[u >> 6] >> (u & 63) & 1;
}

/** Linear white space; a fold is CR LF and a space, and all three count. */
static inline bool char_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline void scan_skip(struct text *rest, size_t n)
{
    if (n) { /* an absent text has no bytes to go behind */
        rest->p += n;
        rest->n -= n;
    }
}

static inline void scan_space(struct text *rest)
{
    while (rest->n && char_is_space(*rest->p))
        scan_skip(rest, 1);
}

/** Cut @p c off. @return false, and nothing cut, when something else stands there */
static inline bool scan_char(struct text *rest, char c)
{
    if (!rest->n || *rest->p != c)
        return false;
    scan_skip(rest, 1);
    return true;
}

/** Cut the longest run of @p set off, may be empty. */
static inline struct text scan_set(struct text *rest, const struct char_set *set)
{
    size_t n = 0;
    while (n < rest->n && char_is_in(set, rest->p[n]))
        n++;
    struct text run = {rest->p, n};
    scan_skip(rest, n);
    return run;
}

/** Cut a quoted-string off, quotes included. @return absent when there is none or it never ends */
struct text scan_quoted(struct text *rest);
/** Is all of @p t in @p set, or a "%" with two hexadecimal digits? */
bool scan_is_escaped(struct text t, const struct char_set *set);
/**
 * Cut host [":" port] off.
 * @param port    0 when not written
 * @param spaces  whether white space may stand around the colon, as in a Via
 * @return 0 or ERROR_SYNTAX
 */
int scan_host_port(struct text *rest, struct text *host, uint16_t *port, bool spaces);

/** generic-param */
struct scan_param {
    struct text name;
    struct text value; /**< quotes included; absent without "=" */
};
/** Cut SEMI generic-param off. @return 1; 0 at the end; ERROR_SYNTAX */
int scan_param(struct text *rest, struct scan_param *param);
