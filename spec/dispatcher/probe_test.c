/* Probing: who is pinged when, what an answer means, thresholds, the four modes, and marks. */
#include "bench.h"

#define ONE "sip:10.0.0.1"

/* Report a ping of gateway 1 of set 1. @return whether the state changed */
static bool answer(struct bench *bench, unsigned status)
{
    struct dispatcher_destination *destination = dispatcher_find(bench->dispatcher, 1, TEXT(ONE));
    bool is_changed = dispatcher_ping_result(bench->dispatcher, destination, status, 7);
    memory_release(destination);
    return is_changed;
}

/* How many destinations are due at @p now_ms. */
static unsigned due(struct bench *bench, uint64_t now_ms)
{
    struct dispatcher_destination *destination;
    unsigned count = 0;
    while ((destination = dispatcher_ping_due(bench->dispatcher, now_ms))) {
        count++;
        memory_release(destination);
    }
    return count;
}

static void each_is_due_once_per_interval(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.2\n2 sip:10.0.0.1\n1 sip:10.0.0.3 4\n"
                           "1 sip:10.0.0.4 32\n1 sip:10.0.0.5 16\n");
    assert_int_equal(due(&bench, 1000), 1); /* the first at once, the others a little apart */
    assert_int_equal(due(&bench, 1000), 0);
    assert_int_equal(due(&bench, 1300), 2); /* not the disabled, not those flagged against it */
    assert_int_equal(due(&bench, 10999), 0);
    assert_int_equal(due(&bench, 11000), 1);
    assert_int_equal(due(&bench, 11300), 2);
    assert_int_equal(due(&bench, 95000), 3); /* a late caller gets each once, not once per beat */
    assert_int_equal(due(&bench, 95000), 0);
    reload(&bench, "1 sip:10.0.0.1\n1 sip:10.0.0.2\n1 sip:10.0.0.6\n");
    assert_int_equal(due(&bench, 95200), 0); /* seen for the first time, planned */
    assert_int_equal(due(&bench, 95300), 1); /* the others keep their beat */
    close_bench(&bench);
    open_bench(&bench, "1 sip:10.0.0.1\n");
    bench.options.ping_interval_s = 0;
    start(&bench);
    assert_int_equal(due(&bench, 1000000), 0);
    close_bench(&bench);
}

static void a_long_list_is_spread_over_the_interval(void **state)
{
    struct bench bench;
    char list[20000] = "", *at = list;
    unsigned most = 0, sum = 0;
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        at += sprintf(at, "1 sip:h%u\n", i);
    open_and_start(&bench, list);
    for (uint64_t now_ms = 0; now_ms < 10000; now_ms += 100) {
        unsigned count = due(&bench, now_ms);
        most = count > most ? count : most;
        sum += count;
    }
    assert_int_equal(sum + due(&bench, 9999), 1000);
    assert_true(most <= 11);
    close_bench(&bench);
}

static void thresholds_count_results_in_a_row(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "1 " ONE "\n");
    bench.options.probing_threshold = 3;
    bench.options.inactive_threshold = 2;
    start(&bench);
    assert_true(answer(&bench, 408));
    assert_string_equal(letters(&bench, 1, ONE), "TP");
    assert_false(answer(&bench, 503));
    assert_true(answer(&bench, 200)); /* back before the third */
    assert_string_equal(letters(&bench, 1, ONE), "AP");
    answer(&bench, 408);
    answer(&bench, 408);
    assert_int_equal(pick_by(&bench, DISPATCHER_ROUND_ROBIN), 1); /* trying is still used */
    assert_true(answer(&bench, 408));
    assert_string_equal(letters(&bench, 1, ONE), "IP");
    assert_int_equal(pick_by(&bench, DISPATCHER_ROUND_ROBIN), 0);
    assert_false(answer(&bench, 200));
    assert_false(answer(&bench, 408)); /* begins anew */
    assert_false(answer(&bench, 200));
    assert_string_equal(letters(&bench, 1, ONE), "IP");
    assert_true(answer(&bench, 200));
    assert_string_equal(letters(&bench, 1, ONE), "AP");
    close_bench(&bench);
}

static void reply_codes_say_what_is_well(void **state)
{
    static const struct {
        const char *codes;
        unsigned good[4], bad[4];
    } rows[] = {
        {"", {200, 202, 299}, {100, 301, 404, 408}},
        {"class=2;code=403;code=488", {200, 403, 488}, {404, 489, 408}},
        {" class=3 ; code = 408; ", {200, 302, 408}, {403, 503}},
        {"class=1;class=4;class=5", {200, 404, 503}, {DISPATCHER_NO_ANSWER, 302}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        open_bench(&bench, "1 " ONE "\n");
        strcpy(bench.options.ping_reply_codes, rows[i].codes);
        start(&bench);
        for (unsigned k = 0; k < 4; k++) {
            if (rows[i].good[k]) {
                answer(&bench, rows[i].good[k]);
                assert_string_equal(letters(&bench, 1, ONE), "AP");
            }
            if (rows[i].bad[k]) {
                answer(&bench, rows[i].bad[k]);
                assert_string_equal(letters(&bench, 1, ONE), "IP");
            }
        }
        close_bench(&bench);
    }
}

static void wrong_reply_codes_are_refused(void **state)
{
    static const char *const wrong[] = {"200",     "code=",   "code=99",  "code=700",
                                        "class=7", "class=0", "colour=2", "class=2;x"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct bench bench;
        char *fault;
        open_bench(&bench, "");
        strcpy(bench.options.ping_reply_codes, wrong[i]);
        assert_int_equal(dispatcher_create(&bench.dispatcher, &bench.options, &fault),
                         ERROR_SYNTAX);
        assert_non_null(strstr(fault, "write class=2;code=403"));
        memory_free_raw(fault);
        close_bench(&bench);
    }
}

/* flags, mode; is it pinged at first, after an inactive mark with probing, after a good answer? */
static void modes_say_who_is_pinged(void **state)
{
    static const struct {
        unsigned mode;
        const char *flags;
        bool at_first, when_down, when_back;
        const char *back;
    } rows[] = {
        {0, "0", false, true, false, "AX"}, /* 0: the flag goes with the first success */
        {0, "8", true, true, false, "AX"},
        {1, "0", true, true, true, "AP"}, /* 1: all, always */
        {1, "8", true, true, true, "AP"},
        {2, "0", false, true, false, "AX"}, /* 2: inactive and flagged */
        {2, "8", false, true, false, "AX"},
        {3, "0", false, true, true, "AP"}, /* 3: flagged, and the flag stays */
        {3, "8", true, true, true, "AP"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        char list[64];
        snprintf(list, sizeof list, "1 " ONE " %s\n", rows[i].flags);
        open_bench(&bench, list);
        bench.options.probing_mode = rows[i].mode;
        start(&bench);
        assert_int_equal(due(&bench, 10000), rows[i].at_first);
        mark(&bench, 1, ONE, "ip");
        assert_int_equal(due(&bench, 30000), rows[i].when_down);
        assert_false(answer(&bench, 408));
        assert_string_equal(letters(&bench, 1, ONE), "IP"); /* still asked */
        assert_true(answer(&bench, 200));
        assert_string_equal(letters(&bench, 1, ONE), rows[i].back);
        assert_int_equal(due(&bench, 50000), rows[i].when_back);
        close_bench(&bench);
    }
}

static void the_operator_is_stronger_than_a_ping(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 " ONE "\n");
    mark(&bench, 1, ONE, "disabled");
    assert_false(answer(&bench, 200)); /* was out when it was disabled */
    assert_false(answer(&bench, 408));
    assert_string_equal(letters(&bench, 1, ONE), "DX");
    assert_int_equal(dispatcher_mark(bench.dispatcher, 1, TEXT(ONE), TEXT("inactive")),
                     ERROR_STATE);
    assert_int_equal(dispatcher_mark(bench.dispatcher, 1, TEXT(ONE), TEXT("tp")), ERROR_STATE);
    mark(&bench, 1, ONE, "active");
    assert_string_equal(letters(&bench, 1, ONE), "AX");
    close_bench(&bench);
}

static void marks_are_words_or_kamailios_letters(void **state)
{
    static const struct {
        const char *mark, *letters;
    } rows[] = {
        {"AP", "AP"}, {"inactive", "IP"}, {"active", "AP"}, {"Disabled", "DP"}, {"a", "AX"},
        {"ip", "IP"}, {"IX", "IX"},       {"active", "AX"}, {"probing", "IP"},  {"p", "AP"},
        {"dx", "DX"}, {"d", "DX"},        {"A", "AX"},      {"trying", "TX"},   {"tp", "TP"},
        {"t", "IX"},  {"tp", "IP"},       {"ax", "AX"},
    };
    static const char *const wrong[] = {"", "x", "ai", "apx", "aa", "dead", "9"};
    struct bench bench;
    (void)state;
    open_bench(&bench, "1 " ONE "\n");
    bench.options.probing_threshold = 3;
    start(&bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mark(&bench, 1, ONE, rows[i].mark);
        assert_string_equal(letters(&bench, 1, ONE), rows[i].letters);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(dispatcher_mark(bench.dispatcher, 1, TEXT(ONE), text_of(wrong[i])),
                         ERROR_SYNTAX);
    assert_int_equal(dispatcher_mark(bench.dispatcher, 2, TEXT(ONE), TEXT("a")), ERROR_NOT_FOUND);
    assert_int_equal(dispatcher_mark(bench.dispatcher, 1, TEXT("sip:x"), TEXT("a")),
                     ERROR_NOT_FOUND);
    assert_string_equal(letters(&bench, 1, ONE), "AX");
    assert_string_equal(dispatcher_state_letters((enum dispatcher_state)7, true), "??");
    close_bench(&bench);
}

static void a_gateway_that_is_never_pinged_is_not_marked_for_it(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "1 " ONE " 32\n");
    start(&bench);
    assert_int_equal(dispatcher_mark(bench.dispatcher, 1, TEXT(ONE), TEXT("probing")),
                     ERROR_UNSUPPORTED);
    assert_string_equal(letters(&bench, 1, ONE), "AX");
    close_bench(&bench);
}

static void without_pings_nothing_is_marked_for_them(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "1 " ONE "\n1 sip:10.0.0.2 0 0 duid=second\n");
    bench.options.ping_interval_s = 0;
    start(&bench);
    assert_int_equal(dispatcher_mark(bench.dispatcher, 1, TEXT(ONE), TEXT("probing")),
                     ERROR_UNSUPPORTED); /* nothing would bring it back */
    assert_string_equal(letters(&bench, 1, ONE), "AX");
    mark(&bench, 1, ONE, "inactive");
    assert_string_equal(letters(&bench, 1, ONE), "IX");
    mark(&bench, 1, "SECOND", "inactive"); /* by duid */
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.2"), "IX");
    mark(&bench, 1, "all", "active");
    assert_string_equal(letters(&bench, 1, ONE), "AX");
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.2"), "AX");
    close_bench(&bench);
}

static void latency_is_measured(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 " ONE "\n");
    struct dispatcher_destination *destination = dispatcher_find(bench.dispatcher, 1, TEXT(ONE));
    assert_int_equal(dispatcher_destination_latency(destination).answers, 0);
    for (unsigned i = 0; i < 10; i++)
        dispatcher_ping_result(bench.dispatcher, destination, 200, i % 2 ? 30 : 10);
    struct dispatcher_latency latency = dispatcher_destination_latency(destination);
    assert_int_equal(latency.answers, 10);
    assert_int_equal(latency.average_us, 20000);
    assert_in_range(latency.deviation_us, 10540, 10542); /* of a sample: 10 * sqrt(10 / 9) */
    assert_int_equal(latency.estimate_us, 20000);
    assert_int_equal(latency.max_us, 30000);
    for (unsigned i = 0; i < 50; i++)
        dispatcher_ping_result(bench.dispatcher, destination, 200, 100);
    latency = dispatcher_destination_latency(destination);
    assert_in_range(latency.average_us, 86000, 87000);
    assert_in_range(latency.estimate_us, 99000, 100000); /* follows faster */
    dispatcher_ping_result(bench.dispatcher, destination, 408, 32000);
    dispatcher_ping_result(bench.dispatcher, destination, DISPATCHER_NO_ANSWER, 0);
    assert_int_equal(dispatcher_destination_latency(destination).timeouts, 2);
    assert_int_equal(dispatcher_destination_latency(destination).answers, 60);
    for (unsigned i = 0; i < 5000; i++) /* for ever */
        dispatcher_ping_result(bench.dispatcher, destination, 200, 1);
    assert_in_range(dispatcher_destination_latency(destination).average_us, 1000, 20000);
    dispatcher_ping_result(bench.dispatcher, destination, 200, UINT32_MAX);
    memory_release(destination);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_due_once_per_interval),
        cmocka_unit_test(a_long_list_is_spread_over_the_interval),
        cmocka_unit_test(thresholds_count_results_in_a_row),
        cmocka_unit_test(reply_codes_say_what_is_well),
        cmocka_unit_test(wrong_reply_codes_are_refused),
        cmocka_unit_test(modes_say_who_is_pinged),
        cmocka_unit_test(the_operator_is_stronger_than_a_ping),
        cmocka_unit_test(marks_are_words_or_kamailios_letters),
        cmocka_unit_test(a_gateway_that_is_never_pinged_is_not_marked_for_it),
        cmocka_unit_test(without_pings_nothing_is_marked_for_them),
        cmocka_unit_test(latency_is_measured),
    };
    return cmocka_run_group_tests_name("dispatcher probing", tests, NULL, NULL);
}
