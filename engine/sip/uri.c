/* URIs: parsing, parameters, comparison. */
#include "sip/uri.h"

#include "base/error.h"
#include "sip/scan.h"

static enum uri_scheme scheme_of(struct text t)
{
    if (text_equal_nocase(t, TEXT("sip")))
        return URI_SIP;
    if (text_equal_nocase(t, TEXT("sips")))
        return URI_SIPS;
    return text_equal_nocase(t, TEXT("tel")) ? URI_TEL : URI_OTHER;
}

/* user [":" password] "@"; nothing cut when there is no '@'. */
static int parse_user(struct uri *uri, struct text *rest)
{
    struct text behind = *rest, user = scan_set(&behind, CHARS_USER);
    if (!behind.n)
        return 0;
    if (user.n && scan_char(&behind, '@')) { /* the usual one: no password, nothing escaped */
        uri->user = user;
        *rest = behind;
        return 0;
    }
    const char *at = text_find(*rest, '@');
    if (!at)
        return 0;
    struct text password = text_span(rest->p, at);
    scan_skip(rest, password.n + 1);
    uri->user = text_split(&password, ':');
    uri->password = password;
    if (!uri->user.n || !scan_is_escaped(uri->user, CHARS_USER))
        return ERROR_SYNTAX;
    return scan_is_escaped(password, CHARS_PASSWORD) ? 0 : ERROR_SYNTAX;
}

/* [";" uri-parameters] ["?" headers] to the end. */
static int parse_tail(struct uri *uri, struct text rest)
{
    struct text behind = rest;
    if (!rest.n)
        return 0;
    if (scan_char(&behind, ';')) { /* the usual one: nothing escaped, no headers */
        struct text plain = scan_set(&behind, CHARS_PARAMS);
        if (!behind.n) {
            if (plain.n)
                uri->params = plain;
            return 0;
        }
    }
    struct text headers = rest;
    struct text params = text_split(&headers, '?');
    if (params.n && !scan_char(&params, ';'))
        return ERROR_SYNTAX;
    if (params.n)
        uri->params = params;
    uri->headers = headers;
    if (text_is_set(headers) && !headers.n)
        return ERROR_SYNTAX;
    return scan_is_escaped(params, CHARS_PARAMS) && scan_is_escaped(headers, CHARS_HEADERS)
               ? 0
               : ERROR_SYNTAX;
}

static int parse_sip(struct uri *uri, struct text rest)
{
    int error = parse_user(uri, &rest);
    if (!error)
        error = scan_host_port(&rest, &uri->host, &uri->port, false);
    return error ? error : parse_tail(uri, rest);
}

static int parse_tel(struct uri *uri, struct text rest)
{
    uri->user = scan_set(&rest, CHARS_NUMBER);
    return uri->user.n ? parse_tail(uri, rest) : ERROR_SYNTAX;
}

static __attribute__((noinline)) int parse_any(struct uri *uri, struct text t)
{
    const char *colon = text_find(t, ':');
    if (!colon)
        return ERROR_SYNTAX;
    uri->scheme_text = text_span(t.p, colon);
    struct text scheme = uri->scheme_text;
    struct text rest = text_span(colon + 1, t.p + t.n);
    scan_set(&scheme, CHARS_SCHEME);
    bool starts_with_letter =
        uri->scheme_text.n && ((t.p[0] | 0x20) >= 'a' && (t.p[0] | 0x20) <= 'z');
    if (scheme.n || !starts_with_letter || !rest.n)
        return ERROR_SYNTAX;
    uri->scheme = scheme_of(uri->scheme_text);
    switch (uri->scheme) {
    case URI_SIP:
    case URI_SIPS: return parse_sip(uri, rest);
    case URI_TEL: return parse_tel(uri, rest);
    case URI_OTHER: break;
    }
    return scan_is_escaped(rest, CHARS_OPAQUE) ? 0 : ERROR_SYNTAX;
}

int uri_parse(struct uri *uri, struct text t)
{
    *uri = (struct uri){.whole = t};
    if (t.n <= 4 || memcmp(t.p, "sip:", 4) != 0)
        return parse_any(uri, t);
    uri->scheme = URI_SIP;
    uri->scheme_text = (struct text){t.p, 3};
    return parse_sip(uri, (struct text){t.p + 4, t.n - 4});
}

/* Cut one parameter off a ';'-separated list; a ';' inside quotes does not end it. */
static struct text next_param(struct text *rest)
{
    bool in_quotes = false;
    size_t i = 0;
    for (; i < rest->n; i++) {
        if (in_quotes && rest->p[i] == '\\' && i + 1 < rest->n)
            i++;
        else if (rest->p[i] == '"')
            in_quotes = !in_quotes;
        else if (rest->p[i] == ';' && !in_quotes)
            break;
    }
    struct text param = {rest->p, i};
    scan_skip(rest, i < rest->n ? i + 1 : i);
    return param;
}

struct text param_find(struct text params, struct text name)
{
    while (params.n) {
        struct text value = next_param(&params);
        struct text key = text_split(&value, '=');
        if (!text_equal_nocase(text_trim(key), name))
            continue;
        return text_is_set(value) ? text_trim(value) : (struct text){key.p + key.n, 0};
    }
    return TEXT_NONE;
}

struct text uri_param(const struct uri *uri, struct text name)
{
    return param_find(uri->params, name);
}

bool uri_is_loose(const struct uri *uri)
{
    return text_is_set(uri_param(uri, TEXT("lr")));
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Next character of an escaped text. An escaped reserved character is not the character itself. */
static int next_char(struct text *t)
{
    if (t->p[0] != '%' || t->n < 3) {
        int c = (unsigned char)t->p[0];
        scan_skip(t, 1);
        return c;
    }
    int c = hex_value(t->p[1]) * 16 + hex_value(t->p[2]);
    scan_skip(t, 3);
    return c && strchr(";/?:@&=+$,", c) ? c + 256 : c;
}

static int fold_case(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool equal_escaped(struct text a, struct text b, bool ignore_case)
{
    if (text_is_set(a) != text_is_set(b))
        return false;
    while (a.n && b.n) {
        int x = next_char(&a), y = next_char(&b);
        if (x != y && !(ignore_case && fold_case(x) == fold_case(y)))
            return false;
    }
    return a.n == b.n;
}

/* These matter even when only one of the two URIs has them. */
static bool is_decisive(struct text name)
{
    static const struct text names[] = {
        {"user", 4}, {"ttl", 3}, {"method", 6}, {"maddr", 5}, {"transport", 9}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_equal_nocase(name, names[i]))
            return true;
    return false;
}

/* Every parameter of a against b: equal where both have it. */
static bool params_agree(struct text a, struct text b, bool all_matter)
{
    while (a.n) {
        struct text value = next_param(&a);
        struct text name = text_trim(text_split(&value, '='));
        struct text other = param_find(b, name);
        if (!name.n || (!text_is_set(other) && !all_matter && !is_decisive(name)))
            continue;
        if (!text_is_set(other))
            return false;
        if (!equal_escaped(text_is_set(value) ? text_trim(value) : TEXT(""), other, true))
            return false;
    }
    return true;
}

static bool has_header(struct text headers, struct text name, struct text value)
{
    while (headers.n) {
        struct text v = text_split(&headers, '&');
        struct text n = text_split(&v, '=');
        if (equal_escaped(n, name, true) && equal_escaped(v, value, false))
            return true;
    }
    return false;
}

static bool headers_agree(struct text a, struct text b)
{
    while (a.n) {
        struct text value = text_split(&a, '&');
        struct text name = text_split(&value, '=');
        if (!has_header(b, name, value))
            return false;
    }
    return true;
}

/* Telephone numbers compare without visual separators (RFC 3966 s5). */
static bool numbers_equal(struct text a, struct text b)
{
    static const char separators[] = "-.()";
    for (;;) {
        while (a.n && strchr(separators, *a.p))
            scan_skip(&a, 1);
        while (b.n && strchr(separators, *b.p))
            scan_skip(&b, 1);
        if (!a.n || !b.n)
            return a.n == b.n;
        if (fold_case(*a.p) != fold_case(*b.p))
            return false;
        scan_skip(&a, 1);
        scan_skip(&b, 1);
    }
}

bool uri_equal(const struct uri *a, const struct uri *b)
{
    if (text_equal(a->whole, b->whole))
        return true;
    if (a->scheme != b->scheme)
        return false;
    bool is_tel = a->scheme == URI_TEL;
    if (a->scheme == URI_OTHER)
        return text_equal_nocase(a->scheme_text, b->scheme_text) &&
               text_equal(
                   (struct text){a->whole.p + a->scheme_text.n, a->whole.n - a->scheme_text.n},
                   (struct text){b->whole.p + b->scheme_text.n, b->whole.n - b->scheme_text.n});
    if (is_tel ? !numbers_equal(a->user, b->user) : !equal_escaped(a->user, b->user, false))
        return false;
    return equal_escaped(a->password, b->password, false) && text_equal_nocase(a->host, b->host) &&
           a->port == b->port && params_agree(a->params, b->params, is_tel) &&
           params_agree(b->params, a->params, is_tel) && headers_agree(a->headers, b->headers) &&
           headers_agree(b->headers, a->headers);
}

/* @return -1: it is none */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

struct text uri_unescape(struct arena *arena, struct text t)
{
    char *out = arena_alloc(arena, t.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < t.n; i++) {
        unsigned char c = (unsigned char)t.p[i];
        if (c == '%' && i + 2 < t.n) {
            int high = hex_digit(t.p[i + 1]), low = hex_digit(t.p[i + 2]);
            if (high < 0 || low < 0)
                return TEXT_NONE;
            c = (unsigned char)(high << 4 | low);
            i += 2;
        }
        if (c < ' ' || c > '~')
            return TEXT_NONE;
        out[n++] = (char)c;
    }
    return out ? (struct text){out, n} : TEXT_NONE;
}
