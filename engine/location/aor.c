/* From a URI to the key of the store (RFC 3261 s10.3 step 5). */
#include "base/error.h"
#include "location/internal.h"
#include "sip/scan.h"

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/*
 * The user without escapes; uri_parse() has seen that each is whole. @return NULL: a control
 * character
 */
static char *put_user(char *at, struct text user, bool is_lower)
{
    while (user.n) {
        size_t n = user.p[0] == '%' && user.n >= 3 ? 3 : 1;
        char c = n == 3 ? (char)(hex_value(user.p[1]) * 16 + hex_value(user.p[2])) : user.p[0];
        if ((unsigned char)c < ' ' || c == 0x7f)
            return NULL;
        *at++ = is_lower ? to_lower(c) : c;
        scan_skip(&user, n);
    }
    return at;
}

int location_aor(struct text *aor, const struct settings *settings, const struct uri *uri,
                 struct text host, struct arena *arena)
{
    if (text_is_set(uri->host))
        host = uri->host;
    *aor = TEXT_NONE;
    if (!uri->user.n || !host.n)
        return ERROR_SYNTAX;
    char *begin = arena_alloc(arena, uri->user.n + 1 + host.n);
    if (!begin)
        return ERROR_MEMORY;
    char *at = put_user(begin, uri->user, !settings->location_case_sensitive);
    if (!at)
        return ERROR_SYNTAX;
    if (settings->location_use_domain) {
        *at++ = '@';
        for (size_t i = 0; i < host.n; i++)
            *at++ = to_lower(host.p[i]);
    }
    *aor = text_span(begin, at);
    return 0;
}
