/* Loops of the real world: timers, wake-ups, threads. */
#include "uv_bench.h"

/* ---- loop ---- */

static void timer_fired(void *arg)
{
    struct bench *bench = arg;
    if (++bench->fired == bench->want)
        loop_stop(bench->loop);
    else
        timer_start(loop_timers(bench->loop), &bench->timer, 2, timer_fired, bench);
}

static void fires_timers_and_moves_its_clock(void **state)
{
    struct bench *bench = *state;
    uint64_t begin_us = loop_now_us(bench->loop);
    bench->want = 3;
    timer_start(loop_timers(bench->loop), &bench->timer, 2, timer_fired, bench);
    assert_int_equal(loop_run(bench->loop), 0);
    assert_int_equal(bench->fired, 3);
    assert_true(loop_now_us(bench->loop) >= begin_us + 5000);
    assert_int_equal(loop_now_ms(bench->loop), loop_now_us(bench->loop) / 1000);
    assert_true(loop_clock_us(bench->loop) >= loop_now_us(bench->loop));
    assert_true(io_wall_us(bench->io) > 1700000000000000u);
}

static void an_earlier_timer_is_not_missed(void **state)
{
    struct bench *bench = *state;
    struct timer late = {0};
    bench->want = 1;
    timer_start(loop_timers(bench->loop), &late, GUARD_MS / 2, guard_fired, bench);
    timer_start(loop_timers(bench->loop), &bench->timer, 1, timer_fired, bench);
    loop_run(bench->loop);
    assert_int_equal(bench->fired, 1);
    timer_stop(loop_timers(bench->loop), &late);
}

static void stop_and_count(void *arg)
{
    struct bench *bench = arg;
    bench->fired++;
    loop_stop(bench->loop);
}

static void start_an_earlier_one(void *arg)
{
    struct bench *bench = arg;
    timer_start(loop_timers(bench->loop), &bench->timer, 20, stop_and_count, bench);
}

/* The loop sleeps towards the late one when the earlier one is started. */
static void an_earlier_timer_shortens_the_sleep(void **state)
{
    struct bench *bench = *state;
    struct timer late = {0}, first = {0};
    timer_start(loop_timers(bench->loop), &late, GUARD_MS / 2, guard_fired, bench);
    timer_start(loop_timers(bench->loop), &first, 10, start_an_earlier_one, bench);
    loop_run(bench->loop);
    assert_int_equal(bench->fired, 1);
    timer_stop(loop_timers(bench->loop), &late);
}

struct stopped {
    struct bench *bench;
    struct timer timer, stopper;
};

static void stop_timer(void *arg)
{
    struct stopped *stopped = arg;
    timer_stop(loop_timers(stopped->bench->loop), &stopped->timer);
}

/* The loop wakes for the stopped one, then sleeps towards the next. */
static void a_stopped_timer_delays_no_later_one(void **state)
{
    struct bench *bench = *state;
    struct stopped stopped = {.bench = bench};
    struct timers *timers = loop_timers(bench->loop);
    timer_start(timers, &stopped.timer, 20, guard_fired, bench);
    timer_start(timers, &stopped.stopper, 8, stop_timer, &stopped);
    timer_start(timers, &bench->timer, 40, stop_and_count, bench);
    loop_run(bench->loop);
    assert_int_equal(bench->fired, 1);
}

static void count_wake(void *arg)
{
    struct bench *bench = arg;
    if (++bench->woken >= bench->want)
        loop_stop(bench->loop);
}

static void count_idle(void *arg)
{
    struct bench *bench = arg;
    bench->idle++;
}

static void joins_wake_ups_into_one(void **state)
{
    struct bench *bench = *state;
    bench->want = 1;
    loop_set_handlers(bench->loop, &(struct loop_handlers){count_wake, count_idle, bench});
    for (int i = 0; i < 100; i++)
        loop_wake(bench->loop);
    loop_run(bench->loop);
    assert_int_equal(bench->woken, 1);
    assert_true(bench->idle >= 1);
}

static void wake_again(void *arg)
{
    struct bench *bench = arg;
    if (++bench->woken == 1000)
        loop_stop(bench->loop);
    else
        loop_wake(bench->loop);
}

static void serves_sockets_between_its_own_wake_ups(void **state)
{
    struct bench *bench = *state;
    bench->want = UINT32_MAX;
    struct udp *udp = open_udp(bench, "127.0.0.1:0", NULL);
    assert_int_equal(udp_start(udp, bench->loop, receive, NULL, bench), 0);
    udp_send(udp, udp_local(udp), TEXT("x"));
    loop_set_handlers(bench->loop, &(struct loop_handlers){wake_again, NULL, bench});
    loop_wake(bench->loop);
    loop_run(bench->loop);
    assert_int_equal(bench->woken, 1000);
    assert_int_equal(bench->received, 1);
    udp_close(udp);
}

/** A loop on its own thread that echoes every wake-up to the test's loop. */
struct echo {
    struct loop *loop, *other;
    _Atomic unsigned seen;
    unsigned turns;
};

static void echo_wake(void *arg)
{
    struct echo *echo = arg;
    atomic_fetch_add(&echo->seen, 1);
    loop_wake(echo->other);
}

struct ping {
    struct bench *bench;
    struct echo *echo;
};

static void ping_wake(void *arg)
{
    struct ping *ping = arg;
    if (++ping->bench->woken == ping->bench->want)
        loop_stop(ping->bench->loop);
    else
        loop_wake(ping->echo->loop);
}

static void wakes_across_threads_are_never_lost(void **state)
{
    struct bench *bench = *state;
    struct echo echo = {.other = bench->loop};
    struct ping ping = {bench, &echo};
    assert_int_equal(loop_create(&echo.loop, bench->io, "a rather long thread name"), 0);
    loop_set_handlers(echo.loop, &(struct loop_handlers){echo_wake, NULL, &echo});
    loop_set_handlers(bench->loop, &(struct loop_handlers){ping_wake, NULL, &ping});
    bench->want = 2000;
    assert_int_equal(loop_start(echo.loop), 0);
    loop_wake(echo.loop);
    loop_run(bench->loop);
    loop_stop(echo.loop);
    loop_join(echo.loop);
    assert_int_equal(bench->woken, 2000);
    assert_int_equal(atomic_load(&echo.seen), 2000);
    memory_release(echo.loop);
}

static void stops_before_it_runs_and_runs_again(void **state)
{
    struct bench *bench = *state;
    loop_stop(bench->loop);
    assert_int_equal(loop_run(bench->loop), 0);
    bench->want = 1;
    timer_start(loop_timers(bench->loop), &bench->timer, 1, timer_fired, bench);
    assert_int_equal(loop_run(bench->loop), 0);
    assert_int_equal(bench->fired, 1);
    loop_join(bench->loop); /* never started: returns at once */
}

/* ---- no memory ---- */

static int use_everything(struct io **iop, struct loop **loopp)
{
    struct udp *udp = NULL;
    struct address local = address_of("127.0.0.1:0");
    char text[] = "queued, or sent alone";
    const struct buffer out = {.p = text, .n = sizeof text};
    int error = io_uv_create(iop);
    if (!error)
        error = loop_create(loopp, *iop, "test");
    if (!error)
        error = udp_open(&udp, *iop, &local, &(struct udp_options){.share_port = true});
    if (!error)
        error = udp_start(udp, *loopp, receive, NULL, NULL);
    if (!error)
        error = udp_queue(udp, udp_local(udp), buffer_text(&out), &out);
    udp_close(udp);
    return error;
}

static void survives_any_failed_allocation(void **state)
{
    (void)state;
    uint64_t before = memory_live();
    for (unsigned n = 0; n < 20; n++) {
        struct io *io = NULL;
        struct loop *loop = NULL;
        memory_fail_after(n);
        int error = use_everything(&io, &loop);
        memory_fail_never();
        memory_release(loop);
        memory_release(io);
        assert_true(error == 0 || error == ERROR_MEMORY);
        assert_int_equal(memory_live(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fires_timers_and_moves_its_clock),
        TEST(an_earlier_timer_is_not_missed),
        TEST(an_earlier_timer_shortens_the_sleep),
        TEST(a_stopped_timer_delays_no_later_one),
        TEST(joins_wake_ups_into_one),
        TEST(serves_sockets_between_its_own_wake_ups),
        TEST(wakes_across_threads_are_never_lost),
        TEST(stops_before_it_runs_and_runs_again),
        TEST(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests_name("real loops", tests, NULL, NULL);
}
