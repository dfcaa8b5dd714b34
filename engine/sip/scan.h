/*
 * Scanning by the ABNF of RFC 3261 s25.1: sets of bytes, and steps that cut what they recognise
 * off the front of a text. Nothing here allocates or copies.
 */
#pragma once

#include "base/text.h"

/** Sets of byte values: one bit each in the table, so that a step is one load and one test. */
enum char_set {
    CHARS_TOKEN = 1 << 0,     /**< token */
    CHARS_SCHEME = 1 << 1,    /**< scheme of a URI */
    CHARS_USER = 1 << 2,      /**< user, without escapes */
    CHARS_PASSWORD = 1 << 3,  /**< password, without escapes */
    CHARS_HOST = 1 << 4,      /**< hostname */
    CHARS_PARAMS = 1 << 5,    /**< uri-parameters with their ';' and '=' */
    CHARS_HEADERS = 1 << 6,   /**< headers of a URI with their '&' and '=' */
    CHARS_OPAQUE = 1 << 7,    /**< what a URI of a foreign scheme may hold */
    CHARS_NUMBER = 1 << 8,    /**< telephone number, RFC 3966 */
    CHARS_DISPLAY = 1 << 9,   /**< unquoted display name, spaces included */
    CHARS_VALUE = 1 << 10,    /**< unquoted value of a header parameter */
    CHARS_ORDINARY = 1 << 11, /**< what almost all headers are made of */
    CHARS_QUOTED = 1 << 12,   /**< what almost all quoted display names are made of */
    CHARS_DIGIT = 1 << 13,    /**< 0-9 */
    CHARS_VISIBLE = 1 << 14   /**< all but white space and control characters */
};

/** The sets that each byte is in. */
extern const uint16_t char_sets[256];

static inline bool char_is_in(enum char_set set, char c)
{
    return char_sets[(unsigned char)c] & set;
}

/** Linear white space; a fold is CR LF and a space, and all three count. */
static inline bool char_is_space(char c)
{
    return text_is_space(c);
}

static inline void scan_skip(struct text *rest, size_t n)
{
    if (n) { /* an absent text has no bytes to go behind */
        rest->p += n;
        rest->n -= n;
    }
}

/** Cut white space off. */
static inline void scan_space(struct text *rest)
{
    if (rest->n && (unsigned char)*rest->p <= ' ')
        *rest = text_trim_front(*rest);
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
struct text scan_set(struct text *rest, enum char_set set);

/** Is all of @p t in the one set @p set? */
static inline bool scan_is_all(struct text t, enum char_set set)
{
    scan_set(&t, set);
    return !t.n;
}

/** scan_is_all() of CHARS_ORDINARY and of CHARS_VISIBLE, for what is long. */
bool scan_is_ordinary(struct text t);
bool scan_is_visible(struct text t);
/** Cut a quoted-string off, quotes included. @return absent when there is none or it never ends */
struct text scan_quoted(struct text *rest);
/** Is all of @p t in @p set, or a "%" with two hexadecimal digits? */
bool scan_is_escaped(struct text t, enum char_set set);
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
