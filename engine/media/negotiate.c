/*
 * Offer and answer (RFC 3264) as they pass: who are the two parties, which ports do they see, what
 * does the SDP become. An offer only prepares; the answer to it is what changes where packets go,
 * so that an offer that is refused (488, or glare) leaves the call as it was.
 */
#include "base/error.h"
#include "base/memory.h"
#include "media/agree.h"
#include "media/codec.h"
#include "media/sdp_rewrite.h"

/* Flags that speak of one message; remembered for its sender only. */
#define FLAGS_OF_SENDER (FLAG_SIP_SOURCE_ADDRESS | FLAG_ASYMMETRIC | FLAG_MUX_ALL)

/* One SDP on its way through. */
struct passage {
    /* inputs */
    struct media_call *call;
    const struct media_sdp_request *request;
    bool is_offer;
    /* what it is about */
    struct sdp sdp;
    struct media_leg *sender, *receiver; /* receiver NULL: not known yet (first offer) */
    struct media_branch *sender_branch, *receiver_branch;
    const struct media_flags *flags; /* NULL: none were ever said */
    bool is_own;                     /* flags were said for this sender, not for the other */
    uint32_t bits;                   /* of flags, as far as they apply */
    /* verdicts */
    struct leg_stream *said;      /* by m= line */
    uint8_t *exchange;            /* enum exchange_bit by m= line */
    struct sdp_media_plan *plans; /* by m= line */
    struct media_opening opening;
    struct arena arena;
};

/* ---- who and how ---- */

static int take_flags(struct passage *x)
{
    struct media_call *call = x->call;
    bool from_caller = x->request->from_caller;
    if (x->request->flags) {
        int error = media_call_set_flags(call, x->request->flags, from_caller);
        if (error)
            return error;
    }
    x->is_own = call->flags[from_caller] != NULL;
    x->flags = call->flags[x->is_own ? from_caller : !from_caller];
    if (x->flags)
        x->bits = x->is_own ? x->flags->bits : x->flags->bits & ~(uint32_t)FLAGS_OF_SENDER;
    return 0;
}

/* The callee's leg and branch that this SDP is about; an offer may make them. */
static int find_callee(struct passage *x, struct media_leg **legp, struct media_branch **branchp)
{
    struct media_call *call = x->call;
    const struct media_sdp_request *request = x->request;
    bool has_tag = request->callee_tag.n != 0;
    *legp = has_tag ? media_leg_find(call, request->callee_tag) : NULL;
    *branchp = *legp ? (*legp)->branch : media_branch_find(call, request->branch);
    int error = 0;
    if (!*branchp)
        error = x->is_offer ? media_branch_create(branchp, call, request->branch) : ERROR_NOT_FOUND;
    if (!error && !*legp && !request->from_caller)
        error =
            has_tag ? media_leg_create(legp, call, *branchp, request->callee_tag) : ERROR_NOT_FOUND;
    /* What the caller calls an answer needs an offer of the callee: a PRACK may bring either. */
    if (!error && !x->is_offer && request->from_caller &&
        (!*legp || (*branchp)->was_offered_by_caller))
        error = ERROR_NOT_FOUND;
    return error;
}

static int find_parties(struct passage *x)
{
    struct media_call *call = x->call;
    struct media_leg *callee;
    struct media_branch *branch;
    int error = find_callee(x, &callee, &branch);
    if (error) {
        if (error == ERROR_LIMIT)
            media_call_count(call, COUNTER_MEDIA_LIMIT);
        return error;
    }
    bool from_caller = x->request->from_caller;
    x->sender = from_caller ? &call->caller : callee;
    x->receiver = from_caller ? callee : &call->caller;
    x->sender_branch = from_caller ? &call->caller_branch : branch;
    x->receiver_branch = from_caller ? branch : &call->caller_branch;
    return 0;
}

/* from= is the side of whoever the flags were said for; what was chosen once stays. */
static int choose_interface(struct passage *x, struct media_branch *branch)
{
    if (branch->interface)
        return 0;
    bool is_from = (branch == x->sender_branch) == x->is_own;
    const char *name = !x->flags ? "" : is_from ? x->flags->from : x->flags->to;
    branch->interface = name[0] ? media_find_interface(x->call->media, text_of(name))
                                : media_interface_at(x->call->media, 0);
    return branch->interface ? 0 : ERROR_NOT_FOUND;
}

static int reserve(struct passage *x)
{
    unsigned count = (unsigned)x->sdp.media_count;
    size_t some = count ? count : 1;
    x->said = arena_zalloc(&x->arena, some * sizeof *x->said);
    x->exchange = arena_zalloc(&x->arena, some);
    x->plans = arena_zalloc(&x->arena, some * sizeof *x->plans);
    if (!x->said || !x->exchange || !x->plans || media_leg_reserve(x->sender, count) ||
        (x->receiver && media_leg_reserve(x->receiver, count)) ||
        media_branch_reserve(x->sender_branch, count) ||
        media_branch_reserve(x->receiver_branch, count))
        return ERROR_MEMORY;
    return 0;
}

static int prepare(struct passage *x)
{
    struct media_call *call = x->call;
    if (media_call_is_closed(call))
        return ERROR_STATE;
    int error =
        sdp_parse(&x->sdp, &x->arena, x->request->sdp, call->media->settings.media_limits_streams);
    if (error == ERROR_LIMIT)
        media_call_count(call, COUNTER_MEDIA_LIMIT);
    if (!error)
        error = take_flags(x);
    if (!error)
        error = find_parties(x);
    if (!error)
        error = choose_interface(x, x->sender_branch);
    if (!error)
        error = choose_interface(x, x->receiver_branch);
    return error ? error : reserve(x);
}

/* ---- what the sender says ---- */

static struct address at_port(const struct address *host, uint32_t port)
{
    struct address address = {0};
    if (!address_is_set(host) || port == 0 || port > 65535)
        return address;
    address = *host;
    address_set_port(&address, (uint16_t)port);
    return address;
}

/*
 * Where the sender wants packets. A host name in c= is not looked up: its SIP source stands in for
 * it, as it does when the script says so.
 */
static const struct address *host_of(const struct passage *x, const struct sdp_connection *c)
{
    bool is_named = !address_is_set(&c->address);
    if (c->is_zero || (!is_named && !(x->bits & FLAG_SIP_SOURCE_ADDRESS)))
        return &c->address;
    return &x->request->received_from;
}

static void read_stream(struct passage *x, size_t i)
{
    const struct sdp_media *m = &x->sdp.media[i];
    const struct sdp_connection *c = sdp_connection_of(&x->sdp, m);
    struct leg_stream *said = &x->said[i];
    said->protocol = (uint8_t)m->protocol;
    said->is_live = m->port != 0 && m->is_relayable;
    said->is_held = m->direction != SDP_SENDRECV || c->is_zero;
    text_to_array(m->type, said->type, sizeof said->type);
    if (!said->is_live)
        return;
    const struct sdp_connection *rtcp = m->rtcp.is_present ? &m->rtcp : c;
    if (!c->is_zero) {
        said->rtp = at_port(host_of(x, c), m->port);
        said->rtcp = at_port(host_of(x, rtcp), m->has_rtcp ? m->rtcp_port : m->port + 1u);
    }
    if (m->protocol != SDP_OTHER) {
        struct codec_map map;
        codec_map_read(&map, &x->sdp, m);
        codec_clocks(&said->clocks, &map);
    }
}

/* ---- ports ---- */

static int open_side(struct passage *x, struct media_branch *branch, size_t i, int family)
{
    struct branch_stream *slot = &branch->streams[i];
    if (slot->side)
        return 0;
    struct media_call *call = x->call;
    struct port_pool *pool = media_pool(call->media, branch->interface, family);
    int error =
        media_side_create(&slot->side, call, pool, (unsigned)i, branch == &call->caller_branch);
    if (!error) {
        x->opening.slots[x->opening.count++] = slot;
        return 0;
    }
    if (error == ERROR_LIMIT)
        media_call_count(call, COUNTER_MEDIA_NO_PORT);
    log_error(call->media->log, LOG_MEDIA, media_call_id(call), "no port on interface %s: %s",
              branch->interface->name, error_text(error));
    return error;
}

/* Both parties' ports at once: better to refuse the offer than to fail at the answer. */
static int open_sides(struct passage *x)
{
    for (size_t i = 0; i < x->sdp.media_count; i++) {
        if (!x->said[i].is_live)
            continue;
        int family = sdp_connection_of(&x->sdp, &x->sdp.media[i])->family;
        int wanted = x->is_own && x->flags->family ? x->flags->family : family;
        int error = open_side(x, x->sender_branch, i, family);
        if (!error)
            error = open_side(x, x->receiver_branch, i, wanted);
        if (error)
            return error;
    }
    return 0;
}

static void close_opening(struct passage *x)
{
    for (unsigned i = 0; i < x->opening.count; i++) {
        struct branch_stream *slot = x->opening.slots[i];
        media_side_close(slot->side);
        slot->side = memory_release(slot->side);
    }
    x->opening.count = 0;
}

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

static int print(struct passage *x, struct buffer *out)
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

/* ---- commit ---- */

/* What the sender said is from now on what it wants; agreed mux is kept until the answer. */
static void commit_sender(struct passage *x)
{
    struct media_leg *sender = x->sender;
    for (unsigned i = 0; i < sender->count; i++) {
        bool is_said = i < x->sdp.media_count;
        bool had_mux = sender->streams[i].has_mux;
        sender->streams[i] = is_said ? x->said[i] : (struct leg_stream){.is_live = false};
        if (x->is_offer)
            sender->streams[i].has_mux = had_mux;
    }
    sender->host = x->request->received_from;
}

static void commit_offer(struct passage *x)
{
    commit_sender(x);
    struct media_branch *branch = x->request->from_caller ? x->receiver_branch : x->sender_branch;
    branch->was_offered_by_caller = x->request->from_caller;
    for (size_t i = 0; i < x->sdp.media_count; i++)
        branch->streams[i].exchange = x->exchange[i];
}

/* @return as media_agree(); on error what the parties said is as before */
static int commit_answer(struct passage *x)
{
    struct media_call *call = x->call;
    struct media_leg *callee = x->request->from_caller ? x->receiver : x->sender;
    size_t bytes = x->sender->count * sizeof *x->sender->streams;
    struct leg_stream *before = arena_alloc(&x->arena, bytes + 1);
    if (!before)
        return ERROR_MEMORY;
    if (bytes)
        memcpy(before, x->sender->streams, bytes);
    commit_sender(x);
    for (size_t i = 0; i < x->sdp.media_count; i++)
        x->receiver->streams[i].has_mux = x->plans[i].rtcp_mux;
    callee->is_answered = true;
    if (call->awaited && text_equal(text_of(call->awaited), text_of(callee->tag)))
        call->confirmed = callee;
    if (call->confirmed && call->confirmed != callee)
        return 0; /* another fork has the call */
    int error = media_agree(call, callee);
    if (error && bytes)
        memcpy(x->sender->streams, before, bytes);
    return error;
}

/* ---- the two entrances ---- */

static int pass_offer(struct passage *x, struct buffer *out)
{
    int error = prepare(x);
    if (error)
        return error;
    for (size_t i = 0; i < x->sdp.media_count; i++)
        read_stream(x, i);
    error = open_sides(x);
    if (!error)
        error = print(x, out);
    if (!error && x->opening.count)
        error = media_hand_over(x->call, &x->opening);
    if (error) {
        close_opening(x);
        return error;
    }
    commit_offer(x);
    return 0;
}

static int pass_answer(struct passage *x, struct buffer *out)
{
    int error = prepare(x);
    if (error)
        return error;
    for (size_t i = 0; i < x->sdp.media_count; i++)
        read_stream(x, i);
    error = print(x, out);
    return error ? error : commit_answer(x);
}

static int pass(struct media_call *call, const struct media_sdp_request *request, bool is_offer,
                struct buffer *out)
{
    struct passage x = {.call = call, .request = request, .is_offer = is_offer};
    size_t before = out->n;
    int error = is_offer ? pass_offer(&x, out) : pass_answer(&x, out);
    if (error)
        out->n = before;
    arena_reset(&x.arena);
    return error;
}

int media_call_offer(struct media_call *call, const struct media_sdp_request *request,
                     struct buffer *out)
{
    return pass(call, request, true, out);
}

int media_call_answer(struct media_call *call, const struct media_sdp_request *request,
                      struct buffer *out)
{
    return pass(call, request, false, out);
}
