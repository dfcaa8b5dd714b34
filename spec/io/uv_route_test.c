/* Asking the kernel which address it would send from. */
#include "uv_bench.h"

#include <sys/resource.h>

static void says_what_the_routing_table_says(void **state)
{
    struct bench *bench = *state;
    struct address local, loopback = address_of("127.0.0.1:0");
    struct address to = address_of("127.0.0.9:5060");
    assert_int_equal(io_route(bench->io, &to, &local), 0);
    assert_true(address_equal_host(&local, &loopback));
    address_set_port(&to, 0);
    assert_int_equal(io_route(bench->io, &to, &local), 0);
    assert_true(address_equal_host(&local, &loopback));
}

static void says_so_without_a_descriptor(void **state)
{
    struct bench *bench = *state;
    struct address local, to = address_of("127.0.0.9:5060");
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    int error = io_route(bench->io, &to, &local);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(error, ERROR_LIMIT);
}

static void the_lab_has_no_routing_table(void **state)
{
    struct address local, to = address_of("127.0.0.9:5060");
    struct io *lab;
    (void)state;
    assert_int_equal(io_lab_create(&lab, 1), 0);
    assert_int_equal(io_route(lab, &to, &local), ERROR_UNSUPPORTED);
    memory_release(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(says_what_the_routing_table_says),
        TEST(says_so_without_a_descriptor),
        TEST(the_lab_has_no_routing_table),
    };
    return cmocka_run_group_tests_name("the kernel's routing", tests, NULL, NULL);
}
