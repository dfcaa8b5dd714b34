/*
 * A transfer across calls with masked Call-IDs (topology.c): a request that leaves names the other call
 * as its receiver knows it, in Replaces of INVITE (RFC 3891) and in Refer-To of REFER (RFC 3515, RFC
 * 5589 s7). Who gets a REFER may be no party of that call: it gets the name that may be seen there, and
 * its INVITE is translated when it comes through here.
 */
#include "route/masks.h"
#include "route/topology.h"

/* Call-ID, and behind it the rest of the value, from ";" on. */
static int edit_replaces(struct response_context *context, struct edits *edits,
                         const struct listener *out)
{
    struct header_view view = {0};
    struct buffer value = {0};
    if (!edits_header(edits, HEADER_REPLACES, TEXT_NONE, &view))
        return 0;
    struct text rest = view.value, call_id = text_trim(text_split(&rest, ';'));
    int error = 0;
    if (masks_translate(context->proxy->options.masks, call_id, param_find(rest, TEXT("to-tag")),
                        text_of(out->interface), &value)) {
        buffer_append_char(&value, ';');
        buffer_append(&value, text_trim(rest));
        error = value.error ? value.error : edits_replace(edits, &view, buffer_text(&value));
    }
    buffer_release(&value);
    return error;
}

/* "Replaces=" among the headers of the URI in a Refer-To; NULL: there is none. */
static const char *find_replaces(struct text value)
{
    static const struct text name = {"Replaces=", 9};
    for (size_t i = 1; i + name.n <= value.n; i++) {
        struct text here = {value.p + i, value.n - i};
        bool is_begin = value.p[i - 1] == '?' || value.p[i - 1] == '&';
        if (is_begin && text_starts_with_nocase(here, name))
            return here.p + name.n;
    }
    return NULL;
}

/* The escaped Call-ID ends where its parameters begin, at "%3B". */
static struct text escaped_call_id(const char *from, const char *end)
{
    const char *at = from;
    while (at < end && !memchr(";&>", *at, 3) &&
           !(end - at >= 3 && text_starts_with_nocase(text_span(at, end), TEXT("%3B"))))
        at++;
    return text_span(from, at);
}

/* What a header of a URI may hold as it is (RFC 3261 s25.1, hvalue). */
static void append_escaped(struct buffer *out, struct text t)
{
    for (size_t i = 0; i < t.n; i++) {
        unsigned char c = (unsigned char)t.p[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || memchr("[]/?:+$-_.!~*'()", c, 16);
        if (is_plain)
            buffer_append_char(out, (char)c);
        else
            buffer_printf(out, "%%%02X", c);
    }
}

static int edit_refer_to(struct response_context *context, struct edits *edits,
                         const struct listener *out)
{
    struct header_view view = {0};
    struct buffer value = {0}, call_id = {0};
    if (!edits_header(edits, HEADER_REFER_TO, TEXT_NONE, &view))
        return 0;
    const char *begin = find_replaces(view.value), *end = view.value.p + view.value.n;
    if (!begin)
        return 0;
    struct text old = escaped_call_id(begin, end);
    struct text plain = uri_unescape(&context->request->arena, old);
    int error = 0;
    if (plain.n && masks_translate(context->proxy->options.masks, plain, TEXT_NONE,
                                   text_of(out->interface), &call_id)) {
        buffer_append(&value, text_span(view.value.p, begin));
        append_escaped(&value, buffer_text(&call_id));
        buffer_append(&value, text_span(begin + old.n, end));
        error = value.error ? value.error : edits_replace(edits, &view, buffer_text(&value));
    }
    if (!error)
        error = call_id.error;
    buffer_release(&value);
    buffer_release(&call_id);
    return error;
}

int replaces_request(struct response_context *context, struct edits *edits,
                     const struct listener *out)
{
    if (!context->proxy->options.masks || !out)
        return 0;
    switch (context->request->method) {
    case METHOD_INVITE: return edit_replaces(context, edits, out);
    case METHOD_REFER: return edit_refer_to(context, edits, out);
    default: return 0;
    }
}
