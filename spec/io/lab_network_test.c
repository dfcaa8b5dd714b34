/* The virtual network: order, loss, sharing and ICMP errors, all a function of the seed. */
#include "lab_bench.h"

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
    queue(bench->a, udp_local(bench->b), TEXT("1"));
    queue(bench->a, udp_local(bench->b), TEXT("2"));
    udp_send(bench->a, udp_local(bench->b), TEXT("3"));
    queue(bench->a, udp_local(bench->b), TEXT("4")); /* leaves with the loop's next idle */
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

/* What a sent at each of these times, and b heard. */
static void links_count_instead_of_the_network(void **state)
{
    struct bench *bench = *state;
    struct address nobody = address_of("10.0.0.9:0");
    struct lab_impairment cut = {.loss_per_mille = 1000}, slow = {.delay_us = 5000};
    lab_set_tap(bench->io, tap, bench);
    assert_int_equal(lab_impair_link(bench->io, udp_local(bench->b), NULL, &cut), 0);
    assert_int_equal(lab_impair_link(bench->io, udp_local(bench->a), &nobody, &slow), 0);
    udp_send(bench->a, udp_local(bench->b), TEXT("1"));
    udp_send(bench->b, udp_local(bench->a), TEXT("2"));
    run(bench, 1000);
    assert_string_equal(trace_of(bench), "0 lost 1;0 lost 2;");
    /* The youngest that fits, in both directions and in order; ICMP errors take it too. */
    bench->trace.n = 0;
    lab_impair_link(bench->io, udp_local(bench->a), udp_local(bench->b), &slow);
    udp_send(bench->b, udp_local(bench->a), TEXT("3"));
    udp_send(bench->a, udp_local(bench->b), TEXT("4"));
    address_set_port(&nobody, 5060);
    udp_send(bench->a, &nobody, TEXT("5"));
    run(bench, 10000);
    assert_string_equal(trace_of(bench), "1 sent 3;1 sent 4;1 lost 5;6 a 3;6 b 4;"
                                         "6 error 10.0.0.9:5060;6 of 5;");
    bench->trace.n = 0;
    lab_heal_links(bench->io);
    udp_send(bench->a, udp_local(bench->b), TEXT("6"));
    run(bench, 1000);
    assert_string_equal(trace_of(bench), "11 sent 6;11 b 6;");
}

static void tap_arrivals(void *arg, const struct lab_packet *packet)
{
    for (int i = 0; i < 2; i++)
        if (packet->arrival_us[i] != UINT64_MAX)
            note(arg, i ? "twin" : "due", packet->bytes);
}

static void says_when_a_datagram_will_arrive(void **state)
{
    struct bench *bench = *state;
    struct lab_impairment twice = {.duplicate_per_mille = 1000};
    lab_set_tap(bench->io, tap_arrivals, bench);
    udp_send(bench->a, udp_local(bench->b), TEXT("1"));
    run(bench, 0);
    lab_set_impairment(bench->io, &twice);
    udp_send(bench->a, udp_local(bench->b), TEXT("2"));
    run(bench, 0);
    assert_string_equal(trace_of(bench), "0 due 1;0 b 1;0 due 2;0 twin 2;0 b 2;0 b 2;");
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
        queue(udp, v->source, text_of(number));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(delivers_in_both_families),
        TEST(queued_and_sent_datagrams_keep_their_order),
        TEST(says_what_is_in_use_and_chooses_ports),
        TEST(one_source_stays_with_one_of_the_sharing_sockets),
        TEST(a_datagram_waits_for_its_socket_to_start),
        TEST(an_unbound_port_is_an_icmp_error),
        TEST(a_socket_may_be_closed_in_its_handler),
        TEST(impairs_as_it_is_told),
        TEST(links_count_instead_of_the_network),
        TEST(says_when_a_datagram_will_arrive),
        cmocka_unit_test(a_trace_depends_on_the_seed_alone),
    };
    return cmocka_run_group_tests_name("virtual network", tests, NULL, NULL);
}
