/*
 * Offer and answer (RFC 3264) as they pass: who are the two parties, what does the sender say, which
 * ports do they see. What the SDP becomes is plan.c's work. An offer only prepares; the answer to it is what changes where packets go,
 * so that an offer that is refused (488, or glare) leaves the call as it was.
 */
#include "media/negotiate.h"
#include "base/error.h"
#include "base/memory.h"
#include "media/codec.h"

/* Flags that speak of one message; remembered for its sender only. */
#define FLAGS_OF_SENDER (FLAG_SIP_SOURCE_ADDRESS | FLAG_ASYMMETRIC | FLAG_MUX_ALL)

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
    int error = sdp_parse(&x->sdp, &x->arena, x->request->sdp,
                          media_setting(call->media, media_limits_streams));
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
        said->events = codec_events(&map);
        codec_names_read(&said->codecs, &map);
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
        error = media_plan_and_print(x, out);
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
    error = media_plan_and_print(x, out);
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
