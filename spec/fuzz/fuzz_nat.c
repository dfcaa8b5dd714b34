/* Any bytes as a Contact: what is changed once stays so, parses again, and an alias comes off. */
#include "sip/nat.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

typedef int printer(struct buffer *out, struct text value, const struct address *source);

static int print_alias(struct buffer *out, struct text value, const struct address *source)
{
    return nat_print_alias(out, value, source, 2);
}

static void check_printer(printer *print, struct text value, const struct address *source)
{
    struct buffer once = {0}, twice = {0};
    if (print(&once, value, source) == 0) {
        require(!text_find(buffer_text(&once), '\n') && !text_find(buffer_text(&once), '\r'));
        require(print(&twice, buffer_text(&once), source) == 0);
        require(text_equal(buffer_text(&once), buffer_text(&twice)));
    }
    buffer_release(&once);
    buffer_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text value = {(const char *)data, size};
    struct address source;
    struct buffer uri = {0};
    struct nat_alias alias;
    require(!address_parse(&source, TEXT("[2001:db8::1]:4000"), 5060));
    check_printer(nat_print_contact, value, &source);
    check_printer(print_alias, value, &source);
    if (nat_take_alias(&uri, value, &alias) == 0)
        require(uri.n < size && alias.proto >= 1 && alias.proto <= 6);
    buffer_release(&uri);
    return 0;
}
