/*
 * The lab: a virtual world on one thread. Time stands still while a handler runs and jumps from
 * event to event in lab_step(). Events are deliveries, wake-ups, answers to name questions, and the
 * timers of every loop. Order: by time; at one time wake-ups first, then timers in the order in which
 * they were started, whatever their loop, then the others first in, first out. Every random draw comes
 * from one source that the seed determines, so the whole course of a world is a function of its seed
 * and of the calls made.
 *
 * It does not depend on how many loops share the work either: what one loop hands to another is taken
 * up at once, as if the first had done it itself, and sockets that share an address count as one.
 *
 * A loop's timer wheel follows the clock, but never past its first due timer: that one must fire in
 * an event of its own loop.
 */
#include "io/lab_world.h"

#include "base/error.h"
#include "base/memory.h"

#define LAB_EPOCH_US 1767225600000000u /* wall clock at virtual time 0: 2026-01-01T00:00:00Z */

/* ---- loops ---- */

void lab_loop_enter(struct lab_loop *loop)
{
    lab_of(loop->base.io)->running = loop;
    loop->base.cause = NULL;
}

void lab_loop_leave(struct lab_loop *loop)
{
    loop_call(&loop->base, loop->base.handlers.idle);
    lab_of(loop->base.io)->running = NULL;
}

void lab_loop_want_idle(struct lab_loop *loop)
{
    struct lab *lab = lab_of(loop->base.io);
    if (lab->running != loop && !loop->idle.is_queued)
        lab_queue_push(&lab->queue, &loop->idle, lab->now_us);
}

static void run_idle(struct lab_event *event)
{
    struct lab_loop *loop = CONTAINER_OF(event, struct lab_loop, idle);
    if (!loop->is_running)
        return;
    lab_loop_enter(loop);
    lab_loop_leave(loop);
}

static void run_wake(struct lab_event *event)
{
    struct lab_loop *loop = CONTAINER_OF(event, struct lab_loop, wake);
    if (!loop->is_running)
        return; /* stays pending until the loop is started */
    loop->wake_is_pending = false;
    lab_loop_enter(loop);
    loop_call(&loop->base, loop->base.handlers.wake);
    lab_loop_leave(loop);
}

static void drop_nothing(struct lab_event *event)
{
    (void)event; /* embedded in its loop */
}

static void lab_loop_wake(struct loop *base)
{
    struct lab_loop *loop = (struct lab_loop *)base;
    struct lab *lab = lab_of(base->io);
    loop->wake_is_pending = true;
    if (loop->is_running && !loop->wake.is_queued)
        lab_queue_push(&lab->queue, &loop->wake, lab->now_us);
}

static void loop_destructor(void *object)
{
    struct lab_loop *loop = object;
    struct lab *lab = lab_of(loop->base.io);
    engine_check(loop->sockets == 0);
    lab_answers_release(loop);
    lab_queue_remove(&lab->queue, &loop->wake);
    lab_queue_remove(&lab->queue, &loop->idle);
    list_remove(&loop->link);
}

static int lab_loop_create(struct loop **loopp, struct io *io, const char *name)
{
    (void)name; /* there is no thread to name */
    struct lab *lab = lab_of(io);
    struct lab_loop *loop = memory_alloc(sizeof *loop, loop_destructor);
    if (!loop)
        return ERROR_MEMORY;
    loop->base.world = &lab_world;
    loop->base.io = io;
    loop->base.now_us = lab->now_us;
    timers_init(&loop->base.timers, lab->now_us / 1000);
    loop->base.timers.order = &lab->timer_order;
    loop->wake.run = run_wake;
    loop->wake.is_wake = true;
    loop->idle.run = run_idle;
    loop->wake.drop = loop->idle.drop = drop_nothing;
    list_append(&lab->loops, &loop->link);
    *loopp = &loop->base;
    return 0;
}

static int lab_loop_start(struct loop *base)
{
    struct lab_loop *loop = (struct lab_loop *)base;
    struct lab *lab = lab_of(base->io);
    loop->is_running = true;
    if (loop->wake_is_pending)
        lab_loop_wake(base);
    LIST_FOR_EACH (link, &lab->sockets) {
        struct lab_udp *udp = CONTAINER_OF(link, struct lab_udp, link);
        if (udp->base.loop == base)
            lab_udp_empty_inbox(udp);
    }
    return 0;
}

static int lab_loop_run(struct loop *base)
{
    (void)base;
    return ERROR_STATE;
}

static void lab_loop_stop(struct loop *base)
{
    struct lab_loop *loop = (struct lab_loop *)base;
    loop->is_running = false;
}

static void lab_loop_join(struct loop *base)
{
    (void)base;
}

static uint64_t lab_loop_clock_us(const struct loop *base)
{
    return lab_of(base->io)->now_us;
}

/* ---- time ---- */

/* When the timers of @p loop want to be looked at, in microseconds. */
static uint64_t next_timer_us(const struct lab_loop *loop)
{
    uint64_t next_ms = timers_next_ms(&loop->base.timers);
    return next_ms >= UINT64_MAX / 1000 ? UINT64_MAX : next_ms * 1000;
}

static uint64_t first_timer_us(const struct lab *lab)
{
    uint64_t first_us = UINT64_MAX;
    LIST_FOR_EACH (link, &lab->loops) {
        struct lab_loop *loop = CONTAINER_OF(link, struct lab_loop, link);
        uint64_t next_us = loop->is_running ? next_timer_us(loop) : UINT64_MAX;
        if (next_us < first_us)
            first_us = next_us;
    }
    return first_us;
}

/* One timer, the one that was started first of all that are due; none when a wheel only turns. */
static void run_timer(struct lab *lab)
{
    struct lab_loop *first = NULL;
    struct timer *timer = NULL;
    LIST_FOR_EACH (link, &lab->loops) {
        struct lab_loop *loop = CONTAINER_OF(link, struct lab_loop, link);
        bool is_time = loop->is_running && next_timer_us(loop) <= lab->now_us;
        struct timer *due = is_time ? timers_due(&loop->base.timers, lab->now_us / 1000) : NULL;
        if (due && (!timer || (int32_t)(due->order - timer->order) < 0)) {
            timer = due;
            first = loop;
        }
    }
    if (!timer)
        return;
    lab_loop_enter(first);
    timers_fire(&first->base.timers, timer);
    lab_loop_leave(first);
}

static void move_clock(struct lab *lab, uint64_t now_us)
{
    if (now_us < lab->now_us)
        return;
    lab->now_us = now_us;
    LIST_FOR_EACH (link, &lab->loops) {
        struct lab_loop *loop = CONTAINER_OF(link, struct lab_loop, link);
        loop->base.now_us = now_us;
        struct timers *timers = &loop->base.timers;
        uint64_t now_ms = now_us / 1000, next_ms = timers_next_ms(timers);
        uint64_t to_ms = next_ms > now_ms ? now_ms : next_ms - 1;
        if (!timers->due.first && to_ms > timers->now_ms)
            timers_advance(timers, to_ms);
    }
}

bool lab_step(struct io *io, uint64_t until_us)
{
    struct lab *lab = lab_of(io);
    if (!engine_check(!lab->running))
        return false; /* a handler may not step the world that runs it */
    uint64_t timer_us = first_timer_us(lab);
    const struct lab_event *event = lab->queue.root;
    uint64_t event_us = event ? event->time_us : UINT64_MAX;
    uint64_t next_us = timer_us < event_us ? timer_us : event_us;
    if (next_us == UINT64_MAX || next_us > until_us) {
        if (until_us != UINT64_MAX)
            move_clock(lab, until_us);
        return false;
    }
    move_clock(lab, next_us);
    if (timer_us < event_us || (timer_us == event_us && !event->is_wake)) {
        run_timer(lab);
    } else {
        struct lab_event *due = lab_queue_pop(&lab->queue);
        due->run(due);
    }
    return true;
}

uint64_t lab_now_us(const struct io *io)
{
    return lab_of(io)->now_us;
}

static uint64_t lab_wall_us(const struct io *io)
{
    return LAB_EPOCH_US + lab_of(io)->now_us;
}

/* ---- world ---- */

static void lab_seed_random(struct io *io, struct random *random)
{
    *random = lab_of(io)->source;
}

static void lab_destructor(void *object)
{
    struct lab *lab = object;
    engine_check(lab->loops.count == 0 && lab->sockets.count == 0);
    for (struct lab_event *event; (event = lab_queue_pop(&lab->queue));)
        event->drop(event);
    lab_names_release(lab);
    lab_heal_links(&lab->base);
    hash_table_release(&lab->ports);
}

int io_lab_create(struct io **iop, uint64_t seed)
{
    struct lab *lab = memory_alloc(sizeof *lab, lab_destructor);
    if (!lab)
        return ERROR_MEMORY;
    lab->base.world = &lab_world;
    struct random seeds;
    random_seed(&seeds, seed);
    random_seed(&lab->network, random_u64(&seeds));
    lab->key = (struct hash_key){random_u64(&seeds), random_u64(&seeds)};
    random_seed(&lab->source, random_u64(&seeds));
    lab->source.shared = &lab->drawn;
    *iop = &lab->base;
    return 0;
}

void lab_set_impairment(struct io *io, const struct lab_impairment *impairment)
{
    lab_of(io)->impairment = *impairment;
}

void lab_set_tap(struct io *io, lab_tap *tap, void *arg)
{
    lab_of(io)->tap = tap;
    lab_of(io)->tap_arg = arg;
}

size_t lab_open_sockets(const struct io *io)
{
    return lab_of(io)->sockets.count;
}

const struct world lab_world = {
    .is_virtual = true,
    .wall_us = lab_wall_us,
    .seed_random = lab_seed_random,
    .loop_create = lab_loop_create,
    .loop_start = lab_loop_start,
    .loop_run = lab_loop_run,
    .loop_stop = lab_loop_stop,
    .loop_join = lab_loop_join,
    .loop_wake = lab_loop_wake,
    .loop_clock_us = lab_loop_clock_us,
    .loop_resolve = lab_loop_resolve,
    .udp_open = lab_udp_open,
    .udp_start = lab_udp_start,
    .udp_send = lab_udp_send,
    .udp_queue = lab_udp_queue,
    .udp_flush = lab_udp_flush,
    .udp_kernel_drops = lab_udp_kernel_drops,
    .udp_send_failures = lab_udp_send_failures,
    .udp_close = lab_udp_close,
};
