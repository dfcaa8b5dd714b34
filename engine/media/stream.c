/* Making, agreeing on and closing one side of a stream. */
#include "media/stream.h"

#include "base/error.h"
#include "base/memory.h"
#include "media/call.h"
#include "media/relay.h"

static void destroy(void *object)
{
    struct media_side *side = object;
    engine_check(!side->rtp.udp && !side->rtcp.udp); /* closed where it was used */
}

int media_side_create(struct media_side **sidep, struct media_call *call, struct port_pool *pool,
                      unsigned index, bool of_caller)
{
    struct media_side *side = memory_alloc(sizeof *side, destroy);
    if (!side)
        return ERROR_MEMORY;
    side->call = call;
    side->thread = call->thread;
    side->pool = pool;
    side->index = (uint8_t)index;
    side->of_caller = of_caller;
    side->rtp.side = side->rtcp.side = side;
    struct udp_options options = {.dscp = (unsigned)media_setting(call->media, dscp_rtp),
                                  .batch = 1};
    int error = port_pool_open(pool, call->media->io, &options, &side->rtp.udp, &side->rtcp.udp,
                               &side->port);
    if (error) {
        memory_release(side);
        return error;
    }
    *sidep = side;
    return 0;
}

void media_side_close(struct media_side *side)
{
    if (!side->rtp.udp)
        return;
    udp_close(side->rtp.udp);
    udp_close(side->rtcp.udp);
    side->rtp.udp = side->rtcp.udp = NULL;
    port_pool_give(side->pool, side->port);
}

int media_side_start(struct media_side *side)
{
    struct loop *loop = side->thread->loop;
    int error = udp_start(side->rtp.udp, loop, relay_receive, NULL, &side->rtp);
    if (!error)
        error = udp_start(side->rtcp.udp, loop, relay_receive, NULL, &side->rtcp);
    return error;
}

const struct address *media_side_local(const struct media_side *side)
{
    return port_pool_local(side->pool);
}

/* An address of the other family cannot be sent to from this socket. */
static struct address reachable(const struct media_side *side, const struct address *address)
{
    bool is_same = address->sa.sa_family == media_side_local(side)->sa.sa_family;
    return is_same && address_port(address) ? *address : (struct address){0};
}

static void agree_component(struct component *component, const struct address *sdp_address,
                            const struct side_terms *terms, uint64_t window_end_ms)
{
    struct address expected = reachable(component->side, sdp_address);
    bool is_new = learn_start(&component->learn, &expected, (enum learn_mode)terms->learning,
                              terms->is_strict, window_end_ms);
    component->is_moved = false;
    if (!is_new && !terms->is_asymmetric)
        return; /* what was learned stays in use until packets say otherwise */
    pthread_mutex_lock(&component->side->thread->peers_lock);
    component->peer = expected;
    pthread_mutex_unlock(&component->side->thread->peers_lock);
    if (is_new)
        atomic_store_explicit(&component->is_learned, false, memory_order_relaxed);
}

void media_side_agree(struct media_side *side, struct media_side *other,
                      const struct side_terms *terms, uint64_t now_ms, uint64_t learn_ms)
{
    side->other = other;
    side->is_agreed = true;
    side->has_mux = terms->has_mux;
    side->is_opaque = terms->is_opaque;
    side->is_secure = terms->is_secure;
    side->has_dtls = terms->has_dtls;
    side->is_asymmetric = terms->is_asymmetric;
    side->host = terms->host;
    side->clocks = terms->clocks;
    side->events = terms->events;
    agree_component(&side->rtp, &terms->rtp, terms, now_ms + learn_ms);
    agree_component(&side->rtcp, &terms->rtcp, terms, now_ms + learn_ms);
}
