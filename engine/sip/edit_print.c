/* Printing: what lies between two changed lines was received in one piece, and goes as one. */
#include "sip/edit_private.h"

#include "sip/response.h"

#define TYPICAL_BYTES 512 /* what a proxy adds */

/* @return up to where the received bytes are dealt with */
static const char *print_start_line(const struct edits *edits, struct buffer *out)
{
    const struct message *message = edits->message;
    const struct changes *changes = &edits->changes;
    if (changes->status) {
        struct text reason = changes->reason;
        buffer_append(out, TEXT("SIP/2.0 "));
        buffer_append_u64(out, changes->status);
        buffer_append_char(out, ' ');
        buffer_append(out, reason.n ? reason : text_of(status_reason(changes->status)));
        buffer_append(out, TEXT("\r\n"));
        return message->headers[0].line.p;
    }
    if (!text_is_set(changes->request_uri))
        return message->bytes.p;
    buffer_append(out, text_span(message->bytes.p, message->request_uri.p));
    buffer_append(out, changes->request_uri);
    return message->request_uri.p + message->request_uri.n;
}

void edits_print(const struct edits *edits, struct buffer *out)
{
    const struct message *message = edits->message;
    const struct changes *changes = &edits->changes;
    buffer_reserve(out, message->bytes.n + TYPICAL_BYTES);
    const char *from = print_start_line(edits, out);
    for (uint32_t i = 0; i < changes->count; i++) {
        const struct edit_item *item = &changes->items[i];
        bool is_at_end = item->at == message->header_count; /* a parsed message has headers */
        struct text line = message->headers[item->at - is_at_end].line;
        const char *end = line.p + line.n, *begin = is_at_end ? end : line.p;
        buffer_append(out, text_span(from, begin));
        if (item->header)
            buffer_append(out, item->header->line);
        from = item->place <= message->header_count ? end : begin;
    }
    const char *end =
        text_is_set(changes->body) ? message->body.p : message->bytes.p + message->bytes.n;
    buffer_append(out, text_span(from, end));
    buffer_append(out, changes->body);
}
