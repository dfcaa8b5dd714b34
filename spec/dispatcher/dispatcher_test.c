/* Loading and reloading, sources, call counts, and memory that fails. */
#include "bench.h"

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(&address, text_of(text), 0), 0);
    return address;
}

static bool is_from(struct bench *bench, unsigned set, const char *source)
{
    struct address address = address_of(source);
    return dispatcher_is_from(bench->dispatcher, set, &address);
}

static struct dispatcher_destination *found(struct bench *bench, unsigned set, const char *uri)
{
    return dispatcher_find(bench->dispatcher, set, text_of(uri));
}

static unsigned calls_on(struct bench *bench, unsigned set, const char *uri)
{
    struct dispatcher_destination *destination = found(bench, set, uri);
    assert_non_null(destination);
    unsigned calls = dispatcher_destination_calls(destination);
    memory_release(destination);
    return calls;
}

static void *call_on(struct bench *bench, unsigned set, const char *uri)
{
    struct dispatcher_destination *destination = found(bench, set, uri);
    void *token = dispatcher_load_token(destination);
    memory_release(destination);
    return token;
}

/* ---- reload ---- */

static void a_reload_keeps_states_and_calls(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.2\n1 sip:10.0.0.3 1\n");
    mark(&bench, 1, "sip:10.0.0.1", "dx");
    void *token = call_on(&bench, 1, "sip:10.0.0.2");
    reload(&bench, "2 sip:10.0.0.1\n1 sip:10.0.0.2 0 9 maxload=7\n1 sip:10.0.0.1\n"
                   "1 sip:10.0.0.3 0\n");
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.1"), "DX");
    assert_string_equal(letters(&bench, 2, "sip:10.0.0.1"), "AX"); /* a gateway of its own */
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.3"), "AX"); /* its flags were edited */
    assert_int_equal(calls_on(&bench, 1, "sip:10.0.0.2"), 1);
    struct dispatcher_destination *destination = found(&bench, 1, "sip:10.0.0.2");
    assert_int_equal(dispatcher_destination_priority(destination), 9);
    assert_int_equal(dispatcher_destination_attrs(destination).n, strlen("maxload=7"));
    memory_release(destination);
    memory_release(token);
    assert_int_equal(calls_on(&bench, 1, "sip:10.0.0.2"), 0);
    close_bench(&bench);
}

static void calls_of_a_removed_gateway_are_there_when_it_returns(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.2 8\n");
    void *first = call_on(&bench, 1, "sip:10.0.0.1"), *second = call_on(&bench, 1, "sip:10.0.0.1");
    mark(&bench, 1, "sip:10.0.0.1", "inactive");
    mark(&bench, 1, "sip:10.0.0.2", "inactive");
    reload(&bench, "");
    assert_false(dispatcher_has_set(bench.dispatcher, 1));
    memory_release(first);
    reload(&bench, "# still nothing\n");
    reload(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.2 8\n");
    assert_int_equal(calls_on(&bench, 1, "sip:10.0.0.1"), 1);
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.1"),
                        "AX"); /* but its state is of the list */
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.2"), "AP");
    memory_release(second);
    close_bench(&bench);
}

static void a_faulty_list_changes_nothing(void **state)
{
    struct bench bench;
    char *fault, expected[128];
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1\n");
    write_list(&bench, "1 sip:10.0.0.2\n1 sip:10.0.0.1 4\nrubbish\n");
    assert_int_equal(dispatcher_reload(bench.dispatcher, NULL, &fault), ERROR_SYNTAX);
    snprintf(expected, sizeof expected,
             "%s:3: the set is not a number: \"rubbish\"; a line is: setid uri", bench.path);
    assert_memory_equal(fault, expected, strlen(expected));
    memory_free_raw(fault);
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.1"), "AX");
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.2"), "--");
    unlink(bench.path);
    assert_int_equal(dispatcher_reload(bench.dispatcher, NULL, NULL), ERROR_NOT_FOUND);
    assert_true(dispatcher_has_set(bench.dispatcher, 1));
    close_bench(&bench);
}

static void a_choice_outlives_the_list_it_was_made_of(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.2\n");
    struct dispatcher_choice *choice =
        select_with(&bench, &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_PRIORITY});
    reload(&bench, "1 sip:10.0.0.3\n");
    assert_int_equal(number_of(dispatcher_choice_next(choice)), 2);
    void *token = dispatcher_load_token(dispatcher_choice_current(choice));
    memory_release(choice);
    memory_release(bench.dispatcher); /* and the token outlives all */
    memory_release(token);
    bench.dispatcher = NULL;
    close_bench(&bench);
}

static void round_robin_goes_on_after_a_reload(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.2\n");
    assert_int_equal(pick_by(&bench, DISPATCHER_ROUND_ROBIN), 1);
    reload(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.2\n");
    assert_int_equal(pick_by(&bench, DISPATCHER_ROUND_ROBIN), 2);
    close_bench(&bench);
}

static void one_uri_may_stand_twice_in_a_set(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.1 4\n1 sip:10.0.0.2\n");
    unsigned ones = 0;
    for (unsigned i = 0; i < 30; i++)
        ones += pick_by(&bench, DISPATCHER_ROUND_ROBIN) == 1;
    assert_int_equal(ones, 20); /* a double share */
    reload(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.1 4\n1 sip:10.0.0.2\n");
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.1"), "AX");
    close_bench(&bench);
}

static void note(void *arg, struct dispatcher_destination *destination)
{
    sprintf((char *)arg + strlen(arg), "%u:%u ", dispatcher_destination_set(destination),
            number_of(destination));
}

static void all_are_visited_by_set_and_priority(void **state)
{
    struct bench bench;
    char seen[128] = "";
    (void)state;
    open_and_start(&bench, "9 sip:10.0.0.1\n2 sip:10.0.0.2 0 1\n2 sip:10.0.0.3 0 5\n"
                           "9 sip:10.0.0.4\n0 sip:10.0.0.5\n");
    dispatcher_for_each(bench.dispatcher, note, seen);
    assert_string_equal(seen, "0:5 2:3 2:2 9:1 9:4 ");
    assert_true(dispatcher_has_set(bench.dispatcher, 0));
    assert_false(dispatcher_has_set(bench.dispatcher, 1));
    close_bench(&bench);
}

static void other_options_hold_from_a_reload_on_and_faulty_ones_never(void **state)
{
    struct bench bench;
    struct dispatcher_options now;
    char *fault = NULL;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1\n");
    bench.options.ping_interval_s = 3;
    bench.options.probing_threshold = 2;
    bench.options.inline_list = TEXT("2 sip:10.0.0.2\n");
    strcpy(bench.options.ping_reply_codes, "class=9");
    assert_int_equal(dispatcher_reload(bench.dispatcher, &bench.options, &fault), ERROR_SYNTAX);
    assert_non_null(strstr(fault, "class=9"));
    memory_free_raw(fault);
    dispatcher_get_options(bench.dispatcher, &now);
    assert_int_equal(now.ping_interval_s, 10);
    assert_false(dispatcher_has_set(bench.dispatcher, 2));
    strcpy(bench.options.ping_reply_codes, "code=404");
    assert_int_equal(dispatcher_reload(bench.dispatcher, &bench.options, NULL), 0);
    dispatcher_get_options(bench.dispatcher, &now);
    assert_int_equal(now.ping_interval_s, 3);
    assert_true(dispatcher_has_set(bench.dispatcher, 2));
    struct dispatcher_destination *first =
        dispatcher_find(bench.dispatcher, 1, TEXT("sip:10.0.0.1"));
    assert_false(dispatcher_ping_result(bench.dispatcher, first, 404, 5)); /* a good answer now */
    assert_true(dispatcher_ping_result(bench.dispatcher, first, 500, 5));  /* trying */
    assert_int_equal(dispatcher_destination_state(first, NULL), DISPATCHER_TRYING);
    memory_release(first);
    /* Without options those in force stay. */
    assert_int_equal(dispatcher_reload(bench.dispatcher, NULL, NULL), 0);
    assert_true(dispatcher_has_set(bench.dispatcher, 2));
    close_bench(&bench);
}

/* ---- sources ---- */

static void knows_its_gateways_by_source(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.2:5070\n2 sip:10.0.0.2:5080 4\n"
                           "2 sip:[2001:db8::1]:5060\n2 sip:[2001:db8::2]\n2 sip:gw.example\n");
    assert_true(is_from(&bench, 0, "10.0.0.1:1024")); /* no port written: any */
    assert_true(is_from(&bench, 1, "10.0.0.1:5060"));
    assert_false(is_from(&bench, 2, "10.0.0.1:5060"));
    assert_true(is_from(&bench, 1, "10.0.0.2:5070"));
    assert_false(is_from(&bench, 1, "10.0.0.2:5080"));
    assert_true(is_from(&bench, 2, "10.0.0.2:5080")); /* disabled or not */
    assert_false(is_from(&bench, 0, "10.0.0.2:5060"));
    assert_true(is_from(&bench, 0, "[2001:db8::1]:5060"));
    assert_false(is_from(&bench, 0, "[2001:db8::1]:5061"));
    assert_true(is_from(&bench, 2, "[2001:db8::2]:9"));
    assert_false(is_from(&bench, 3, "10.0.0.1:5060"));
    assert_false(is_from(&bench, 0, "192.0.2.7:5060"));
    assert_false(dispatcher_is_from(bench.dispatcher, 0, &(struct address){0}));
    reload(&bench, "1 sip:10.0.0.9\n");
    assert_false(is_from(&bench, 0, "10.0.0.1:5060"));
    assert_true(is_from(&bench, 0, "10.0.0.9:5060"));
    close_bench(&bench);
}

static void a_name_is_known_once_it_is_resolved(void **state)
{
    struct bench bench;
    struct address v[] = {address_of("192.0.2.1:5060"), address_of("[2001:db8::7]:5060")};
    (void)state;
    open_and_start(&bench, "1 sip:gw.example:5070\n2 sip:10.0.0.1\n");
    struct dispatcher_destination *name = found(&bench, 1, "sip:gw.example:5070");
    struct dispatcher_destination *number = found(&bench, 2, "sip:10.0.0.1");
    assert_true(dispatcher_destination_is_name(name));
    assert_false(dispatcher_destination_is_name(number));
    assert_false(is_from(&bench, 1, "192.0.2.1:5070"));
    assert_int_equal(dispatcher_destination_set_addresses(bench.dispatcher, name, v, 2), 0);
    assert_true(is_from(&bench, 1, "192.0.2.1:5070")); /* the port is the URI's */
    assert_false(is_from(&bench, 1, "192.0.2.1:5060"));
    assert_true(is_from(&bench, 0, "[2001:db8::7]:5070"));
    reload(&bench, "3 sip:10.0.0.2\n1 sip:gw.example:5070\n");
    assert_true(is_from(&bench, 1, "192.0.2.1:5070")); /* kept */
    assert_int_equal(dispatcher_destination_set_addresses(bench.dispatcher, name, v + 1, 1), 0);
    assert_int_equal(dispatcher_destination_set_addresses(bench.dispatcher, name, v + 1, 1), 0);
    assert_false(is_from(&bench, 1, "192.0.2.1:5070"));
    assert_int_equal(dispatcher_destination_set_addresses(bench.dispatcher, name, NULL, 0), 0);
    assert_false(is_from(&bench, 0, "[2001:db8::7]:5070"));
    memory_release(name);
    memory_release(number);
    close_bench(&bench);
}

static void a_thousand_sources_are_told_apart(void **state)
{
    struct bench bench;
    char *list = malloc(100000), *at = list, uri[32];
    (void)state;
    for (unsigned i = 0; i < 2000; i += 2)
        at += sprintf(at, "%u sip:10.1.%u.%u\n", i % 7 + 1, i / 250, i % 250);
    open_and_start(&bench, list);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(uri, sizeof uri, "10.1.%u.%u:5060", i / 250, i % 250);
        assert_int_equal(is_from(&bench, 0, uri), i % 2 == 0);
        assert_int_equal(is_from(&bench, i % 7 + 1, uri), i % 2 == 0);
        assert_false(is_from(&bench, i % 7 + 2, uri));
    }
    free(list);
    close_bench(&bench);
}

/* ---- the count never drifts ---- */

#define CALLS 64

static void the_count_of_calls_never_drifts(void **state)
{
    static const char *const lists[] = {
        "1 sip:10.0.0.1\n1 sip:10.0.0.2\n1 sip:10.0.0.3\n",
        "1 sip:10.0.0.3\n1 sip:10.0.0.1 0 5 maxload=20\n",
        "1 sip:10.0.0.2\n",
        "",
    };
    struct bench bench;
    struct {
        void *token;
        unsigned gateway;
    } calls[CALLS] = {{0}};
    (void)state;
    open_and_start(&bench, lists[0]);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = random_below(&bench.random, CALLS);
        if (random_below(&bench.random, 200) == 0)
            reload(&bench, lists[random_below(&bench.random, 4)]);
        if (calls[i].token) { /* it ends: BYE, failure, failover, whatever */
            calls[i].token = memory_release(calls[i].token);
            continue;
        }
        struct dispatcher_choice *choice = select_with(
            &bench, &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_CALL_LOAD});
        if (!choice)
            continue;
        calls[i].gateway = number_of(dispatcher_choice_current(choice));
        calls[i].token = dispatcher_load_token(dispatcher_choice_current(choice));
        memory_release(choice);
    }
    reload(&bench, lists[0]);
    for (unsigned n = 1; n <= 3; n++) {
        char uri[32];
        unsigned expected = 0;
        snprintf(uri, sizeof uri, "sip:10.0.0.%u", n);
        for (unsigned i = 0; i < CALLS; i++)
            expected += calls[i].token && calls[i].gateway == n;
        assert_int_equal(calls_on(&bench, 1, uri), expected);
    }
    for (unsigned i = 0; i < CALLS; i++)
        memory_release(calls[i].token);
    assert_int_equal(calls_on(&bench, 1, "sip:10.0.0.1"), 0);
    assert_int_equal(calls_on(&bench, 1, "sip:10.0.0.2"), 0);
    assert_int_equal(calls_on(&bench, 1, "sip:10.0.0.3"), 0);
    close_bench(&bench);
}

/* ---- memory ---- */

/* Everything once, where each step may find no memory. @return true when none failed */
static bool all_with_little_memory(struct bench *bench, uint64_t n)
{
    struct address v[] = {address_of("192.0.2.1:5060")};
    struct dispatcher_choice *choice = NULL;
    char *fault = NULL;
    void *token = NULL;
    const struct dispatcher_query query = {.set = 1, .algorithm = DISPATCHER_WEIGHT};
    memory_fail_after(n);
    int error = dispatcher_create(&bench->dispatcher, &bench->options, &fault);
    if (!error)
        error = dispatcher_select(&choice, bench->dispatcher, &query);
    if (!error && !(token = dispatcher_load_token(dispatcher_choice_current(choice))))
        error = ERROR_MEMORY;
    if (!error)
        error = dispatcher_destination_set_addresses(bench->dispatcher,
                                                     dispatcher_choice_at(choice, 1), v, 1);
    if (!error) {
        write_list(bench, "1 sip:10.0.0.1\n3 sip:10.0.0.4 0 0 weight=9\n1 sip:gw.example\n");
        error = dispatcher_reload(bench->dispatcher, NULL, &fault);
        if (error)
            assert_string_equal(letters(bench, 2, "sip:10.0.0.3"), "AX"); /* as it was */
    }
    memory_fail_never();
    assert_true(!error || error == ERROR_MEMORY);
    memory_free_raw(fault);
    memory_release(choice);
    memory_release(token);
    return !error;
}

static void survives_any_failed_allocation(void **state)
{
    bool is_whole = false;
    uint64_t n = 0;
    (void)state;
    for (; !is_whole; n++) {
        struct bench bench;
        open_bench(&bench, "1 sip:10.0.0.1 0 0 weight=50;duid=a\n1 sip:gw.example 0 0 weight=50\n"
                           "2 sip:10.0.0.3\n");
        bench.options.inline_list = TEXT("4 sip:10.0.0.5");
        is_whole = all_with_little_memory(&bench, n);
        close_bench(&bench);
    }
    assert_true(n > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reload_keeps_states_and_calls),
        cmocka_unit_test(calls_of_a_removed_gateway_are_there_when_it_returns),
        cmocka_unit_test(a_faulty_list_changes_nothing),
        cmocka_unit_test(a_choice_outlives_the_list_it_was_made_of),
        cmocka_unit_test(round_robin_goes_on_after_a_reload),
        cmocka_unit_test(one_uri_may_stand_twice_in_a_set),
        cmocka_unit_test(all_are_visited_by_set_and_priority),
        cmocka_unit_test(other_options_hold_from_a_reload_on_and_faulty_ones_never),
        cmocka_unit_test(knows_its_gateways_by_source),
        cmocka_unit_test(a_name_is_known_once_it_is_resolved),
        cmocka_unit_test(a_thousand_sources_are_told_apart),
        cmocka_unit_test(the_count_of_calls_never_drifts),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests_name("dispatcher", tests, NULL, NULL);
}
