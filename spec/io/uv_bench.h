/*
 * What the tests of the real world share. Nothing sleeps: each test runs its loop until what it
 * waits for has happened, and a guard timer ends a loop in which it never does.
 */
#pragma once

#include "io/io.h"

#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GUARD_MS 20000 /* a test that hangs fails instead */

/** What one test looks at. */
struct bench {
    uint64_t live_before;
    struct io *io;
    struct loop *loop;
    struct timer guard;
    struct timer timer;
    unsigned fired, woken, idle, received, batches, errors;
    unsigned want; /**< stop after so many of what the test counts */
    struct address from;
    struct address error_destination;
    char bytes[64][32];
    char error_bytes[64];
    struct udp *receiver;
    struct buffer out; /**< what queue() has queued */
};

static inline void guard_fired(void *arg)
{
    struct bench *bench = arg;
    print_error("guard timer: nothing came\n");
    bench->fired = UINT32_MAX;
    loop_stop(bench->loop);
}

static inline int queue(struct bench *bench, struct udp *udp, const struct address *destination,
                        struct text bytes)
{
    size_t begin = bench->out.n;
    buffer_append(&bench->out, bytes);
    return udp_queue(udp, destination, (struct text){bench->out.p + begin, bytes.n}, &bench->out);
}

static inline int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    bench->live_before = memory_live();
    assert_int_equal(io_uv_create(&bench->io), 0);
    assert_int_equal(loop_create(&bench->loop, bench->io, "test loop"), 0);
    timer_start(loop_timers(bench->loop), &bench->guard, GUARD_MS, guard_fired, bench);
    *state = bench;
    return 0;
}

static inline int tear_down(void **state)
{
    struct bench *bench = *state;
    bool guarded = bench->fired == UINT32_MAX;
    buffer_release(&bench->out);
    memory_release(bench->loop);
    memory_release(bench->io);
    bool leaked = memory_live() != bench->live_before;
    free(bench);
    return guarded || leaked;
}

static inline struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(&address, text_of(text), 0), 0);
    return address;
}

static inline struct udp *open_udp(struct bench *bench, const char *local,
                                   const struct udp_options *options)
{
    static const struct udp_options plain;
    struct address address = address_of(local);
    struct udp *udp = NULL;
    assert_int_equal(udp_open(&udp, bench->io, &address, options ? options : &plain), 0);
    return udp;
}

static inline void receive(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct bench *bench = arg;
    (void)udp;
    bench->batches++;
    for (size_t i = 0; i < count; i++) {
        if (bench->received < 64)
            text_to_array(v[i].bytes, bench->bytes[bench->received], 32);
        bench->received++;
        bench->from = *v[i].source;
    }
    if (bench->received >= bench->want)
        loop_stop(bench->loop);
}

static inline void receive_error(void *arg, struct udp *udp, const struct address *destination,
                                 struct text bytes)
{
    struct bench *bench = arg;
    (void)udp;
    bench->errors++;
    bench->error_destination = *destination;
    text_to_array(bytes, bench->error_bytes, sizeof bench->error_bytes);
    loop_stop(bench->loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
