/*
 * Stateless responses (RFC 3261 s8.2.7). The To tag is a keyed hash of what every retransmission
 * and the ACK have in common (Call-ID, From tag, CSeq number), so nothing needs to be remembered.
 */
#include "base/error.h"
#include "sip/response.h"
#include "transport/operations.h"

#define TAG_BYTES (2 + TEXT_HEX64_BYTES) /* "sl" + 16 hexadecimal digits */

static struct text make_tag(const struct transport *transport, struct message *message,
                            char out[TAG_BYTES])
{
    const struct text v[] = {
        message->call_id,
        message_from_tag(message),
        {(const char *)&message->cseq_number, sizeof message->cseq_number},
    };
    uint64_t hash = hash_texts(&transport->tag_key, v, sizeof v / sizeof *v);
    out[0] = 's';
    out[1] = 'l';
    text_print_hex64(hash, out + 2);
    return (struct text){out, TAG_BYTES};
}

int transport_reply(struct transport *transport, struct message *request,
                    const struct response_options *options)
{
    if (request->method == METHOD_ACK)
        return ERROR_STATE;
    char tag[TAG_BYTES];
    struct response_options filled = *options;
    if (!text_is_set(filled.to_tag))
        filled.to_tag = make_tag(transport, request, tag);
    struct destination destination;
    transport_reply_destination(request, &destination);
    struct buffer *print = transport_print(transport);
    response_print(print, request, &filled);
    if (print->error)
        return print->error;
    return transport_send(transport, &destination, transport_printed(transport));
}

bool transport_is_own_ack(const struct transport *transport, struct message *ack)
{
    char tag[TAG_BYTES];
    struct text to_tag = message_to_tag(ack);
    return to_tag.n == TAG_BYTES && text_equal(to_tag, make_tag(transport, ack, tag));
}
