/* What the tests of the lab share: a world with one loop and two hosts, and a trace. */
#pragma once

#include "io/io.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

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

static inline struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(&address, text_of(text), 0), 0);
    return address;
}

static inline void note(struct bench *bench, const char *what, struct text detail)
{
    buffer_printf(&bench->trace, "%u %s %.*s;", (unsigned)(lab_now_us(bench->io) / 1000), what,
                  TEXT_ARG(detail));
}

static inline const char *trace_of(struct bench *bench)
{
    buffer_append_char(&bench->trace, '\0');
    bench->trace.n--;
    return bench->trace.p;
}

static inline void receive(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct bench *bench = arg;
    assert_int_equal(count, 1);
    note(bench, udp == bench->a ? "a" : "b", v->bytes);
}

static inline void receive_error(void *arg, struct udp *udp, const struct address *destination,
                                 struct text bytes)
{
    struct bench *bench = arg;
    char text[ADDRESS_TEXT_BYTES];
    (void)udp;
    note(bench, "error", address_print(destination, text));
    note(bench, "of", bytes);
}

static inline struct udp *open_udp(struct bench *bench, const char *local,
                                   const struct udp_options *options)
{
    struct address address = address_of(local);
    struct udp *udp = NULL;
    assert_int_equal(udp_open(&udp, bench->io, &address, options), 0);
    return udp;
}

static inline void open_world(struct bench *bench, uint64_t seed)
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

static inline void close_world(struct bench *bench)
{
    udp_close(bench->a);
    udp_close(bench->b);
    assert_int_equal(lab_open_sockets(bench->io), 0);
    memory_release(bench->loop);
    memory_release(bench->io);
    buffer_release(&bench->trace);
}

/** The lab keeps no pointers: the buffer may end before the flush. */
static inline int queue(struct udp *udp, const struct address *destination, struct text bytes)
{
    struct buffer out = {0};
    buffer_append(&out, bytes);
    int error = out.error ? out.error : udp_queue(udp, destination, buffer_text(&out), &out);
    buffer_release(&out);
    return error;
}

static inline int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    bench->live_before = memory_live();
    open_world(bench, 1);
    *state = bench;
    return 0;
}

static inline int tear_down(void **state)
{
    struct bench *bench = *state;
    close_world(bench);
    bool leaked = memory_live() != bench->live_before;
    free(bench);
    return leaked;
}

static inline void run(struct bench *bench, uint64_t us)
{
    uint64_t until_us = lab_now_us(bench->io) + us;
    while (lab_step(bench->io, until_us))
        ;
    assert_int_equal(lab_now_us(bench->io), until_us);
}

static inline void idle(void *arg)
{
    struct bench *bench = arg;
    note(bench, "idle", TEXT_NONE);
    udp_flush(bench->a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
