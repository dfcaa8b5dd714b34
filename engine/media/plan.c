/*
 * What the other party is to read: which of our addresses and ports, whether rtcp-mux, which
 * profile. One plan for each m= line; sdp_rewrite.c prints them.
 */
#include "base/error.h"
#include "media/negotiate.h"

/* ---- rtcp-mux (RFC 5761 s5.1) ---- */

/* @return whether to print a=rtcp-mux to the receiver */
static bool offer_mux(struct passage *x, size_t i)
{
    uint8_t *exchange = &x->exchange[i];
    bool is_offered = x->sdp.media[i].rtcp_mux;
    bool is_printed = x->bits & (FLAG_MUX_OFFER | FLAG_MUX_REQUIRE) ||
                      (is_offered && !(x->bits & (FLAG_MUX_DEMUX | FLAG_MUX_REJECT)));
    if (is_offered)
        *exchange |= EXCHANGE_MUX_OFFERED;
    if (is_offered && x->bits & FLAG_MUX_REJECT)
        *exchange |= EXCHANGE_MUX_REJECT;
    else if (x->bits & (FLAG_MUX_DEMUX | FLAG_MUX_ACCEPT))
        *exchange |= EXCHANGE_MUX_ACCEPT;
    if (is_printed)
        *exchange |= EXCHANGE_MUX_PRINTED;
    if (x->bits & FLAG_MUX_REQUIRE)
        *exchange |= EXCHANGE_MUX_REQUIRED;
    return is_printed;
}

/* The sender answers what it was offered; the receiver gets an answer to what it had offered. */
static bool answer_mux(struct passage *x, size_t i)
{
    /* The offer is remembered with the callee's branch, whoever made it. */
    const struct media_branch *branch =
        x->request->from_caller ? x->receiver_branch : x->sender_branch;
    uint8_t exchange = branch->streams[i].exchange;
    uint32_t explicit_bits = x->request->flags ? x->request->flags->bits : 0;
    bool by_sender = (exchange & EXCHANGE_MUX_PRINTED && x->sdp.media[i].rtcp_mux) ||
                     exchange & EXCHANGE_MUX_REQUIRED;
    bool is_accepted = by_sender || exchange & EXCHANGE_MUX_ACCEPT ||
                       explicit_bits & (FLAG_MUX_ACCEPT | FLAG_MUX_DEMUX);
    bool is_refused = exchange & EXCHANGE_MUX_REJECT || explicit_bits & FLAG_MUX_REJECT;
    x->exchange[i] = exchange;
    x->said[i].has_mux = by_sender;
    return exchange & EXCHANGE_MUX_OFFERED && is_accepted && !is_refused;
}

/* ---- profile ---- */

/* @return 0 or ERROR_UNSUPPORTED: only SRTP could do what is asked */
static int plan_protocol(const struct passage *x, size_t i, struct sdp_media_plan *plan)
{
    enum sdp_protocol from = x->sdp.media[i].protocol, to = SDP_OTHER;
    if (!x->is_offer)
        to = (enum sdp_protocol)x->receiver->streams[i].protocol; /* what it had offered */
    else if (x->is_own)
        to = (enum sdp_protocol)x->flags->protocol;
    if (from == SDP_OTHER || to == SDP_OTHER || from == to || plan->is_rejected)
        return 0;
    if (!sdp_protocol_is_plain(from) || !sdp_protocol_is_plain(to))
        return x->is_offer ? ERROR_UNSUPPORTED : 0;
    plan->protocol = text_of(sdp_protocol_name(to));
    plan->drops_feedback = to == SDP_AVP;
    return 0;
}

/* ---- what the receiver reads ---- */

/* Our address towards the receiver; a rejected m= line has none of its own. */
static int plan_address(struct passage *x, size_t i, const struct media_side *side,
                        struct sdp_media_plan *plan)
{
    const struct media_interface *interface = x->receiver_branch->interface;
    int family = sdp_connection_of(&x->sdp, &x->sdp.media[i])->family;
    const struct address *local =
        side ? media_side_local(side)
             : port_pool_local(media_pool(x->call->media, interface, family));
    char scratch[ADDRESS_TEXT_BYTES];
    struct text printed = media_advertised(interface, local, scratch);
    plan->is_ipv6 = address_is_ipv6(local);
    if (x->is_own && address_is_set(&x->flags->media_address)) {
        printed = address_print_host(&x->flags->media_address, scratch);
        plan->is_ipv6 = address_is_ipv6(&x->flags->media_address);
    }
    plan->address = arena_copy(&x->arena, printed);
    return text_is_set(plan->address) ? 0 : ERROR_MEMORY;
}

static int plan_media(struct passage *x, size_t i)
{
    struct sdp_media_plan *plan = &x->plans[i];
    const struct media_side *side = x->receiver_branch->streams[i].side;
    bool is_carried = side && x->sender_branch->streams[i].side && x->said[i].is_live;
    plan->is_rejected = !is_carried || (!x->is_offer && !x->receiver->streams[i].is_live);
    plan->drops_attributes = !x->sdp.media[i].is_relayable;
    bool prints_mux = x->is_offer ? offer_mux(x, i) : answer_mux(x, i);
    plan->rtcp_mux = prints_mux && x->sdp.media[i].protocol != SDP_OTHER && !plan->is_rejected;
    if (side) {
        /* Until an answer accepts it, rtcp-mux needs the other port to fall back to. */
        bool is_single = x->is_offer ? x->exchange[i] & EXCHANGE_MUX_REQUIRED : plan->rtcp_mux;
        plan->port = side->port;
        plan->rtcp_port = (uint16_t)(side->port + !is_single);
    }
    int error = plan_protocol(x, i, plan);
    return error ? error : plan_address(x, i, side, plan);
}

static int plan_origin(struct passage *x, struct sdp_plan *plan)
{
    if (x->bits & FLAG_KEEP_ORIGIN)
        return 0;
    const struct media_interface *interface = x->receiver_branch->interface;
    const struct media_side *side = NULL;
    for (size_t i = 0; !side && i < x->sdp.media_count; i++)
        side = x->receiver_branch->streams[i].side;
    const struct address *local =
        side ? media_side_local(side)
             : port_pool_local(media_pool(x->call->media, interface, AF_INET));
    char scratch[ADDRESS_TEXT_BYTES];
    plan->origin = arena_copy(&x->arena, media_advertised(interface, local, scratch));
    plan->origin_is_ipv6 = address_is_ipv6(local);
    return text_is_set(plan->origin) ? 0 : ERROR_MEMORY;
}

/* Codec flags shape offers; an answer only when they were said with it. */
static const struct media_flags *codec_flags(const struct passage *x)
{
    return x->is_offer ? x->flags : x->request->flags;
}

int media_plan_and_print(struct passage *x, struct buffer *out)
{
    struct sdp_plan plan = {
        .prints_zero = !(x->bits & FLAG_ZERO_ADDRESS),
        .no_rtcp_attribute = x->bits & FLAG_NO_RTCP_ATTRIBUTE,
        .full_rtcp_attribute = x->bits & FLAG_FULL_RTCP_ATTRIBUTE,
        .codecs = codec_flags(x),
        .media = x->plans,
    };
    for (size_t i = 0; i < x->sdp.media_count; i++) {
        int error = plan_media(x, i);
        if (error)
            return error;
    }
    int error = plan_origin(x, &plan);
    if (error)
        return error;
    sdp_rewrite(&x->sdp, &plan, out);
    return out->error;
}
