/* Packets through the relay: both ways, RTCP, rtcp-mux, opaque streams, statistics, timeouts. */
#include "media_world.h"

/* A call from 192.0.2.1:4000 (public) to 10.1.0.99:5000 (private). */
struct talk {
    struct world world;
    struct phone caller, callee, caller_rtcp, callee_rtcp;
    struct address to_caller_side, to_callee_side; /* our ports, as each phone was told */
};

static void talk_open(struct talk *t, const char *flags, const char *caller_more,
                      const char *callee_more)
{
    world_open(&t->world);
    phone_open(&t->world, &t->caller, "192.0.2.1:4000");
    phone_open(&t->world, &t->caller_rtcp, "192.0.2.1:4001");
    phone_open(&t->world, &t->callee, "10.1.0.99:5000");
    phone_open(&t->world, &t->callee_rtcp, "10.1.0.99:5001");
    begin_call(&t->world);
    t->to_callee_side = offer(&t->world, "192.0.2.1:4000", caller_more, flags);
    t->to_caller_side = answer(&t->world, "b", "10.1.0.99:5000", callee_more);
}

static void talk_close(struct talk *t)
{
    phone_close(&t->caller);
    phone_close(&t->callee);
    phone_close(&t->caller_rtcp);
    phone_close(&t->callee_rtcp);
    world_close(&t->world);
}

static struct address rtcp_of(struct address address)
{
    address_set_port(&address, (uint16_t)(address_port(&address) + 1));
    return address;
}

static const char receiver_report[] = "\x80\xc9\x00\x01\x00\x00\x12\x34";

#define DIRECTION "direction=public direction=private"

static void carries_rtp_both_ways(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, DIRECTION, "", "");
    assert_true(is_on(&t.to_callee_side, "10.1.0.20"));
    assert_true(is_on(&t.to_caller_side, "10.0.0.10"));
    assert_int_equal(address_port(&t.to_caller_side) % 2, 0);
    for (uint16_t i = 0; i < 5; i++) {
        phone_send_rtp(&t.caller, &t.to_caller_side, i);
        phone_send_rtp(&t.callee, &t.to_callee_side, i);
        run_ms(&t.world, 20);
    }
    assert_int_equal(t.caller.heard, 5);
    assert_int_equal(t.callee.heard, 5);
    assert_true(address_equal(&t.caller.from, &t.to_caller_side));
    assert_true(address_equal(&t.callee.from, &t.to_callee_side));
    assert_int_equal(counted(&t.world, COUNTER_MEDIA_FORWARDED), 10);
    assert_int_equal(counted(&t.world, COUNTER_MEDIA_FORWARDED_BYTES), 320);
    talk_close(&t);
}

/* How many allocations an RTP packet needs on its way. */
static unsigned allocations_of_packet(struct talk *t, const struct address *to)
{
    static uint16_t sequence = 100;
    char packet[64];
    for (unsigned n = 0;; n++) {
        unsigned before = t->callee.heard;
        size_t bytes = make_rtp(packet, sequence, sequence * 160u, 0x1234);
        sequence++;
        memory_fail_after(n);
        udp_send(t->caller.udp, to, (struct text){packet, bytes}); /* the lab's, which allocates */
        run_ms(&t->world, 5);
        memory_fail_never();
        if (t->callee.heard > before)
            return n;
        assert_true(n < 100);
    }
}

static void allocates_nothing_per_packet(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, DIRECTION, "", "");
    for (uint16_t i = 0; i < 5; i++) {
        phone_send_rtp(&t.caller, &t.to_caller_side, i);
        phone_send_rtp(&t.callee, &t.to_callee_side, i);
        run_ms(&t.world, 20);
    }
    struct address callee = addr("10.1.0.99:5000");
    unsigned of_one_hop = allocations_of_packet(&t, &callee);
    assert_true(of_one_hop > 0);
    assert_int_equal(allocations_of_packet(&t, &t.to_caller_side), 2 * of_one_hop);
    talk_close(&t);
}

static void carries_rtcp_on_the_next_port(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, DIRECTION, "", "");
    struct address to = rtcp_of(t.to_caller_side);
    phone_send(&t.caller_rtcp, &to, receiver_report, 8);
    to = rtcp_of(t.to_callee_side);
    phone_send(&t.callee_rtcp, &to, receiver_report, 8);
    run_ms(&t.world, 5);
    assert_int_equal(t.caller_rtcp.heard, 1);
    assert_int_equal(t.callee_rtcp.heard, 1);
    assert_int_equal(t.caller.heard + t.callee.heard, 0);
    talk_close(&t);
}

static void sends_rtcp_where_a_rtcp_says(void **state)
{
    (void)state;
    struct talk t;
    struct phone elsewhere;
    talk_open(&t, DIRECTION, "a=rtcp:4444\r\n", "");
    phone_open(&t.world, &elsewhere, "192.0.2.1:4444");
    struct address to = rtcp_of(t.to_callee_side);
    phone_send(&t.callee_rtcp, &to, receiver_report, 8);
    run_ms(&t.world, 5);
    assert_int_equal(elsewhere.heard, 1);
    phone_close(&elsewhere);
    talk_close(&t);
}

/* RFC 5761: one party muxes, the other has two ports. */
static void bridges_rtcp_mux(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, DIRECTION " rtcp-mux-demux", "a=rtcp-mux\r\n", "");
    assert_non_null(text_search(buffer_text(&t.world.out), TEXT("a=rtcp-mux\r\n")));
    phone_send_rtp(&t.caller, &t.to_caller_side, 1);
    phone_send(&t.caller, &t.to_caller_side, receiver_report, 8);
    struct address to = rtcp_of(t.to_callee_side);
    phone_send(&t.callee_rtcp, &to, receiver_report, 8);
    run_ms(&t.world, 5);
    assert_int_equal(t.callee.heard, 1);
    assert_int_equal(t.callee_rtcp.heard, 1);
    assert_int_equal(t.caller.heard, 1); /* the callee's RTCP, on the RTP port */
    assert_int_equal(t.caller_rtcp.heard, 0);
    talk_close(&t);
}

static void drops_what_is_not_rtp(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, DIRECTION, "", "");
    phone_send(&t.caller, &t.to_caller_side, "hello", 5);
    phone_send(&t.caller, &t.to_caller_side, "", 0);
    phone_send(&t.caller, &t.to_caller_side, "\x00\x01\x00\x00\x21\x12\xa4\x42........", 16);
    phone_send(&t.caller, &t.to_caller_side, "\x8f\x00\x00\x00........", 12); /* 15 CSRCs */
    phone_send(&t.caller, &t.to_caller_side, "\x16\xfe\xff\x00........", 12); /* DTLS */
    run_ms(&t.world, 5);
    assert_int_equal(t.callee.heard, 0);
    assert_int_equal(counted(&t.world, COUNTER_MEDIA_NOT_RTP), 5);
    talk_close(&t);
}

static void carries_anything_on_udptl(void **state)
{
    (void)state;
    struct world world;
    struct phone caller, callee;
    world_open(&world);
    phone_open(&world, &caller, "192.0.2.1:4000");
    phone_open(&world, &callee, "10.1.0.99:5000");
    begin_call(&world);
    struct text fax =
        TEXT("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
             "m=image 4000 udptl t38\r\na=T38FaxVersion:0\r\n");
    assert_int_equal(pass_sdp(&world, true, true, "", 0, fax, DIRECTION), 0);
    struct text answered =
        TEXT("v=0\r\no=- 1 1 IN IP4 10.1.0.99\r\ns=-\r\nc=IN IP4 10.1.0.99\r\nt=0 0\r\n"
             "m=image 5000 udptl t38\r\na=T38FaxVersion:0\r\n");
    assert_int_equal(pass_sdp(&world, false, false, "b", 0, answered, NULL), 0);
    struct address to = sdp_address(buffer_text(&world.out), 0);
    run_ms(&world, 1);
    phone_send(&caller, &to, "\x00\x01\x02", 3);
    run_ms(&world, 5);
    assert_int_equal(callee.heard, 1);
    assert_memory_equal(callee.last, "\x00\x01\x02", 3);
    phone_close(&caller);
    phone_close(&callee);
    world_close(&world);
}

static void drops_before_the_answer(void **state)
{
    (void)state;
    struct world world;
    struct phone callee, caller;
    world_open(&world);
    phone_open(&world, &caller, "192.0.2.1:4000");
    phone_open(&world, &callee, "10.1.0.99:5000");
    begin_call(&world);
    struct address to = offer(&world, "192.0.2.1:4000", "", DIRECTION);
    run_ms(&world, 1);
    phone_send_rtp(&callee, &to, 1);
    run_ms(&world, 5);
    assert_int_equal(caller.heard, 0);
    assert_int_equal(counted(&world, COUNTER_MEDIA_NO_PEER), 1);
    phone_close(&caller);
    phone_close(&callee);
    world_close(&world);
}

/* The packet is there before the thread has read what was agreed. */
static void carries_what_comes_with_the_answer(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, DIRECTION, "", "");
    end_call(&t.world);
    begin_call(&t.world);
    t.to_callee_side = offer(&t.world, "192.0.2.1:4000", "", DIRECTION);
    run_ms(&t.world, 1);
    phone_send_rtp(&t.callee, &t.to_callee_side, 1);
    answer(&t.world, "b", "10.1.0.99:5000", "");
    run_ms(&t.world, 5);
    assert_int_equal(t.caller.heard, 1);
    /* The end of the call waits behind the packet: its side is closed under it. */
    end_call(&t.world);
    begin_call(&t.world);
    t.to_callee_side = offer(&t.world, "192.0.2.1:4000", "", DIRECTION);
    run_ms(&t.world, 1);
    phone_send_rtp(&t.callee, &t.to_callee_side, 2);
    end_call(&t.world);
    assert_int_equal(t.caller.heard, 1);
    begin_call(&t.world);
    talk_close(&t);
}

static void sends_nothing_to_0_0_0_0(void **state)
{
    (void)state;
    struct talk t;
    char sdp[512];
    talk_open(&t, DIRECTION, "", "");
    phone_send_rtp(&t.caller, &t.to_caller_side, 1);
    run_ms(&t.world, 5);
    assert_int_equal(
        pass_sdp(&t.world, true, true, "b", 0, audio_sdp(sdp, "0.0.0.0:4000", ""), NULL), 0);
    assert_non_null(text_search(buffer_text(&t.world.out), TEXT("c=IN IP4 0.0.0.0\r\n")));
    answer(&t.world, "b", "10.1.0.99:5000", "a=inactive\r\n");
    phone_send_rtp(&t.callee, &t.to_callee_side, 1);
    run_ms(&t.world, 5);
    assert_int_equal(t.caller.heard, 0);
    /* Back again: same ports. */
    struct address again = offer(&t.world, "192.0.2.1:4000", "", NULL);
    (void)again;
    answer(&t.world, "b", "10.1.0.99:5000", "");
    phone_send_rtp(&t.callee, &t.to_callee_side, 2);
    run_ms(&t.world, 5);
    assert_int_equal(t.caller.heard, 1);
    talk_close(&t);
}

static void carries_ipv4_to_ipv6(void **state)
{
    (void)state;
    struct world world;
    struct phone caller, callee;
    world_open(&world);
    phone_open(&world, &caller, "192.0.2.1:4000");
    phone_open(&world, &callee, "[fd00::99]:5000");
    begin_call(&world);
    struct address to_callee_side =
        offer(&world, "192.0.2.1:4000", "", "direction=public direction=six");
    assert_true(is_on(&to_callee_side, "[fd00::30]"));
    assert_non_null(text_search(buffer_text(&world.out), TEXT("c=IN IP6 fd00::30\r\n")));
    struct address to_caller_side = answer(&world, "b", "[fd00::99]:5000", "");
    assert_true(is_on(&to_caller_side, "10.0.0.10"));
    phone_send_rtp(&caller, &to_caller_side, 1);
    phone_send_rtp(&callee, &to_callee_side, 1);
    run_ms(&world, 5);
    assert_int_equal(caller.heard, 1);
    assert_int_equal(callee.heard, 1);
    phone_close(&caller);
    phone_close(&callee);
    world_close(&world);
}

static void measures_streams(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, DIRECTION, "", "");
    static const uint16_t order[] = {1, 2, 4, 3, 3, 7}; /* 5 and 6 lost, 3 late and twice */
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        phone_send_rtp(&t.caller, &t.to_caller_side, order[i]);
        run_ms(&t.world, 20);
    }
    /* The caller's sender report passes; the callee hears it 40 ms long and reports. */
    char sr[28] = "\x80\xc8\x00\x06";
    memcpy(sr + 8, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    struct address to = rtcp_of(t.to_caller_side);
    phone_send(&t.caller_rtcp, &to, sr, 28);
    run_ms(&t.world, 50);
    char rr[32] = "\x81\xc9\x00\x07";
    memcpy(rr + 8, "\x00\x00\x12\x34\x40\x00\x00\x02", 8);  /* 1/4 lost, 2 in all */
    memcpy(rr + 24, "\x03\x04\x05\x06\x00\x00\x0a\x3d", 8); /* LSR, DLSR 40 ms */
    to = rtcp_of(t.to_callee_side);
    phone_send(&t.callee_rtcp, &to, rr, 32);
    run_ms(&t.world, 5);
    struct media_stream_statistics s[4];
    assert_int_equal(media_call_statistics(t.world.call, s, 4), 1);
    assert_string_equal(s[0].type, "audio");
    assert_string_equal(s[0].caller.interface, "public");
    assert_string_equal(s[0].callee.interface, "private");
    assert_int_equal(s[0].caller.packets, 6);
    assert_int_equal(s[0].caller.bytes, 192);
    assert_int_equal(s[0].caller.ssrc, 0x1234);
    assert_int_equal(s[0].caller.lost, 1); /* 7 expected, 6 received, one of them twice (A.3) */
    assert_int_equal(s[0].caller.out_of_order, 1);
    assert_int_equal(s[0].caller.duplicates, 1);
    assert_true(s[0].caller.jitter_us > 0);
    assert_int_equal(s[0].caller.rtcp_packets, 1);
    assert_int_equal(s[0].callee.packets, 0);
    assert_int_equal(s[0].callee.reported_lost, 2);
    assert_int_equal(s[0].callee.reported_fraction, 64);
    assert_true(s[0].callee.rtt_us > 9000 && s[0].callee.rtt_us < 12000);
    assert_true(s[0].caller.is_learned && !s[0].callee.is_learned);
    talk_close(&t);
}

static void ends_a_silent_call(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, DIRECTION, "", "");
    for (int i = 0; i < 100; i++) { /* as long as packets come, nothing ends */
        phone_send_rtp(&t.caller, &t.to_caller_side, (uint16_t)i);
        run_ms(&t.world, 1000);
    }
    assert_int_equal(t.world.event_count, 0);
    run_ms(&t.world, 58000);
    assert_int_equal(t.world.event_count, 0);
    assert_int_equal(ports_in_use(&t.world), 2);
    run_ms(&t.world, 2000);
    assert_int_equal(t.world.event_count, 1);
    assert_int_equal(t.world.events[0]->kind, MEDIA_EVENT_TIMEOUT);
    assert_ptr_equal(t.world.events[0]->call, t.world.call);
    assert_true(media_call_is_closed(t.world.call));
    assert_int_equal(ports_in_use(&t.world), 0);
    assert_int_equal(counted(&t.world, COUNTER_MEDIA_TIMEOUT), 1);
    char sdp[512];
    assert_int_equal(
        pass_sdp(&t.world, true, true, "b", 0, audio_sdp(sdp, "192.0.2.1:4000", ""), NULL),
        ERROR_STATE);
    run_ms(&t.world, 200000);
    assert_int_equal(t.world.event_count, 1);
    talk_close(&t);
}

static void waits_longer_on_hold_and_unanswered(void **state)
{
    (void)state;
    struct talk t;
    char sdp[512];
    talk_open(&t, DIRECTION, "", "");
    assert_int_equal(pass_sdp(&t.world, true, true, "b", 0,
                              audio_sdp(sdp, "192.0.2.1:4000", "a=sendonly\r\n"), NULL),
                     0);
    answer(&t.world, "b", "10.1.0.99:5000", "a=recvonly\r\n");
    run_ms(&t.world, 3599000);
    assert_int_equal(t.world.event_count, 0);
    run_ms(&t.world, 2000);
    assert_int_equal(t.world.event_count, 1);
    end_call(&t.world);
    begin_call(&t.world);
    offer(&t.world, "192.0.2.1:4000", "", DIRECTION);
    run_ms(&t.world, 3599000);
    assert_int_equal(t.world.event_count, 1);
    run_ms(&t.world, 2000);
    assert_int_equal(t.world.event_count, 2);
    talk_close(&t);
}

static void tells_the_timeout_again_when_the_mailbox_was_full(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, DIRECTION, "", "");
    t.world.event_count = 16; /* full */
    run_ms(&t.world, 70000);
    t.world.event_count = 0;
    run_ms(&t.world, 2000);
    assert_int_equal(t.world.event_count, 1);
    talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_rtp_both_ways),
        cmocka_unit_test(allocates_nothing_per_packet),
        cmocka_unit_test(carries_rtcp_on_the_next_port),
        cmocka_unit_test(sends_rtcp_where_a_rtcp_says),
        cmocka_unit_test(bridges_rtcp_mux),
        cmocka_unit_test(drops_what_is_not_rtp),
        cmocka_unit_test(carries_anything_on_udptl),
        cmocka_unit_test(drops_before_the_answer),
        cmocka_unit_test(carries_what_comes_with_the_answer),
        cmocka_unit_test(sends_nothing_to_0_0_0_0),
        cmocka_unit_test(carries_ipv4_to_ipv6),
        cmocka_unit_test(measures_streams),
        cmocka_unit_test(ends_a_silent_call),
        cmocka_unit_test(waits_longer_on_hold_and_unanswered),
        cmocka_unit_test(tells_the_timeout_again_when_the_mailbox_was_full),
    };
    return cmocka_run_group_tests_name("media relay", tests, NULL, NULL);
}
