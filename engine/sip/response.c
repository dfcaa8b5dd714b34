/* Printing of the engine's own responses. */
#include "sip/response.h"

#include "base/error.h"
#include "sip/scan.h"

#define TYPICAL_BYTES 256 /* what a response has besides what it copies */

/* Folds are undone: a line of ours never continues (RFC 3261 s7.3.1). */
static void print_value(struct buffer *out, struct text value)
{
    if (!text_find(value, '\r') && !text_find(value, '\n')) { /* almost always */
        buffer_append(out, value);
        return;
    }
    for (;;) {
        size_t n = 0;
        while (n < value.n && value.p[n] != '\r' && value.p[n] != '\n')
            n++;
        buffer_append(out, (struct text){value.p, n});
        scan_skip(&value, n);
        scan_space(&value);
        if (!value.n)
            return;
        buffer_append_char(out, ' ');
    }
}

static void print_header(struct buffer *out, struct text name, struct text value)
{
    buffer_append(out, name);
    buffer_append(out, TEXT(": "));
    print_value(out, value);
    buffer_append(out, TEXT("\r\n"));
}

/* A line that we would print just as it came, "Name: value" without folds. */
static bool is_plain(const struct header *h)
{
    return h->line.n == h->name.n + 2 + h->value.n + 2 && h->value.p == h->name.p + h->name.n + 2 &&
           h->value.p[-2] == ':' && h->value.p[-1] == ' ' && h->line.p[h->line.n - 2] == '\r' &&
           text_find(h->line, '\n') == h->line.p + h->line.n - 1;
}

static void copy_header(struct buffer *out, const struct header *header)
{
    if (is_plain(header))
        buffer_append(out, header->line);
    else
        print_header(out, header->name, header->value);
}

/* Every line of that kind, in order. */
static void copy_headers(struct buffer *out, const struct message *request, enum header_kind kind)
{
    for (const struct header *h = message_header(request, kind); h;
         h = message_header_next(request, h))
        copy_header(out, h);
}

static void copy_vias(struct buffer *out, struct message *request)
{
    const struct header *top = message_header(request, HEADER_VIA);
    struct text value = message_via_with_source(request);
    for (const struct header *h = top; h; h = message_header_next(request, h))
        if (h == top && text_is_set(value))
            print_header(out, h->name, value);
        else
            copy_header(out, h);
}

/* To with a tag where a response needs one and the request brought none (RFC 3261 s8.2.6.2). */
static void copy_to(struct buffer *out, struct message *request,
                    const struct response_options *options)
{
    const struct header *header = message_header(request, HEADER_TO);
    const struct name_addr *to = message_to(request);
    if (!header)
        return;
    copy_header(out, header);
    if (to && !text_is_set(to->tag) && options->to_tag.n && options->status > 100 && !out->error) {
        out->n -= 2; /* the line goes on */
        buffer_append(out, TEXT(";tag="));
        buffer_append(out, options->to_tag);
        buffer_append(out, TEXT("\r\n"));
    }
}

static void print_status_line(struct buffer *out, const struct response_options *options)
{
    unsigned status = options->status;
    char start[] = "SIP/2.0 000 ";
    for (unsigned i = 3, left = status; i > 0; i--, left /= 10)
        start[7 + i] += left % 10;
    buffer_append(out, (struct text){start, sizeof start - 1});
    buffer_append(out,
                  text_is_set(options->reason) ? options->reason : text_of(status_reason(status)));
    buffer_append(out, TEXT("\r\n"));
}

static void print_body(struct buffer *out, const struct response_options *options)
{
    if (!options->body.n) {
        buffer_append(out, TEXT("Content-Length: 0\r\n\r\n"));
        return;
    }
    if (options->content_type.n)
        print_header(out, TEXT("Content-Type"), options->content_type);
    buffer_append(out, TEXT("Content-Length: "));
    buffer_append_u64(out, options->body.n);
    buffer_append(out, TEXT("\r\n\r\n"));
    buffer_append(out, options->body);
}

void response_print(struct buffer *out, struct message *request,
                    const struct response_options *options)
{
    buffer_reserve(out, request->head.n + options->headers.n + options->body.n + TYPICAL_BYTES);
    print_status_line(out, options);
    copy_vias(out, request);
    if (options->copy_record_route)
        copy_headers(out, request, HEADER_RECORD_ROUTE);
    copy_headers(out, request, HEADER_FROM);
    copy_to(out, request, options);
    copy_headers(out, request, HEADER_CALL_ID);
    copy_headers(out, request, HEADER_CSEQ);
    if (options->status == 100)
        copy_headers(out, request, HEADER_TIMESTAMP);
    if (options->server.n)
        print_header(out, TEXT("Server"), options->server);
    buffer_append(out, options->headers);
    print_body(out, options);
}
