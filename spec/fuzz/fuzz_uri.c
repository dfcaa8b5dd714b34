/* Any bytes as a URI, as a name-addr and as a list of them: parts lie inside, equality holds. */
#include "sip/name_addr.h"
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

static void check_uri(const struct uri *uri)
{
    const struct text parts[] = {uri->scheme_text, uri->user,   uri->password,
                                 uri->host,        uri->params, uri->headers};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        require_inside(parts[i], uri->whole);
    require(uri_equal(uri, uri));
    uri_is_loose(uri);
    uri_param(uri, TEXT("transport"));
    osip_check(OSIP_URI, uri->whole);
}

static void check_list(struct text rest)
{
    struct name_addr name_addr;
    struct text whole = rest, element;
    while (text_is_set(element = name_addr_split(&rest))) {
        require_inside(element, whole);
        if (name_addr_parse(&name_addr, element))
            continue;
        require_inside(name_addr.display_name, element);
        require_inside(name_addr.params, element);
        require_inside(name_addr.tag, element);
        require_inside(name_addr.uri_text, element);
        check_uri(&name_addr.uri);
        osip_check(OSIP_ADDRESS, name_addr.whole);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text whole = {(const char *)data, size}, second = whole;
    struct text first = text_split(&second, '\n');
    struct uri a, b;
    if (!uri_parse(&a, first)) {
        check_uri(&a);
        if (!uri_parse(&b, second))
            require(uri_equal(&a, &b) == uri_equal(&b, &a));
    }
    check_list(whole);
    return 0;
}
