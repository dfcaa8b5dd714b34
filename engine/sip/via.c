/* Via elements: parsing, and what a server adds to the one on top. */
#include "sip/via.h"

#include "base/error.h"
#include "sip/scan.h"

#include <stdio.h>

/* "SIP" SLASH version SLASH; the version is checked where the start line is. */
static __attribute__((cold, noinline)) int cut_other_version(struct text *rest)
{
    struct text name = scan_set(rest, CHARS_TOKEN);
    scan_space(rest);
    if (!text_equal_nocase(name, TEXT("SIP")) || !scan_char(rest, '/'))
        return ERROR_SYNTAX;
    scan_space(rest);
    struct text version = scan_set(rest, CHARS_TOKEN);
    scan_space(rest);
    return version.n && scan_char(rest, '/') ? 0 : ERROR_SYNTAX;
}

static int parse_protocol(struct via *via, struct text *rest)
{
    if (text_starts_with(*rest, TEXT("SIP/2.0/")))
        scan_skip(rest, 8);
    else if (cut_other_version(rest))
        return ERROR_SYNTAX;
    scan_space(rest);
    via->transport = scan_set(rest, CHARS_TOKEN);
    if (!via->transport.n || !rest->n || !char_is_space(*rest->p))
        return ERROR_SYNTAX;
    scan_space(rest);
    return 0;
}

static int keep_param(struct via *via, const struct scan_param *param)
{
    if (text_equal_nocase(param->name, TEXT("branch"))) {
        if (!param->value.n || param->value.p[0] == '"')
            return ERROR_SYNTAX;
        if (!text_is_set(via->branch))
            via->branch = param->value;
    } else if (text_equal_nocase(param->name, TEXT("received"))) {
        if (!text_is_set(via->received))
            via->received = param->value;
    } else if (text_equal_nocase(param->name, TEXT("maddr"))) {
        if (!text_is_set(via->maddr))
            via->maddr = param->value;
    } else if (text_equal_nocase(param->name, TEXT("rport"))) {
        uint32_t number = 0;
        if (text_is_set(param->value) && (text_to_u32(param->value, &number) || number > 65535))
            return ERROR_SYNTAX;
        via->has_rport = true;
        via->rport = (uint16_t)number;
    }
    return 0;
}

int via_parse(struct via *via, struct text t)
{
    *via = (struct via){.whole = text_trim(t)};
    struct text rest = via->whole;
    int error = parse_protocol(via, &rest);
    if (!error)
        error = scan_host_port(&rest, &via->host, &via->port, true);
    if (error)
        return error;
    scan_space(&rest);
    if (rest.n > 1 && rest.p[0] == ';')
        via->params = text_trim((struct text){rest.p + 1, rest.n - 1});
    struct scan_param param;
    int got;
    while ((got = scan_param(&rest, &param)) > 0)
        if (keep_param(via, &param))
            return ERROR_SYNTAX;
    return got;
}

/* Was the request sent from where the top Via says? (RFC 3261 s18.2.1) */
static bool is_sent_by(const struct via *via, const struct address *peer)
{
    struct address host;
    return !address_parse_host(&host, via->host) && address_equal_host(&host, peer);
}

struct text via_with_source(struct arena *arena, const struct via *via, const struct address *peer)
{
    if (!address_is_set(peer))
        return TEXT_NONE;
    if (!via->has_rport && !text_is_set(via->received) && is_sent_by(via, peer))
        return TEXT_NONE;
    char host[ADDRESS_TEXT_BYTES];
    struct text address = address_print_host(peer, host);
    const char *end = via->whole.p + via->whole.n;
    size_t room = via->whole.n + address.n + sizeof ";received=;rport=65535";
    struct text out = {arena_alloc(arena, room), 0};
    char *to = (char *)out.p;
    if (!to)
        return TEXT_NONE;
    /* Everything up to the parameters, and those that are not ours to write, as they came. */
    const char *params = text_find(via->whole, ';');
    if (!params)
        params = end;
    memcpy(to, via->whole.p, (size_t)(params - via->whole.p));
    to += params - via->whole.p;
    struct text rest = text_span(params, end);
    struct scan_param param;
    for (const char *from = rest.p; scan_param(&rest, &param) > 0; from = rest.p) {
        if (text_equal_nocase(param.name, TEXT("received")) ||
            text_equal_nocase(param.name, TEXT("rport")))
            continue;
        memcpy(to, from, (size_t)(rest.p - from));
        to += rest.p - from;
    }
    memcpy(to, ";received=", 10);
    memcpy(to + 10, address.p, address.n);
    to += 10 + address.n;
    if (via->has_rport) /* RFC 3581 s4: with the port that the request came from */
        to += snprintf(to, sizeof ";rport=65535", ";rport=%u", address_port(peer));
    out.n = (size_t)(to - out.p);
    return out;
}
