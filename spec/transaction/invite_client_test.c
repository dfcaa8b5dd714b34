/* INVITE client transaction: RFC 3261 s17.1.1, RFC 6026 s7.2, CANCEL of s9.1. */
#include "world.h"

static void start(struct world *w)
{
    assert_int_equal(world_start_client(w, "INVITE", "10.0.0.2", 0), 0);
    assert_int_equal(world_client_state(w), TRANSACTION_CALLING);
}

/* s17.1.1.2: Timer A doubles without limit, Timer B ends it at 64*T1. */
static void retransmits_on_timer_a_and_gives_up_on_timer_b(void **state)
{
    struct world *w = *state;
    start(w);
    net_run(&w->net, 64 * T1 - 1);
    world_check_times(w, TIMES(0, 500, 1500, 3500, 7500, 15500, 31500));
    assert_int_equal(w->failures, 0);
    net_run(&w->net, 1);
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failure, TRANSACTION_TIMED_OUT);
    assert_int_equal(w->failed_at_ms, 64 * T1);
    assert_int_equal(transactions_count(w->transactions), 0);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_TIMEOUT), 1);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_RETRANSMITTED), 6);
    net_run(&w->net, 100000);
    assert_int_equal(w->failures, 1);
}

static void gives_up_at_the_time_that_its_user_wants(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_start_client(w, "INVITE", "10.0.0.2", 2000), 0);
    net_run(&w->net, 5000);
    assert_int_equal(w->failed_at_ms, 2000);
    world_check_times(w, TIMES(0, 500, 1500));
}

static void sends_once_over_a_stream(void **state)
{
    struct world *w = *state;
    world_make_reliable(w);
    start(w);
    net_run(&w->net, 64 * T1);
    world_check_times(w, TIMES(0));
    assert_int_equal(w->failure, TRANSACTION_TIMED_OUT);
    assert_int_equal(w->failures, 1);
}

/* s17.1.1.2: in Proceeding neither A nor B runs. */
static void waits_for_ever_once_a_provisional_response_came(void **state)
{
    struct world *w = *state;
    start(w);
    net_run(&w->net, 100);
    world_send_response(w, 100, "INVITE");
    world_send_response(w, 180, "INVITE");
    assert_int_equal(world_client_state(w), TRANSACTION_PROCEEDING);
    assert_int_equal(w->responses, 2);
    assert_int_equal(w->status, 180);
    net_run(&w->net, 600000);
    assert_int_equal(w->net.count, 1);
    assert_int_equal(w->failures, 0);
    assert_int_equal(world_client_state(w), TRANSACTION_PROCEEDING);
}

/* s17.1.1.3 */
static void acknowledges_a_final_response_with_the_bytes_of_the_rfc(void **state)
{
    struct world *w = *state;
    char expected[1024];
    start(w);
    world_send_response(w, 486, "INVITE");
    assert_int_equal(world_client_state(w), TRANSACTION_COMPLETED);
    assert_int_equal(w->status, 486);
    snprintf(expected, sizeof expected,
             "ACK sip:carol@10.0.0.2 SIP/2.0\r\n"
             "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=%s;rport\r\n"
             "Max-Forwards: 69\r\nRoute: <sip:10.0.0.2;lr>,\r\n <sip:10.0.0.7;lr>\r\n"
             "f: <sip:alice@h>;tag=f1\r\nTo: <sip:carol@h>;tag=t486\r\nCall-ID: call-2\r\n"
             "CSeq: 8 ACK\r\nContent-Length: 0\r\n\r\n",
             w->branch);
    assert_int_equal(w->net.count, 2);
    assert_string_equal(net_last(&w->net), expected);
}

/* s17.1.1.2: Completed re-ACKs without telling the user, until Timer D. */
static void acknowledges_retransmissions_until_timer_d(void **state)
{
    struct world *w = *state;
    start(w);
    world_send_response(w, 180, "INVITE");
    world_send_response(w, 486, "INVITE");
    for (int i = 0; i < 3; i++) {
        net_run(&w->net, 4000);
        world_send_response(w, 486, "INVITE");
    }
    assert_int_equal(world_got(w, "ACK "), 4);
    assert_string_equal(w->net.inbox[1].text, net_last(&w->net));
    assert_int_equal(w->responses, 2);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_ABSORBED), 3);
    world_send_response(w, 180, "INVITE");
    assert_int_equal(world_got(w, "ACK "), 4);
    assert_int_equal(w->responses, 2);
    net_run(&w->net, 32000 - 12000 - 1);
    assert_int_equal(world_client_state(w), TRANSACTION_COMPLETED);
    net_run(&w->net, 1);
    assert_int_equal(world_client_state(w), TRANSACTION_TERMINATED);
    assert_int_equal(transactions_count(w->transactions), 0);
    assert_int_equal(w->failures, 0);
}

static void ends_with_its_ack_over_a_stream(void **state)
{
    struct world *w = *state;
    world_make_reliable(w);
    start(w);
    world_send_response(w, 404, "INVITE");
    assert_int_equal(world_got(w, "ACK "), 1);
    assert_int_equal(world_client_state(w), TRANSACTION_TERMINATED);
    assert_int_equal(w->status, 404);
    assert_int_equal(transactions_count(w->transactions), 0);
}

/* RFC 6026 s7.2, s8.4 */
static void passes_every_2xx_up_in_accepted_until_timer_m(void **state)
{
    struct world *w = *state;
    start(w);
    world_send_response(w, 200, "INVITE");
    assert_int_equal(world_client_state(w), TRANSACTION_ACCEPTED);
    net_run(&w->net, 500);
    world_send_response(w, 200, "INVITE");
    world_send_response(w, 202, "INVITE");
    assert_int_equal(w->responses, 3);
    world_send_response(w, 180, "INVITE");
    world_send_response(w, 486, "INVITE");
    assert_int_equal(w->responses, 3);
    assert_int_equal(w->net.count, 1); /* no ACK from here */
    net_run(&w->net, 64 * T1 - 500 - 1);
    assert_int_equal(world_client_state(w), TRANSACTION_ACCEPTED);
    net_run(&w->net, 1);
    assert_int_equal(world_client_state(w), TRANSACTION_TERMINATED);
    world_send_response(w, 200, "INVITE");
    assert_int_equal(w->responses, 3);
    assert_int_equal(w->stray_responses, 1);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_STRAY_RESPONSE), 1);
}

/* s16.7: a 2xx from a second branch downstream is never lost. */
static void passes_a_2xx_after_another_final_response_as_a_stray(void **state)
{
    struct world *w = *state;
    start(w);
    world_send_response(w, 603, "INVITE");
    world_send_response(w, 200, "INVITE");
    assert_int_equal(w->responses, 1);
    assert_int_equal(w->stray_responses, 1);
}

static void tells_of_a_send_error_after_the_call(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_start_client(w, "INVITE", "[2001:db8::2]", 0), 0);
    assert_int_equal(w->failures, 0);
    net_run(&w->net, 1);
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failure, TRANSACTION_UNDELIVERABLE);
    assert_int_equal(w->net.count, 0);
}

static void fails_when_a_retransmission_cannot_be_sent(void **state)
{
    struct world *w = *state;
    start(w);
    transport_stop(w->net.transport);
    net_run(&w->net, 500);
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failure, TRANSACTION_UNDELIVERABLE);
}

/* s18.4 */
static void fails_at_once_by_icmp(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_start_client(w, "INVITE", "10.0.0.66", 0), 0);
    net_run(&w->net, 1);
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failure, TRANSACTION_UNDELIVERABLE);
}

static void believes_icmp_only_about_what_it_sent(void **state)
{
    struct world *w = *state;
    char bytes[1024];
    start(w);
    struct text text = world_print_request(w, "INVITE", bytes, sizeof bytes);
    struct address peer = w->net.peer_address, other = net_address("10.0.0.9");
    transactions_undeliverable(w->transactions, &peer, text); /* another branch */
    transactions_undeliverable(w->transactions, &peer, TEXT("SIP/2.0 200 OK\r\n"));
    transactions_undeliverable(w->transactions, &peer, TEXT(""));
    transactions_undeliverable(w->transactions, &peer, TEXT_NONE);
    const char *sent = w->net.inbox[0].text;
    transactions_undeliverable(w->transactions, &other, text_of(sent));
    transactions_undeliverable(w->transactions, &peer, (struct text){sent, 60}); /* Via is cut */
    assert_int_equal(w->failures, 0);
    transactions_undeliverable(w->transactions, &peer, (struct text){sent, 160});
    assert_int_equal(w->failures, 1);
}

static void is_not_failed_by_icmp_once_the_peer_has_answered(void **state)
{
    struct world *w = *state;
    start(w);
    world_send_response(w, 180, "INVITE");
    transactions_undeliverable(w->transactions, &w->net.peer_address,
                               text_of(w->net.inbox[0].text));
    assert_int_equal(w->failures, 0);
}

/* ---- CANCEL, s9.1 ---- */

static void sends_cancel_with_the_bytes_of_the_rfc(void **state)
{
    struct world *w = *state;
    char expected[1024];
    start(w);
    world_send_response(w, 180, "INVITE");
    transaction_client_cancel(w->client, TEXT("SIP;cause=200"));
    transaction_client_cancel(w->client, TEXT("SIP;cause=999"));
    net_run(&w->net, 0);
    snprintf(expected, sizeof expected,
             "CANCEL sip:carol@10.0.0.2 SIP/2.0\r\n"
             "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=%s;rport\r\n"
             "Max-Forwards: 69\r\nRoute: <sip:10.0.0.2;lr>,\r\n <sip:10.0.0.7;lr>\r\n"
             "f: <sip:alice@h>;tag=f1\r\nt: <sip:carol@h>\r\nCall-ID: call-2\r\n"
             "CSeq: 8 CANCEL\r\nReason: SIP;cause=200\r\nContent-Length: 0\r\n\r\n",
             w->branch);
    assert_int_equal(w->net.count, 2);
    assert_string_equal(net_last(&w->net), expected);
    assert_int_equal(transactions_count(w->transactions), 2);
    world_send_response(w, 200, "CANCEL");
    world_send_response(w, 487, "INVITE");
    assert_int_equal(w->responses, 2);
    assert_int_equal(w->status, 487);
    assert_int_equal(world_got(w, "ACK "), 1);
    net_run(&w->net, 40000);
    assert_int_equal(transactions_count(w->transactions), 0);
    assert_int_equal(world_got(w, "CANCEL "), 1);
    assert_int_equal(w->failures, 0);
}

static void holds_cancel_back_until_a_provisional_response(void **state)
{
    struct world *w = *state;
    start(w);
    transaction_client_cancel(w->client, TEXT("Q.850;cause=16"));
    net_run(&w->net, 600);
    assert_int_equal(world_got(w, "CANCEL "), 0);
    assert_int_equal(world_got(w, "INVITE "), 2);
    world_send_response(w, 100, "INVITE");
    assert_int_equal(world_got(w, "CANCEL "), 1);
    assert_non_null(strstr(net_last(&w->net), "\r\nReason: Q.850;cause=16\r\n"));
    net_run(&w->net, 500);
    assert_int_equal(world_got(w, "CANCEL "), 2); /* Timer E of its own transaction */
}

static void forgets_a_waiting_cancel_when_the_final_response_comes_first(void **state)
{
    struct world *w = *state;
    start(w);
    transaction_client_cancel(w->client, TEXT_NONE);
    world_send_response(w, 200, "INVITE");
    transaction_client_cancel(w->client, TEXT_NONE);
    net_run(&w->net, 100);
    assert_int_equal(world_got(w, "CANCEL "), 0);
    assert_int_equal(w->status, 200);
}

static void gives_the_invite_up_64_t1_after_a_cancel_that_brings_nothing(void **state)
{
    struct world *w = *state;
    start(w);
    world_send_response(w, 180, "INVITE");
    net_run(&w->net, 10000);
    transaction_client_cancel(w->client, TEXT_NONE);
    net_run(&w->net, 0);
    world_send_response(w, 200, "CANCEL");
    net_run(&w->net, 20000);
    world_send_response(w, 180, "INVITE"); /* does not stop the wait */
    net_run(&w->net, 40000);
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failure, TRANSACTION_TIMED_OUT);
    assert_int_equal(w->failed_at_ms, 10000 + 64 * T1);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void fails_at_once_when_its_cancel_cannot_be_delivered(void **state)
{
    struct world *w = *state;
    start(w);
    world_send_response(w, 180, "INVITE");
    transaction_client_cancel(w->client, TEXT_NONE);
    net_run(&w->net, 0);
    transactions_undeliverable(w->transactions, &w->net.peer_address, text_of(net_last(&w->net)));
    assert_int_equal(w->failures, 1);
    assert_int_equal(w->failure, TRANSACTION_UNDELIVERABLE);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void sends_cancel_even_when_the_table_is_full(void **state)
{
    struct world *w = *state;
    w->net.settings.limits_transactions = 1;
    start(w);
    world_send_response(w, 180, "INVITE");
    transaction_client_cancel(w->client, TEXT_NONE);
    net_run(&w->net, 64 * T1);
    assert_int_equal(world_got(w, "CANCEL "), 1);
    assert_int_equal(w->failures, 1);
}

/* ---- users ---- */

static void lets_its_user_detach_and_release_in_a_handler(void **state)
{
    struct world *w = *state;
    start(w);
    w->detach_in_response = w->release_in_response = true;
    world_send_response(w, 180, "INVITE");
    world_send_response(w, 486, "INVITE");
    assert_int_equal(w->responses, 1);
    assert_int_equal(world_got(w, "ACK "), 1); /* the machine goes on */
    net_run(&w->net, 32000);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void refuses_beyond_the_limit(void **state)
{
    struct world *w = *state;
    w->net.settings.limits_transactions = 1;
    start(w);
    struct transaction_client *first = memory_ref(w->client);
    assert_int_equal(world_start_client(w, "INVITE", "10.0.0.2", 0), ERROR_LIMIT);
    assert_null(w->client);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_LIMIT), 1);
    memory_release(first);
}

/* Each allocation fails once: no crash, no leak, and the call always comes to an end. */
static void survives_each_allocation_that_fails(void **state)
{
    (void)state;
    unsigned clean = 0;
    for (uint64_t n = 0; clean < 3; n++) {
        struct world w;
        assert_int_equal(world_begin(&w), 0);
        memory_fail_after(n);
        int error = world_start_client(&w, "INVITE", "10.0.0.2", 0);
        if (!error) {
            world_send_response(&w, 180, "INVITE");
            transaction_client_cancel(w.client, TEXT("SIP;cause=200"));
            net_run(&w.net, 100);
            world_send_response(&w, 487, "INVITE");
            world_send_response(&w, 487, "INVITE");
        } else {
            assert_int_equal(error, ERROR_MEMORY);
        }
        clean += w.status == 487 && world_got(&w, "ACK ") == 2;
        memory_fail_never();
        net_run(&w.net, 100000);
        assert_int_equal(transactions_count(w.transactions), 0);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(retransmits_on_timer_a_and_gives_up_on_timer_b),
        WORLD(gives_up_at_the_time_that_its_user_wants),
        WORLD(sends_once_over_a_stream),
        WORLD(waits_for_ever_once_a_provisional_response_came),
        WORLD(acknowledges_a_final_response_with_the_bytes_of_the_rfc),
        WORLD(acknowledges_retransmissions_until_timer_d),
        WORLD(ends_with_its_ack_over_a_stream),
        WORLD(passes_every_2xx_up_in_accepted_until_timer_m),
        WORLD(passes_a_2xx_after_another_final_response_as_a_stray),
        WORLD(tells_of_a_send_error_after_the_call),
        WORLD(fails_when_a_retransmission_cannot_be_sent),
        WORLD(fails_at_once_by_icmp),
        WORLD(believes_icmp_only_about_what_it_sent),
        WORLD(is_not_failed_by_icmp_once_the_peer_has_answered),
        WORLD(sends_cancel_with_the_bytes_of_the_rfc),
        WORLD(holds_cancel_back_until_a_provisional_response),
        WORLD(forgets_a_waiting_cancel_when_the_final_response_comes_first),
        WORLD(gives_the_invite_up_64_t1_after_a_cancel_that_brings_nothing),
        WORLD(fails_at_once_when_its_cancel_cannot_be_delivered),
        WORLD(sends_cancel_even_when_the_table_is_full),
        WORLD(lets_its_user_detach_and_release_in_a_handler),
        WORLD(refuses_beyond_the_limit),
        cmocka_unit_test(survives_each_allocation_that_fails),
    };
    return cmocka_run_group_tests_name("INVITE client transaction (RFC 3261 s17.1.1, RFC 6026)",
                                       tests, NULL, NULL);
}
