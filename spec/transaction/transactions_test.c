/* The table as a whole: RFC 3261 s8.2.2.2, s17.1.3, s17.2.3, RFC 5393 s4.2, limits, cost. */
#include "world.h"

#include "transaction/machine.h"

#include <time.h>

/* What memory_alloc() and malloc add to a struct. */
#define BLOCK_BYTES 32
/* Of both transactions of a call that is Accepted: they linger for 32 s after each call set-up. */
#define ACCEPTED_PAIR_BYTES 700

static void keeps_little_for_an_accepted_call(void **state)
{
    (void)state;
    size_t pair = sizeof(struct transaction_client) + sizeof(struct transaction_server);
    print_message("accepted pair: %zu bytes\n", pair + 2 * BLOCK_BYTES);
    assert_true(pair + 2 * BLOCK_BYTES <= ACCEPTED_PAIR_BYTES);
}

static void makes_branches_that_carry_the_loop_hash(void **state)
{
    struct world *w = *state;
    char a[BRANCH_BYTES], b[BRANCH_BYTES];
    uint64_t hash = 0;
    struct text first = transactions_make_branch(w->transactions, 0xfedcba9876543210u, a);
    struct text second = transactions_make_branch(w->transactions, 0xfedcba9876543210u, b);
    assert_false(text_equal(first, second));
    assert_true(text_starts_with(first, VIA_MAGIC_COOKIE));
    assert_true(transactions_branch_loop_hash(first, &hash));
    assert_true(hash == 0xfedcba9876543210u);
    assert_false(
        transactions_branch_loop_hash(transactions_make_branch(w->transactions, 0, a), &hash));
    assert_false(transactions_branch_loop_hash(TEXT("z9hG4bKforeign"), &hash));
    assert_false(transactions_branch_loop_hash(TEXT_NONE, &hash));
    b[10] = 'x';
    assert_false(transactions_branch_loop_hash(second, &hash));
}

static void send_invite(struct world *w, const char *branch, const char *to_tag, unsigned cseq)
{
    world_send(w,
               "INVITE sip:bob@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=%s\r\n"
               "From: <sip:alice@h>;tag=f1\r\nTo: <sip:bob@h>%s\r\nCall-ID: m\r\n"
               "CSeq: %u INVITE\r\nContent-Length: 0\r\n\r\n",
               branch, to_tag, cseq);
}

static bool newest_is_merged(struct world *w)
{
    return transaction_server_is_merged(w->server);
}

static void knows_merged_requests(void **state)
{
    struct world *w = *state;
    send_invite(w, "z9hG4bK1", "", 1);
    assert_false(newest_is_merged(w)); /* not by itself */
    send_invite(w, "z9hG4bK2", "", 1);
    assert_true(newest_is_merged(w));
    send_invite(w, "z9hG4bK3", "", 2);
    assert_false(newest_is_merged(w));
    send_invite(w, "z9hG4bK4", ";tag=t", 1);
    assert_false(newest_is_merged(w));
    struct transaction_server *in_dialog = memory_ref(w->server);
    send_invite(w, "z9hG4bK5", "", 3);
    transaction_server_drop(w->server);
    memory_release(in_dialog);
    send_invite(w, "z9hG4bK6", "", 3);
    assert_false(newest_is_merged(w)); /* the other is over */
}

/* A response is matched by the whole branch and the method (s17.1.3). */
static void every_byte_of_a_branch_counts(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_start_client(w, "OPTIONS", "10.0.0.2", 0), 0);
    size_t n = strlen(w->branch);
    for (size_t i = 0; i < n; i++) {
        w->branch[i] ^= 1;
        world_send_response(w, 200, "OPTIONS");
        w->branch[i] ^= 1;
    }
    world_send_response(w, 200, "BYE");
    assert_int_equal(w->stray_responses, n + 1);
    assert_int_equal(w->responses, 0);
    world_send_response(w, 200, "OPTIONS");
    assert_int_equal(w->responses, 1);
}

/* Who asks for a branch of its own form is found by it as well. */
static void takes_any_branch(void **state)
{
    struct world *w = *state;
    struct transaction_client *txn = NULL;
    struct text bytes = TEXT("OPTIONS sip:c@10.0.0.2 SIP/2.0\r\n\r\n");
    const struct transaction_client_options options = {
        .method = METHOD_OPTIONS,
        .branch = TEXT("z9hG4bK-other"),
        .destination = {&w->net.listeners[0], net_address("10.0.0.2"), 0},
        .bytes = bytes,
    };
    snprintf(w->branch, sizeof w->branch, "z9hG4bK-other");
    assert_int_equal(transaction_client_create(&txn, w->transactions, &options), 0);
    world_send_response(w, 200, "OPTIONS");
    assert_int_equal(transaction_client_state(txn), TRANSACTION_COMPLETED);
    memory_release(txn);
}

static void counts_and_passes_stray_messages(void **state)
{
    struct world *w = *state;
    world_send(w, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1\r\nFrom: <sip:a@h>;tag=1\r\n"
                  "To: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n");
    assert_int_equal(w->stray_responses, 1);
    world_send_request(w, "ACK", "z9hG4bKx", ";tag=t1");
    assert_int_equal(w->acks, 1); /* may be for a 2xx that went through somebody else */
    world_send_request(w, "ACK", "z9hG4bKx", "");
    assert_int_equal(w->acks, 1);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_STRAY_RESPONSE), 1);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_STRAY_ACK), 1);
}

static void answers_503_statelessly_beyond_the_limit(void **state)
{
    struct world *w = *state;
    char to[80];
    w->net.settings.limits_transactions = 2;
    send_invite(w, "z9hG4bK1", "", 1);
    send_invite(w, "z9hG4bK2", "", 2);
    send_invite(w, "z9hG4bK3", "", 3);
    assert_int_equal(w->requests, 2);
    assert_int_equal(transactions_count(w->transactions), 2);
    assert_int_equal(world_got(w, "SIP/2.0 503 "), 1);
    assert_non_null(strstr(net_last(&w->net), "\r\nRetry-After: "));
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_LIMIT), 1);
    snprintf(to, sizeof to, "%s", world_to_tag(net_last(&w->net)));
    world_send(w,
               "ACK sip:bob@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK3\r\n"
               "From: <sip:alice@h>;tag=f1\r\nTo: <sip:bob@h>;tag=%s\r\nCall-ID: m\r\n"
               "CSeq: 3 ACK\r\nContent-Length: 0\r\n\r\n",
               to);
    assert_int_equal(w->acks, 0); /* its ACK ends here */
    send_invite(w, "z9hG4bK1", "", 1);
    assert_int_equal(net_counter(&w->net, COUNTER_TRANSACTION_LIMIT), 1); /* no new one */
}

static bool admits_none(void *arg, struct message *request)
{
    (void)request;
    ++*(unsigned *)arg;
    return false;
}

/* Who refuses a request answers it; what lives already, and what is within a dialog, is not asked about. */
static void asks_before_something_begins(void **state)
{
    struct world *w = *state;
    unsigned asked = 0;
    send_invite(w, "z9hG4bK1", "", 1);
    w->transactions->options.admits = admits_none;
    w->transactions->options.admits_arg = &asked;
    send_invite(w, "z9hG4bK1", "", 1); /* once more: absorbed */
    send_invite(w, "z9hG4bK2", ";tag=t1", 2);
    assert_int_equal(asked, 0);
    assert_int_equal(w->requests, 2);
    send_invite(w, "z9hG4bK3", "", 3);
    assert_int_equal(asked, 1);
    assert_int_equal(w->requests, 2);
    assert_int_equal(transactions_count(w->transactions), 2);
}

/* @return of a client transaction for a request with a To tag, within a dialog */
static int start_client_in_dialog(struct world *w, const char *method)
{
    char bytes[256];
    struct transaction_client *txn = NULL;
    struct text branch = transactions_make_branch(w->transactions, 0, w->branch);
    int n = snprintf(bytes, sizeof bytes,
                     "%s sip:carol@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=%.*s\r\n"
                     "t: <sip:carol@h>;tag=t1\r\nCall-ID: m\r\nCSeq: 9 %s\r\n\r\n",
                     method, TEXT_ARG(branch), method);
    int error = transaction_client_create(
        &txn, w->transactions,
        &(struct transaction_client_options){
            .method = method_parse(text_of(method)),
            .branch = branch,
            .destination = {&w->net.listeners[0], net_address("10.0.0.2"), 0},
            .bytes = {bytes, (size_t)n},
        });
    memory_release(txn);
    return error;
}

static void keeps_a_tenth_for_requests_within_dialogs(void **state)
{
    struct world *w = *state;
    char branch[24];
    w->net.settings.limits_transactions = 20;
    for (unsigned i = 0; i < 30; i++) { /* a flood of new calls */
        snprintf(branch, sizeof branch, "z9hG4bKnew%u", i);
        send_invite(w, branch, "", i + 1);
    }
    assert_int_equal(w->requests, 18);
    assert_int_equal(world_start_client(w, "INVITE", "10.0.0.2", 0), ERROR_LIMIT);
    world_send_request(w, "BYE", "z9hG4bKbye", ";tag=t1");
    assert_int_equal(w->requests, 19);
    assert_int_equal(start_client_in_dialog(w, "BYE"), 0);
    /* and that is all */
    assert_int_equal(transactions_count(w->transactions), 20);
    send_invite(w, "z9hG4bKagain", ";tag=t1", 99);
    assert_int_equal(w->requests, 19);
    assert_int_equal(start_client_in_dialog(w, "INVITE"), ERROR_LIMIT);
}

static void ends_everything_without_a_word(void **state)
{
    struct world *w = *state;
    send_invite(w, "z9hG4bK1", "", 1);
    world_start_client(w, "INVITE", "10.0.0.2", 0);
    transactions_stop(w->transactions);
    assert_int_equal(transactions_count(w->transactions), 0);
    assert_int_equal(w->terminated, 0);
    assert_int_equal(w->failures, 0);
    assert_int_equal(world_client_state(w), TRANSACTION_TERMINATED);
    assert_int_equal(world_server_state(w), TRANSACTION_TERMINATED);
    w->transactions = memory_release(w->transactions);
    /* those that a user still holds are safe to use */
    assert_int_equal(transaction_server_respond(w->server, 200, TEXT("x")), ERROR_STATE);
    assert_int_equal(transaction_server_reply(w->server, &(struct response_options){.status = 200}),
                     ERROR_STATE);
    assert_false(text_is_set(transaction_server_tag(w->server)));
    transaction_server_drop(w->server);
    transaction_client_cancel(w->client, TEXT_NONE);
    transaction_client_detach(w->client);
}

static void names_its_states(void **state)
{
    (void)state;
    assert_string_equal(transaction_state_name(TRANSACTION_ACCEPTED), "accepted");
    assert_string_equal(transaction_state_name((enum transaction_state)99), "unknown");
}

/* One call as the table sees it: INVITE in, INVITE out, 200 in, 200 out. Both stay Accepted. */
static void one_call(struct world *w, unsigned number)
{
    struct net *net = &w->net;
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "INVITE sip:bob@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
                     "10.0.0.2;branch=z9hG4bKflat%u\r\nMax-Forwards: 70\r\nFrom: "
                     "<sip:alice@h>;tag=%u\r\nTo: <sip:bob@h>\r\nCall-ID: flat-%u\r\n"
                     "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                     number, number, number);
    transport_receive(net->transport, &net->listeners[0], &net->peer_address,
                      (struct text){text, (size_t)n}, 0);
    world_start_client(w, "INVITE", "10.0.0.2", 0);
    world_send_response(w, 200, "INVITE");
    transaction_server_reply(w->server, &(struct response_options){.status = 200});
    net_run(net, 0);
}

static double us_of_calls(struct world *w, unsigned first, unsigned count)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (unsigned i = 0; i < count; i++)
        one_call(w, first + i);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    return ((double)(end.tv_sec - begin.tv_sec) * 1e6 +
            (double)(end.tv_nsec - begin.tv_nsec) / 1e3) /
           count;
}

/* LUNASIP_SOAK=1: a hundred thousand transactions, else a tenth. */
static void costs_the_same_with_many_transactions(void **state)
{
    struct world *w = *state;
    unsigned calls = getenv("LUNASIP_SOAK") ? 50000 : 5000;
    us_of_calls(w, 0, 500); /* warm */
    double few = us_of_calls(w, 1000, 500);
    us_of_calls(w, 2000, calls - 1000);
    size_t live = transactions_count(w->transactions);
    double many = us_of_calls(w, 1000000, 500);
    print_message("a call costs %.1f us with 1000 live transactions, %.1f us with %zu\n", few, many,
                  live);
    assert_int_equal(transactions_count(w->transactions), 2 * (calls + 500));
    net_run(&w->net, 64 * T1);
    assert_int_equal(transactions_count(w->transactions), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_little_for_an_accepted_call),
        WORLD(makes_branches_that_carry_the_loop_hash),
        WORLD(knows_merged_requests),
        WORLD(every_byte_of_a_branch_counts),
        WORLD(takes_any_branch),
        WORLD(counts_and_passes_stray_messages),
        WORLD(answers_503_statelessly_beyond_the_limit),
        WORLD(asks_before_something_begins),
        WORLD(keeps_a_tenth_for_requests_within_dialogs),
        WORLD(ends_everything_without_a_word),
        cmocka_unit_test(names_its_states),
        WORLD(costs_the_same_with_many_transactions),
    };
    return cmocka_run_group_tests_name("transactions", tests, NULL, NULL);
}
