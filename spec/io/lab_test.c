/* Time, wake-ups and names in the lab. */
#include "lab_bench.h"

/* ---- time ---- */

static void timer_fired(void *arg)
{
    struct bench *bench = arg;
    note(bench, "timer", TEXT_NONE);
    assert_int_equal(loop_now_us(bench->loop), lab_now_us(bench->io));
}

static void timers_fire_at_their_virtual_time(void **state)
{
    struct bench *bench = *state;
    struct timers *timers = loop_timers(bench->loop);
    timer_start(timers, &bench->timer, 32000, timer_fired, bench);
    timer_start(timers, &bench->timer2, 500, timer_fired, bench);
    run(bench, 499999);
    assert_int_equal(bench->trace.n, 0);
    run(bench, 40 * SECOND_US);
    assert_string_equal(trace_of(bench), "500 timer ;32000 timer ;");
    /* Started between steps, long after the wheel last had something to do. */
    timer_start(timers, &bench->timer, 500, timer_fired, bench);
    run(bench, SECOND_US);
    assert_string_equal(trace_of(bench), "500 timer ;32000 timer ;40999 timer ;");
}

static void starts_at_zero_in_2026(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(lab_now_us(bench->io), 0);
    run(bench, 5);
    assert_int_equal(io_wall_us(bench->io), 1767225600000005u);
    assert_int_equal(loop_clock_us(bench->loop), 5);
    assert_false(lab_step(bench->io, UINT64_MAX)); /* nothing at all is left */
    assert_int_equal(lab_now_us(bench->io), 5);
}

static void other_fired(void *arg)
{
    note(arg, "other", TEXT_NONE);
}

static void a_timer_of_one_loop_is_not_fired_by_another(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(loop_create(&bench->other, bench->io, "two"), 0);
    struct timers *timers = loop_timers(bench->other);
    timer_start(timers, &bench->timer2, 10, other_fired, bench);
    timer_start(loop_timers(bench->loop), &bench->timer, 10, timer_fired, bench);
    run(bench, 20000);
    assert_string_equal(trace_of(bench), "10 timer ;"); /* the other loop was not started */
    assert_int_equal(loop_start(bench->other), 0);
    run(bench, 20000);
    assert_string_equal(trace_of(bench), "10 timer ;20 other ;");
    memory_release(bench->other);
}

/* ---- wake-ups ---- */

static void wake(void *arg)
{
    note(arg, "wake", TEXT_NONE);
}

static void wakes_once_and_idles_after_each_event(void **state)
{
    struct bench *bench = *state;
    loop_set_handlers(bench->loop, &(struct loop_handlers){wake, idle, bench});
    loop_wake(bench->loop);
    loop_wake(bench->loop);
    run(bench, 1000);
    assert_string_equal(trace_of(bench), "0 wake ;0 idle ;");
    udp_send(bench->b, udp_local(bench->a), TEXT("x"));
    run(bench, 1000);
    assert_string_equal(trace_of(bench), "0 wake ;0 idle ;1 a x;1 idle ;");
}

static void a_stopped_loop_does_nothing(void **state)
{
    struct bench *bench = *state;
    loop_set_handlers(bench->loop, &(struct loop_handlers){wake, NULL, bench});
    assert_int_equal(loop_run(bench->loop), ERROR_STATE);
    timer_start(loop_timers(bench->loop), &bench->timer, 1, timer_fired, bench);
    loop_stop(bench->loop);
    loop_join(bench->loop);
    loop_wake(bench->loop);
    udp_send(bench->b, udp_local(bench->a), TEXT("waits"));
    run(bench, 10000);
    assert_int_equal(bench->trace.n, 0);
    loop_start(bench->loop);
    run(bench, 10000);
    assert_string_equal(trace_of(bench), "10 timer ;10 wake ;10 a waits;");
}

/* ---- names ---- */

static void answered(void *arg, int error, const struct resolve_record *v, size_t count)
{
    struct bench *bench = arg;
    buffer_printf(&bench->trace, "%u answer %d", (unsigned)(lab_now_us(bench->io) / 1000), error);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&bench->trace, " %s:%u", v[i].name, v[i].port);
    buffer_printf(&bench->trace, ";");
}

static void answers_names_later(void **state)
{
    struct bench *bench = *state;
    struct resolve_record record = {.type = RESOLVE_SRV, .port = 5060, .name = "one"};
    lab_add_record(bench->io, TEXT("_sip._udp.example.com"), &record);
    record = (struct resolve_record){.type = RESOLVE_SRV, .port = 5070, .name = "two"};
    lab_add_record(bench->io, TEXT("_SIP._udp.example.com."), &record);
    lab_set_resolve_delay(bench->io, 30);
    struct text name = TEXT("_sip._UDP.example.com.");
    assert_int_equal(loop_resolve(bench->loop, name, RESOLVE_SRV, 100, answered, bench), 0);
    assert_int_equal(loop_resolve(bench->loop, name, RESOLVE_A, 100, answered, bench), 0);
    assert_int_equal(loop_resolve(bench->loop, name, RESOLVE_SRV, 20, answered, bench), 0);
    assert_int_equal(bench->trace.n, 0);
    run(bench, SECOND_US);
    assert_string_equal(trace_of(bench),
                        "20 answer -6;30 answer 0 one:5060 two:5070;30 answer -7;");
    char endless[300];
    memset(endless, 'a', sizeof endless);
    assert_int_equal(loop_resolve(bench->loop, (struct text){endless, sizeof endless}, RESOLVE_A,
                                  100, answered, bench),
                     ERROR_LIMIT);
    /* Still open when the world ends: dropped without an answer. */
    assert_int_equal(loop_resolve(bench->loop, name, RESOLVE_SRV, 100, answered, bench), 0);
}

/* ---- no memory ---- */

static int use_everything(struct bench *bench)
{
    struct address a = address_of("10.0.0.1:5060"), b = address_of("10.0.0.2:5060");
    struct udp_options plain = {0};
    struct resolve_record record = {.type = RESOLVE_A};
    int error = io_lab_create(&bench->io, 1);
    if (!error)
        error = loop_create(&bench->loop, bench->io, "test");
    if (!error)
        error = loop_start(bench->loop);
    if (!error)
        error = udp_open(&bench->a, bench->io, &a, &plain);
    if (!error)
        error = udp_open(&bench->b, bench->io, &b, &plain);
    if (!error)
        error = udp_start(bench->b, bench->loop, receive, receive_error, bench);
    if (!error)
        error = lab_add_record(bench->io, TEXT("name"), &record);
    if (!error)
        error = loop_resolve(bench->loop, TEXT("name"), RESOLVE_A, 1, answered, bench);
    if (!error)
        lab_set_impairment(bench->io, &(struct lab_impairment){.duplicate_per_mille = 1000});
    if (!error)
        error = udp_send(bench->a, &b, TEXT("x"));
    if (!error)
        error = queue(bench->a, &b, TEXT("y"));
    return error;
}

static void survives_any_failed_allocation(void **state)
{
    (void)state;
    uint64_t before = memory_live();
    int error = ERROR_MEMORY;
    unsigned n = 0;
    for (; error; n++) {
        struct bench bench = {0};
        memory_fail_after(n);
        error = use_everything(&bench);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY || error == ERROR_TRANSPORT);
        if (bench.io)
            while (lab_step(bench.io, SECOND_US))
                ;
        udp_close(bench.a);
        udp_close(bench.b);
        memory_release(bench.loop);
        memory_release(bench.io);
        buffer_release(&bench.trace);
        assert_int_equal(memory_live(), before);
    }
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_at_their_virtual_time),
        TEST(starts_at_zero_in_2026),
        TEST(a_timer_of_one_loop_is_not_fired_by_another),
        TEST(wakes_once_and_idles_after_each_event),
        TEST(a_stopped_loop_does_nothing),
        TEST(answers_names_later),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests_name("lab", tests, NULL, NULL);
}
