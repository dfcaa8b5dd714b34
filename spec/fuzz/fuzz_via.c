/* Any bytes as a Via element: parts lie inside, and what a server adds parses again. */
#include "sip/via.h"

#include "sip/parse_osip.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void require_inside(struct text part, struct text whole)
{
    require(!part.p || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void check_source(const struct via *via, struct text peer)
{
    struct arena arena = {0};
    struct address address;
    struct via again;
    require(!address_parse(&address, peer, 5060));
    struct text out = via_with_source(&arena, via, &address);
    if (text_is_set(out)) {
        require(!via_parse(&again, out));
        require(text_equal(again.host, via->host) && text_equal(again.branch, via->branch));
        require(again.has_rport == via->has_rport && text_is_set(again.received));
        require(!again.has_rport || again.rport == address_port(&address));
    }
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text whole = {(const char *)data, size};
    struct via via;
    if (via_parse(&via, whole))
        return 0;
    const struct text parts[] = {via.whole,  via.transport, via.host,
                                 via.params, via.branch,    via.received};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        require_inside(parts[i], whole);
    check_source(&via, TEXT("192.0.2.1:4000"));
    check_source(&via, TEXT("[2001:db8::1]:4000"));
    osip_check(OSIP_VIA, via.whole);
    return 0;
}
