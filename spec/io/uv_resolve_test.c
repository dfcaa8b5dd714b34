/*
 * Names of the real world, asked of a name server that this test plays itself on loopback. It
 * writes its answers out byte for byte (RFC 1035 s4.1, RFC 2782, RFC 3403).
 */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "io/uv_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GUARD_MS         20000 /* a test that hangs fails instead */
#define REST_MS          100   /* nothing happens meanwhile but the wheel and closing sockets */
#define REST_BATCHES_MAX 50    /* a loop that does not sleep runs tens of thousands */

/** What one test looks at. */
struct bench {
    uint64_t live_before;
    struct io *io;
    struct loop *loop;
    struct udp *server;
    struct timer guard;
    bool hung;
    struct buffer records; /**< behind the question of every answer */
    unsigned record_count;
    unsigned rcode;
    bool is_silent;
    unsigned asked, answered, want, batches;
    int error;
    size_t count;
    struct resolve_record v[4];
};

static void guard_fired(void *arg)
{
    struct bench *bench = arg;
    bench->hung = true;
    loop_stop(bench->loop);
}

static void serve(void *arg, struct udp *udp, const struct datagram *datagram, size_t count)
{
    struct bench *bench = arg;
    (void)count;
    bench->asked++;
    if (bench->is_silent)
        return;
    const unsigned char *q = (const unsigned char *)datagram->bytes.p;
    size_t end = 12;
    while (end < datagram->bytes.n && q[end])
        end += 1u + q[end];
    end += 5; /* the final zero, type and class */
    struct buffer reply = {0};
    buffer_append(&reply, (struct text){datagram->bytes.p, end});
    reply.p[2] = (char)0x81; /* a response */
    reply.p[3] = (char)(0x80 | bench->rcode);
    memset(reply.p + 6, 0, 6);
    reply.p[7] = (char)bench->record_count;
    buffer_append(&reply, buffer_text(&bench->records));
    udp_send(udp, datagram->source, buffer_text(&reply));
    buffer_release(&reply);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct address local;
    char text[ADDRESS_TEXT_BYTES + 1];
    bench->live_before = memory_live();
    bench->want = 1;
    assert_int_equal(io_uv_create(&bench->io), 0);
    assert_int_equal(loop_create(&bench->loop, bench->io, "test"), 0);
    timer_start(loop_timers(bench->loop), &bench->guard, GUARD_MS, guard_fired, bench);
    address_parse(&local, TEXT("127.0.0.1:0"), 0);
    assert_int_equal(udp_open(&bench->server, bench->io, &local, &(struct udp_options){0}), 0);
    assert_int_equal(udp_start(bench->server, bench->loop, serve, NULL, bench), 0);
    address_print(udp_local(bench->server), text);
    assert_int_equal(real_loop_set_name_servers(bench->loop, text), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    udp_close(bench->server);
    memory_release(bench->loop);
    memory_release(bench->io);
    buffer_release(&bench->records);
    bool failed = bench->hung || memory_live() != bench->live_before;
    free(bench);
    return failed;
}

#define RECORD(bench, bytes) add_record(bench, bytes, sizeof(bytes) - 1)

static void add_record(struct bench *bench, const char *bytes, size_t size_bytes)
{
    buffer_append(&bench->records, (struct text){bytes, size_bytes});
    bench->record_count++;
}

static void answered(void *arg, int error, const struct resolve_record *v, size_t count)
{
    struct bench *bench = arg;
    bench->error = error;
    bench->count = count;
    for (size_t i = 0; i < count && i < 4; i++)
        bench->v[i] = v[i];
    if (++bench->answered == bench->want)
        loop_stop(bench->loop);
}

static void ask_within(struct bench *bench, const char *name, enum resolve_type type,
                       uint32_t timeout_ms)
{
    bench->answered = 0;
    int error = loop_resolve(bench->loop, text_of(name), type, timeout_ms, answered, bench);
    assert_int_equal(error, 0);
    assert_int_equal(bench->answered, 0); /* never during the call */
    loop_run(bench->loop);
    assert_int_equal(bench->answered, 1);
}

static void ask(struct bench *bench, const char *name, enum resolve_type type)
{
    ask_within(bench, name, type, GUARD_MS);
}

/* ---- records ---- */

static void reads_addresses_behind_a_cname(void **state)
{
    struct bench *bench = *state;
    char text[ADDRESS_TEXT_BYTES];
    RECORD(bench, "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1x\xc0\x0c"); /* a CNAME to x.NAME */
    RECORD(bench, "\1x\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1");
    RECORD(bench, "\1x\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\2");
    ask(bench, "gw.example.com", RESOLVE_A);
    assert_int_equal(bench->error, 0);
    assert_int_equal(bench->count, 2);
    assert_int_equal(bench->v[0].ttl_s, 300);
    assert_true(text_equal(address_print(&bench->v[1].address, text), TEXT("192.0.2.2:0")));
}

static void reads_ipv6_addresses(void **state)
{
    struct bench *bench = *state;
    char text[ADDRESS_TEXT_BYTES];
    RECORD(bench, "\xc0\x0c\0\x1c\0\1\0\0\0\5\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1");
    ask(bench, "gw.example.com", RESOLVE_AAAA);
    assert_int_equal(bench->count, 1);
    assert_true(text_equal(address_print_host(&bench->v[0].address, text), TEXT("2001:db8::1")));
}

static void reads_srv(void **state)
{
    struct bench *bench = *state;
    RECORD(bench, "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x0c\0\1\0\2\x13\xc4\3one\xc0\x16");
    RECORD(bench, "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\7\0\0\0\0\0\0\0");
    ask(bench, "_sip._udp.example.com", RESOLVE_SRV);
    assert_int_equal(bench->count, 2);
    assert_int_equal(bench->v[0].priority, 1);
    assert_int_equal(bench->v[0].weight, 2);
    assert_int_equal(bench->v[0].port, 5060);
    assert_string_equal(bench->v[0].name, "one.example.com");
    assert_string_equal(bench->v[1].name, "."); /* decidedly not available, RFC 2782 */
}

static void reads_naptr(void **state)
{
    struct bench *bench = *state;
    RECORD(bench, "\xc0\x0c\0\x23\0\1\0\0\0\x3c\0\x1a\0\x0a\0\x14\1s\7SIP+D2U\0"
                  "\4_sip\4_udp\xc0\x0c");
    ask(bench, "example.com", RESOLVE_NAPTR);
    assert_int_equal(bench->count, 1);
    assert_int_equal(bench->v[0].priority, 10);
    assert_int_equal(bench->v[0].weight, 20);
    assert_string_equal(bench->v[0].flags, "s");
    assert_string_equal(bench->v[0].service, "SIP+D2U");
    assert_string_equal(bench->v[0].name, "_sip._udp.example.com");
}

static void leaves_malformed_records_out(void **state)
{
    struct bench *bench = *state;
    RECORD(bench, "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\3\xc0\0\2");     /* an address of 3 bytes */
    RECORD(bench, "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\7");   /* a good one */
    RECORD(bench, "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\x40\xc0\0\2\7"); /* beyond the end */
    ask(bench, "gw.example.com", RESOLVE_A);
    assert_true(bench->count <= 1);
    bench->records.n = 0;
    bench->record_count = 0;
    RECORD(bench, "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\3\0\1\0"); /* a short SRV */
    RECORD(bench,
           "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x08\0\1\0\2\x13\xc4\xff\xff"); /* a wild pointer */
    ask(bench, "_sip._udp.example.com", RESOLVE_SRV);
    assert_int_equal(bench->count, 0);
    assert_int_not_equal(bench->error, 0);
}

/* ---- failures ---- */

static void tells_no_such_name_from_a_server_in_trouble(void **state)
{
    struct bench *bench = *state;
    bench->rcode = 3; /* NXDOMAIN */
    ask(bench, "nobody.example.com", RESOLVE_A);
    assert_int_equal(bench->error, ERROR_NOT_FOUND);
    bench->rcode = 0; /* the name is there, the record is not */
    ask(bench, "empty.example.com", RESOLVE_SRV);
    assert_int_equal(bench->error, ERROR_NOT_FOUND);
    bench->rcode = 2; /* SERVFAIL */
    ask(bench, "trouble.example.com", RESOLVE_A);
    assert_int_equal(bench->error, ERROR_TIMEOUT);
}

static void gives_up_in_time(void **state)
{
    struct bench *bench = *state;
    bench->is_silent = true;
    ask_within(bench, "silent.example.com", RESOLVE_A, 20);
    assert_int_equal(bench->error, ERROR_TIMEOUT);
}

static void survives_a_server_that_is_not_there(void **state)
{
    struct bench *bench = *state;
    char text[ADDRESS_TEXT_BYTES + 1];
    address_print(udp_local(bench->server), text);
    udp_close(bench->server); /* every question meets an ICMP error now */
    bench->server = NULL;
    ask(bench, "gw.example.com", RESOLVE_A);
    assert_int_equal(bench->error, ERROR_TIMEOUT);
}

static void refuses_what_is_no_name(void **state)
{
    struct bench *bench = *state;
    char endless[300];
    memset(endless, 'a', sizeof endless);
    assert_int_equal(loop_resolve(bench->loop, (struct text){endless, sizeof endless}, RESOLVE_A,
                                  100, answered, bench),
                     ERROR_LIMIT);
    ask(bench, "two..dots", RESOLVE_SRV);
    assert_int_equal(bench->error, ERROR_NOT_FOUND);
    assert_int_equal(bench->asked, 0);
}

static void heeds_the_hosts_file(void **state)
{
    struct bench *bench = *state;
    char text[ADDRESS_TEXT_BYTES];
    ask(bench, "localhost", RESOLVE_A);
    assert_int_equal(bench->error, 0);
    assert_int_equal(bench->asked, 0);
    assert_true(text_equal(address_print_host(&bench->v[0].address, text), TEXT("127.0.0.1")));
}

static void bounds_open_questions(void **state)
{
    struct bench *bench = *state;
    int error = 0;
    unsigned open = 0;
    bench->is_silent = true;
    for (; !error; open++)
        error = loop_resolve(bench->loop, TEXT("gw.example.com"), RESOLVE_A, 100, answered, bench);
    assert_int_equal(error, ERROR_LIMIT);
    assert_int_equal(open, 1001); /* the loop is released with 1000 of them open */
    assert_int_equal(bench->answered, 0);
}

static void ask_again(void *arg, int error, const struct resolve_record *v, size_t count)
{
    struct bench *bench = arg;
    (void)v, (void)count;
    assert_int_equal(error, 0);
    assert_int_equal(
        loop_resolve(bench->loop, TEXT("b.example.com"), RESOLVE_A, GUARD_MS, answered, bench), 0);
}

static void a_handler_may_ask_again(void **state)
{
    struct bench *bench = *state;
    RECORD(bench, "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1");
    assert_int_equal(
        loop_resolve(bench->loop, TEXT("a.example.com"), RESOLVE_A, GUARD_MS, ask_again, bench), 0);
    loop_run(bench->loop);
    assert_int_equal(bench->answered, 1);
    assert_int_equal(bench->error, 0);
}

static void survives_any_failed_allocation(void **state)
{
    (void)state;
    uint64_t before = memory_live();
    int error = ERROR_MEMORY;
    for (unsigned n = 0; error; n++) {
        struct io *io = NULL;
        struct loop *loop = NULL;
        memory_fail_after(n);
        error = io_uv_create(&io);
        if (!error)
            error = loop_create(&loop, io, "test");
        if (!error)
            error = real_loop_set_name_servers(loop, "127.0.0.1:1");
        if (!error)
            error = loop_resolve(loop, TEXT("a.test"), RESOLVE_A, 1, answered, NULL);
        memory_fail_never();
        memory_release(loop);
        memory_release(io);
        assert_true(error == 0 || error == ERROR_MEMORY);
        assert_int_equal(memory_live(), before);
    }
}

/* Once libuv had nothing left to watch, a loop that had resolved a name never slept again: it ran
 * one batch after the other at full CPU. */
static void count_batch(void *arg)
{
    struct bench *bench = arg;
    bench->batches++;
}

static void rest_over(void *arg)
{
    struct bench *bench = arg;
    loop_stop(bench->loop);
}

static void sleeps_after_an_answer(void **state)
{
    struct bench *bench = *state;
    struct timer rest = {0};
    RECORD(bench, "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1");
    ask(bench, "gw.example.com", RESOLVE_A);
    loop_set_handlers(bench->loop, &(struct loop_handlers){NULL, count_batch, bench});
    timer_start(loop_timers(bench->loop), &rest, REST_MS, rest_over, bench);
    loop_run(bench->loop);
    assert_true(bench->batches < REST_BATCHES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_addresses_behind_a_cname),
        TEST(reads_ipv6_addresses),
        TEST(reads_srv),
        TEST(reads_naptr),
        TEST(leaves_malformed_records_out),
        TEST(tells_no_such_name_from_a_server_in_trouble),
        TEST(gives_up_in_time),
        TEST(survives_a_server_that_is_not_there),
        TEST(refuses_what_is_no_name),
        TEST(heeds_the_hosts_file),
        TEST(bounds_open_questions),
        TEST(a_handler_may_ask_again),
        TEST(sleeps_after_an_answer),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests_name("names of the real world", tests, NULL, NULL);
}
