/*
 * The real world: a thread with an epoll set per loop.
 *
 * Sockets are members of the loop's own epoll set and not uv_poll handles: a call opens and closes
 * four of them, and a handle costs six system calls where a member costs one. Names are libuv's and
 * c-ares' work: the libuv loop's epoll set is one more member, and libuv runs when it has something.
 *
 * A batch is what happens between two sleeps: the clock is read once, timers that are due run, then
 * the sockets that are ready, then the wake and idle handlers.
 *
 * A sleep has no time-out of its own, which would cost the kernel a timer made and dropped for every
 * message: a timerfd wakes the loop, set anew only when something is due before the time it is set
 * to. Where that was stopped meanwhile, the loop wakes once for nothing. What is due within a few
 * milliseconds is waited for by a time-out, since a message mostly comes before.
 *
 * A wake-up costs a system call only when the loop may be asleep: the waker sets wake_is_pending and
 * then looks at may_sleep, the loop sets may_sleep and then looks at wake_is_pending, so that one of
 * the two sees the other.
 */
#include "io/uv_world.h"

#include "base/error.h"
#include "base/memory.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SOON_MS         4 /* a wait up to this is a time-out */
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

/* The clock of uv_hrtime(), without its detour: it is read twice a batch. */
static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t real_loop_clock_us(const struct loop *loop)
{
    (void)loop;
    return clock_us();
}

void real_loop_enter(struct real_loop *loop)
{
    if (!loop->clock_is_stale)
        return;
    loop->clock_is_stale = false;
    atomic_store_explicit(&loop->may_sleep, false, memory_order_relaxed);
    loop->base.now_us = clock_us();
    timers_advance(&loop->base.timers, loop->base.now_us / 1000);
}

static void free_closed(struct real_loop *loop)
{
    while (loop->closed) {
        struct real_udp *udp = loop->closed;
        loop->closed = udp->next_closed;
        memory_release(udp);
    }
}

static void interrupt_sleep(struct real_loop *loop)
{
    uint64_t one = 1;
    ssize_t ignored = write(loop->wake_fd, &one, sizeof one);
    (void)ignored; /* a full counter wakes, too */
}

/* Was it set? It is clear now. A flag that is not set costs no locked instruction. */
static bool take_flag(_Atomic bool *flag)
{
    return atomic_load_explicit(flag, memory_order_relaxed) && atomic_exchange(flag, false);
}

/* Wake and idle handlers, until nobody wants more; then the loop may sleep. */
static void end_batch(struct real_loop *loop)
{
    for (unsigned round = 1;; round++) {
        atomic_store_explicit(&loop->may_sleep, false, memory_order_relaxed);
        if (take_flag(&loop->wake_is_pending))
            loop_call(&loop->base, loop->base.handlers.wake);
        loop_call(&loop->base, loop->base.handlers.idle);
        atomic_store(&loop->may_sleep, true);
        if (!atomic_load(&loop->wake_is_pending))
            break;
        if (round == WAKE_ROUNDS_MAX) {
            interrupt_sleep(loop);
            break;
        }
    }
    if (loop->area)
        receive_area_trim(loop->area);
    free_closed(loop);
    loop->clock_is_stale = true;
}

/* libuv wants to run although its epoll set is silent: it has watchers to register or handles to
 * close. Its timers are not used. */
static bool names_want_run(const struct real_loop *loop)
{
    return loop->resolver && uv_loop_alive(&loop->uv) && uv_backend_timeout(&loop->uv) == 0;
}

/* Have the timerfd end the sleep at @p due_ms. @return false when it cannot */
static bool set_alarm(struct real_loop *loop, uint64_t due_ms)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(due_ms / 1000),
                                           .tv_nsec = (long)(due_ms % 1000) * 1000000}};
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        return false;
    loop->alarm_ms = due_ms;
    return true;
}

/*
 * How long to sleep: until the wheel or libuv needs us. An alarm that is set and was not heard yet
 * will end the sleep, or has by now. @return ms, -1: until something comes
 */
static int sleep_ms(struct real_loop *loop)
{
    if (names_want_run(loop))
        return 0;
    uint64_t next_ms = timers_next_ms(&loop->base.timers);
    if (next_ms >= loop->alarm_ms)
        return -1;
    uint64_t now_ms = clock_us() / 1000;
    uint64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    if (wait_ms > SOON_MS && set_alarm(loop, next_ms))
        return -1;
    return wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
}

static void run_events(struct real_loop *loop)
{
    bool has_names = false;
    for (int i = 0; i < loop->event_count; i++) {
        void *who = loop->events[i].data.ptr;
        if (who == loop)
            has_names = true;
        else if (who == &loop->timer_fd)
            loop->alarm_ms = NO_ALARM;
        else if (who) /* NULL: the eventfd, which has done its work, or a socket closed meanwhile */
            real_udp_ready(who, loop->events[i].events);
    }
    loop->event_count = 0;
    if (has_names || names_want_run(loop))
        uv_run(&loop->uv, UV_RUN_NOWAIT);
}

static void run_batches(struct real_loop *loop)
{
    for (;;) {
        real_loop_enter(loop);
        end_batch(loop);
        if (take_flag(&loop->is_stopping))
            return;
        int count = epoll_wait(loop->epoll_fd, loop->events, LOOP_EVENTS, sleep_ms(loop));
        loop->event_count = count > 0 ? count : 0;
        loop->poll++;
        real_loop_enter(loop); /* its timers may close sockets that are in events */
        run_events(loop);
    }
}

/* ---- loop ---- */

static void loop_destructor(void *object)
{
    struct real_loop *loop = object;
    engine_check(!loop->is_threaded);
    free_closed(loop);
    resolver_release(loop->resolver);
    if (loop->is_open) {
        uv_run(&loop->uv, UV_RUN_NOWAIT); /* runs the close callbacks */
        engine_check(uv_loop_close(&loop->uv) == 0);
    }
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->timer_fd >= 0)
        close(loop->timer_fd);
    receive_area_release(loop->area);
}

static int add_member(struct real_loop *loop, int fd, uint32_t events, void *who)
{
    struct epoll_event event = {.events = events, .data.ptr = who};
    return fd >= 0 && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0
                                                                                : ERROR_TRANSPORT;
}

static int open_loop(struct real_loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); /* clock_us()'s */
    if (loop->epoll_fd < 0 || uv_loop_init(&loop->uv) != 0)
        return ERROR_TRANSPORT;
    loop->is_open = true;
    /* Edge-triggered: each write and each alarm wakes once, nobody has to read it back. */
    int error = add_member(loop, loop->wake_fd, EPOLLIN | EPOLLET, NULL);
    if (!error)
        error = add_member(loop, loop->timer_fd, EPOLLIN | EPOLLET, &loop->timer_fd);
    return error ? error : add_member(loop, uv_backend_fd(&loop->uv), EPOLLIN, loop);
}

static int real_loop_create(struct loop **loopp, struct io *io, const char *name)
{
    struct real_loop *loop = memory_alloc(sizeof *loop, loop_destructor);
    if (!loop)
        return ERROR_MEMORY;
    loop->base.world = &real_world;
    loop->base.io = io;
    loop->base.now_us = clock_us();
    loop->clock_is_stale = true;
    loop->epoll_fd = loop->wake_fd = loop->timer_fd = -1;
    loop->alarm_ms = NO_ALARM;
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
    memory_recycle(true);
    run_batches(loop);
    memory_recycle(false);
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
    interrupt_sleep(loop);
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
        interrupt_sleep(loop);
}

/* A kernel that does not know SCHED_BATCH leaves the thread as it is, which is right, too. */
static void real_loop_set_patient(struct loop *loop, bool is_patient)
{
    (void)loop;
    struct sched_param none = {0};
    pthread_setschedparam(pthread_self(), is_patient ? SCHED_BATCH : SCHED_OTHER, &none);
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
    .loop_set_patient = real_loop_set_patient,
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
