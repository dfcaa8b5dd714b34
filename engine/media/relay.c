/*
 * A datagram's way: is it RTP or RTCP -> is its sender the peer, or may it become the peer -> count
 * it -> the other side's port -> out. Nothing is allocated, no lock is taken unless a peer's address
 * changes, and the bytes are never written to.
 */
#include "media/relay.h"

#include "base/memory.h"
#include "media/call.h"

static void add(_Atomic uint64_t *value, uint64_t n)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* @return what the relay takes the datagram for; RTP_NEITHER: drop it */
static enum rtp_kind kind_of(const struct component *component, struct text bytes)
{
    const struct media_side *side = component->side;
    if (side->is_opaque)
        return bytes.n ? RTP_PACKET : RTP_NEITHER;
    enum rtp_kind kind = rtp_classify(bytes);
    if (kind == RTP_DTLS)
        return side->has_dtls ? kind : RTP_NEITHER;
    if (component == &side->rtcp && kind == RTP_PACKET)
        return RTP_NEITHER;
    return kind;
}

/* Follow the peer to @p source. */
static void move_peer(struct component *component, const struct address *source)
{
    struct media_side *side = component->side;
    bool is_elsewhere = !address_is_set(&component->learn.expected) ||
                        !address_equal(source, &component->learn.expected);
    /* A party on hold by 0.0.0.0 wants nothing sent (RFC 3264 s8.4): it has no peer address. */
    if (!side->is_asymmetric && address_is_set(&component->peer) && is_elsewhere) {
        pthread_mutex_lock(&side->thread->peers_lock);
        component->peer = *source;
        pthread_mutex_unlock(&side->thread->peers_lock);
    }
    atomic_store_explicit(&component->is_learned, true, memory_order_relaxed);
    if (is_elsewhere && component == &side->rtp) {
        component->is_moved = true;
        media_call_peer_moved(side->call);
    }
}

/* RTCP on the RTP port of a party without rtcp-mux tells nothing about where its RTP comes from. */
static bool is_from_peer(struct component *component, enum rtp_kind kind,
                         const struct address *source, uint64_t now_ms)
{
    struct media_side *side = component->side;
    if (kind == RTP_CONTROL && component == &side->rtp && !side->has_mux)
        return learn_is_peer(&component->learn, source);
    switch (learn_packet(&component->learn, source, &side->host, now_ms)) {
    case LEARN_DROP: return false;
    case LEARN_PASS: break;
    case LEARN_MOVED: move_peer(component, source); break;
    }
    return true;
}

/* Measure; @p other gets the packet. */
static void measure(struct media_side *side, struct media_side *other, enum rtp_kind kind,
                    struct text bytes, uint64_t now_us)
{
    if (kind == RTP_PACKET && !side->is_opaque) {
        rtp_source_packet(&side->source, bytes, &side->clocks, now_us);
    } else if (kind != RTP_CONTROL) {
        add(&side->source.packets, 1);
        add(&side->source.bytes, bytes.n);
    } else {
        struct rtcp_report report = {.is_sender_report = false};
        if (!side->is_secure)
            rtcp_parse(&report, bytes);
        rtcp_source_packet(&side->reports, &report, now_us);
        if (other)
            rtcp_source_sent(&other->reports, &report, now_us);
    }
}

/* Where somebody wants to hear of them; SRTP is opaque to us. */
static bool is_telephone_event(const struct media_side *side, struct text bytes)
{
    uint8_t payload = (uint8_t)bytes.p[1] & 0x7f;
    return side->events && payload >= RTP_DYNAMIC && side->events >> (payload - RTP_DYNAMIC) & 1 &&
           !side->is_secure && !side->is_opaque &&
           atomic_load_explicit(&side->call->is_dtmf_awaited, memory_order_relaxed);
}

/* Out of the other side. */
static void forward(struct media_side *side, struct media_side *other, enum rtp_kind kind,
                    struct text bytes)
{
    struct counters *counters = &side->thread->counters;
    struct component *out = kind == RTP_CONTROL && other && !other->has_mux ? &other->rtcp
                            : other                                         ? &other->rtp
                                                                            : NULL;
    if (!out || !out->udp || !address_is_set(&out->peer)) {
        add(&side->dropped, 1);
        counter_count(counters, COUNTER_MEDIA_NO_PEER);
        return;
    }
    if (udp_send(out->udp, &out->peer, bytes)) {
        counter_count(counters, COUNTER_MEDIA_SEND_FAILED);
        return;
    }
    counter_count(counters, COUNTER_MEDIA_FORWARDED);
    counter_add(counters, COUNTER_MEDIA_FORWARDED_BYTES, bytes.n);
}

static void receive(struct component *component, const struct datagram *datagram)
{
    struct media_side *side = component->side;
    struct counters *counters = &side->thread->counters;
    if (!side->is_agreed) { /* nobody may be learned before signalling says who is expected */
        counter_count(counters, COUNTER_MEDIA_NO_PEER);
        return;
    }
    enum rtp_kind kind = kind_of(component, datagram->bytes);
    if (kind == RTP_NEITHER) {
        counter_count(counters, COUNTER_MEDIA_NOT_RTP);
        return;
    }
    struct loop *loop = side->thread->loop;
    uint64_t now_us = loop_now_us(loop);
    if (!is_from_peer(component, kind, datagram->source, loop_now_ms(loop))) {
        add(&side->strangers, 1);
        counter_count(counters, COUNTER_MEDIA_STRANGER);
        return;
    }
    media_call_alive(side->call, now_us / 1000);
    measure(side, side->other, kind, datagram->bytes, now_us);
    if (kind == RTP_PACKET && is_telephone_event(side, datagram->bytes))
        media_call_telephone_event(side, datagram->bytes, now_us / 1000);
    forward(side, side->other, kind, datagram->bytes);
}

/*
 * The first packets of a call may come while the command that says where they go still waits behind
 * them. @p side is kept: a command may close it.
 */
static void catch_up(struct component *component, const struct datagram *v, size_t count)
{
    struct media_side *side = memory_ref(component->side);
    media_thread_run(side->thread);
    for (size_t i = 0; i < count && component->udp; i++)
        receive(component, &v[i]);
    memory_release(side);
}

void relay_receive(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct component *component = arg;
    const struct media_side *side = component->side;
    (void)udp;
    if (!side->other && atomic_load_explicit(&side->thread->queue, memory_order_relaxed)) {
        catch_up(component, v, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        receive(component, &v[i]);
}
