/* Datagrams of the real world, over loopback. */
#include "uv_bench.h"

#include <unistd.h>

/* ---- datagrams ---- */

static void send_to_itself(struct bench *bench, const char *local, const char *host)
{
    struct udp *udp = open_udp(bench, local, NULL);
    char text[ADDRESS_TEXT_BYTES];
    assert_int_not_equal(address_port(udp_local(udp)), 0);
    assert_true(text_equal(address_print_host(udp_local(udp), text), text_of(host)));
    bench->want = bench->received + 1;
    assert_int_equal(udp_start(udp, bench->loop, receive, NULL, bench), 0);
    assert_int_equal(udp_send(udp, udp_local(udp), TEXT("hello")), 0);
    loop_run(bench->loop);
    assert_string_equal(bench->bytes[bench->received - 1], "hello");
    assert_true(address_equal(&bench->from, udp_local(udp)));
    assert_int_equal(udp_kernel_drops(udp), 0);
    assert_int_equal(udp_send_failures(udp), 0);
    udp_close(udp);
}

static void sends_and_receives_in_both_families(void **state)
{
    send_to_itself(*state, "127.0.0.1:0", "127.0.0.1");
    send_to_itself(*state, "[::1]:0", "::1");
}

/* A plain socket of the same family, which is told the mark of what it receives. */
static void expect_mark(struct bench *bench, const char *local, int family, int receive_option)
{
    int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, on = 1;
    struct udp *udp = open_udp(bench, local, &(struct udp_options){.dscp = 46});
    struct address peer = *udp_local(udp);
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof peer;
    address_set_port(&peer, 0);
    assert_int_equal(bind(fd, &peer.sa, address_size(&peer)), 0);
    assert_int_equal(getsockname(fd, &peer.sa, &length), 0);
    assert_int_equal(setsockopt(fd, level, receive_option, &on, sizeof on), 0);
    assert_int_equal(udp_send(udp, &peer, TEXT("x")), 0);
    _Alignas(struct cmsghdr) char control[64];
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    assert_int_equal(recvmsg(fd, &header, 0), 1);
    const struct cmsghdr *mark = CMSG_FIRSTHDR(&header);
    assert_non_null(mark);
    assert_int_equal(*CMSG_DATA(mark), 46 << 2); /* RFC 2474 s3; the low byte of IPv6's int */
    close(fd);
    udp_close(udp);
}

static void marks_what_it_sends(void **state)
{
    expect_mark(*state, "127.0.0.1:0", AF_INET, IP_RECVTOS);
    expect_mark(*state, "[::1]:0", AF_INET6, IPV6_RECVTCLASS);
}

static void refuses_the_other_family(void **state)
{
    struct bench *bench = *state;
    struct udp *udp = open_udp(bench, "127.0.0.1:0", NULL);
    struct address six = address_of("[::1]:9");
    assert_int_equal(udp_send(udp, &six, TEXT("x")), ERROR_TRANSPORT);
    assert_int_equal(queue(bench, udp, &six, TEXT("x")), 0);
    assert_int_equal(queue(bench, udp, udp_local(udp), TEXT("y")), 0);
    udp_flush(udp);
    assert_int_equal(udp_send_failures(udp), 2);
    bench->want = 1;
    udp_start(udp, bench->loop, receive, NULL, bench);
    loop_run(bench->loop);
    assert_string_equal(bench->bytes[0], "y");
    udp_close(udp);
}

static void queue_keeps_order(struct bench *bench, unsigned batch)
{
    bench->received = bench->batches = 0;
    struct udp *udp =
        open_udp(bench, "127.0.0.1:0", &(struct udp_options){.batch = batch, .datagram_bytes = 30});
    udp_start(udp, bench->loop, receive, NULL, bench);
    bench->want = 50;
    char text[32];
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "message %d", i);
        if (i % 10 == 9)
            udp_send(udp, udp_local(udp), text_of(text)); /* overtakes nothing */
        else
            queue(bench, udp, udp_local(udp), text_of(text));
    }
    udp_flush(udp);
    udp_flush(udp); /* nothing left: harmless */
    loop_run(bench->loop);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "message %d", i);
        assert_string_equal(bench->bytes[i], text);
    }
    assert_int_equal(bench->received, 50);
    udp_close(udp);
}

static void keeps_order_through_queue_and_batches(void **state)
{
    struct bench *bench = *state;
    queue_keeps_order(bench, 1);
    assert_int_equal(bench->batches, 50);
    /* The first one comes alone: only then is it clear that more are waiting. */
    queue_keeps_order(bench, 2); /* more batches than are read per wake-up */
    assert_int_equal(bench->batches, 1 + 25);
    queue_keeps_order(bench, 16);
    assert_int_equal(bench->batches, 1 + 4);
    queue_keeps_order(bench, 1000); /* held to the most that one call takes */
    assert_int_equal(bench->batches, 1 + 1);
}

static void queued_bytes_may_move_with_their_buffer(void **state)
{
    struct bench *bench = *state;
    struct udp *udp = open_udp(bench, "127.0.0.1:0", NULL);
    udp_start(udp, bench->loop, receive, NULL, bench);
    bench->want = 3;
    queue(bench, udp, udp_local(udp), TEXT("first"));
    queue(bench, udp, udp_local(udp), TEXT("second"));
    buffer_reserve(&bench->out, 1 << 20);
    queue(bench, udp, udp_local(udp), TEXT("third"));
    udp_flush(udp);
    loop_run(bench->loop);
    assert_string_equal(bench->bytes[0], "first");
    assert_string_equal(bench->bytes[1], "second");
    assert_string_equal(bench->bytes[2], "third");
    udp_close(udp);
}

static void a_full_queue_leaves_by_itself(void **state)
{
    struct bench *bench = *state;
    struct udp *udp =
        open_udp(bench, "127.0.0.1:0", &(struct udp_options){.batch = 8, .receive_bytes = 4 << 20});
    udp_start(udp, bench->loop, receive, NULL, bench);
    static char large[70000];
    memset(large, 'x', sizeof large);
    for (int i = 0; i < 200; i++)
        assert_int_equal(queue(bench, udp, udp_local(udp), TEXT("small")), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(queue(bench, udp, udp_local(udp), (struct text){large, 60000}), 0);
    assert_int_equal(queue(bench, udp, udp_local(udp), (struct text){large, sizeof large}),
                     ERROR_TRANSPORT);
    udp_flush(udp);
    assert_int_equal(udp_send_failures(udp), 1);
    bench->want = 200;
    loop_run(bench->loop);
    assert_true(bench->received >= 200);
    udp_close(udp);
}

static void cuts_long_datagrams(void **state)
{
    struct bench *bench = *state;
    struct udp *udp = open_udp(bench, "127.0.0.1:0", &(struct udp_options){.datagram_bytes = 4});
    udp_start(udp, bench->loop, receive, NULL, bench);
    bench->want = 1;
    udp_send(udp, udp_local(udp), TEXT("123456"));
    loop_run(bench->loop);
    assert_string_equal(bench->bytes[0], "1234");
    udp_close(udp);
}

static void counts_what_the_kernel_dropped(void **state)
{
    struct bench *bench = *state;
    struct udp *udp = open_udp(bench, "127.0.0.1:0", &(struct udp_options){.receive_bytes = 4096});
    char bytes[1000] = {0};
    for (int i = 0; i < 100; i++)
        udp_send(udp, udp_local(udp), (struct text){bytes, sizeof bytes});
    assert_in_range(udp_kernel_drops(udp), 80, 100);
    udp_close(udp);
}

/* ---- ICMP ---- */

static void reports_a_closed_port(struct bench *bench, const char *local)
{
    struct udp *closed = open_udp(bench, local, NULL);
    struct address nobody = *udp_local(closed);
    udp_close(closed);
    struct udp *udp = open_udp(bench, local, &(struct udp_options){.report_errors = true});
    udp_start(udp, bench->loop, receive, receive_error, bench);
    bench->errors = bench->received = 0;
    udp_send(udp, &nobody, TEXT("anybody there?"));
    loop_run(bench->loop);
    assert_int_equal(bench->errors, 1);
    assert_true(address_equal(&bench->error_destination, &nobody));
    assert_string_equal(bench->error_bytes, "anybody there?");
    bench->want = 1; /* and it still receives */
    udp_send(udp, udp_local(udp), TEXT("self"));
    loop_run(bench->loop);
    assert_int_equal(bench->received, 1);
    udp_close(udp);
}

static void reports_icmp_errors_and_receives_on(void **state)
{
    reports_a_closed_port(*state, "127.0.0.1:0");
    reports_a_closed_port(*state, "[::1]:0");
}

static void an_icmp_error_fails_no_later_send(void **state)
{
    struct bench *bench = *state;
    struct udp *closed = open_udp(bench, "127.0.0.1:0", NULL);
    struct address nobody = *udp_local(closed);
    udp_close(closed);
    struct udp *udp = open_udp(bench, "127.0.0.1:0", &(struct udp_options){.report_errors = true});
    udp_start(udp, bench->loop, receive, NULL, bench);
    bench->want = 3;
    udp_send(udp, &nobody, TEXT("lost"));
    assert_int_equal(udp_send(udp, udp_local(udp), TEXT("one")), 0);
    udp_send(udp, &nobody, TEXT("lost"));
    queue(bench, udp, udp_local(udp), TEXT("two"));
    queue(bench, udp, &nobody, TEXT("lost"));
    queue(bench, udp, udp_local(udp), TEXT("three"));
    udp_flush(udp);
    assert_int_equal(udp_send_failures(udp), 0);
    loop_run(bench->loop);
    assert_int_equal(bench->received, 3);
    udp_close(udp);
}

/* ---- addresses ---- */

static void says_that_an_address_is_in_use(void **state)
{
    struct bench *bench = *state;
    static const struct udp_options alone, shared = {.share_port = true};
    struct udp *udp = open_udp(bench, "127.0.0.1:0", NULL), *other = NULL;
    assert_int_equal(udp_open(&other, bench->io, udp_local(udp), &alone), ERROR_IN_USE);
    assert_int_equal(udp_open(&other, bench->io, udp_local(udp), &shared), ERROR_IN_USE);
    struct address address = *udp_local(udp);
    udp_close(udp);
    assert_int_equal(udp_open(&other, bench->io, &address, &shared), 0);
    assert_int_equal(udp_open(&udp, bench->io, &address, &alone), ERROR_IN_USE);
    struct io *process; /* another world stands for another process of ours */
    assert_int_equal(io_uv_create(&process), 0);
    assert_int_equal(udp_open(&udp, process, &address, &shared), ERROR_IN_USE);
    memory_release(process);
    udp_close(other);
}

static void says_that_an_address_is_not_ours(void **state)
{
    struct bench *bench = *state;
    static const struct udp_options plain;
    struct udp *udp;
    struct address address = address_of("192.0.2.1:0"); /* RFC 5737: nobody's */
    assert_int_equal(udp_open(&udp, bench->io, &address, &plain), ERROR_ARGUMENT);
}

static void shares_a_port_among_its_own(void **state)
{
    struct bench *bench = *state;
    struct udp_options shared = {.share_port = true};
    struct udp *v[4];
    v[0] = open_udp(bench, "127.0.0.1:0", &shared);
    for (int i = 1; i < 4; i++)
        assert_int_equal(udp_open(&v[i], bench->io, udp_local(v[0]), &shared), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(udp_start(v[i], bench->loop, receive, NULL, bench), 0);
    bench->want = 40;
    struct udp *senders[8];
    for (int i = 0; i < 8; i++)
        senders[i] = open_udp(bench, "127.0.0.1:0", NULL);
    for (int i = 0; i < 40; i++)
        udp_send(senders[i % 8], udp_local(v[0]), TEXT("x"));
    loop_run(bench->loop);
    assert_int_equal(bench->received, 40);
    for (int i = 0; i < 8; i++)
        udp_close(senders[i]);
    for (int i = 0; i < 4; i++)
        udp_close(v[i]);
}

/* ---- closing ---- */

static void receive_and_close(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct bench *bench = arg;
    if (bench->received < 1) { /* the first one comes alone, then batches begin */
        receive(arg, udp, v, count);
        return;
    }
    struct address local = *udp_local(udp);
    udp_close(udp);
    struct udp *again; /* its address is free at once */
    assert_int_equal(udp_open(&again, bench->io, &local, &(struct udp_options){0}), 0);
    udp_close(again);
    receive(arg, NULL, v, count); /* and the datagrams are still there */
}

static void closes_inside_its_handler(void **state)
{
    struct bench *bench = *state;
    for (unsigned batch = 1; batch <= 8; batch += 7) {
        struct udp *udp = open_udp(bench, "127.0.0.1:0", &(struct udp_options){.batch = batch});
        udp_start(udp, bench->loop, receive_and_close, NULL, bench);
        for (int i = 0; i < 20; i++)
            udp_send(udp, udp_local(udp), TEXT("x"));
        bench->received = 0;
        bench->want = 1 + batch;
        loop_run(bench->loop);
        assert_int_equal(bench->received, 1 + batch);
    }
}

static void receive_and_start(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct bench *bench = arg; /* a socket that needs a larger area appears in mid-batch */
    bench->receiver = open_udp(bench, "127.0.0.1:0", &(struct udp_options){.batch = 64});
    assert_int_equal(udp_start(bench->receiver, bench->loop, receive, NULL, bench), 0);
    receive(arg, udp, v, count);
}

static void the_batch_survives_a_larger_socket(void **state)
{
    struct bench *bench = *state;
    struct udp *udp = open_udp(bench, "127.0.0.1:0", &(struct udp_options){.datagram_bytes = 100});
    udp_start(udp, bench->loop, receive_and_start, NULL, bench);
    bench->want = 1;
    udp_send(udp, udp_local(udp), TEXT("still here"));
    loop_run(bench->loop);
    assert_string_equal(bench->bytes[0], "still here");
    udp_close(udp);
    udp_close(bench->receiver);
}

static void close_udp(void *arg)
{
    struct bench *bench = arg;
    udp_close(bench->receiver);
    loop_stop(bench->loop);
}

static void a_timer_may_close_a_readable_socket(void **state)
{
    struct bench *bench = *state;
    bench->receiver = open_udp(bench, "127.0.0.1:0", NULL);
    udp_start(bench->receiver, bench->loop, receive, NULL, bench);
    bench->want = UINT32_MAX;
    timer_start(loop_timers(bench->loop), &bench->timer, 1, close_udp, bench);
    udp_send(bench->receiver, udp_local(bench->receiver), TEXT("x"));
    while (loop_clock_us(bench->loop) < loop_now_us(bench->loop) + 2000)
        ; /* so that datagram and timer are due in the first batch */
    loop_run(bench->loop);
}

static void closes_unstarted_sockets_and_null(void **state)
{
    struct bench *bench = *state;
    udp_close(NULL);
    struct udp *udp = open_udp(bench, "127.0.0.1:0", NULL);
    queue(bench, udp, udp_local(udp), TEXT("x"));
    udp_close(udp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sends_and_receives_in_both_families),
        TEST(marks_what_it_sends),
        TEST(refuses_the_other_family),
        TEST(keeps_order_through_queue_and_batches),
        TEST(queued_bytes_may_move_with_their_buffer),
        TEST(a_full_queue_leaves_by_itself),
        TEST(cuts_long_datagrams),
        TEST(counts_what_the_kernel_dropped),
        TEST(reports_icmp_errors_and_receives_on),
        TEST(an_icmp_error_fails_no_later_send),
        TEST(says_that_an_address_is_in_use),
        TEST(says_that_an_address_is_not_ours),
        TEST(shares_a_port_among_its_own),
        TEST(closes_inside_its_handler),
        TEST(the_batch_survives_a_larger_socket),
        TEST(a_timer_may_close_a_readable_socket),
        TEST(closes_unstarted_sockets_and_null),
    };
    return cmocka_run_group_tests_name("real datagrams", tests, NULL, NULL);
}
