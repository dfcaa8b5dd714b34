/* Any bytes as Contact values, sets of methods and Path: parts lie inside, numbers within range. */
#include "sip/contact.h"
#include "sip/list_header.h"
#include "sip/method_set.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text whole = {(const char *)data, size};
    struct text rest = whole, element;
    while (text_is_set(element = name_addr_split(&rest))) {
        struct contact contact;
        if (contact_parse(&contact, element))
            continue;
        require_inside(contact.address.uri_text, element);
        require_inside(contact.instance, element);
        require(contact.q == CONTACT_Q_NONE || (contact.q >= 0 && contact.q <= CONTACT_Q_MAX));
    }
    method_set_parse(whole);
    list_header_is_route(whole);
    return 0;
}
