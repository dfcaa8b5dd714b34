/* Non-INVITE client transaction: RFC 3261 s17.1.2. */
#include "world.h"

static void start(struct world *w)
{
    assert_int_equal(world_start_client(w, "OPTIONS", "10.0.0.2", 0), 0);
    assert_int_equal(world_client_state(w), TRANSACTION_TRYING);
}

/* s17.1.2.2: Timer E doubles up to T2, Timer F ends it at 64*T1. */
static void retransmits_on_timer_e_and_gives_up_on_timer_f(void **state)
{
    struct world *w = *state;
    start(w);
    net_run(&w->net, 64 * T1 - 1);
    world_check_times(w, TIMES(0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500));
    assert_int_equal(w->failures, 0);
    net_run(&w->net, 1);
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failure, TRANSACTION_TIMED_OUT);
    assert_int_equal(w->failed_at_ms, 64 * T1);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void gives_up_at_the_time_that_its_user_wants(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_start_client(w, "OPTIONS", "10.0.0.2", 1000), 0);
    net_run(&w->net, 5000);
    assert_int_equal(w->failed_at_ms, 1000);
}

static void sends_once_over_a_stream(void **state)
{
    struct world *w = *state;
    world_make_reliable(w);
    start(w);
    net_run(&w->net, 64 * T1);
    world_check_times(w, TIMES(0));
    assert_int_equal(w->failures, 1);
}

/* s17.1.2.2: in Proceeding Timer E is T2, and Timer F still ends it. */
static void retransmits_every_t2_in_proceeding_until_timer_f(void **state)
{
    struct world *w = *state;
    start(w);
    net_run(&w->net, 600);
    world_send_response(w, 100, "OPTIONS");
    assert_int_equal(world_client_state(w), TRANSACTION_PROCEEDING);
    assert_int_equal(w->status, 100);
    world_send_response(w, 183, "OPTIONS");
    assert_int_equal(w->responses, 2);
    net_run(&w->net, 64 * T1 - 600);
    world_check_times(w, TIMES(0, 500, 1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500));
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failed_at_ms, 64 * T1);
}

/* s17.1.2.2: Completed, Timer K. */
static void absorbs_retransmitted_responses_until_timer_k(void **state)
{
    struct world *w = *state;
    start(w);
    net_run(&w->net, 700);
    world_send_response(w, 200, "OPTIONS");
    assert_int_equal(world_client_state(w), TRANSACTION_COMPLETED);
    world_send_response(w, 200, "OPTIONS");
    world_send_response(w, 404, "OPTIONS");
    assert_int_equal(w->responses, 1);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_ABSORBED), 2);
    net_run(&w->net, T4 - 1);
    assert_int_equal(world_client_state(w), TRANSACTION_COMPLETED);
    assert_int_equal(w->net.count, 2);
    net_run(&w->net, 1);
    assert_int_equal(world_client_state(w), TRANSACTION_TERMINATED);
    assert_int_equal(transactions_count(w->transactions), 0);
    world_send_response(w, 200, "OPTIONS");
    assert_int_equal(w->stray_responses, 1);
}

static void ends_with_the_response_over_a_stream(void **state)
{
    struct world *w = *state;
    world_make_reliable(w);
    start(w);
    world_send_response(w, 200, "OPTIONS");
    assert_int_equal(world_client_state(w), TRANSACTION_TERMINATED);
    assert_int_equal(w->responses, 1);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void is_matched_by_branch_and_method(void **state)
{
    struct world *w = *state;
    start(w);
    world_send_response(w, 200, "INVITE");
    world_send_response(w, 200, "OPTION");
    assert_int_equal(w->responses, 0);
    assert_int_equal(w->stray_responses, 2);
    w->branch[strlen(w->branch) - 1] ^= 1;
    world_send_response(w, 200, "OPTIONS");
    assert_int_equal(w->responses, 0);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_STRAY_RESPONSE), 3);
}

static void tells_of_a_send_error_after_the_call(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_start_client(w, "OPTIONS", "[2001:db8::2]", 0), 0);
    assert_int_equal(w->failures, 0);
    net_run(&w->net, 1);
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failure, TRANSACTION_UNDELIVERABLE);
}

static void fails_when_a_retransmission_cannot_be_sent(void **state)
{
    struct world *w = *state;
    start(w);
    transport_stop(w->net.transport);
    net_run(&w->net, 500);
    assert_int_equal(w->failure, TRANSACTION_UNDELIVERABLE);
    assert_int_equal(w->failures, 1);
}

static void fails_at_once_by_icmp(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_start_client(w, "OPTIONS", "10.0.0.66", 0), 0);
    net_run(&w->net, 1);
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failure, TRANSACTION_UNDELIVERABLE);
}

static void is_not_cancelled(void **state)
{
    struct world *w = *state;
    start(w);
    world_send_response(w, 100, "OPTIONS");
    transaction_client_cancel(w->client, TEXT_NONE);
    net_run(&w->net, 100);
    assert_int_equal(world_got(w, "CANCEL "), 0);
}

static void runs_no_handler_after_detach(void **state)
{
    struct world *w = *state;
    start(w);
    transaction_client_detach(w->client);
    net_run(&w->net, 64 * T1);
    assert_int_equal(w->failures, 0);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void survives_each_allocation_that_fails(void **state)
{
    (void)state;
    unsigned clean = 0;
    for (uint64_t n = 0; clean < 3; n++) {
        struct world w;
        assert_int_equal(world_begin(&w), 0);
        memory_fail_after(n);
        int error = world_start_client(&w, "OPTIONS", "10.0.0.2", 0);
        assert_true(error == 0 || error == ERROR_MEMORY);
        if (!error) {
            net_run(&w.net, 600);
            world_send_response(&w, 200, "OPTIONS");
        }
        clean += w.status == 200;
        memory_fail_never();
        net_run(&w.net, 64 * T1);
        assert_int_equal(transactions_count(w.transactions), 0);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(retransmits_on_timer_e_and_gives_up_on_timer_f),
        WORLD(gives_up_at_the_time_that_its_user_wants),
        WORLD(sends_once_over_a_stream),
        WORLD(retransmits_every_t2_in_proceeding_until_timer_f),
        WORLD(absorbs_retransmitted_responses_until_timer_k),
        WORLD(ends_with_the_response_over_a_stream),
        WORLD(is_matched_by_branch_and_method),
        WORLD(tells_of_a_send_error_after_the_call),
        WORLD(fails_when_a_retransmission_cannot_be_sent),
        WORLD(fails_at_once_by_icmp),
        WORLD(is_not_cancelled),
        WORLD(runs_no_handler_after_detach),
        cmocka_unit_test(survives_each_allocation_that_fails),
    };
    return cmocka_run_group_tests_name("non-INVITE client transaction (RFC 3261 s17.1.2)", tests,
                                       NULL, NULL);
}
