/* Checks in the order in which they are reported. */
#include "sip/sanity.h"

#include "base/error.h"

static __attribute__((cold)) struct sanity_verdict verdict(unsigned status, const char *reason)
{
    return (struct sanity_verdict){.status = status, .reason = reason};
}

/* Scheme alone, so that an unknown one is told from a malformed URI (RFC 3261 s8.2.2.1). */
static struct sanity_verdict check_request_uri(struct message *request)
{
    const struct uri *uri = message_request_uri(request);
    if (!uri)
        return verdict(400, "Malformed Request-URI");
    if (text_is_set(uri->headers)) /* RFC 3261 s19.1.1: not allowed there */
        return verdict(400, "Headers in Request-URI");
    if (uri->scheme == URI_OTHER)
        return verdict(416, "Unsupported URI Scheme");
    return (struct sanity_verdict){0};
}

/* Those below the topmost element. */
static __attribute__((noinline)) bool lower_vias_are_good(struct message *request,
                                                          const struct header *top)
{
    struct via via;
    for (const struct header *h = top; h; h = message_header_next(request, h)) {
        struct text rest = h->value, element;
        if (!rest.n)
            return false;
        if (h == top)
            name_addr_split(&rest);
        while (text_is_set(element = name_addr_split(&rest)))
            if (via_parse(&via, element))
                return false;
    }
    return true;
}

static bool vias_are_good(struct message *request)
{
    if (message_has_one_via(request))
        return true;
    return message_via(request) &&
           lower_vias_are_good(request, message_header(request, HEADER_VIA));
}

/* All Proxy-Require values as one list; we support no extension that a proxy must know. */
static __attribute__((cold)) struct text required_extensions(struct message *request)
{
    struct text all = TEXT_NONE;
    for (const struct header *h = message_header(request, HEADER_PROXY_REQUIRE); h;
         h = message_header_next(request, h)) {
        if (!h->value.n)
            continue;
        struct text joined = text_is_set(all) ? arena_printf(&request->arena, "%.*s, %.*s",
                                                             TEXT_ARG(all), TEXT_ARG(h->value))
                                              : h->value;
        if (text_is_set(joined))
            all = joined;
    }
    return all;
}

struct sanity_verdict sanity_check(struct message *request)
{
    if (request->is_sane)
        return (struct sanity_verdict){0};
    if (!text_equal_nocase(request->version, TEXT("SIP/2.0")))
        return verdict(505, "Version Not Supported");
    if (!vias_are_good(request))
        return verdict(400, "Malformed Via");
    if (!message_from(request))
        return verdict(400, "Malformed From");
    if (!message_to(request))
        return verdict(400, "Malformed To");
    struct sanity_verdict bad = check_request_uri(request);
    if (bad.status)
        return bad;
    if (message_max_forwards(request) == -2)
        return verdict(400, "Malformed Max-Forwards");
    /* RFC 3261 s8.2.2.3: ignored in ACK and CANCEL. */
    if (request->first[HEADER_PROXY_REQUIRE] && request->method != METHOD_ACK &&
        request->method != METHOD_CANCEL) {
        struct text extensions = required_extensions(request);
        if (text_is_set(extensions))
            return (struct sanity_verdict){420, "Bad Extension", extensions};
    }
    request->is_sane = true;
    return (struct sanity_verdict){0};
}
