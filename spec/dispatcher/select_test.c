/* Each selection algorithm: how it shares out, what moves when a gateway goes, in which order it fails over. */
#include "bench.h"

#define FOUR "1 sip:10.0.0.1\n1 sip:10.0.0.2\n1 sip:10.0.0.3\n1 sip:10.0.0.4\n"

static const char *const gateways[] = {"sip:10.0.0.0", "sip:10.0.0.1", "sip:10.0.0.2",
                                       "sip:10.0.0.3", "sip:10.0.0.4", "sip:10.0.0.5"};

static struct message *invite(const char *user, const char *call_id, const char *more)
{
    struct settings settings;
    struct message_fault fault;
    struct message *message = NULL;
    char bytes[1024];
    settings_default(&settings);
    int n = snprintf(bytes, sizeof bytes,
                     "INVITE sip:r-%s@Example.NET SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
                     "From: <sip:f-%s@a>;tag=1\r\nTo: <sip:t-%s@b>\r\nCall-ID: %s\r\n"
                     "CSeq: 1 INVITE\r\n%sContent-Length: 0\r\n\r\n",
                     user, user, user, call_id, more);
    message_parse(&message, (struct text){bytes, (size_t)n}, &settings, &fault);
    assert_non_null(message);
    return message;
}

/* Pick @p calls times; counts[n] is how often gateway n was first. */
static void count_picks(struct bench *bench, enum dispatcher_algorithm algorithm, unsigned calls,
                        unsigned counts[6])
{
    memset(counts, 0, 6 * sizeof *counts);
    for (unsigned i = 0; i < calls; i++)
        counts[pick_by(bench, algorithm)]++;
}

/* ---- names ---- */

static void knows_names_and_numbers(void **state)
{
    static const char *const names[] = {
        "hash-call-id", "hash-from",       "hash-to",    "hash-ruri", "round-robin",
        "hash-auth",    "random",          "hash-value", "priority",  "weight",
        "call-load",    "relative-weight", "parallel",   "latency",
    };
    (void)state;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char number[8];
        enum dispatcher_algorithm by_name = 99, by_number = 99;
        snprintf(number, sizeof number, "%u", i);
        assert_int_equal(dispatcher_algorithm_parse(&by_name, text_of(names[i])), 0);
        assert_int_equal(dispatcher_algorithm_parse(&by_number, text_of(number)), 0);
        assert_int_equal(by_name, i);
        assert_int_equal(by_number, i);
        assert_string_equal(dispatcher_algorithm_name(by_name), names[i]);
    }
    enum dispatcher_algorithm algorithm;
    assert_int_equal(dispatcher_algorithm_parse(&algorithm, TEXT("Round-Robin")), 0);
    assert_int_equal(dispatcher_algorithm_parse(&algorithm, TEXT("14")), ERROR_SYNTAX);
    assert_int_equal(dispatcher_algorithm_parse(&algorithm, TEXT("")), ERROR_SYNTAX);
    assert_int_equal(dispatcher_algorithm_parse(&algorithm, TEXT("fastest")), ERROR_SYNTAX);
    assert_string_equal(dispatcher_algorithm_name((enum dispatcher_algorithm)14), "unknown");
}

/* ---- hashing ---- */

/* The key is part @p algorithm of request number @p i. */
static unsigned pick_key(struct bench *bench, enum dispatcher_algorithm algorithm, unsigned i)
{
    char key[32], credentials[128];
    snprintf(key, sizeof key, "key%u", i);
    snprintf(credentials, sizeof credentials,
             "Proxy-Authorization: Digest realm=\"a,username=b\", username=\"%s\", nonce=\"1\"\r\n",
             key);
    struct message *request = invite(key, key, credentials);
    unsigned number =
        pick(bench,
             &(struct dispatcher_query){
                 .set = 1, .algorithm = algorithm, .request = request, .hash_value = text_of(key)});
    memory_release(request);
    return number;
}

#define KEYS 400

static void hashing_is_even_and_loses_only_the_keys_of_a_lost_gateway(void **state)
{
    static const enum dispatcher_algorithm algorithms[] = {
        DISPATCHER_HASH_CALL_ID, DISPATCHER_HASH_FROM, DISPATCHER_HASH_TO,
        DISPATCHER_HASH_RURI,    DISPATCHER_HASH_AUTH, DISPATCHER_HASH_VALUE,
    };
    (void)state;
    for (size_t a = 0; a < sizeof algorithms / sizeof *algorithms; a++) {
        struct bench bench;
        unsigned before[KEYS], counts[6] = {0}, taken_over[6] = {0};
        open_and_start(&bench, FOUR);
        for (unsigned i = 0; i < KEYS; i++) {
            before[i] = pick_key(&bench, algorithms[a], i);
            counts[before[i]]++;
            assert_int_equal(pick_key(&bench, algorithms[a], i), before[i]);
        }
        for (unsigned n = 1; n <= 4; n++)
            assert_in_range(counts[n], KEYS / 4 - 40, KEYS / 4 + 40);
        mark(&bench, 1, "sip:10.0.0.2", "inactive");
        for (unsigned i = 0; i < KEYS; i++) {
            unsigned now = pick_key(&bench, algorithms[a], i);
            if (before[i] != 2)
                assert_int_equal(now, before[i]);
            taken_over[before[i] == 2 ? now : 0]++;
        }
        for (unsigned n = 1; n <= 4; n++)
            assert_true(n == 2 ? taken_over[n] == 0 : taken_over[n] > 10); /* shared by all */
        /* taken out of the list, in another order: the same */
        reload(&bench, "1 sip:10.0.0.4\n1 sip:10.0.0.1\n1 sip:10.0.0.3\n");
        for (unsigned i = 0; i < KEYS; i++)
            if (before[i] != 2)
                assert_int_equal(pick_key(&bench, algorithms[a], i), before[i]);
        reload(&bench, FOUR);
        for (unsigned i = 0; i < KEYS; i++)
            assert_int_equal(pick_key(&bench, algorithms[a], i), before[i]);
        close_bench(&bench);
    }
}

static void a_request_without_the_key_is_turned_round_robin(void **state)
{
    static const char *const headers[] = {
        "", "Proxy-Authorization: Basic abc\r\n", "Proxy-Authorization: Digest realm=\"x\"\r\n",
        "Proxy-Authorization: Digest\r\n", "Proxy-Authorization: Digest username\r\n"};
    struct bench bench;
    (void)state;
    open_and_start(&bench, FOUR);
    for (unsigned i = 0; i < 20; i++) {
        struct message *request = invite("a", "a", headers[i / 4]);
        const struct dispatcher_query query = {
            .set = 1, .algorithm = DISPATCHER_HASH_AUTH, .request = request};
        assert_int_equal(pick(&bench, &query), i % 4 + 1);
        memory_release(request);
    }
    assert_int_equal(pick_by(&bench, DISPATCHER_HASH_CALL_ID), 1); /* without a request */
    assert_int_equal(pick_by(&bench, DISPATCHER_HASH_FROM), 2);
    assert_int_equal(pick_by(&bench, DISPATCHER_HASH_RURI), 3);
    assert_int_equal(pick_by(&bench, DISPATCHER_HASH_VALUE), 4);
    close_bench(&bench);
}

static void the_host_of_a_hashed_uri_has_no_case(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, FOUR);
    for (unsigned i = 0; i < 50; i++) {
        char line[64];
        unsigned picked[2];
        for (unsigned k = 0; k < 2; k++) {
            struct settings settings;
            struct message_fault fault;
            struct message *request;
            settings_default(&settings);
            snprintf(line, sizeof line, "INVITE sip:u%u@%s SIP/2.0", i,
                     k ? "EXAMPLE.net;a=b" : "example.NET");
            char bytes[512];
            int n = snprintf(bytes, sizeof bytes,
                             "%s\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\n"
                             "To: <sip:b@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n",
                             line);
            assert_int_equal(
                message_parse(&request, (struct text){bytes, (size_t)n}, &settings, &fault), 0);
            picked[k] =
                pick(&bench, &(struct dispatcher_query){
                                 .set = 1, .algorithm = DISPATCHER_HASH_RURI, .request = request});
            memory_release(request);
        }
        assert_int_equal(picked[0], picked[1]);
    }
    close_bench(&bench);
}

/* ---- sharing ---- */

static void round_robin_turns_over_the_usable_ones(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, FOUR);
    const struct dispatcher_query query = {.set = 1, .algorithm = DISPATCHER_ROUND_ROBIN};
    expect_order(&bench, &query, "1 2 3 4 ");
    expect_order(&bench, &query, "2 3 4 1 ");
    expect_order(&bench, &query, "3 4 1 2 ");
    mark(&bench, 1, gateways[3], "inactive");
    unsigned counts[6];
    count_picks(&bench, DISPATCHER_ROUND_ROBIN, 300, counts);
    assert_int_equal(counts[1], 100); /* no double share for the neighbour */
    assert_int_equal(counts[2], 100);
    assert_int_equal(counts[4], 100);
    close_bench(&bench);
}

static void random_is_even_and_fails_over_to_all(void **state)
{
    struct bench bench;
    unsigned counts[6], seconds[6] = {0};
    (void)state;
    open_and_start(&bench, FOUR);
    count_picks(&bench, DISPATCHER_RANDOM, 4000, counts);
    for (unsigned n = 1; n <= 4; n++)
        assert_in_range(counts[n], 880, 1120);
    for (unsigned i = 0; i < 1200; i++) {
        struct dispatcher_choice *choice = select_with(
            &bench, &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_RANDOM});
        assert_int_equal(dispatcher_choice_count(choice), 4);
        seconds[number_of(dispatcher_choice_next(choice))]++;
        memory_release(choice);
    }
    for (unsigned n = 1; n <= 4; n++)
        assert_in_range(seconds[n], 220, 380);
    close_bench(&bench);
}

static void priority_is_kept_and_written_order_among_equals(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1 0 5\n1 sip:10.0.0.2 0 10\n1 sip:10.0.0.3 0 5\n"
                           "1 sip:10.0.0.4 0 -1\n1 sip:10.0.0.5 0 10\n2 sip:10.0.0.9 0 99\n");
    const struct dispatcher_query query = {.set = 1, .algorithm = DISPATCHER_PRIORITY};
    expect_order(&bench, &query, "2 5 1 3 4 ");
    expect_order(&bench, &query, "2 5 1 3 4 ");
    expect_order(&bench, &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_LATENCY},
                 "2 5 1 3 4 "); /* nothing measured; negative ones last */
    mark(&bench, 1, gateways[2], "disabled");
    expect_order(&bench, &query, "5 1 3 4 ");
    mark(&bench, 1, gateways[5], "trying"); /* threshold 1 */
    expect_order(&bench, &query, "1 3 4 ");
    const struct dispatcher_query first = {.set = 1, .algorithm = DISPATCHER_PRIORITY, .limit = 2};
    expect_order(&bench, &first, "1 3 ");
    close_bench(&bench);
}

static void weights_are_exact_in_each_hundred_calls(void **state)
{
    static const struct {
        unsigned weights[4], shares[4];
    } rows[] = {
        {{50, 25, 15, 10}, {50, 25, 15, 10}},
        {{10, 20, 0, 0}, {10, 20, 0, 70}}, /* Kamailio: the last gets the rest */
        {{60, 60, 10, 0}, {60, 40, 0, 0}}, /* and what is beyond is cut */
        {{100, 0, 0, 0}, {100, 0, 0, 0}},
        {{0, 0, 0, 0}, {25, 25, 25, 25}}, /* none written: turns */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        char list[256] = "";
        unsigned counts[6];
        for (unsigned n = 0; n < 4; n++)
            sprintf(list + strlen(list), "1 sip:10.0.0.%u 0 0 weight=%u\n", n + 1,
                    rows[i].weights[n]);
        open_and_start(&bench, list);
        for (unsigned round = 0; round < 3; round++) {
            count_picks(&bench, DISPATCHER_WEIGHT, 100, counts);
            for (unsigned n = 0; n < 4; n++)
                assert_int_equal(counts[n + 1], rows[i].shares[n]);
        }
        close_bench(&bench);
    }
}

static void a_dead_gateways_weight_is_shared_by_weight(void **state)
{
    struct bench bench;
    unsigned counts[6], run = 0, longest = 0, last = 0;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1 0 0 weight=40\n1 sip:10.0.0.2 0 0 weight=40\n"
                           "1 sip:10.0.0.3 0 0 weight=20\n1 sip:10.0.0.4 0 0 duid=spare\n");
    for (unsigned i = 0; i < 100; i++) { /* no runs: 40 of 100 is never three in a row */
        unsigned now = pick_by(&bench, DISPATCHER_WEIGHT);
        run = now == last ? run + 1 : 1;
        longest = run > longest ? run : longest;
        last = now;
    }
    assert_true(longest <= 2);
    mark(&bench, 1, gateways[1], "inactive");
    count_picks(&bench, DISPATCHER_WEIGHT, 100, counts);
    assert_in_range(counts[2], 55, 80);
    assert_in_range(counts[3], 20, 45);
    assert_int_equal(counts[4], 0); /* without weight: the last resort */
    mark(&bench, 1, gateways[2], "inactive");
    mark(&bench, 1, gateways[3], "inactive");
    assert_int_equal(pick_by(&bench, DISPATCHER_WEIGHT), 4);
    close_bench(&bench);
}

static void relative_weights_need_no_sum(void **state)
{
    struct bench bench;
    unsigned counts[6];
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1 0 0 rweight=1\n1 sip:10.0.0.2 0 0 rweight=3\n"
                           "1 sip:10.0.0.3 0 0 rweight=4\n1 sip:10.0.0.4\n");
    count_picks(&bench, DISPATCHER_RELATIVE_WEIGHT, 8000, counts);
    assert_in_range(counts[1], 850, 1150);
    assert_in_range(counts[2], 2800, 3200);
    assert_in_range(counts[3], 3800, 4200);
    assert_int_equal(counts[4], 0);
    mark(&bench, 1, gateways[3], "inactive"); /* 1 : 3 of what is left */
    count_picks(&bench, DISPATCHER_RELATIVE_WEIGHT, 4000, counts);
    assert_in_range(counts[1], 850, 1150);
    reload(&bench, FOUR);
    mark(&bench, 1, "all", "active");
    count_picks(&bench, DISPATCHER_RELATIVE_WEIGHT, 4000, counts);
    for (unsigned n = 1; n <= 4; n++) /* none written: equal */
        assert_in_range(counts[n], 850, 1150);
    close_bench(&bench);
}

static void parallel_takes_all_at_once(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, FOUR);
    mark(&bench, 1, gateways[2], "inactive");
    struct dispatcher_choice *choice =
        select_with(&bench, &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_PARALLEL});
    assert_true(dispatcher_choice_is_parallel(choice));
    assert_int_equal(dispatcher_choice_count(choice), 3);
    assert_int_equal(number_of(dispatcher_choice_at(choice, 1)), 3);
    assert_null(dispatcher_choice_at(choice, 3));
    memory_release(choice);
    choice =
        select_with(&bench, &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_RANDOM});
    assert_false(dispatcher_choice_is_parallel(choice));
    memory_release(choice);
    close_bench(&bench);
}

/* ---- load and latency ---- */

/* One call to where call-load sends it. @return its token, NULL when nobody has room */
static void *call(struct bench *bench)
{
    struct dispatcher_choice *choice =
        select_with(bench, &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_CALL_LOAD});
    void *token = choice ? dispatcher_load_token(dispatcher_choice_current(choice)) : NULL;
    memory_release(choice);
    return token;
}

static unsigned calls_on(struct bench *bench, unsigned n)
{
    struct dispatcher_destination *destination =
        dispatcher_find(bench->dispatcher, 1, text_of(gateways[n]));
    unsigned calls = destination ? dispatcher_destination_calls(destination) : 0;
    memory_release(destination);
    return calls;
}

static void call_load_fills_evenly_up_to_maxload(void **state)
{
    struct bench bench;
    void *tokens[20];
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1 0 0 duid=a;maxload=2\n1 sip:10.0.0.2 0 0 duid=b\n"
                           "1 sip:10.0.0.3 0 0 duid=c;maxload=5\n");
    for (unsigned i = 0; i < 20; i++)
        assert_non_null(tokens[i] = call(&bench));
    assert_int_equal(calls_on(&bench, 1), 2);
    assert_int_equal(calls_on(&bench, 2), 13);
    assert_int_equal(calls_on(&bench, 3), 5);
    mark(&bench, 1, gateways[2], "inactive");
    assert_null(call(&bench)); /* the others are full */
    memory_release(tokens[0]);
    assert_non_null(tokens[0] = call(&bench));
    for (unsigned i = 0; i < 20; i++)
        memory_release(tokens[i]);
    for (unsigned n = 1; n <= 3; n++)
        assert_int_equal(calls_on(&bench, n), 0);
    mark(&bench, 1, "all", "active");
    unsigned counts[6];
    count_picks(&bench, DISPATCHER_CALL_LOAD, 30, counts); /* nobody has calls: they take turns */
    for (unsigned n = 1; n <= 3; n++)
        assert_int_equal(counts[n], 10);
    close_bench(&bench);
}

static void failover_skips_what_is_down_or_full_by_now(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, FOUR);
    struct dispatcher_choice *choice =
        select_with(&bench, &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_PRIORITY});
    mark(&bench, 1, gateways[2], "ip");
    assert_int_equal(number_of(dispatcher_choice_current(choice)), 1);
    assert_int_equal(number_of(dispatcher_choice_next(choice)), 3);
    assert_int_equal(number_of(dispatcher_choice_next(choice)), 4);
    assert_null(dispatcher_choice_next(choice));
    assert_null(dispatcher_choice_next(choice));
    assert_null(dispatcher_choice_current(choice));
    memory_release(choice);
    reload(&bench, "1 sip:10.0.0.1 0 0 maxload=1\n1 sip:10.0.0.3 0 0 maxload=1\n");
    choice = select_with(&bench,
                         &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_CALL_LOAD});
    void *first = call(&bench), *second = call(&bench);
    assert_null(dispatcher_choice_next(choice));
    memory_release(choice);
    memory_release(first);
    memory_release(second);
    close_bench(&bench);
}

static void ping(struct bench *bench, unsigned n, uint32_t latency_ms)
{
    struct dispatcher_destination *destination =
        dispatcher_find(bench->dispatcher, 1, text_of(gateways[n]));
    dispatcher_ping_result(bench->dispatcher, destination, 200, latency_ms);
    memory_release(destination);
}

static void latency_lowers_priority(void **state)
{
    struct bench bench;
    unsigned counts[6];
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1 0 30\n1 sip:10.0.0.2 0 30\n1 sip:10.0.0.3 0 30\n"
                           "1 sip:10.0.0.4 0 30\n1 sip:10.0.0.5 0 30\n");
    ping(&bench, 1, 21); /* the example of Kamailio's manual: 30, 27, 28, 30, 29 */
    ping(&bench, 2, 91);
    ping(&bench, 3, 61);
    ping(&bench, 4, 19);
    ping(&bench, 5, 32);
    count_picks(&bench, DISPATCHER_LATENCY, 100, counts);
    assert_int_equal(counts[1], 50); /* equals at the top take turns */
    assert_int_equal(counts[4], 50);
    mark(&bench, 1, gateways[1], "inactive");
    expect_order(&bench, &(struct dispatcher_query){.set = 1, .algorithm = DISPATCHER_LATENCY},
                 "4 5 3 2 ");
    close_bench(&bench);
}

static void congestion_counts_only_what_is_unusual(void **state)
{
    struct bench bench;
    unsigned counts[6];
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1 0 10 cc=1;latency=200;rweight=50\n"
                           "1 sip:10.0.0.2 0 9 rweight=50\n");
    count_picks(&bench, DISPATCHER_LATENCY, 10, counts);
    assert_int_equal(counts[1], 10); /* 200 ms is what it always takes */
    for (unsigned i = 0; i < 30; i++)
        ping(&bench, 1, 400);
    count_picks(&bench, DISPATCHER_LATENCY, 10, counts);
    assert_int_equal(counts[2], 10);
    count_picks(&bench, DISPATCHER_RELATIVE_WEIGHT, 1000, counts);
    assert_in_range(counts[1], 1, 60); /* weight 1 against 50 */
    close_bench(&bench);
}

static void nobody_is_not_found(void **state)
{
    struct bench bench;
    (void)state;
    open_and_start(&bench, FOUR "2 sip:10.0.0.5 4\n");
    for (unsigned a = 0; a <= DISPATCHER_LATENCY; a++) {
        struct dispatcher_choice *choice = NULL;
        struct dispatcher_query query = {.set = 3, .algorithm = a};
        assert_int_equal(dispatcher_select(&choice, bench.dispatcher, &query), ERROR_NOT_FOUND);
        query.set = 2;
        assert_int_equal(dispatcher_select(&choice, bench.dispatcher, &query), ERROR_NOT_FOUND);
        query.set = 1;
        assert_int_equal(dispatcher_select(&choice, bench.dispatcher, &query), 0);
        memory_release(choice);
    }
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_names_and_numbers),
        cmocka_unit_test(hashing_is_even_and_loses_only_the_keys_of_a_lost_gateway),
        cmocka_unit_test(a_request_without_the_key_is_turned_round_robin),
        cmocka_unit_test(the_host_of_a_hashed_uri_has_no_case),
        cmocka_unit_test(round_robin_turns_over_the_usable_ones),
        cmocka_unit_test(random_is_even_and_fails_over_to_all),
        cmocka_unit_test(priority_is_kept_and_written_order_among_equals),
        cmocka_unit_test(weights_are_exact_in_each_hundred_calls),
        cmocka_unit_test(a_dead_gateways_weight_is_shared_by_weight),
        cmocka_unit_test(relative_weights_need_no_sum),
        cmocka_unit_test(parallel_takes_all_at_once),
        cmocka_unit_test(call_load_fills_evenly_up_to_maxload),
        cmocka_unit_test(failover_skips_what_is_down_or_full_by_now),
        cmocka_unit_test(latency_lowers_priority),
        cmocka_unit_test(congestion_counts_only_what_is_unusual),
        cmocka_unit_test(nobody_is_not_found),
    };
    return cmocka_run_group_tests_name("dispatcher selection", tests, NULL, NULL);
}
