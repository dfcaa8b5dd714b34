/* name-addr / addr-spec *(SEMI generic-param), RFC 3261 s20.10, s20.20, s20.39. */
#include "sip/name_addr.h"

#include "base/error.h"
#include "sip/scan.h"

/* *(";" generic-param) to the end; keeps the tag. */
static int cut_params(struct name_addr *name_addr, struct text rest)
{
    static const struct text tag_name = {"tag", 3};
    struct scan_param param;
    int got;
    scan_space(&rest);
    if (rest.n > 1 && rest.p[0] == ';')
        name_addr->params = text_trim((struct text){rest.p + 1, rest.n - 1});
    while ((got = scan_param(&rest, &param)) > 0) {
        if (!text_equal_nocase(param.name, tag_name))
            continue;
        if (!param.value.n || param.value.p[0] == '"')
            return ERROR_SYNTAX;
        if (!text_is_set(name_addr->tag))
            name_addr->tag = param.value;
    }
    return got;
}

/* Cut what stands before '<' off. */
static int cut_display_name(struct name_addr *name_addr, struct text *rest)
{
    struct text name;
    if (rest->n && rest->p[0] == '"') {
        name = scan_quoted(rest);
        if (!text_is_set(name))
            return ERROR_SYNTAX;
        scan_space(rest);
    } else {
        name = text_trim(scan_set(rest, CHARS_DISPLAY));
    }
    if (name.n)
        name_addr->display_name = name;
    return 0;
}

static int cut_bracketed(struct name_addr *name_addr, struct text rest)
{
    int error = cut_display_name(name_addr, &rest);
    if (error || !scan_char(&rest, '<'))
        return ERROR_SYNTAX;
    const char *close = text_find(rest, '>');
    if (!close)
        return ERROR_SYNTAX;
    name_addr->uri_text = text_span(rest.p, close);
    scan_skip(&rest, name_addr->uri_text.n + 1);
    return cut_params(name_addr, rest);
}

/* A bare URI ends at its first ';', and may hold neither ',' nor '?' (RFC 3261 s20). */
static __attribute__((noinline)) int cut_bare(struct name_addr *name_addr, struct text t)
{
    struct text rest = t;
    name_addr->uri_text = text_trim(text_split(&rest, ';'));
    if (text_find(name_addr->uri_text, ',') || text_find(name_addr->uri_text, '?'))
        return ERROR_SYNTAX;
    if (!text_is_set(rest))
        return 0;
    return cut_params(name_addr, text_span(rest.p - 1, t.p + t.n));
}

/* A '<' inside a quoted parameter does not make a bare URI a bracketed one. */
static bool is_bracketed(struct text t)
{
    if (t.p[0] == '"' || t.p[0] == '<')
        return true;
    const char *open = text_find(t, '<');
    const char *semicolon = open ? text_find(t, ';') : NULL;
    return open && (!semicolon || open < semicolon);
}

int name_addr_cut(struct name_addr *name_addr, struct text t)
{
    t = text_trim(t);
    name_addr->whole = t;
    name_addr->display_name = name_addr->params = name_addr->tag = TEXT_NONE;
    if (!t.n)
        return ERROR_SYNTAX;
    return is_bracketed(t) ? cut_bracketed(name_addr, t) : cut_bare(name_addr, t);
}

int name_addr_parse(struct name_addr *name_addr, struct text t)
{
    int error = name_addr_cut(name_addr, t);
    return error ? error : uri_parse(&name_addr->uri, name_addr->uri_text);
}

/* Size of the first element of a list, byte by byte. */
static __attribute__((noinline)) size_t element_size(struct text t)
{
    bool in_quotes = false, in_brackets = false;
    size_t i = 0;
    for (; i < t.n; i++) {
        char c = t.p[i];
        if (in_quotes && c == '\\')
            i++;
        else if (c == '"' && !in_brackets)
            in_quotes = !in_quotes;
        else if (c == '<' && !in_quotes)
            in_brackets = true;
        else if (c == '>' && !in_quotes)
            in_brackets = false;
        else if (c == ',' && !in_quotes && !in_brackets)
            break;
    }
    return i < t.n ? i : t.n; /* a backslash may have been the last byte */
}

/* Only a quote or an open bracket in front of the comma makes it something else. */
static __attribute__((noinline)) size_t first_size(struct text list, const char *comma)
{
    struct text front = text_span(list.p, comma);
    const char *open = front.n ? memrchr(front.p, '<', front.n) : NULL;
    bool is_plain = !text_find(front, '"') && (!open || memchr(open, '>', (size_t)(comma - open)));
    return is_plain ? front.n : element_size(list);
}

struct text name_addr_split(struct text *rest)
{
    if (!rest->n)
        return TEXT_NONE;
    const char *comma = text_find(*rest, ',');
    size_t n = comma ? first_size(*rest, comma) : rest->n;
    struct text element = {rest->p, n};
    scan_skip(rest, n < rest->n ? n + 1 : n);
    return text_trim(element);
}
