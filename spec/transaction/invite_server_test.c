/* INVITE server transaction: RFC 3261 s17.2.1, s17.2.3, RFC 6026 s7.1. */
#include "world.h"

static void invite(struct world *w)
{
    world_send_request(w, "INVITE", "z9hG4bK1", "");
}

static void start(struct world *w)
{
    invite(w);
    assert_int_equal(w->requests, 1);
    assert_int_equal(world_server_state(w), TRANSACTION_PROCEEDING);
}

static int reply(struct world *w, unsigned status)
{
    int error = transaction_server_reply(w->server, &(struct response_options){.status = status});
    net_run(&w->net, 0);
    return error;
}

/* The ACK of a final response that the peer got. */
static void acknowledge(struct world *w, const char *branch)
{
    char to[80];
    snprintf(to, sizeof to, ";tag=%s", world_to_tag(net_last(&w->net)));
    world_send_request(w, "ACK", branch, to);
}

/* s17.2.1: 100 within 200 ms, unless the user answers before. */
static void sends_100_when_the_user_takes_its_time(void **state)
{
    struct world *w = *state;
    start(w);
    net_run(&w->net, 199);
    assert_int_equal(w->net.count, 0);
    net_run(&w->net, 1);
    assert_int_equal(world_got(w, "SIP/2.0 100 "), 1);
    assert_string_equal(world_to_tag(net_last(&w->net)), "");
    assert_int_equal(world_server_state(w), TRANSACTION_PROCEEDING);
    net_run(&w->net, 600000);
    assert_int_equal(w->net.count, 1);
}

static void sends_no_100_after_another_response(void **state)
{
    struct world *w = *state;
    start(w);
    net_run(&w->net, 100);
    assert_int_equal(reply(w, 180), 0);
    net_run(&w->net, 60000);
    assert_int_equal(w->net.count, 1);
    assert_int_equal(world_got(w, "SIP/2.0 180 "), 1);
}

static void sends_100_at_once_when_set_so(void **state)
{
    struct world *w = *state;
    w->net.settings.timers_trying_ms = 0;
    start(w);
    assert_int_equal(world_got(w, "SIP/2.0 100 "), 1);
}

static void answers_a_retransmission_with_the_last_provisional(void **state)
{
    struct world *w = *state;
    start(w);
    invite(w);
    assert_int_equal(w->net.count, 0);
    reply(w, 180);
    reply(w, 183);
    net_clear(&w->net);
    invite(w);
    assert_int_equal(w->net.count, 1);
    assert_int_equal(world_got(w, "SIP/2.0 183 "), 1);
    assert_int_equal(w->requests, 1);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_ABSORBED), 2);
}

/* s17.2.1: Timer G doubles up to T2, Timer H ends it. */
static void retransmits_the_486_on_timer_g_until_timer_h(void **state)
{
    struct world *w = *state;
    start(w);
    assert_int_equal(reply(w, 486), 0);
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
    assert_null(transaction_server_request(w->server));
    net_run(&w->net, 64 * T1 - 1);
    world_check_times(w, TIMES(0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500));
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
    assert_int_equal(w->terminated, 0);
    net_run(&w->net, 1);
    assert_int_equal(w->terminated, 1);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void sends_the_486_once_over_a_stream_and_waits_for_timer_h(void **state)
{
    struct world *w = *state;
    world_make_reliable(w);
    start(w);
    transaction_server_reply(w->server, &(struct response_options){.status = 486});
    net_run(&w->net, 64 * T1 - 1);
    assert_int_equal(w->net.count, 1);
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
    net_run(&w->net, 1);
    assert_int_equal(w->terminated, 1);
}

/* s17.2.1: Completed, the ACK, Confirmed, Timer I. */
static void absorbs_the_ack_and_its_retransmissions_until_timer_i(void **state)
{
    struct world *w = *state;
    start(w);
    reply(w, 486);
    invite(w);
    assert_int_equal(world_got(w, "SIP/2.0 486 "), 2);
    acknowledge(w, "z9hG4bK1");
    assert_int_equal(world_server_state(w), TRANSACTION_CONFIRMED);
    acknowledge(w, "z9hG4bK1");
    invite(w);
    net_run(&w->net, T4 - 1);
    assert_int_equal(w->net.count, 2);
    assert_int_equal(w->acks, 0);
    assert_int_equal(world_server_state(w), TRANSACTION_CONFIRMED);
    net_run(&w->net, 1);
    assert_int_equal(world_server_state(w), TRANSACTION_TERMINATED);
    assert_int_equal(w->terminated, 1);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void ends_with_the_ack_over_a_stream(void **state)
{
    struct world *w = *state;
    world_make_reliable(w);
    start(w);
    reply(w, 486);
    acknowledge(w, "z9hG4bK1");
    assert_int_equal(world_server_state(w), TRANSACTION_TERMINATED);
    assert_int_equal(transactions_count(w->transactions), 0);
}

/* RFC 6026 s7.1, s8.5: Accepted, Timer L. */
static void absorbs_invites_and_lets_2xx_pass_in_accepted_until_timer_l(void **state)
{
    struct world *w = *state;
    char ok[NET_TEXT_BYTES];
    start(w);
    reply(w, 200);
    assert_int_equal(world_server_state(w), TRANSACTION_ACCEPTED);
    assert_null(transaction_server_request(w->server));
    invite(w);
    assert_int_equal(w->net.count, 1); /* who accepted the call retransmits the 2xx, not we */
    assert_int_equal(w->requests, 1);
    snprintf(ok, sizeof ok, "%s", net_last(&w->net));
    net_run(&w->net, 500);
    assert_int_equal(transaction_server_respond(w->server, 200, text_of(ok)), 0);
    net_run(&w->net, 0);
    assert_string_equal(net_last(&w->net), ok);
    assert_int_equal(w->net.count, 2);
    assert_int_equal(transaction_server_respond(w->server, 486, text_of(ok)), ERROR_STATE);
    assert_int_equal(transaction_server_respond(w->server, 180, text_of(ok)), ERROR_STATE);
    assert_int_equal(reply(w, 200), ERROR_STATE);
    net_run(&w->net, 64 * T1 - 500 - 1);
    assert_int_equal(world_server_state(w), TRANSACTION_ACCEPTED);
    net_run(&w->net, 1);
    assert_int_equal(w->terminated, 1);
    assert_int_equal(transaction_server_respond(w->server, 200, text_of(ok)), ERROR_STATE);
    invite(w);
    assert_int_equal(w->requests, 2);
}

/* s13.2.2.4: an ACK to 2xx has a branch of its own, that of RFC 2543 clients may not. */
static void passes_the_ack_to_2xx_up(void **state)
{
    struct world *w = *state;
    start(w);
    reply(w, 200);
    acknowledge(w, "z9hG4bKother");
    acknowledge(w, "z9hG4bK1");
    assert_int_equal(w->acks, 2);
    assert_int_equal(world_server_state(w), TRANSACTION_ACCEPTED);
}

static void allows_one_final_response(void **state)
{
    struct world *w = *state;
    start(w);
    assert_int_equal(reply(w, 503), 0);
    assert_int_equal(reply(w, 200), ERROR_STATE);
    assert_int_equal(transaction_server_respond(w->server, 200, TEXT("x")), ERROR_STATE);
    transaction_server_drop(w->server);
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
}

static void keeps_one_to_tag(void **state)
{
    struct world *w = *state;
    char tag[64];
    start(w);
    reply(w, 180);
    snprintf(tag, sizeof tag, "%s", world_to_tag(net_last(&w->net)));
    assert_int_equal(strlen(tag), transaction_server_tag(w->server).n);
    reply(w, 486);
    assert_string_equal(world_to_tag(net_last(&w->net)), tag);
}

static void drops_an_ack_that_comes_before_a_final_response(void **state)
{
    struct world *w = *state;
    start(w);
    acknowledge(w, "z9hG4bK1");
    assert_int_equal(world_server_state(w), TRANSACTION_PROCEEDING);
    assert_int_equal(w->acks, 0);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_STRAY_ACK), 1);
}

static void is_dropped_without_an_answer(void **state)
{
    struct world *w = *state;
    start(w);
    transaction_server_drop(w->server);
    net_run(&w->net, 60000);
    assert_int_equal(w->net.count, 0);
    assert_int_equal(w->terminated, 1);
    invite(w);
    assert_int_equal(w->requests, 2);
}

/* Deviation from s17.2.4 that the machine's file explains. */
static void goes_on_after_a_send_error(void **state)
{
    struct world *w = *state;
    start(w);
    transport_stop(w->net.transport);
    assert_int_equal(transaction_server_reply(w->server, &(struct response_options){.status = 486}),
                     ERROR_TRANSPORT);
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
    net_run(&w->net, 64 * T1);
    assert_int_equal(w->terminated, 1);
}

/* ---- CANCEL, s9.2 ---- */

static void answers_cancel_and_tells_the_user(void **state)
{
    struct world *w = *state;
    start(w);
    world_send_request(w, "CANCEL", "z9hG4bK1", "");
    assert_int_equal(w->cancels, 1);
    assert_int_equal(w->net.count, 2);
    assert_memory_equal(w->net.inbox[0].text, "SIP/2.0 200 ", 12);
    assert_non_null(strstr(w->net.inbox[0].text, "CSeq: 7 CANCEL"));
    assert_memory_equal(w->net.inbox[1].text, "SIP/2.0 487 ", 12);
    char tag[64];
    snprintf(tag, sizeof tag, "%s", world_to_tag(w->net.inbox[0].text));
    assert_string_equal(world_to_tag(w->net.inbox[1].text), tag); /* s9.2: the same To tag */
    world_send_request(w, "CANCEL", "z9hG4bK1", "");              /* absorbed, answered again */
    assert_int_equal(w->cancels, 1);
    assert_int_equal(world_got(w, "SIP/2.0 200 "), 2);
    acknowledge(w, "z9hG4bK1");
    net_run(&w->net, 64 * T1);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void answers_a_late_cancel_without_telling_the_user(void **state)
{
    struct world *w = *state;
    start(w);
    reply(w, 200);
    world_send_request(w, "CANCEL", "z9hG4bK1", "");
    assert_int_equal(w->cancels, 0);
    assert_int_equal(world_got(w, "SIP/2.0 200 "), 2);
    assert_int_equal(world_server_state(w), TRANSACTION_ACCEPTED);
}

static void passes_a_cancel_that_matches_nothing_up(void **state)
{
    struct world *w = *state;
    world_send_request(w, "CANCEL", "z9hG4bKnone", "");
    assert_int_equal(w->stray_cancels, 1);
    assert_int_equal(w->net.count, 0);
    assert_int_equal(transactions_count(w->transactions), 0);
}

static void answers_cancel_even_when_the_table_is_full(void **state)
{
    struct world *w = *state;
    w->net.settings.limits_transactions = 1;
    start(w);
    world_send_request(w, "CANCEL", "z9hG4bK1", "");
    assert_int_equal(w->cancels, 1);
    assert_int_equal(world_got(w, "SIP/2.0 200 "), 1);
    assert_int_equal(world_got(w, "SIP/2.0 487 "), 1);
}

/* ---- matching, s17.2.3 ---- */

static void send_from(struct world *w, const char *method, const char *via, const char *to_tag)
{
    world_send(
        w,
        "%s sip:bob@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP %s\r\nFrom: <sip:alice@h>;tag=f1\r\n"
        "To: <sip:bob@h>%s\r\nCall-ID: c\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
        method, via, to_tag, method);
}

static void tells_transactions_apart_by_branch_sent_by_and_method(void **state)
{
    struct world *w = *state;
    send_from(w, "INVITE", "10.0.0.2;branch=z9hG4bKa", "");
    send_from(w, "INVITE", "10.0.0.2;branch=z9hG4bKA1", "");
    send_from(w, "INVITE", "10.0.0.2:5061;branch=z9hG4bKa", "");
    send_from(w, "INVITE", "host.invalid;branch=z9hG4bKa", "");
    send_from(w, "MESSAGE", "10.0.0.2;branch=z9hG4bKa", "");
    send_from(w, "X-NEW", "10.0.0.2;branch=z9hG4bKa", "");
    send_from(w, "X-OTHER", "10.0.0.2;branch=z9hG4bKa", "");
    assert_int_equal(w->requests, 7);
    send_from(w, "INVITE", "HOST.invalid;branch=z9hG4bKa;rport", "");
    send_from(w, "X-NEW", "10.0.0.2;branch=z9hG4bKa", "");
    assert_int_equal(w->requests, 7);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_ABSORBED), 2);
}

/* s17.2.3: without magic cookie by the rules of RFC 2543. */
static void matches_requests_of_rfc_2543(void **state)
{
    struct world *w = *state;
    char to[80];
    send_from(w, "INVITE", "10.0.0.2:5060;branch=1", "");
    send_from(w, "INVITE", "10.0.0.2:5060;branch=1", "");
    assert_int_equal(w->requests, 1);
    send_from(w, "INVITE", "10.0.0.2:5060;branch=2", "");
    assert_int_equal(w->requests, 2);
    send_from(w, "INVITE", "10.0.0.2:5060", "");
    assert_int_equal(w->requests, 3);
    reply(w, 486);
    snprintf(to, sizeof to, ";tag=%s", world_to_tag(net_last(&w->net)));
    send_from(w, "ACK", "10.0.0.2:5060", ";tag=wrong");
    assert_int_equal(world_server_state(w), TRANSACTION_COMPLETED);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_STRAY_ACK), 1);
    send_from(w, "ACK", "10.0.0.2:5060", to);
    assert_int_equal(world_server_state(w), TRANSACTION_CONFIRMED);
    assert_int_equal(w->acks, 0);
    send_from(w, "CANCEL", "10.0.0.2:5060;branch=2", "");
    assert_int_equal(w->cancels, 1);
}

static void survives_each_allocation_that_fails(void **state)
{
    (void)state;
    unsigned clean = 0;
    for (uint64_t n = 0; clean < 3; n++) {
        struct world w;
        assert_int_equal(world_begin(&w), 0);
        memory_fail_after(n);
        invite(&w);
        if (w.server) {
            net_run(&w.net, 200);
            reply(&w, 180);
            world_send_request(&w, "CANCEL", "z9hG4bK1", "");
            net_run(&w.net, 500);
        }
        clean += w.cancels == 1 && world_got(&w, "SIP/2.0 487 ") == 2;
        memory_fail_never();
        if (w.server && world_server_state(&w) == TRANSACTION_PROCEEDING)
            assert_int_equal(reply(&w, 500), 0); /* never stuck */
        net_run(&w.net, 64 * T1);
        assert_int_equal(transactions_count(w.transactions), 0);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(sends_100_when_the_user_takes_its_time),
        WORLD(sends_no_100_after_another_response),
        WORLD(sends_100_at_once_when_set_so),
        WORLD(answers_a_retransmission_with_the_last_provisional),
        WORLD(retransmits_the_486_on_timer_g_until_timer_h),
        WORLD(sends_the_486_once_over_a_stream_and_waits_for_timer_h),
        WORLD(absorbs_the_ack_and_its_retransmissions_until_timer_i),
        WORLD(ends_with_the_ack_over_a_stream),
        WORLD(absorbs_invites_and_lets_2xx_pass_in_accepted_until_timer_l),
        WORLD(passes_the_ack_to_2xx_up),
        WORLD(allows_one_final_response),
        WORLD(keeps_one_to_tag),
        WORLD(drops_an_ack_that_comes_before_a_final_response),
        WORLD(is_dropped_without_an_answer),
        WORLD(goes_on_after_a_send_error),
        WORLD(answers_cancel_and_tells_the_user),
        WORLD(answers_a_late_cancel_without_telling_the_user),
        WORLD(passes_a_cancel_that_matches_nothing_up),
        WORLD(answers_cancel_even_when_the_table_is_full),
        WORLD(tells_transactions_apart_by_branch_sent_by_and_method),
        WORLD(matches_requests_of_rfc_2543),
        cmocka_unit_test(survives_each_allocation_that_fails),
    };
    return cmocka_run_group_tests_name("INVITE server transaction (RFC 3261 s17.2.1, RFC 6026)",
                                       tests, NULL, NULL);
}
