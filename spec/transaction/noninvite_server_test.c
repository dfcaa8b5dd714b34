/* Non-INVITE server transaction: RFC 3261 s17.2.2, RFC 4320 s4. */
#include "world.h"

static void bye(struct world *w)
{
    world_send_request(w, "BYE", "z9hG4bKb", ";tag=t1");
}

static void start(struct world *w)
{
    bye(w);
    assert_int_equal(w->requests, 1);
    assert_int_equal(world_server_state(w), TRANSACTION_TRYING);
}

static int reply(struct world *w, unsigned status)
{
    int error = transaction_server_reply(w->server, &(struct response_options){.status = status});
    net_run(&w->net, 0);
    return error;
}

static void absorbs_retransmissions_silently_in_trying(void **state)
{
    struct world *w = *state;
    start(w);
    bye(w);
    net_run(&w->net, 3 * T1);
    assert_int_equal(w->net.count, 0);
    assert_int_equal(w->requests, 1);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_ABSORBED), 1);
}

/* RFC 4320 s4.1: T1 + 2 T1 + 4 T1, then Timer E of the client is at T2. */
static void sends_100_when_the_client_has_slowed_down_to_t2(void **state)
{
    struct world *w = *state;
    start(w);
    net_run(&w->net, 7 * T1 - 1);
    assert_int_equal(w->net.count, 0);
    net_run(&w->net, 1);
    assert_int_equal(world_got(w, "SIP/2.0 100 "), 1);
    assert_int_equal(world_server_state(w), TRANSACTION_PROCEEDING);
    bye(w);
    assert_int_equal(world_got(w, "SIP/2.0 100 "), 2);
    assert_int_equal(reply(w, 200), 0);
    assert_int_equal(world_got(w, "SIP/2.0 200 "), 1);
}

static void sends_no_100_after_an_answer(void **state)
{
    struct world *w = *state;
    start(w);
    assert_int_equal(reply(w, 200), 0);
    net_run(&w->net, 8 * T1);
    assert_int_equal(w->net.count, 1);
}

/* RFC 4320 s4.2. */
static void absorbs_what_is_repeated_when_it_is_left_unanswered(void **state)
{
    struct world *w = *state;
    start(w);
    transaction_server_leave_unanswered(w->server);
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
    bye(w);
    net_run(&w->net, 64 * T1 - 1);
    assert_int_equal(w->net.count, 0);
    assert_int_equal(w->requests, 1);
    assert_int_equal(reply(w, 200), ERROR_STATE);
    net_run(&w->net, 1);
    assert_int_equal(w->terminated, 1);
    bye(w);
    assert_int_equal(w->requests, 2);
}

static void ends_when_it_is_left_unanswered_over_a_stream(void **state)
{
    struct world *w = *state;
    world_make_reliable(w);
    start(w);
    transaction_server_leave_unanswered(w->server);
    assert_int_equal(w->terminated, 1);
    transaction_server_leave_unanswered(w->server);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void answers_retransmissions_with_the_last_provisional_in_proceeding(void **state)
{
    struct world *w = *state;
    start(w);
    assert_int_equal(reply(w, 100), 0);
    assert_int_equal(world_server_state(w), TRANSACTION_PROCEEDING);
    bye(w);
    assert_int_equal(world_got(w, "SIP/2.0 100 "), 2);
    assert_int_equal(reply(w, 183), 0);
    bye(w);
    assert_int_equal(world_got(w, "SIP/2.0 183 "), 2);
}

/* s17.2.2: Completed, Timer J. */
static void answers_retransmissions_with_the_final_response_until_timer_j(void **state)
{
    struct world *w = *state;
    start(w);
    assert_int_equal(reply(w, 200), 0);
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
    assert_null(transaction_server_request(w->server));
    bye(w);
    bye(w);
    assert_int_equal(world_got(w, "SIP/2.0 200 "), 3);
    assert_string_equal(w->net.inbox[0].text, w->net.inbox[2].text);
    assert_int_equal(reply(w, 500), ERROR_STATE);
    net_run(&w->net, 64 * T1 - 1);
    assert_int_equal(w->net.count, 3); /* never by itself */
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
    net_run(&w->net, 1);
    assert_int_equal(w->terminated, 1);
    assert_int_equal(transactions_count(w->transactions), 0);
    bye(w);
    assert_int_equal(w->requests, 2);
}

static void ends_with_the_response_over_a_stream(void **state)
{
    struct world *w = *state;
    world_make_reliable(w);
    start(w);
    assert_int_equal(reply(w, 200), 0);
    assert_int_equal(w->terminated, 1);
    assert_int_equal(world_got(w, "SIP/2.0 200 "), 1);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void can_be_answered_within_the_handler(void **state)
{
    struct world *w = *state;
    w->answer = 404;
    bye(w);
    bye(w);
    assert_int_equal(world_got(w, "SIP/2.0 404 "), 2);
    assert_int_equal(w->requests, 1);
}

static void goes_on_after_a_send_error(void **state)
{
    struct world *w = *state;
    start(w);
    transport_stop(w->net.transport);
    assert_int_equal(reply(w, 200), ERROR_TRANSPORT);
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
    net_run(&w->net, 64 * T1);
    assert_int_equal(w->terminated, 1);
}

static void is_dropped_without_an_answer(void **state)
{
    struct world *w = *state;
    start(w);
    transaction_server_drop(w->server);
    assert_int_equal(w->terminated, 1);
    assert_int_equal(reply(w, 200), ERROR_STATE);
    transaction_server_drop(w->server);
    assert_int_equal(w->net.count, 0);
}

static void survives_each_allocation_that_fails(void **state)
{
    (void)state;
    unsigned clean = 0;
    for (uint64_t n = 0; clean < 3; n++) {
        struct world w;
        assert_int_equal(world_begin(&w), 0);
        memory_fail_after(n);
        bye(&w);
        if (w.server) {
            reply(&w, 100);
            reply(&w, 200);
            bye(&w);
        }
        clean += world_got(&w, "SIP/2.0 200 ") == 2;
        memory_fail_never();
        if (w.server)
            transaction_server_drop(w.server);
        net_run(&w.net, 64 * T1);
        assert_int_equal(transactions_count(w.transactions), 0);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(absorbs_retransmissions_silently_in_trying),
        WORLD(sends_100_when_the_client_has_slowed_down_to_t2),
        WORLD(sends_no_100_after_an_answer),
        WORLD(absorbs_what_is_repeated_when_it_is_left_unanswered),
        WORLD(ends_when_it_is_left_unanswered_over_a_stream),
        WORLD(answers_retransmissions_with_the_last_provisional_in_proceeding),
        WORLD(answers_retransmissions_with_the_final_response_until_timer_j),
        WORLD(ends_with_the_response_over_a_stream),
        WORLD(can_be_answered_within_the_handler),
        WORLD(goes_on_after_a_send_error),
        WORLD(is_dropped_without_an_answer),
        cmocka_unit_test(survives_each_allocation_that_fails),
    };
    return cmocka_run_group_tests_name("non-INVITE server transaction (RFC 3261 s17.2.2, RFC 4320)",
                                       tests, NULL, NULL);
}
