/* The pool of port pairs. */
#include "base/error.h"
#include "base/memory.h"
#include "media/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct pair {
    struct udp *rtp, *rtcp;
    uint16_t port;
};

static struct io *io;
static struct port_pool *pool;
static uint64_t live_before;
static const struct udp_options options;

static int pool_of(uint16_t least, uint16_t most)
{
    struct random random;
    struct address local;
    random_seed(&random, 3);
    address_parse_host(&local, TEXT("10.0.0.1"));
    return port_pool_create(&pool, &local, least, most, &random);
}

static int setup(void **state)
{
    (void)state;
    live_before = memory_live();
    return io_lab_create(&io, 1);
}

static int teardown(void **state)
{
    (void)state;
    pool = memory_release(pool);
    size_t open = lab_open_sockets(io);
    io = memory_release(io);
    return open == 0 && memory_live() == live_before ? 0 : -1;
}

static int take(struct pair *pair)
{
    return port_pool_open(pool, io, &options, &pair->rtp, &pair->rtcp, &pair->port);
}

static void give(struct pair *pair)
{
    udp_close(pair->rtp);
    udp_close(pair->rtcp);
    port_pool_give(pool, pair->port);
}

static void pairs_start_even_and_are_next_to_each_other(void **state)
{
    (void)state;
    struct pair pair;
    assert_int_equal(pool_of(30001, 30099), 0);
    assert_int_equal(port_pool_total(pool), 49); /* 30002 to 30099 */
    assert_int_equal(take(&pair), 0);
    assert_int_equal(pair.port % 2, 0);
    assert_int_equal(address_port(udp_local(pair.rtp)), pair.port);
    assert_int_equal(address_port(udp_local(pair.rtcp)), pair.port + 1);
    assert_int_equal(port_pool_taken(pool), 1);
    assert_int_equal(port_pool_free(pool), 48);
    give(&pair);
    assert_int_equal(port_pool_taken(pool), 0);
    assert_int_equal(port_pool_free(pool), 49);
}

static void refuses_a_range_without_a_pair(void **state)
{
    (void)state;
    assert_int_equal(pool_of(30001, 30002), ERROR_ARGUMENT);
    assert_int_equal(pool_of(65535, 65535), ERROR_ARGUMENT);
    assert_int_equal(pool_of(0, 1), ERROR_ARGUMENT);
    assert_int_equal(pool_of(30000, 29999), ERROR_ARGUMENT);
    assert_int_equal(pool_of(65534, 65535), 0);
    assert_int_equal(port_pool_total(pool), 1);
}

static void every_pair_is_given_once_and_the_longest_free_first(void **state)
{
    (void)state;
    struct pair pairs[8], again;
    unsigned seen = 0;
    bool in_order = true;
    assert_int_equal(pool_of(30000, 30015), 0);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(take(&pairs[i]), 0);
        seen |= 1u << (pairs[i].port - 30000) / 2;
        in_order &= pairs[i].port == 30000 + 2 * i;
    }
    assert_int_equal(seen, 255);
    assert_false(in_order); /* not to be guessed */
    assert_int_equal(take(&again), ERROR_LIMIT);
    give(&pairs[5]);
    give(&pairs[2]);
    assert_int_equal(take(&again), 0);
    assert_int_equal(again.port, pairs[5].port);
    pairs[5] = again;
    assert_int_equal(take(&again), 0);
    assert_int_equal(again.port, pairs[2].port);
    pairs[2] = again;
    for (size_t i = 0; i < 8; i++)
        give(&pairs[i]);
}

static void another_range_keeps_what_is_taken(void **state)
{
    (void)state;
    struct pair old[4], pair[4];
    assert_int_equal(pool_of(30000, 30007), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(take(&old[i]), 0);
    assert_int_equal(port_pool_set_range(pool, 30001, 30002), ERROR_ARGUMENT);
    assert_int_equal(port_pool_total(pool), 4);
    assert_int_equal(port_pool_set_range(pool, 30004, 30011), 0);
    assert_int_equal(port_pool_total(pool), 4);
    assert_int_equal(port_pool_taken(pool), 4);
    /* 30004 and 30006 are taken: only what is new is free. */
    assert_int_equal(take(&pair[0]), 0);
    assert_int_equal(take(&pair[1]), 0);
    assert_true(pair[0].port >= 30008 && pair[1].port >= 30008);
    assert_int_equal(take(&pair[2]), ERROR_LIMIT);
    for (size_t i = 0; i < 4; i++)
        give(&old[i]);
    /* Of these, two are in the range. */
    assert_int_equal(take(&pair[2]), 0);
    assert_int_equal(take(&pair[3]), 0);
    assert_true(pair[2].port >= 30004 && pair[2].port <= 30006);
    assert_int_equal(take(&old[0]), ERROR_LIMIT);
    for (size_t i = 0; i < 4; i++)
        give(&pair[i]);
    assert_int_equal(port_pool_taken(pool), 0);
    assert_int_equal(port_pool_free(pool), 4);
}

static void passes_over_what_others_hold(void **state)
{
    (void)state;
    struct udp *held[3];
    struct pair pair;
    assert_int_equal(pool_of(30000, 30007), 0);
    for (uint16_t i = 0; i < 3; i++) { /* one port of each of three pairs */
        struct address local = *port_pool_local(pool);
        address_set_port(&local, (uint16_t)(30000 + 2 * i + i % 2));
        assert_int_equal(udp_open(&held[i], io, &local, &options), 0);
    }
    assert_int_equal(take(&pair), 0);
    assert_int_equal(pair.port, 30006);
    struct pair none;
    assert_int_equal(take(&none), ERROR_LIMIT);
    assert_int_equal(port_pool_taken(pool), 1);
    give(&pair);
    for (size_t i = 0; i < 3; i++)
        udp_close(held[i]);
}

static void survives_without_memory(void **state)
{
    (void)state;
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        memory_fail_after(n);
        error = pool_of(30000, 30007);
        memory_fail_never();
    }
    struct pair pair;
    error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        memory_fail_after(n);
        error = take(&pair);
        memory_fail_never();
        assert_int_equal(port_pool_taken(pool), error ? 0 : 1);
    }
    give(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pairs_start_even_and_are_next_to_each_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(refuses_a_range_without_a_pair, setup, teardown),
        cmocka_unit_test_setup_teardown(every_pair_is_given_once_and_the_longest_free_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_range_keeps_what_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(passes_over_what_others_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests_name("port pool", tests, NULL, NULL);
}
