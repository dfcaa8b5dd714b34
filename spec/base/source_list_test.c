/* Networks by group: CIDR, Kamailio's address file, the narrowest match. */
#include "base/source_list.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(&address, text_of(text), 5060), 0);
    return address;
}

static struct source_list *make(void)
{
    struct source_list *list;
    assert_int_equal(source_list_create(&list), 0);
    return list;
}

static void add(struct source_list *list, const char *group, const char *cidr)
{
    assert_int_equal(source_list_add(list, text_of(group), text_of(cidr)), 0);
}

static bool has(const struct source_list *list, const char *group, const char *source)
{
    struct address address = address_of(source);
    return source_list_contains(list, text_of(group), &address);
}

static void expect_match(const struct source_list *list, const char *source, const char *group,
                         const char *tag, unsigned prefix_bits)
{
    struct address address = address_of(source);
    struct source_match match;
    assert_true(source_list_find(list, TEXT_NONE, &address, &match));
    assert_true(text_equal(match.group, text_of(group)));
    assert_int_equal(text_is_set(match.tag), tag != NULL);
    assert_true(text_equal(match.tag, text_of(tag)));
    assert_int_equal(match.prefix_bits, prefix_bits);
}

static void networks_hold_what_they_should(void **state)
{
    static const struct {
        const char *cidr, *in, *out;
    } rows[] = {
        {"10.0.0.0/8", "10.255.1.2:1", "11.0.0.0"},
        {"10.1.2.3/8", "10.255.1.2", "9.255.255.255"}, /* bits behind the prefix do not matter */
        {"192.0.2.7", "192.0.2.7:9999", "192.0.2.8"},
        {"192.0.2.128/25", "192.0.2.255", "192.0.2.127"},
        {"192.0.2.4/30", "192.0.2.7", "192.0.2.8"},
        {"0.0.0.0/0", "203.0.113.1", "[::1]"},
        {"::/0", "[2001:db8::1]", "10.0.0.1"},
        {"2001:db8::/32", "[2001:db8:ffff::1]:7", "[2001:db9::]"},
        {"2001:db8::8000/113", "[2001:db8::ffff]", "[2001:db8::7fff]"},
        {"[2001:db8::1]", "[2001:db8::1]", "[2001:db8::2]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct source_list *list = make();
        add(list, "g", rows[i].cidr);
        assert_true(has(list, "g", rows[i].in));
        assert_false(has(list, "g", rows[i].out));
        assert_false(has(list, "other", rows[i].in));
        memory_release(list);
    }
}

static void groups_are_apart(void **state)
{
    struct source_list *list = make();
    struct source_match match;
    (void)state;
    add(list, "trunks", "192.0.2.0/24");
    add(list, "phones", "192.0.2.128/25");
    assert_int_equal(source_list_add_group(list, TEXT("nobody")), 0);
    assert_true(source_list_has_group(list, TEXT("trunks")));
    assert_true(source_list_has_group(list, TEXT("nobody")));
    assert_false(source_list_has_group(list, TEXT("Trunks")));
    assert_int_equal(source_list_count(list), 2);
    assert_true(has(list, "trunks", "192.0.2.200"));
    assert_true(has(list, "phones", "192.0.2.200"));
    assert_false(has(list, "phones", "192.0.2.1"));
    assert_false(has(list, "nobody", "192.0.2.1"));
    expect_match(list, "192.0.2.200", "phones", NULL, 25);
    expect_match(list, "192.0.2.1", "trunks", NULL, 24);
    assert_false(source_list_find(list, TEXT_NONE, &(struct address){0}, &match));
    assert_false(source_list_contains(list, TEXT_NONE, &(struct address){0}));
    memory_release(list);
}

static void wrong_networks_are_refused(void **state)
{
    static const char *const wrong[] = {"",     "10.0.0.0/33", "::1/129",
                                        "host", "10.0.0.0/",   "10.0.0/8"};
    struct source_list *list = make();
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(source_list_add(list, TEXT("g"), text_of(wrong[i])), ERROR_SYNTAX);
    assert_int_equal(source_list_count(list), 0);
    memory_release(list);
}

static const char file[] = "# Kamailio's address file\r\n"
                           "\r\n"
                           "1 192.0.2.0 24 0 carrier\r\n"
                           "1 192.0.2.7 32 5060 \"first gateway\"\r\n"
                           "1 192.0.2.7 32 5070 second\r\n"
                           "2 2001:db8:: 32\r\n"
                           "2 198.51.100.0/25   # with its mask\r\n"
                           "trunks 203.0.113.9\r\n"
                           "3 10.1.2.3 8 0\r\n";

static void reads_kamailios_address_file(void **state)
{
    char path[] = "/tmp/address-XXXXXX", *fault;
    struct source_list *list = make();
    int fd = mkstemp(path);
    (void)state;
    assert_int_equal(write(fd, file, sizeof file - 1), sizeof file - 1);
    close(fd);
    assert_int_equal(source_list_read(list, path, &fault), 0);
    assert_null(fault);
    assert_int_equal(source_list_count(list), 7);
    expect_match(list, "192.0.2.1:1024", "1", "carrier", 24);
    expect_match(list, "192.0.2.7:5060", "1", "first gateway", 32);
    expect_match(list, "192.0.2.7:5070", "1", "second", 32);
    expect_match(list, "192.0.2.7:5080", "1", "carrier", 24); /* no narrower one has that port */
    expect_match(list, "[2001:db8::1]", "2", NULL, 32);
    assert_true(has(list, "2", "198.51.100.127"));
    assert_false(has(list, "2", "198.51.100.128"));
    assert_true(has(list, "trunks", "203.0.113.9:9"));
    assert_true(has(list, "3", "10.255.255.255"));
    unlink(path);
    assert_int_equal(source_list_read(list, path, &fault), ERROR_NOT_FOUND);
    assert_non_null(strstr(fault, "cannot be opened"));
    memory_free_raw(fault);
    memory_release(list);
}

static void refuses_a_row_with_place_and_remedy(void **state)
{
    static const struct {
        const char *rows, *fault;
    } rows[] = {
        {"1", "f:1: no address behind group \"1\"; a row is: group address [mask] [port] [tag]"},
        {"\n1 host", "f:2: not an IP address: \"host\"; a row is: group address [mask] [port] "
                     "[tag]"},
        {"1 10.0.0.0 33", "f:1: not a prefix length: \"33\"; write 0 to 32 for IPv4, 0 to 128 for "
                          "IPv6"},
        {"1 10.0.0.0 24 x", "f:1: not a port: \"x\"; write 0 to 65535; 0 is any"},
        {"1 10.0.0.0 24 65536", "f:1: not a port: \"65536\"; write 0 to 65535; 0 is any"},
        {"1 10.0.0.0 24 0 a b", "f:1: text behind the last column: \"b\"; write the last column "
                                "without spaces, or between quotes"},
        {"1 10.0.0.0 24 0 \"a",
         "f:1: the quoted text does not end: \"\"a\"; add the closing quote"},
        {"1 10.0.0.0\x02", "f:1: a control character in the line; write plain text"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct source_list *list = make();
        char *fault;
        assert_int_equal(source_list_parse(list, text_of(rows[i].rows), "f", &fault), ERROR_SYNTAX);
        assert_string_equal(fault, rows[i].fault);
        memory_free_raw(fault);
        assert_int_equal(source_list_parse(list, text_of(rows[i].rows), "f", NULL), ERROR_SYNTAX);
        memory_release(list);
    }
}

/* The same answers as a plain walk over all networks. */
static void agrees_with_a_plain_walk(void **state)
{
    enum { NETWORKS = 300, SOURCES = 3000 };
    struct network networks[NETWORKS];
    struct source_list *list = make();
    struct random random;
    (void)state;
    random_seed(&random, 1);
    for (unsigned i = 0; i < NETWORKS; i++) {
        char cidr[64];
        if (random_below(&random, 2))
            snprintf(cidr, sizeof cidr, "10.%u.%u.%u/%u", random_below(&random, 4),
                     random_below(&random, 4), random_below(&random, 256),
                     8 + random_below(&random, 25));
        else
            snprintf(cidr, sizeof cidr, "2001:db8:%x::%x/%u", random_below(&random, 4),
                     random_below(&random, 65536), 32 + random_below(&random, 97));
        assert_int_equal(network_parse(&networks[i], text_of(cidr)), 0);
        add(list, i % 2 ? "a" : "b", cidr);
    }
    for (unsigned i = 0; i < SOURCES; i++) {
        char text[64];
        int best = -1;
        struct source_match match;
        if (random_below(&random, 2))
            snprintf(text, sizeof text, "10.%u.%u.%u", random_below(&random, 5),
                     random_below(&random, 5), random_below(&random, 256));
        else
            snprintf(text, sizeof text, "[2001:db8:%x::%x]", random_below(&random, 5),
                     random_below(&random, 65536));
        struct address source = address_of(text);
        for (unsigned k = 0; k < NETWORKS; k++)
            if (network_contains(&networks[k], &source) && (int)networks[k].prefix_bits > best)
                best = (int)networks[k].prefix_bits;
        assert_int_equal(source_list_find(list, TEXT_NONE, &source, &match), best >= 0);
        if (best >= 0)
            assert_int_equal(match.prefix_bits, best);
    }
    memory_release(list);
}

static void survives_any_failed_allocation(void **state)
{
    int error = ERROR_MEMORY;
    uint64_t n = 0, live = memory_live();
    (void)state;
    for (; error; n++) {
        struct source_list *list = NULL;
        memory_fail_after(n);
        error = source_list_create(&list);
        if (!error)
            error = source_list_parse(list, text_of(file), "f", NULL);
        if (!error)
            error = source_list_add_group(list, TEXT("empty"));
        memory_fail_never();
        assert_true(!error || error == ERROR_MEMORY);
        memory_release(list);
        assert_int_equal(memory_live(), live);
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_hold_what_they_should),
        cmocka_unit_test(groups_are_apart),
        cmocka_unit_test(wrong_networks_are_refused),
        cmocka_unit_test(reads_kamailios_address_file),
        cmocka_unit_test(refuses_a_row_with_place_and_remedy),
        cmocka_unit_test(agrees_with_a_plain_walk),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests_name("source list", tests, NULL, NULL);
}
