/* Bodies on their way from one leg to the other; SDP goes through the relay of the call, if it has one. */
#include "route/body.h"
#include "route/bridge_parts.h"

static struct text type_of(const struct message *message)
{
    const struct header *header = message_header(message, HEADER_CONTENT_TYPE);
    return header ? header->value : TEXT_NONE;
}

bool bridge_has_sdp(const struct message *message)
{
    return body_find_sdp(message->body, type_of(message)).n > 0;
}

int bridge_body(struct bridge *bridge, struct bridge_fork *fork, struct message *message,
                bool from_caller, bool is_offer, struct buffer *out, struct text *content_type)
{
    struct text body = message->body, sdp = body_find_sdp(body, type_of(message));
    struct media_call *call = call_media_of(bridge->dialog, is_offer && sdp.n);
    *content_type = body.n ? type_of(message) : TEXT_NONE;
    if (!text_is_set(*content_type))
        return 0; /* what it is, nobody could tell the other side */
    bool is_kept = bridge->origin && !from_caller; /* it must be one session to the first party */
    if (!sdp.n || (!call && !bridge->origin)) {
        buffer_append(out, body);
        return out->error;
    }
    struct buffer made = {0}, *to = is_kept ? &made : out;
    bool is_cut = bridge->origin && from_caller && !is_offer;
    const struct media_sdp_request request = {
        .sdp = is_cut ? bridge_description_cut(bridge, sdp) : sdp,
        .from_caller = from_caller,
        .callee_tag = fork ? bridge_media_tag(fork) : TEXT_NONE,
        .branch = fork ? fork->media_branch : 0,
        .flags = fork && is_offer && !from_caller ? fork->media_flags : NULL,
        .received_from = message->source.peer,
    };
    buffer_append(out, text_span(body.p, sdp.p));
    int error = 0;
    if (!call)
        buffer_append(to, request.sdp);
    else
        error =
            is_offer ? media_call_offer(call, &request, to) : media_call_answer(call, &request, to);
    if (is_kept && !error)
        error = made.error;
    if (is_kept)
        bridge_description_append(bridge, is_offer, buffer_text(&made), out);
    buffer_release(&made);
    buffer_append(out, text_span(sdp.p + sdp.n, body.p + body.n));
    return error ? error : out->error;
}
