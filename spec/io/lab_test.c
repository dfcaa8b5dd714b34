/* The virtual world: order, time, loss, sharing and names, all a function of the seed. */
#include "io/io.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "io/lab_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND_US 1000000u

/** What one test looks at. */
struct bench {
    uint64_t live_before;
    struct io *io;
    struct loop *loop;
    struct udp *a, *b;
    struct buffer trace; /**< one line per thing that happened */
    struct timer timer, timer2;
    struct loop *other;
};

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(&address, text_of(text), 0), 0);
    return address;
}

static void note(struct bench *bench, const char *what, struct text detail)
{
    buffer_printf(&bench->trace, "%u %s %.*s;", (unsigned)(lab_now_us(bench->io) / 1000), what,
                  TEXT_ARG(detail));
}

static const char *trace_of(struct bench *bench)
{
    buffer_append_char(&bench->trace, '\0');
    bench->trace.n--;
    return bench->trace.p;
}

static void receive(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct bench *bench = arg;
    assert_int_equal(count, 1);
    note(bench, udp == bench->a ? "a" : "b", v->bytes);
}

static void receive_error(void *arg, struct udp *udp, const struct address *destination,
                          struct text bytes)
{
    struct bench *bench = arg;
    char text[ADDRESS_TEXT_BYTES];
    (void)udp;
    note(bench, "error", address_print(destination, text));
    note(bench, "of", bytes);
}

static struct udp *open_udp(struct bench *bench, const char *local,
                            const struct udp_options *options)
{
    struct address address = address_of(local);
    struct udp *udp = NULL;
    assert_int_equal(udp_open(&udp, bench->io, &address, options), 0);
    return udp;
}

static void open_world(struct bench *bench, uint64_t seed)
{
    struct udp_options options = {.report_errors = true};
    assert_int_equal(io_lab_create(&bench->io, seed), 0);
    assert_int_equal(loop_create(&bench->loop, bench->io, "one"), 0);
    assert_int_equal(loop_start(bench->loop), 0);
    bench->a = open_udp(bench, "10.0.0.1:5060", &options);
    bench->b = open_udp(bench, "10.0.0.2:5060", &options);
    assert_int_equal(udp_start(bench->a, bench->loop, receive, receive_error, bench), 0);
    assert_int_equal(udp_start(bench->b, bench->loop, receive, receive_error, bench), 0);
}

static void close_world(struct bench *bench)
{
    udp_close(bench->a);
    udp_close(bench->b);
    assert_int_equal(lab_open_sockets(bench->io), 0);
    memory_release(bench->loop);
    memory_release(bench->io);
    buffer_release(&bench->trace);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    bench->live_before = memory_live();
    open_world(bench, 1);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    close_world(bench);
    bool leaked = memory_live() != bench->live_before;
    free(bench);
    return leaked;
}

static void run(struct bench *bench, uint64_t us)
{
    uint64_t until_us = lab_now_us(bench->io) + us;
    while (lab_step(bench->io, until_us))
        ;
    assert_int_equal(lab_now_us(bench->io), until_us);
}

/* ---- queue ---- */

static void the_queue_sorts_by_time_then_order(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct lab_event events[COUNT];
    struct lab_queue queue = {0};
    struct random random;
    random_seed(&random, 5);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i++)
            lab_queue_push(&queue, &events[i], random_below(&random, 50));
        unsigned left = COUNT;
        for (int i = 0; i < COUNT / 3; i++) {
            struct lab_event *event = &events[random_below(&random, COUNT)];
            left -= event->is_queued;
            lab_queue_remove(&queue, event);
        }
        uint64_t time_us = 0, sequence = 0;
        for (struct lab_event *event; (event = lab_queue_pop(&queue)); left--) {
            assert_true(event->time_us >= time_us);
            assert_true(event->time_us > time_us || event->sequence >= sequence);
            time_us = event->time_us;
            sequence = event->sequence;
        }
        assert_int_equal(left, 0);
    }
}

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

static void idle(void *arg)
{
    struct bench *bench = arg;
    note(bench, "idle", TEXT_NONE);
    udp_flush(bench->a);
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

/* ---- datagrams ---- */

static void delivers_in_both_families(void **state)
{
    struct bench *bench = *state;
    struct udp_options plain = {0};
    struct udp *six = open_udp(bench, "[2001:db8::1]:5060", &plain);
    udp_start(six, bench->loop, receive, NULL, bench);
    assert_int_equal(udp_send(six, udp_local(six), TEXT("six")), 0);
    assert_int_equal(udp_send(six, udp_local(bench->a), TEXT("x")), ERROR_TRANSPORT);
    assert_int_equal(udp_send_failures(six), 1);
    assert_int_equal(udp_send(bench->a, udp_local(bench->b), TEXT("four")), 0);
    run(bench, 0);
    assert_string_equal(trace_of(bench), "0 b six;0 b four;");
    udp_close(six);
}

static void queued_and_sent_datagrams_keep_their_order(void **state)
{
    struct bench *bench = *state;
    loop_set_handlers(bench->loop, &(struct loop_handlers){NULL, idle, bench});
    udp_queue(bench->a, udp_local(bench->b), TEXT("1"));
    udp_queue(bench->a, udp_local(bench->b), TEXT("2"));
    udp_send(bench->a, udp_local(bench->b), TEXT("3"));
    udp_queue(bench->a, udp_local(bench->b), TEXT("4")); /* leaves with the loop's next idle */
    run(bench, 1000);
    assert_string_equal(trace_of(bench),
                        "0 idle ;0 b 1;0 idle ;0 b 2;0 idle ;0 b 3;0 idle ;0 b 4;0 idle ;");
}

static void says_what_is_in_use_and_chooses_ports(void **state)
{
    struct bench *bench = *state;
    struct udp_options plain = {0}, shared = {.share_port = true};
    struct udp *udp;
    struct address address = address_of("0.0.0.0:0");
    assert_int_equal(udp_open(&udp, bench->io, &address, &plain), ERROR_ARGUMENT);
    assert_int_equal(udp_open(&udp, bench->io, udp_local(bench->a), &plain), ERROR_IN_USE);
    assert_int_equal(udp_open(&udp, bench->io, udp_local(bench->a), &shared), ERROR_IN_USE);
    udp = open_udp(bench, "10.0.0.1:0", &plain);
    struct udp *next = open_udp(bench, "10.0.0.1:0", &plain);
    assert_int_equal(address_port(udp_local(udp)), 49152);
    assert_int_equal(address_port(udp_local(next)), 49153);
    assert_int_equal(lab_open_sockets(bench->io), 4);
    address = *udp_local(udp);
    udp_close(udp);
    assert_int_equal(udp_open(&udp, bench->io, &address, &shared), 0);
    udp_close(udp);
    udp_close(next);
}

struct member {
    unsigned received;
    struct address last;
};

static void receive_member(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct member *member = arg;
    (void)udp;
    member->received += (unsigned)count;
    member->last = *v->source;
}

static void one_source_stays_with_one_of_the_sharing_sockets(void **state)
{
    struct bench *bench = *state;
    struct udp_options shared = {.share_port = true}, plain = {0};
    struct udp *v[4], *sources[20];
    struct member members[4] = {0};
    for (int i = 0; i < 4; i++) {
        v[i] = open_udp(bench, "10.0.0.9:5060", &shared);
        udp_start(v[i], bench->loop, receive_member, NULL, &members[i]);
    }
    unsigned used = 0;
    for (int i = 0; i < 20; i++) {
        sources[i] = open_udp(bench, "10.0.0.3:0", &plain);
        for (int k = 0; k < 5; k++)
            udp_send(sources[i], udp_local(v[0]), TEXT("x"));
        run(bench, 0);
        for (int k = 0; k < 4; k++)
            assert_int_equal(members[k].received % 5, 0);
    }
    for (int k = 0; k < 4; k++)
        used += members[k].received > 0;
    assert_true(used > 1);
    for (int i = 0; i < 20; i++)
        udp_close(sources[i]);
    for (int i = 0; i < 4; i++)
        udp_close(v[i]);
}

static void a_datagram_waits_for_its_socket_to_start(void **state)
{
    struct bench *bench = *state;
    struct udp_options plain = {.datagram_bytes = 4};
    struct udp *udp = open_udp(bench, "10.0.0.9:5060", &plain);
    for (int i = 0; i < 260; i++)
        udp_send(bench->a, udp_local(udp), TEXT("early bird"));
    run(bench, 1000);
    assert_int_equal(udp_kernel_drops(udp), 4);
    udp_start(udp, bench->loop, receive, NULL, bench);
    assert_true(lab_step(bench->io, lab_now_us(bench->io)));
    assert_string_equal(trace_of(bench), "1 b earl;"); /* cut to what the socket takes */
    udp_close(udp);                                    /* with the others on their way */
    run(bench, 1000);
}

static void tap(void *arg, const struct lab_packet *packet)
{
    note(arg, packet->lost ? "lost" : "sent", packet->bytes);
}

static void an_unbound_port_is_an_icmp_error(void **state)
{
    struct bench *bench = *state;
    struct address nobody = address_of("10.0.0.3:5060");
    struct lab_impairment slow = {.delay_us = 2000};
    lab_set_impairment(bench->io, &slow);
    lab_set_tap(bench->io, tap, bench);
    udp_send(bench->a, &nobody, TEXT("hello"));
    run(bench, 10000);
    assert_string_equal(trace_of(bench), "0 lost hello;2 error 10.0.0.3:5060;2 of hello;");
    /* Gone while the datagram was on its way: the error takes the way back too. */
    bench->trace.n = 0;
    struct udp_options plain = {0};
    struct udp *udp = open_udp(bench, "10.0.0.3:5060", &plain);
    udp_send(bench->a, &nobody, TEXT("hello"));
    udp_close(udp);
    run(bench, 10000);
    assert_string_equal(trace_of(bench), "10 sent hello;14 error 10.0.0.3:5060;14 of hello;");
}

static void receive_and_close(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct bench *bench = arg;
    (void)count;
    udp_close(udp);
    note(bench, "closed", v->bytes);
}

static void a_socket_may_be_closed_in_its_handler(void **state)
{
    struct bench *bench = *state;
    struct udp_options plain = {0};
    struct udp *udp = open_udp(bench, "10.0.0.3:5060", &plain);
    struct address local = *udp_local(udp);
    udp_start(udp, bench->loop, receive_and_close, NULL, bench);
    udp_send(bench->b, &local, TEXT("1"));
    udp_send(bench->b, &local, TEXT("2"));
    run(bench, 1000);
    assert_string_equal(trace_of(bench), "0 closed 1;0 error 10.0.0.3:5060;0 of 2;");
}

/* ---- impairments ---- */

static unsigned lines_with(struct bench *bench, const char *what)
{
    unsigned n = 0;
    for (const char *p = trace_of(bench); (p = strstr(p, what)); p++)
        n++;
    return n;
}

static void send_many(struct bench *bench, const struct lab_impairment *impairment)
{
    lab_set_impairment(bench->io, impairment);
    bench->trace.n = 0;
    for (unsigned i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%03u", i);
        udp_send(bench->a, udp_local(bench->b), text_of(text));
        run(bench, 1000);
    }
    run(bench, SECOND_US);
}

/* Datagrams that came after a younger one. */
static unsigned late_ones(struct bench *bench)
{
    unsigned late = 0;
    long youngest = -1;
    for (const char *p = trace_of(bench); (p = strstr(p, " b ")); p += 3) {
        long number = strtol(p + 3, NULL, 10);
        late += number < youngest;
        youngest = number > youngest ? number : youngest;
    }
    return late;
}

static void impairs_as_it_is_told(void **state)
{
    struct bench *bench = *state;
    send_many(bench, &(struct lab_impairment){0});
    assert_int_equal(lines_with(bench, " b "), 1000);
    send_many(bench, &(struct lab_impairment){.loss_per_mille = 100});
    assert_in_range(lines_with(bench, " b "), 850, 950);
    send_many(bench, &(struct lab_impairment){.duplicate_per_mille = 100});
    assert_in_range(lines_with(bench, " b "), 1050, 1150);
    send_many(bench, &(struct lab_impairment){.delay_us = 10000, .jitter_us = 10000});
    assert_int_equal(lines_with(bench, " b "), 1000);
    assert_int_equal(late_ones(bench), 0);
    send_many(bench, &(struct lab_impairment){.reorder_per_mille = 100});
    assert_int_equal(lines_with(bench, " b "), 1000);
    assert_in_range(late_ones(bench), 50, 150);
}

static void ping(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct bench *bench = arg;
    (void)count;
    char number[16];
    note(bench, "got", v->bytes);
    uint32_t n = 0;
    text_to_u32(v->bytes, &n);
    snprintf(number, sizeof number, "%u", (unsigned)(n + 1));
    if (n < 300)
        udp_queue(udp, v->source, text_of(number));
    udp_flush(udp);
}

static void play(struct bench *bench, uint64_t seed)
{
    *bench = (struct bench){0};
    open_world(bench, seed);
    struct udp_options shared = {.share_port = true};
    struct lab_impairment bad = {100, 100, 100, 5000, 3000};
    lab_set_impairment(bench->io, &bad);
    lab_set_tap(bench->io, tap, bench);
    struct random random;
    io_seed_random(bench->io, &random);
    char token[9] = {0};
    random_token(&random, token, 8);
    note(bench, "token", text_of(token));
    struct udp *v[4];
    for (int i = 0; i < 4; i++) {
        v[i] = open_udp(bench, "10.0.0.5:5060", &shared);
        udp_start(v[i], bench->loop, ping, NULL, bench);
    }
    for (int i = 0; i < 4; i++)
        udp_send(v[i], udp_local(v[0]), TEXT("0"));
    run(bench, 60 * SECOND_US);
    for (int i = 0; i < 4; i++)
        udp_close(v[i]);
}

static void a_trace_depends_on_the_seed_alone(void **state)
{
    (void)state;
    struct bench first, second, other;
    play(&first, 7);
    play(&second, 7);
    play(&other, 8);
    assert_true(first.trace.n > 100);
    assert_string_equal(trace_of(&first), trace_of(&second));
    assert_string_not_equal(trace_of(&first), trace_of(&other));
    close_world(&first);
    close_world(&second);
    close_world(&other);
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
        error = udp_queue(bench->a, &b, TEXT("y"));
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_sorts_by_time_then_order),
        TEST(timers_fire_at_their_virtual_time),
        TEST(starts_at_zero_in_2026),
        TEST(a_timer_of_one_loop_is_not_fired_by_another),
        TEST(wakes_once_and_idles_after_each_event),
        TEST(a_stopped_loop_does_nothing),
        TEST(delivers_in_both_families),
        TEST(queued_and_sent_datagrams_keep_their_order),
        TEST(says_what_is_in_use_and_chooses_ports),
        TEST(one_source_stays_with_one_of_the_sharing_sockets),
        TEST(a_datagram_waits_for_its_socket_to_start),
        TEST(an_unbound_port_is_an_icmp_error),
        TEST(a_socket_may_be_closed_in_its_handler),
        TEST(impairs_as_it_is_told),
        cmocka_unit_test(a_trace_depends_on_the_seed_alone),
        TEST(answers_names_later),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests_name("lab", tests, NULL, NULL);
}
