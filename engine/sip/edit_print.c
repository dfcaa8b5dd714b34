/* Printing: neighbouring lines that were not changed are neighbours in memory, and go as one run. */
#include "sip/edit_private.h"

#include "sip/response.h"

#define TYPICAL_BYTES 512 /* what a proxy adds */

static void print_start_line(const struct edits *edits, struct buffer *out)
{
    const struct message *message = edits->message;
    const char *end = message->header_count ? message->headers[0].line.p : message->body.p;
    if (edits->status) {
        buffer_append(out, TEXT("SIP/2.0 "));
        buffer_append_u64(out, edits->status);
        buffer_append_char(out, ' ');
        buffer_append(out, edits->reason.n ? edits->reason : text_of(status_reason(edits->status)));
        buffer_append(out, TEXT("\r\n"));
    } else if (text_is_set(edits->request_uri)) {
        const char *behind = message->request_uri.p + message->request_uri.n;
        buffer_append(out, text_span(message->bytes.p, message->request_uri.p));
        buffer_append(out, edits->request_uri);
        buffer_append(out, text_span(behind, end));
    } else {
        buffer_append(out, text_span(message->bytes.p, end));
    }
}

static void print_headers(const struct edits *layer, struct buffer *out)
{
    struct text run = TEXT_NONE;
    for (uint32_t at = layer->items[0].next; at; at = layer->items[at].next) {
        const struct edit_item *item = &layer->items[at];
        if (item->is_removed)
            continue;
        if (run.p && run.p + run.n == item->header->line.p) {
            run.n += item->header->line.n;
            continue;
        }
        buffer_append(out, run);
        run = item->header->line;
    }
    buffer_append(out, run);
}

void edits_print(const struct edits *edits, struct buffer *out)
{
    const struct message *message = edits->message;
    const struct edits *layer = edits_layer(edits);
    const struct text *last =
        message->header_count ? &message->headers[message->header_count - 1].line : NULL;
    const char *head_end = message->head.p + message->head.n;
    if (edits_is_empty(edits)) {
        buffer_append(out, message->bytes);
        return;
    }
    buffer_reserve(out, message->bytes.n + TYPICAL_BYTES);
    print_start_line(edits, out);
    if (layer)
        print_headers(layer, out);
    else if (last)
        buffer_append(out, text_span(message->headers[0].line.p, last->p + last->n));
    buffer_append(out, last ? text_span(last->p + last->n, head_end) : TEXT("\r\n"));
    buffer_append(out, edits_body(edits));
}
