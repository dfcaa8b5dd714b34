/*
 * The listener that leads to an address, in the real world: sockets and routing are the kernel's, the
 * clock is the lab's, so that a remembered route grows old without waiting.
 */
#include "base/error.h"
#include "base/memory.h"
#include "transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#define PORT "15971"

struct fixture {
    uint64_t live;
    struct io *world, *clock;
    struct loop *loop;
    struct settings settings;
    struct counters counters;
    struct log log;
    struct listener listeners[2];
    struct transport *transport;
    struct rlimit limit;
};

static struct address address_of(const char *host_port)
{
    struct address address;
    assert_int_equal(address_parse(&address, text_of(host_port), 5060), 0);
    return address;
}

static void open_on(struct fixture *f, const char *first, const char *second)
{
    const char *hosts[] = {first, second};
    const struct listener *failed;
    for (uint16_t i = 0; i < 2; i++)
        f->listeners[i] = (struct listener){.id = i, .local = address_of(hosts[i]), .port = 15971};
    assert_int_equal(transport_create(&f->transport,
                                      &(struct transport_options){
                                          .io = f->world,
                                          .loop = f->loop,
                                          .listeners = f->listeners,
                                          .listener_count = 2,
                                          .settings = &f->settings,
                                          .counters = &f->counters,
                                          .log = &f->log,
                                      },
                                      &failed),
                     0);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.live = memory_live()};
    settings_default(&f.settings);
    assert_int_equal(io_uv_create(&f.world), 0);
    assert_int_equal(io_lab_create(&f.clock, 1), 0);
    assert_int_equal(loop_create(&f.loop, f.clock, "worker"), 0);
    assert_int_equal(loop_start(f.loop), 0);
    getrlimit(RLIMIT_NOFILE, &f.limit);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    setrlimit(RLIMIT_NOFILE, &f->limit);
    memory_release(f->transport);
    loop_stop(f->loop);
    loop_join(f->loop);
    memory_release(f->loop);
    memory_release(f->clock);
    memory_release(f->world);
    return memory_live() != f->live;
}

/* From now on the kernel cannot be asked. */
static void forbid_sockets(struct fixture *f)
{
    struct rlimit none = f->limit;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
}

static void let_pass(struct fixture *f, uint64_t ms)
{
    uint64_t until_us = lab_now_us(f->clock) + ms * 1000;
    loop_wake(f->loop);
    while (lab_step(f->clock, until_us))
        ;
    loop_wake(f->loop); /* an event at the end, so that the loop sees the time */
    while (lab_step(f->clock, until_us))
        ;
}

static const struct listener *towards(struct fixture *f, const char *host_port)
{
    struct address address = address_of(host_port);
    return transport_listener_towards(f->transport, &address, TRANSPORT_UDP);
}

/* 127.0.0.8 is nearer, but what is sent to the loopback network leaves from 127.0.0.1. */
static void is_the_one_that_the_kernel_routes_by(void **state)
{
    struct fixture *f = *state;
    open_on(f, "127.0.0.8:" PORT, "127.0.0.1:" PORT);
    assert_ptr_equal(towards(f, "127.0.0.9:5060"), &f->listeners[1]);
}

static void is_the_nearest_where_the_kernel_would_use_another_address(void **state)
{
    struct fixture *f = *state;
    open_on(f, "127.0.0.8:" PORT, "127.0.0.16:" PORT);
    assert_ptr_equal(towards(f, "127.0.0.9:5060"), &f->listeners[0]);
    assert_ptr_equal(towards(f, "127.0.0.20:5060"), &f->listeners[1]);
}

static void is_remembered_for_ten_seconds(void **state)
{
    struct fixture *f = *state;
    open_on(f, "127.0.0.8:" PORT, "127.0.0.1:" PORT);
    assert_ptr_equal(towards(f, "127.0.0.9:5060"), &f->listeners[1]);
    forbid_sockets(f);
    let_pass(f, 9999);
    assert_ptr_equal(towards(f, "127.0.0.9:5080"), &f->listeners[1]);
    assert_ptr_equal(towards(f, "127.0.0.10:5060"), &f->listeners[0]); /* never asked before */
    let_pass(f, 1);
    assert_ptr_equal(towards(f, "127.0.0.9:5060"), &f->listeners[0]);
}

static void more_hosts_than_are_remembered_are_asked_again(void **state)
{
    struct fixture *f = *state;
    char host_port[32];
    open_on(f, "127.0.0.8:" PORT, "127.0.0.1:" PORT);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 600; i++) {
            snprintf(host_port, sizeof host_port, "127.0.%d.%d:5060", 1 + i / 200, 1 + i % 200);
            assert_ptr_equal(towards(f, host_port), &f->listeners[1]);
        }
}

static void is_found_without_memory(void **state)
{
    struct fixture *f = *state;
    open_on(f, "127.0.0.8:" PORT, "127.0.0.1:" PORT);
    memory_fail_after(0);
    const struct listener *listener = towards(f, "127.0.0.9:5060");
    memory_fail_never();
    assert_ptr_equal(listener, &f->listeners[1]);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(is_the_one_that_the_kernel_routes_by),
        TEST(is_the_nearest_where_the_kernel_would_use_another_address),
        TEST(is_remembered_for_ten_seconds),
        TEST(more_hosts_than_are_remembered_are_asked_again),
        TEST(is_found_without_memory),
    };
    return cmocka_run_group_tests_name("the listener towards an address", tests, NULL, NULL);
}
