/* The transport layer on the virtual network. */
#include "net.h"

#include "sip/response.h"

struct seen {
    struct message *message; /* newest; reference */
    size_t messages, claims, undeliverable;
    bool claim;
};

static bool on_claim(void *arg, const struct listener *listener, const struct address *peer,
                     struct text bytes)
{
    struct seen *seen = arg;
    (void)listener, (void)peer, (void)bytes;
    seen->claims++;
    return seen->claim;
}

static void on_message(void *arg, struct message *message)
{
    struct seen *seen = arg;
    seen->messages++;
    memory_release(seen->message);
    seen->message = memory_ref(message);
}

static void on_undeliverable(void *arg, const struct address *address, struct text bytes)
{
    struct seen *seen = arg;
    (void)address;
    assert_true(bytes.n > 0);
    seen->undeliverable++;
}

static struct transport_handlers handlers_of(struct seen *seen)
{
    *seen = (struct seen){0};
    return (struct transport_handlers){on_claim, on_message, on_undeliverable, seen, NULL};
}

struct fixture {
    struct net net;
    struct seen seen;
    uint64_t live;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture.live = memory_live();
    net_begin(&fixture.net);
    struct transport_handlers handlers = handlers_of(&fixture.seen);
    assert_int_equal(net_make_transport(&fixture.net, &handlers), 0);
    assert_int_equal(transport_start(fixture.net.transport), 0);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    memory_release(fixture->seen.message);
    net_end(&fixture->net);
    assert_int_equal(memory_live(), fixture->live);
    return 0;
}

#define OPTIONS_LINES(via)                                                                         \
    "OPTIONS sip:a@10.0.0.1 SIP/2.0\r\nVia: " via "\r\nFrom: <sip:b@10.0.0.2>;tag=1\r\n"           \
    "To: <sip:a@10.0.0.1>\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
#define OPTIONS_TEXT OPTIONS_LINES("SIP/2.0/UDP 10.0.0.9:5066;branch=z9hG4bK1")

/* RFC 5626 s4.4.1 */
static void answers_a_double_crlf_with_a_single_one(void **state)
{
    struct fixture *f = *state;
    net_send(&f->net, "\r\n\r\n");
    assert_string_equal(net_last(&f->net), "\r\n");
    net_send(&f->net, "\r\n");
    udp_send(f->net.peer, &f->net.our_address, (struct text){"\0", 1});
    net_run(&f->net, 0);
    assert_int_equal(f->net.count, 1);
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_KEEPALIVE), 3);
    assert_int_equal(f->seen.claims, 0);
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_RECEIVED), 0);
}

static void fills_in_where_a_message_came_from(void **state)
{
    struct fixture *f = *state;
    net_run(&f->net, 25);
    net_send(&f->net, "\r\n\r\n" OPTIONS_TEXT);
    assert_int_equal(f->seen.messages, 1);
    const struct message_source *source = &f->seen.message->source;
    assert_true(address_equal(&source->peer, &f->net.peer_address));
    assert_ptr_equal(source->listener, &f->net.listeners[0]);
    assert_int_equal(source->received_us, 25000);
    assert_int_equal(f->seen.claims, 1);
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_RECEIVED), 1);
}

static void leaves_a_claimed_message_alone(void **state)
{
    struct fixture *f = *state;
    f->seen.claim = true;
    net_send(&f->net, OPTIONS_TEXT);
    assert_int_equal(f->seen.messages, 0);
    transport_receive(f->net.transport, &f->net.listeners[0], &f->net.peer_address,
                      TEXT(OPTIONS_TEXT), 1);
    assert_int_equal(f->seen.messages, 1);
    assert_int_equal(f->seen.claims, 1);
}

static void answers_400_to_a_faulty_request_but_never_to_ack(void **state)
{
    struct fixture *f = *state;
    net_send(&f->net,
             "INVITE sip:a@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK2\r\n"
             "From: <sip:b@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: c\r\nCSeq: x INVITE\r\n\r\n");
    assert_memory_equal(net_last(&f->net), "SIP/2.0 400 ", 12);
    assert_non_null(strstr(net_last(&f->net), ";tag=sl"));
    assert_int_equal(f->seen.messages, 0);
    net_send(&f->net,
             "ACK sip:a@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK2\r\n"
             "From: <sip:b@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: c\r\nCSeq: x ACK\r\n\r\n");
    net_send(&f->net, "garbage");
    net_send(&f->net, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2\r\n\r\n");
    assert_int_equal(f->net.count, 1);
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_MALFORMED), 4);
}

#define RESPONSE(via)                                                                              \
    "SIP/2.0 200 OK\r\nVia: " via "\r\nFrom: <sip:b@h>;tag=1\r\nTo: <sip:a@h>;tag=2\r\n"           \
    "Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

/* RFC 3261 s18.1.2 */
static void drops_a_response_whose_top_via_is_not_ours(void **state)
{
    struct fixture *f = *state;
    net_send(&f->net, RESPONSE("SIP/2.0/UDP 10.0.0.77:5060;branch=z9hG4bK3"));
    assert_int_equal(f->seen.messages, 0);
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_FOREIGN_VIA), 1);
    net_send(&f->net, RESPONSE("SIP/2.0/UDP sbc.example.net:5080;branch=z9hG4bK3"));
    net_send(&f->net, RESPONSE("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK3"));
    assert_int_equal(f->seen.messages, 2);
}

static void counts_a_message_beyond_the_limits(void **state)
{
    struct fixture *f = *state;
    f->net.settings.limits_headers = 4;
    net_send(&f->net, OPTIONS_TEXT);
    assert_int_equal(f->seen.messages, 0);
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_TOO_LARGE), 1);
}

/* RFC 3261 s18.4 */
static void reports_what_cannot_be_delivered(void **state)
{
    struct fixture *f = *state;
    struct destination nobody = {&f->net.listeners[0], net_address("10.0.0.3:5060"), 0};
    assert_int_equal(transport_send(f->net.transport, &nobody, TEXT(OPTIONS_TEXT)), 0);
    net_run(&f->net, 1);
    assert_int_equal(f->seen.undeliverable, 1);
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_SENT), 1);
}

static void refuses_what_no_datagram_can_hold(void **state)
{
    struct fixture *f = *state;
    static char large[65536];
    struct destination peer = {&f->net.listeners[0], f->net.peer_address, 0};
    assert_int_equal(
        transport_send(f->net.transport, &peer, (struct text){large, sizeof large - 1}),
        ERROR_LIMIT);
    struct destination other_family = {&f->net.listeners[2], f->net.peer_address, 0};
    assert_int_equal(transport_send(f->net.transport, &other_family, TEXT("x")), ERROR_TRANSPORT);
    transport_flush(f->net.transport);
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_SEND_FAILED), 2);
    transport_stop(f->net.transport);
    assert_int_equal(transport_send(f->net.transport, &peer, TEXT("x")), ERROR_TRANSPORT);
    transport_stop(f->net.transport);
}

static int print_and_send(struct fixture *f, const struct destination *peer, struct text bytes)
{
    struct buffer *print = transport_print(f->net.transport);
    buffer_append(print, bytes);
    assert_int_equal(print->error, 0);
    return transport_send(f->net.transport, peer, transport_printed(f->net.transport));
}

static void what_is_printed_and_what_is_kept_leave_in_order(void **state)
{
    struct fixture *f = *state;
    struct destination peer = {&f->net.listeners[0], f->net.peer_address, 0};
    struct text kept = TEXT("kept");
    static char longest[60000];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(print_and_send(f, &peer, TEXT("one")), 0);
    buffer_append(transport_print(f->net.transport), TEXT("never sent"));
    assert_int_equal(transport_send(f->net.transport, &peer, kept), 0);
    assert_int_equal(print_and_send(f, &peer, (struct text){longest, sizeof longest}), 0);
    assert_int_equal(print_and_send(f, &peer, TEXT("four")), 0);
    net_run(&f->net, 1);
    assert_int_equal(f->net.count, 4);
    assert_string_equal(f->net.inbox[0].text, "one");
    assert_string_equal(f->net.inbox[1].text, "kept");
    assert_string_equal(f->net.inbox[3].text, "four");
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_SENT), 4);
}

static void a_long_batch_leaves_in_parts(void **state)
{
    struct fixture *f = *state;
    struct destination peer = {&f->net.listeners[0], f->net.peer_address, 0};
    static char longest[60000];
    memset(longest, 'x', sizeof longest);
    for (unsigned i = 0; i < 40; i++)
        print_and_send(f, &peer, (struct text){longest, sizeof longest});
    assert_true(transport_print(f->net.transport)->n < 10 * sizeof longest);
    net_run(&f->net, 1);
    assert_int_equal(f->net.count, 40);
}

static void survives_no_memory_to_send_with(void **state)
{
    struct fixture *f = *state;
    struct destination peer = {&f->net.listeners[0], f->net.peer_address, 0};
    memory_fail_after(0);
    int error = transport_send(f->net.transport, &peer, TEXT("lost"));
    memory_fail_never();
    assert_int_equal(error, ERROR_MEMORY);
    assert_int_equal(net_counter(&f->net, COUNTER_SIP_SEND_FAILED), 1);
    assert_int_equal(transport_send(f->net.transport, &peer, TEXT("sent")), 0);
    net_run(&f->net, 1);
    assert_string_equal(net_last(&f->net), "sent");
}

/* RFC 3261 s8.2.7 */
static void answers_statelessly_with_a_tag_that_its_ack_is_known_by(void **state)
{
    struct fixture *f = *state;
    struct response_options busy = {.status = 503};
    net_send(&f->net, OPTIONS_TEXT);
    assert_int_equal(transport_reply(f->net.transport, f->seen.message, &busy), 0);
    assert_int_equal(transport_reply(f->net.transport, f->seen.message, &busy), 0);
    net_run(&f->net, 0);
    assert_int_equal(f->net.count, 0); /* the Via says port 5066, nobody is there */
    char to[64] = "";
    net_send(&f->net, OPTIONS_LINES("SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK9"));
    assert_int_equal(transport_reply(f->net.transport, f->seen.message, &busy), 0);
    net_run(&f->net, 0);
    const char *tag = strstr(net_last(&f->net), "To: <sip:a@10.0.0.1>;tag=");
    assert_non_null(tag);
    assert_int_equal(sscanf(tag, "To: <sip:a@10.0.0.1>;tag=%63[^\r]", to), 1);
    char ack[512];
    snprintf(ack, sizeof ack,
             "ACK sip:a@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK9\r\n"
             "From: <sip:b@10.0.0.2>;tag=1\r\nTo: <sip:a@10.0.0.1>;tag=%s\r\nCall-ID: c1\r\n"
             "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
             to);
    net_send(&f->net, ack);
    assert_true(transport_is_own_ack(f->net.transport, f->seen.message));
    assert_int_equal(transport_reply(f->net.transport, f->seen.message, &busy), ERROR_STATE);
    memcpy(strstr(ack, "Call-ID: c1"), "Call-ID: c2", 11);
    net_send(&f->net, ack);
    assert_false(transport_is_own_ack(f->net.transport, f->seen.message));
}

static void finds_listeners(void **state)
{
    struct fixture *f = *state;
    struct transport *t = f->net.transport;
    const struct listener *v = f->net.listeners;
    assert_ptr_equal(transport_listener(t, TEXT("private"), TRANSPORT_UDP, AF_INET), &v[1]);
    assert_ptr_equal(transport_listener(t, TEXT("public"), TRANSPORT_UDP, AF_INET6), &v[2]);
    assert_ptr_equal(transport_listener(t, TEXT_NONE, TRANSPORT_UDP, AF_INET), &v[0]);
    assert_null(transport_listener(t, TEXT("private"), TRANSPORT_TCP, AF_INET));
    assert_ptr_equal(transport_listener_by_socket(t, TEXT("udp:10.1.0.1:5060")), &v[1]);
    assert_ptr_equal(transport_listener_by_socket(t, TEXT("UDP:sbc.example.net:5080")), &v[1]);
    assert_ptr_equal(transport_listener_by_socket(t, TEXT("udp:[2001:DB8:0::1]:5060")), &v[2]);
    assert_ptr_equal(transport_listener_by_socket(t, TEXT("udp:[2001:db8::1]")), &v[2]);
    assert_null(transport_listener_by_socket(t, TEXT("tcp:10.1.0.1:5060")));
    assert_null(transport_listener_by_socket(t, TEXT("udp:10.1.0.1:99999")));
    assert_null(transport_listener_by_socket(t, TEXT("")));
    assert_ptr_equal(transport_own(t, TEXT("10.1.0.1"), 0), &v[1]);
    assert_ptr_equal(transport_own(t, TEXT("SBC.example.net"), 5080), &v[1]);
    assert_null(transport_own(t, TEXT("10.1.0.1"), 5061));
    assert_null(transport_own(t, TEXT("10.1.0.2"), 5060));
    struct address near_private = net_address("10.1.7.7"), far = net_address("192.0.2.1");
    struct address v6 = net_address("[2001:db8::99]:5060");
    assert_ptr_equal(transport_listener_towards(t, &near_private, TRANSPORT_UDP), &v[1]);
    assert_ptr_equal(transport_listener_towards(t, &far, TRANSPORT_UDP), &v[0]);
    assert_ptr_equal(transport_listener_towards(t, &v6, TRANSPORT_UDP), &v[2]);
    assert_null(transport_listener_towards(t, &far, TRANSPORT_TLS));
}

static const struct listener listener = {.kind = TRANSPORT_UDP};

static void reply_to(const char *via_text, const char *expected)
{
    struct via via;
    struct destination destination;
    assert_int_equal(via_parse(&via, text_of(via_text)), 0);
    assert_int_equal(transport_response_destination(&via, &listener, &destination), 0);
    struct address address = net_address(expected);
    assert_true(address_equal(&destination.address, &address));
}

/* RFC 3261 s18.2.2, RFC 3581 s4 */
static void sends_responses_where_the_via_says(void **state)
{
    (void)state;
    reply_to("SIP/2.0/UDP 192.0.2.1", "192.0.2.1:5060");
    reply_to("SIP/2.0/UDP 192.0.2.1:7000", "192.0.2.1:7000");
    reply_to("SIP/2.0/UDP host.invalid:7000;received=192.0.2.9", "192.0.2.9:7000");
    reply_to("SIP/2.0/UDP 192.0.2.1:7000;received=192.0.2.9;rport=7001", "192.0.2.9:7001");
    reply_to("SIP/2.0/UDP 192.0.2.1:7000;maddr=192.0.2.3;received=192.0.2.9", "192.0.2.3:7000");
    reply_to("SIP/2.0/UDP [2001:db8::2];received=2001:db8::3", "[2001:db8::3]:5060");
    struct via via;
    struct destination destination;
    assert_int_equal(via_parse(&via, TEXT("SIP/2.0/UDP host.invalid")), 0);
    assert_int_equal(transport_response_destination(&via, &listener, &destination), ERROR_SYNTAX);
}

static void answers_a_request_where_it_came_from(void **state)
{
    struct fixture *f = *state;
    struct destination destination;
    net_send(&f->net, OPTIONS_LINES("SIP/2.0/UDP 10.0.0.9:5066;branch=z9hG4bK1"));
    transport_reply_destination(f->seen.message, &destination);
    struct address sent_by_port = net_address("10.0.0.2:5066"),
                   maddr = net_address("10.0.0.5:5066");
    assert_true(address_equal(&destination.address, &sent_by_port));
    net_send(&f->net, OPTIONS_LINES("SIP/2.0/UDP 10.0.0.9:5066;rport;branch=z9hG4bK1"));
    transport_reply_destination(f->seen.message, &destination);
    assert_true(address_equal(&destination.address, &f->net.peer_address));
    net_send(&f->net, OPTIONS_LINES("SIP/2.0/UDP 10.0.0.9:5066;maddr=10.0.0.5;branch=z9hG4bK1"));
    transport_reply_destination(f->seen.message, &destination);
    assert_true(address_equal(&destination.address, &maddr));
}

static void prints_a_via_that_brings_responses_back(void **state)
{
    struct fixture *f = *state;
    struct buffer out = {0};
    transport_print_via(&out, f->net.transport, &f->net.listeners[1], TEXT("z9hG4bKx"));
    transport_print_via(&out, f->net.transport, &f->net.listeners[2], TEXT("z9hG4bKy"));
    assert_true(text_equal(buffer_text(&out),
                           TEXT("Via: SIP/2.0/UDP sbc.example.net:5080;branch=z9hG4bKx;rport\r\n"
                                "Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKy;rport\r\n")));
    buffer_release(&out);
    assert_true(text_equal(transport_record_route(f->net.transport, &f->net.listeners[1], false),
                           TEXT("Record-Route: <sip:sbc.example.net:5080;lr>\r\n")));
    assert_true(text_equal(transport_record_route(f->net.transport, &f->net.listeners[2], true),
                           TEXT("Record-Route: <sip:[2001:db8::1]:5060;lr;r2=on>\r\n")));
    bool is_double;
    assert_ptr_equal(
        transport_recorded(f->net.transport, TEXT("<sip:[2001:db8::1]:5060;lr;r2=on>"), &is_double),
        &f->net.listeners[2]);
    assert_true(is_double);
    assert_ptr_equal(
        transport_recorded(f->net.transport, TEXT("<sip:10.0.0.1:5060;lr>"), &is_double),
        &f->net.listeners[0]);
    assert_false(is_double);
    assert_null(transport_recorded(f->net.transport, TEXT("<sip:10.0.0.1;lr>"), &is_double));
}

static void knows_its_protocols(void **state)
{
    (void)state;
    enum transport_kind kind;
    assert_int_equal(transport_kind_parse(&kind, TEXT("WsS")), 0);
    assert_int_equal(kind, TRANSPORT_WSS);
    assert_int_equal(transport_kind_parse(&kind, TEXT("sctp")), ERROR_SYNTAX);
    assert_string_equal(transport_kind_name(TRANSPORT_TLS), "tls");
    assert_string_equal(transport_kind_via(TRANSPORT_UDP), "UDP");
    assert_true(transport_kind_is_reliable(TRANSPORT_TCP));
    assert_false(transport_kind_is_reliable(TRANSPORT_UDP));
    assert_int_equal(transport_kind_port(TRANSPORT_TLS), 5061);
}

static void says_which_address_is_in_use(void **state)
{
    struct fixture *f = *state;
    const struct listener *failed = NULL;
    assert_int_equal(transport_probe(f->net.io, f->net.listeners, 3, &failed), ERROR_IN_USE);
    assert_ptr_equal(failed, &f->net.listeners[0]);
    transport_stop(f->net.transport);
    assert_int_equal(transport_probe(f->net.io, f->net.listeners, 3, &failed), 0);
    struct listener tcp = f->net.listeners[0];
    tcp.kind = TRANSPORT_TCP;
    assert_int_equal(transport_probe(f->net.io, &tcp, 1, &failed), ERROR_UNSUPPORTED);
    assert_ptr_equal(failed, &tcp);
}

static void survives_each_allocation_that_fails(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    bool done = false;
    for (uint64_t n = 0; !done; n++) {
        struct net net;
        struct seen seen;
        struct transport_handlers handlers = handlers_of(&seen);
        net_begin(&net);
        memory_fail_after(n);
        int error = net_make_transport(&net, &handlers);
        if (error) {
            assert_int_equal(error, ERROR_MEMORY);
            net.transport = NULL;
        } else {
            transport_start(net.transport);
            net_send(&net, OPTIONS_LINES("SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1"));
            net_send(&net, "\r\n\r\n");
            net_send(&net,
                     "INVITE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK2\r\n"
                     "From: <sip:b@h>\r\nTo: <sip:a@h>\r\nCall-ID: c\r\nCSeq: x INVITE\r\n\r\n");
            done = seen.messages == 1 && net.count == 2;
        }
        memory_fail_never();
        memory_release(seen.message);
        net_end(&net);
        assert_int_equal(memory_live(), live);
    }
}

int main(void)
{
#define LAB(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LAB(answers_a_double_crlf_with_a_single_one),
        LAB(fills_in_where_a_message_came_from),
        LAB(leaves_a_claimed_message_alone),
        LAB(answers_400_to_a_faulty_request_but_never_to_ack),
        LAB(drops_a_response_whose_top_via_is_not_ours),
        LAB(counts_a_message_beyond_the_limits),
        LAB(reports_what_cannot_be_delivered),
        LAB(refuses_what_no_datagram_can_hold),
        LAB(what_is_printed_and_what_is_kept_leave_in_order),
        LAB(a_long_batch_leaves_in_parts),
        LAB(survives_no_memory_to_send_with),
        LAB(answers_statelessly_with_a_tag_that_its_ack_is_known_by),
        LAB(finds_listeners),
        LAB(answers_a_request_where_it_came_from),
        LAB(prints_a_via_that_brings_responses_back),
        LAB(says_which_address_is_in_use),
        cmocka_unit_test(sends_responses_where_the_via_says),
        cmocka_unit_test(knows_its_protocols),
        cmocka_unit_test(survives_each_allocation_that_fails),
    };
    return cmocka_run_group_tests_name("transport (RFC 3261 s18)", tests, NULL, NULL);
}
