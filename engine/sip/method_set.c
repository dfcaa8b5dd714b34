/* Names to bits. */
#include "sip/method_set.h"

static const uint32_t bits[] = {
    [METHOD_OTHER] = 1u << 31,   [METHOD_INVITE] = 1u << 0,    [METHOD_CANCEL] = 1u << 1,
    [METHOD_ACK] = 1u << 2,      [METHOD_BYE] = 1u << 3,       [METHOD_INFO] = 1u << 4,
    [METHOD_REGISTER] = 1u << 5, [METHOD_SUBSCRIBE] = 1u << 6, [METHOD_NOTIFY] = 1u << 7,
    [METHOD_MESSAGE] = 1u << 8,  [METHOD_OPTIONS] = 1u << 9,   [METHOD_PRACK] = 1u << 10,
    [METHOD_UPDATE] = 1u << 11,  [METHOD_REFER] = 1u << 12,    [METHOD_PUBLISH] = 1u << 13,
};

uint32_t method_set_bit(enum method method)
{
    return (unsigned)method < sizeof bits / sizeof bits[0] ? bits[method] : bits[METHOD_OTHER];
}

uint32_t method_set_parse(struct text names)
{
    uint32_t set = 0;
    while (names.n) {
        struct text name = text_trim(text_split(&names, ','));
        if (name.n)
            set |= method_set_bit(method_parse(name));
    }
    return set;
}

uint32_t method_set_allowed(const struct message *message)
{
    uint32_t set = 0;
    for (const struct header *header = message_header(message, HEADER_ALLOW); header;
         header = message_header_next(message, header))
        set |= method_set_parse(header->value);
    return set;
}
