/*
 * The real world: a libuv loop per thread.
 *
 * A batch is what happens between two sleeps. It begins with the first callback after a sleep, which
 * reads the clock once and runs the timers that are due; it ends in uv_prepare, where the wake and
 * idle handlers run and the one uv_timer is set to the wheel's next deadline.
 *
 * A wake-up costs a system call only when the loop may be asleep: the waker sets wake_is_pending and
 * then looks at may_sleep, the loop sets may_sleep and then looks at wake_is_pending, so that one of
 * the two sees the other.
 */
#include "io/uv_world.h"

#include "base/error.h"
#include "base/memory.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#define WAKE_ROUNDS_MAX 4 /* wake-ups served in a row before sockets have their turn */

/* ---- world ---- */

static void io_destructor(void *object)
{
    struct real_io *io = object;
    engine_check(io->shared_ports.count == 0);
    pthread_mutex_destroy(&io->lock);
}

int io_uv_create(struct io **iop)
{
    struct real_io *io = memory_alloc(sizeof *io, io_destructor);
    if (!io)
        return ERROR_MEMORY;
    io->base.world = &real_world;
    pthread_mutex_init(&io->lock, NULL);
    *iop = &io->base;
    return 0;
}

static uint64_t real_wall_us(const struct io *io)
{
    (void)io;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void real_seed_random(struct io *io, struct random *random)
{
    (void)io;
    random_seed_secret(random);
}

/* ---- a batch ---- */

static uint64_t real_loop_clock_us(const struct loop *loop)
{
    (void)loop;
    return uv_hrtime() / 1000;
}

void real_loop_enter(struct real_loop *loop)
{
    if (!loop->clock_is_stale)
        return;
    loop->clock_is_stale = false;
    atomic_store_explicit(&loop->may_sleep, false, memory_order_relaxed);
    loop->base.now_us = uv_hrtime() / 1000;
    timers_advance(&loop->base.timers, loop->base.now_us / 1000);
}

static void async_callback(uv_async_t *async)
{
    real_loop_enter(async->data); /* the end of the batch asks why we were woken */
}

static void timer_callback(uv_timer_t *timer)
{
    struct real_loop *loop = timer->data;
    loop->armed_ms = UINT64_MAX;
    real_loop_enter(loop);
}

/* A deadline that moved later is left alone: waking early once costs less than re-arming always. */
static void arm_timer(struct real_loop *loop)
{
    uint64_t next_ms = timers_next_ms(&loop->base.timers);
    if (next_ms >= loop->armed_ms)
        return;
    uint64_t now_ms = uv_now(&loop->uv);
    uv_timer_start(&loop->timer, timer_callback, next_ms > now_ms ? next_ms - now_ms : 0, 0);
    loop->armed_ms = next_ms;
}

static void prepare_callback(uv_prepare_t *prepare)
{
    struct real_loop *loop = prepare->data;
    real_loop_enter(loop);
    for (unsigned round = 1;; round++) {
        atomic_store_explicit(&loop->may_sleep, false, memory_order_relaxed);
        if (atomic_exchange(&loop->wake_is_pending, false))
            loop_call(&loop->base, loop->base.handlers.wake);
        loop_call(&loop->base, loop->base.handlers.idle);
        atomic_store(&loop->may_sleep, true);
        if (!atomic_load(&loop->wake_is_pending))
            break;
        if (round == WAKE_ROUNDS_MAX) {
            uv_async_send(&loop->async);
            break;
        }
    }
    if (loop->area)
        receive_area_trim(loop->area);
    arm_timer(loop);
    if (atomic_load(&loop->is_stopping))
        uv_stop(&loop->uv);
    loop->clock_is_stale = true;
}

/* ---- loop ---- */

static void loop_destructor(void *object)
{
    struct real_loop *loop = object;
    engine_check(!loop->is_threaded);
    resolver_release(loop->resolver);
    if (loop->is_open) {
        if (loop->async.data) {
            uv_close((uv_handle_t *)&loop->async, NULL);
            uv_close((uv_handle_t *)&loop->timer, NULL);
            uv_close((uv_handle_t *)&loop->prepare, NULL);
        }
        uv_run(&loop->uv, UV_RUN_NOWAIT); /* runs the close callbacks */
        engine_check(uv_loop_close(&loop->uv) == 0);
    }
    receive_area_release(loop->area);
}

static int open_loop(struct real_loop *loop)
{
    if (uv_loop_init(&loop->uv) != 0)
        return ERROR_TRANSPORT;
    loop->is_open = true;
    if (uv_async_init(&loop->uv, &loop->async, async_callback) != 0)
        return ERROR_TRANSPORT;
    uv_timer_init(&loop->uv, &loop->timer);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_prepare_start(&loop->prepare, prepare_callback);
    loop->async.data = loop->timer.data = loop->prepare.data = loop;
    return 0;
}

static int real_loop_create(struct loop **loopp, struct io *io, const char *name)
{
    struct real_loop *loop = memory_alloc(sizeof *loop, loop_destructor);
    if (!loop)
        return ERROR_MEMORY;
    loop->base.world = &real_world;
    loop->base.io = io;
    loop->base.now_us = uv_hrtime() / 1000;
    loop->armed_ms = UINT64_MAX;
    loop->clock_is_stale = true;
    timers_init(&loop->base.timers, loop->base.now_us / 1000);
    snprintf(loop->name, sizeof loop->name, "%s", name);
    int error = open_loop(loop);
    if (error) {
        memory_release(loop);
        return error;
    }
    *loopp = &loop->base;
    return 0;
}

static int real_loop_run(struct loop *base)
{
    struct real_loop *loop = (struct real_loop *)base;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    atomic_store(&loop->is_stopping, false);
    return 0;
}

static void *thread_main(void *arg)
{
    struct real_loop *loop = arg;
    pthread_setname_np(pthread_self(), loop->name);
    real_loop_run(&loop->base);
    return NULL;
}

/* Signals are the control thread's business: the new thread inherits a full mask. */
static int real_loop_start(struct loop *base)
{
    struct real_loop *loop = (struct real_loop *)base;
    if (!engine_check(!loop->is_threaded))
        return ERROR_STATE;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&loop->thread, NULL, thread_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    loop->is_threaded = failed == 0;
    return failed ? ERROR_MEMORY : 0;
}

static void real_loop_stop(struct loop *base)
{
    struct real_loop *loop = (struct real_loop *)base;
    atomic_store(&loop->is_stopping, true);
    uv_async_send(&loop->async);
}

static void real_loop_join(struct loop *base)
{
    struct real_loop *loop = (struct real_loop *)base;
    if (!loop->is_threaded)
        return;
    pthread_join(loop->thread, NULL);
    loop->is_threaded = false;
}

static void real_loop_wake(struct loop *base)
{
    struct real_loop *loop = (struct real_loop *)base;
    if (!atomic_exchange(&loop->wake_is_pending, true) && atomic_load(&loop->may_sleep))
        uv_async_send(&loop->async);
}

const struct world real_world = {
    .wall_us = real_wall_us,
    .seed_random = real_seed_random,
    .route = real_route,
    .loop_create = real_loop_create,
    .loop_start = real_loop_start,
    .loop_run = real_loop_run,
    .loop_stop = real_loop_stop,
    .loop_join = real_loop_join,
    .loop_wake = real_loop_wake,
    .loop_clock_us = real_loop_clock_us,
    .loop_resolve = real_loop_resolve,
    .udp_open = real_udp_open,
    .udp_start = real_udp_start,
    .udp_send = real_udp_send,
    .udp_queue = real_udp_queue,
    .udp_flush = real_udp_flush,
    .udp_kernel_drops = real_udp_kernel_drops,
    .udp_send_failures = real_udp_send_failures,
    .udp_close = real_udp_close,
};
