/* The edits that every hop makes to a request (RFC 3261 s16.6 3, 4, 8), stateful or not. */
#include "route/topology.h"

/* received and rport into the Via of the one who sent us the request (s18.2.1, RFC 3581). */
static int edit_received(struct message *request, struct edits *edits)
{
    struct header_view view = {0};
    struct text value = message_via_with_source(request);
    if (!text_is_set(value) || !edits_header(edits, HEADER_VIA, TEXT_NONE, &view))
        return 0;
    return edits_replace(edits, &view, value);
}

static int edit_max_forwards(struct response_context *context, struct edits *edits)
{
    int left = message_max_forwards(context->request);
    uint64_t value =
        left > 0 ? (uint64_t)left - 1 : context->proxy->options.settings->limits_max_forwards;
    return edits_set_number(edits, HEADER_MAX_FORWARDS, value);
}

/* The names that its receiver knows, before any other edit. */
static __attribute__((cold)) int edit_names(struct response_context *context, struct edits *edits)
{
    int error = identity_request(context, edits);
    return error ? error : asserted_request(context, edits);
}

/* What ties it to its call, behind all others. */
static __attribute__((cold)) int edit_ties(struct response_context *context, struct edits *edits,
                                           const struct listener *out)
{
    int error = session_timer_request(context, edits);
    if (!error)
        error = cseq_request(context, edits);
    if (!error)
        error = topology_request(context, edits, out);
    return error ? error : replaces_request(context, edits, out);
}

int hop_edit(struct response_context *context, struct edits *edits, const struct listener *out,
             struct text branch_id, unsigned breadth)
{
    struct buffer *scratch = &context->proxy->out;
    bool is_plain = context_is_plain(context, context->request, edits);
    int error = is_plain ? 0 : edit_names(context, edits);
    if (!error)
        error = edit_received(context->request, edits);
    if (!error)
        error = edit_max_forwards(context, edits);
    if (!error && breadth)
        error = edits_set_number(edits, HEADER_MAX_BREADTH, breadth);
    if (!error && context->wants_record_route && !topology_hides(context, out))
        error = record_route_add(context, edits, out);
    if (!error && !is_plain)
        error = edit_ties(context, edits, out);
    if (error)
        return error;
    buffer_clear(scratch);
    transport_print_via(scratch, context->proxy->options.transport, out, branch_id);
    return scratch->error ? scratch->error
                          : edits_prepend_line(edits, HEADER_VIA, buffer_text(scratch));
}
