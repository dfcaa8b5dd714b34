/* Lists of tokens and of addresses. */
#include "sip/list_header.h"

#include "base/error.h"
#include "sip/contact.h"

bool list_header_has(const struct message *message, enum header_kind kind, struct text token)
{
    for (const struct header *header = message_header(message, kind); header;
         header = message_header_next(message, header)) {
        struct text rest = header->value;
        while (rest.n)
            if (text_equal_nocase(text_trim(text_split(&rest, ',')), token))
                return true;
    }
    return false;
}

int list_header_join(struct text *joined, const struct message *message, enum header_kind kind,
                     struct arena *arena)
{
    const struct header *first = message_header(message, kind);
    size_t n = 0;
    *joined = first && first->value.n ? first->value : TEXT_NONE;
    if (!first || !message_header_next(message, first))
        return 0;
    for (const struct header *header = first; header; header = message_header_next(message, header))
        n += header->value.n + 1;
    char *out = arena_alloc(arena, n);
    if (!out)
        return ERROR_MEMORY;
    char *at = out;
    for (const struct header *header = first; header;
         header = message_header_next(message, header)) {
        if (!header->value.n)
            continue;
        if (at != out)
            *at++ = ',';
        memcpy(at, header->value.p, header->value.n);
        at += header->value.n;
    }
    *joined = at == out ? TEXT_NONE : text_span(out, at);
    return 0;
}

bool list_header_is_route(struct text list)
{
    struct text rest = list;
    size_t count = 0;
    for (struct text element; text_is_set(element = name_addr_split(&rest)); count++) {
        struct name_addr address;
        if (name_addr_parse(&address, element) || address.uri_text.p == address.whole.p)
            return false;
    }
    return count > 0;
}

bool header_expires(const struct message *message, uint32_t *expires_s)
{
    const struct header *header = message_header(message, HEADER_EXPIRES);
    if (!header)
        return false;
    if (text_to_u32(header->value, expires_s))
        *expires_s = CONTACT_EXPIRES_MALFORMED_S;
    return true;
}
