/*
 * The media thread's half of a call: its open sides, and one timer that knows when the call has
 * been silent for too long. The timer is not restarted by packets, which only note the time: when
 * it runs out it looks at that note and sleeps for the rest. A call costs no sweep.
 */
#include "media/agree.h"

#include "base/error.h"
#include "base/memory.h"

#include <inttypes.h>

const char *media_event_name(enum media_event_kind kind)
{
    static const char *const names[] = {"timeout", "learned", "dtmf"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

static void on_timer(void *arg);

static void start_timer(struct media_call *call, uint64_t delay_ms)
{
    timer_start(loop_timers(call->thread->loop), &call->timer, delay_ms, on_timer, call);
}

/* ---- events ---- */

static void destroy_event(void *object)
{
    memory_release(((struct media_event *)object)->call);
}

/* @return false when the mailbox is full or there is no memory */
static bool post_event(struct media_call *call, const struct media_event *filled)
{
    if (!call->mailbox.post)
        return true;
    struct media_event *event = memory_alloc(sizeof *event, destroy_event);
    if (!event)
        return false;
    *event = *filled;
    event->call = memory_ref(call);
    if (call->mailbox.post(call->mailbox.arg, event))
        return true;
    memory_release(event);
    return false;
}

static void tell_moved(struct media_side *side)
{
    struct media_call *call = side->call;
    struct media_event event = {
        .kind = MEDIA_EVENT_LEARNED,
        .of_caller = side->of_caller,
        .stream = side->index,
        .expected = side->rtp.learn.expected,
        .peer = side->rtp.learn.source,
    };
    char peer[ADDRESS_TEXT_BYTES], expected[ADDRESS_TEXT_BYTES] = "nothing";
    address_print(&event.peer, peer);
    if (address_is_set(&event.expected))
        address_print(&event.expected, expected);
    log_info(call->media->log, LOG_MEDIA, media_call_id(call),
             "stream %u: %s sends from %s, its SDP says %s", event.stream,
             side->of_caller ? "caller" : "callee", peer, expected);
    side->rtp.is_moved = false;
    post_event(call, &event); /* news, not state: a full mailbox loses it */
}

void media_call_peer_moved(struct media_call *call)
{
    if (call->has_moved)
        return;
    call->has_moved = true;
    start_timer(call, 1);
}

/* Faster than anybody dials (40 ms of tone, 40 ms of pause) it is a flood: the rest is not told. */
#define DTMF_LEAST_MS 40

void media_call_telephone_event(struct media_side *side, struct text bytes, uint64_t now_ms)
{
    struct media_call *call = side->call;
    struct counters *counters = &call->thread->counters;
    struct dtmf_digit digit;
    if (!dtmf_packet(&side->dtmf, bytes, &digit))
        return;
    uint32_t hz = rtp_clock_of(&side->clocks, (uint8_t)bytes.p[1] & 0x7f);
    const struct media_event event = {
        .kind = MEDIA_EVENT_DTMF,
        .of_caller = side->of_caller,
        .stream = side->index,
        .digit = digit.digit,
        .duration_ms = (uint32_t)(digit.duration * UINT64_C(1000) / (hz ? hz : 8000)),
    };
    if (now_ms < side->dtmf_quiet_ms || !post_event(call, &event)) {
        counter_count(counters, COUNTER_MEDIA_DTMF_DROPPED);
        return;
    }
    side->dtmf_quiet_ms = now_ms + DTMF_LEAST_MS;
    counter_count(counters, COUNTER_MEDIA_DTMF);
}

/* ---- silence ---- */

static uint64_t patience_ms(const struct media_call *call)
{
    const struct media *media = call->media;
    switch ((enum media_phase)call->phase) {
    case MEDIA_OFFERED: return media_setting(media, media_limits_offer_timeout_s) * 1000;
    case MEDIA_HELD: return media_setting(media, media_limits_silent_timeout_s) * 1000;
    case MEDIA_TALKING: break;
    }
    return media_setting(media, media_limits_timeout_s) * 1000;
}

static void end_by_timeout(struct media_call *call, uint64_t silent_ms)
{
    if (!atomic_exchange_explicit(&call->is_ended, true, memory_order_release)) {
        counter_count(&call->thread->counters, COUNTER_MEDIA_TIMEOUT);
        log_info(call->media->log, LOG_MEDIA, media_call_id(call),
                 "no packet for %" PRIu64 " s: media ended", silent_ms / 1000);
        media_call_shut(call);
    }
    struct media_event event = {.kind = MEDIA_EVENT_TIMEOUT};
    if (!post_event(call, &event))
        start_timer(call, 1000); /* the worker must hear of it */
}

static void on_timer(void *arg)
{
    struct media_call *call = arg;
    if (call->has_moved) {
        call->has_moved = false;
        LIST_FOR_EACH (link, &call->sides) {
            struct media_side *side = CONTAINER_OF(link, struct media_side, link);
            if (side->rtp.is_moved)
                tell_moved(side);
        }
    }
    uint64_t silent_ms = loop_now_ms(call->thread->loop) - call->alive_ms;
    uint64_t patience = patience_ms(call);
    if (silent_ms >= patience)
        end_by_timeout(call, silent_ms);
    else
        start_timer(call, patience - silent_ms);
}

/* ---- sides ---- */

static void close_side(struct media_call *call, struct media_side *side)
{
    if (!list_contains(&side->link))
        return;
    LIST_FOR_EACH (link, &call->sides) {
        struct media_side *left = CONTAINER_OF(link, struct media_side, link);
        if (left->other == side)
            left->other = NULL;
    }
    list_remove(&side->link);
    media_side_close(side);
    memory_release(side);
}

void media_call_shut(struct media_call *call)
{
    call->is_shut = true;
    timer_stop(loop_timers(call->thread->loop), &call->timer);
    list_remove(&call->link);
    while (call->sides.first)
        close_side(call, CONTAINER_OF(call->sides.first, struct media_side, link));
}

static void open_side(struct media_call *call, struct media_side *side)
{
    int error = call->is_shut ? ERROR_STATE : media_side_start(side);
    if (error) {
        if (!call->is_shut)
            log_warning(call->media->log, LOG_MEDIA, media_call_id(call), "stream %u: %s",
                        side->index, error_text(error));
        media_side_close(side);
        return;
    }
    list_append(&call->sides, &side->link);
    memory_ref(side);
    if (!list_contains(&call->link))
        list_append(&call->thread->calls, &call->link);
}

static void apply(struct media_call *call, const struct agreement *a, uint64_t now_ms)
{
    if (a->kind == AGREEMENT_OPEN)
        open_side(call, a->side);
    else if (!list_contains(&a->side->link))
        return; /* closed meanwhile by a timeout */
    else if (a->kind == AGREEMENT_CLOSE)
        close_side(call, a->side);
    else if (a->kind == AGREEMENT_MUTE)
        a->side->other = NULL;
    else
        media_side_agree(a->side, list_contains(&a->other->link) ? a->other : NULL, &a->terms,
                         now_ms, media_setting(call->media, media_limits_learn_ms));
}

void media_run_agreements(struct media_thread *thread, struct command *command)
{
    struct agree_command *agree = CONTAINER_OF(command, struct agree_command, command);
    struct media_call *call = agree->call;
    call->alive_ms = loop_now_ms(thread->loop);
    for (unsigned i = 0; i < agree->count; i++)
        apply(call, &agree->v[i], call->alive_ms);
    if (agree->is_answer)
        call->phase = (uint8_t)agree->phase;
    if (!call->is_shut)
        start_timer(call, call->has_moved ? 1 : patience_ms(call));
    for (unsigned i = 0; i < agree->count; i++)
        memory_release(agree->v[i].side);
    memory_free_raw(agree);
}
