/* Reading what the media thread measures, while it measures; on the worker. */
#include "media/call.h"

#define READ(field) atomic_load_explicit(&(field), memory_order_relaxed)

static void read_peer(struct media_side *side, struct media_side_statistics *s)
{
    pthread_mutex_lock(&side->thread->peers_lock);
    s->peer = side->rtp.peer;
    pthread_mutex_unlock(&side->thread->peers_lock);
    s->is_learned = READ(side->rtp.is_learned);
}

/* A sender takes the payload types of who receives it, as a rule; else its own (RFC 3264 s6.1). */
static void read_codec(const struct media_side *side, const struct media_leg *leg,
                       const struct media_leg *other, unsigned i, struct media_side_statistics *s)
{
    struct text name = TEXT_NONE;
    uint8_t payload = READ(side->source.main_payload);
    if (s->packets && i < other->count)
        name = codec_name(&other->streams[i].codecs, payload);
    if (s->packets && !name.n && i < leg->count)
        name = codec_name(&leg->streams[i].codecs, payload);
    text_to_array(name, s->codec, sizeof s->codec);
}

static void read_side(const struct media_branch *branch, const struct media_leg *leg,
                      const struct media_leg *other, unsigned i, struct media_side_statistics *s)
{
    struct media_side *side = branch->streams[i].side;
    text_to_array(text_of(branch->interface->name), s->interface, sizeof s->interface);
    s->local = *media_side_local(side);
    address_set_port(&s->local, side->port);
    s->expected = i < leg->count ? leg->streams[i].rtp : (struct address){0};
    read_peer(side, s);
    s->packets = READ(side->source.packets);
    s->bytes = READ(side->source.bytes);
    read_codec(side, leg, other, i, s);
    s->rtcp_packets = READ(side->reports.packets);
    s->strangers = READ(side->strangers);
    s->dropped = READ(side->dropped);
    s->ssrc = READ(side->source.ssrc);
    s->lost = READ(side->source.lost);
    s->out_of_order = READ(side->source.out_of_order);
    s->duplicates = READ(side->source.duplicates);
    s->jitter_us = READ(side->source.jitter_us);
    s->reported_lost = READ(side->reports.reported_lost);
    s->reported_fraction = (uint8_t)READ(side->reports.reported_fraction);
    s->rtt_us = READ(side->reports.rtt_us);
}

static size_t read_leg(const struct media_call *call, const struct media_leg *leg,
                       struct media_stream_statistics *v, size_t most)
{
    size_t count = 0;
    for (unsigned i = 0; leg && i < leg->count && count < most; i++) {
        const struct media_branch *branch = leg->branch;
        if (i >= branch->count || i >= call->caller_branch.count || !branch->streams[i].side ||
            !call->caller_branch.streams[i].side)
            continue;
        struct media_stream_statistics *s = &v[count++];
        *s = (struct media_stream_statistics){.index = i};
        text_to_array(text_of(leg->streams[i].type), s->type, sizeof s->type);
        read_side(&call->caller_branch, &call->caller, leg, i, &s->caller);
        read_side(branch, leg, &call->caller, i, &s->callee);
    }
    return count;
}

size_t media_call_statistics(const struct media_call *call, struct media_stream_statistics *v,
                             size_t most)
{
    return read_leg(call, call->active, v, most);
}

size_t media_call_tag_statistics(const struct media_call *call, struct text callee_tag,
                                 struct media_stream_statistics *v, size_t most)
{
    return read_leg(call, media_leg_find(call, callee_tag), v, most);
}
