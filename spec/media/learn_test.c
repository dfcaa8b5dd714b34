/* Peer learning: the rules by themselves, then strangers against a call in every mode (RTPBleed). */
#include "media_world.h"

#include "media/learn.h"

#define DIRECTION "direction=public direction=private "

/* ---- the rules ---- */

struct peer {
    struct learn learn;
    struct address host;
};

static struct peer expect(enum learn_mode mode, bool is_strict)
{
    struct peer p = {.host = addr("203.0.113.5:5060")};
    struct address sdp = addr("192.168.1.2:4000");
    assert_true(learn_start(&p.learn, &sdp, mode, is_strict, 3000));
    return p;
}

static enum learn_verdict from(struct peer *p, const char *source, uint64_t now_ms)
{
    struct address address = addr(source);
    return learn_packet(&p->learn, &address, &p->host, now_ms);
}

static void the_sdp_address_wins_at_once(void **state)
{
    (void)state;
    struct peer p = expect(LEARN_HEURISTIC, true);
    assert_int_equal(from(&p, "203.0.113.5:777", 0), LEARN_MOVED);
    assert_int_equal(from(&p, "192.168.1.2:4001", 10), LEARN_MOVED);
    assert_int_equal(from(&p, "192.168.1.2:4000", 20), LEARN_MOVED);
    assert_int_equal(from(&p, "192.168.1.2:4001", 30), LEARN_DROP);
    assert_int_equal(from(&p, "192.168.1.2:4000", 40), LEARN_PASS);
    assert_int_equal(from(&p, "192.168.1.2:4000", 9000), LEARN_PASS);
}

static void a_nat_is_followed_to_the_sip_source(void **state)
{
    (void)state;
    struct peer p = expect(LEARN_HEURISTIC, true);
    assert_int_equal(from(&p, "203.0.113.5:777", 0), LEARN_MOVED);
    assert_int_equal(from(&p, "203.0.113.5:778", 10), LEARN_DROP); /* the first of its rank stays */
    assert_int_equal(from(&p, "198.51.100.66:4000", 20), LEARN_DROP);
    assert_int_equal(from(&p, "203.0.113.5:777", 3000), LEARN_PASS); /* locks */
    assert_int_equal(from(&p, "192.168.1.2:4000", 3001), LEARN_DROP);
}

static void the_window_waits_for_the_first_packet(void **state)
{
    (void)state;
    struct peer p = expect(LEARN_HEURISTIC, true);
    assert_int_equal(from(&p, "198.51.100.66:4000", 60000), LEARN_DROP);
    assert_int_equal(from(&p, "203.0.113.5:777", 60001), LEARN_MOVED);
    assert_int_equal(from(&p, "192.168.1.2:4001", 60002), LEARN_DROP);
}

static void delayed_follows_and_keeps_the_last(void **state)
{
    (void)state;
    struct peer p = expect(LEARN_DELAYED, true);
    assert_int_equal(from(&p, "192.168.1.2:4000", 0), LEARN_MOVED);
    assert_int_equal(from(&p, "203.0.113.5:777", 10), LEARN_MOVED);
    assert_int_equal(from(&p, "198.51.100.66:1", 20), LEARN_DROP);
    assert_int_equal(from(&p, "192.168.1.2:4000", 3500), LEARN_DROP);
    assert_int_equal(from(&p, "203.0.113.5:777", 3501), LEARN_PASS);
}

static void immediate_takes_anybody(void **state)
{
    (void)state;
    struct peer p = expect(LEARN_IMMEDIATE, true);
    assert_int_equal(from(&p, "198.51.100.66:1", 0), LEARN_MOVED);
    assert_int_equal(from(&p, "192.168.1.2:4000", 1), LEARN_DROP);
}

static void off_takes_the_sdp_address_only(void **state)
{
    (void)state;
    struct peer p = expect(LEARN_OFF, true);
    assert_int_equal(from(&p, "192.168.1.2:4001", 0), LEARN_DROP);
    assert_int_equal(from(&p, "203.0.113.5:4000", 0), LEARN_DROP);
    assert_int_equal(from(&p, "192.168.1.2:4000", 1), LEARN_MOVED);
    assert_int_equal(from(&p, "192.168.1.2:4000", 2), LEARN_PASS);
}

static void without_strict_source_strangers_pass(void **state)
{
    (void)state;
    struct peer p = expect(LEARN_HEURISTIC, false);
    assert_int_equal(from(&p, "198.51.100.66:4000", 0), LEARN_MOVED); /* the SDP's port */
    assert_int_equal(from(&p, "198.51.100.67:1", 0), LEARN_PASS);
    assert_int_equal(from(&p, "192.168.1.2:4000", 1), LEARN_MOVED);
    assert_int_equal(from(&p, "198.51.100.66:4000", 9000), LEARN_PASS);
    struct address peer = addr("192.168.1.2:4000");
    assert_true(address_equal(&p.learn.source, &peer));
}

static void new_signalling_opens_the_window_again(void **state)
{
    (void)state;
    struct peer p = expect(LEARN_HEURISTIC, true);
    from(&p, "203.0.113.5:777", 0);
    assert_int_equal(from(&p, "203.0.113.5:777", 3000), LEARN_PASS);
    assert_int_equal(from(&p, "203.0.113.5:999", 3001), LEARN_DROP);
    struct address same = addr("192.168.1.2:4000"), other = addr("192.168.1.2:4002");
    assert_false(learn_start(&p.learn, &same, LEARN_HEURISTIC, true, 9000));
    assert_int_equal(from(&p, "203.0.113.5:999", 6001), LEARN_MOVED); /* the NAT was rebound */
    assert_true(learn_start(&p.learn, &other, LEARN_HEURISTIC, true, 12000));
    assert_false(address_is_set(&p.learn.source));
}

/* ---- the matrix ---- */

struct attack {
    struct world world;
    struct phone caller, callee, stranger;
    struct address to_caller_side, to_callee_side;
};

static void attack_open(struct attack *a, const char *learning)
{
    char flags[128];
    snprintf(flags, sizeof flags, DIRECTION "endpoint-learning=%s", learning);
    world_open(&a->world);
    phone_open(&a->world, &a->caller, "192.0.2.1:4000");
    phone_open(&a->world, &a->callee, "10.1.0.99:5000");
    phone_open(&a->world, &a->stranger, "198.51.100.66:4000"); /* with the SDP's port */
    begin_call(&a->world);
    a->to_callee_side = offer(&a->world, "192.0.2.1:4000", "", flags);
    run_ms(&a->world, 1);
}

static void spray(struct attack *a, unsigned packets)
{
    for (unsigned i = 0; i < packets; i++) {
        phone_send_rtp(&a->stranger, &a->to_caller_side, (uint16_t)(60000 + i));
        run_ms(&a->world, 1);
    }
}

static void talk(struct attack *a, unsigned packets)
{
    for (unsigned i = 0; i < packets; i++) {
        phone_send_rtp(&a->caller, &a->to_caller_side, (uint16_t)i);
        phone_send_rtp(&a->callee, &a->to_callee_side, (uint16_t)i);
        run_ms(&a->world, 20);
    }
}

static void attack_close(struct attack *a)
{
    phone_close(&a->caller);
    phone_close(&a->callee);
    phone_close(&a->stranger);
    world_close(&a->world);
}

/* A spray before, during and after learning reaches nobody and receives nothing. */
static void strangers_win_nothing_in(const char *learning)
{
    struct attack a;
    attack_open(&a, learning);
    a.to_caller_side = addr("10.0.0.10:30000");
    for (uint16_t port = 30000; port < 30200; port += 2) { /* before the answer, blindly */
        address_set_port(&a.to_caller_side, port);
        phone_send_rtp(&a.stranger, &a.to_caller_side, 1);
    }
    a.to_caller_side = answer(&a.world, "b", "10.1.0.99:5000", "");
    spray(&a, 50);
    talk(&a, 10);
    spray(&a, 50);
    run_ms(&a.world, 4000);
    spray(&a, 50);
    talk(&a, 10);
    assert_int_equal(a.stranger.heard, 0);
    assert_int_equal(a.callee.heard, 20);
    assert_int_equal(a.caller.heard, 20);
    assert_int_equal(counted(&a.world, COUNTER_MEDIA_STRANGER), 150);
    struct media_stream_statistics s;
    assert_int_equal(media_call_statistics(a.world.call, &s, 1), 1);
    assert_int_equal(s.caller.strangers, 150);
    attack_close(&a);
}

static void strangers_win_nothing(void **state)
{
    (void)state;
    strangers_win_nothing_in("heuristic");
    strangers_win_nothing_in("delayed");
    strangers_win_nothing_in("off");
}

static void a_stranger_wins_immediate(void **state)
{
    (void)state;
    struct attack a;
    attack_open(&a, "immediate");
    a.to_caller_side = answer(&a.world, "b", "10.1.0.99:5000", "");
    spray(&a, 1);
    talk(&a, 5);
    assert_int_equal(a.stranger.heard, 5);
    attack_close(&a);
}

/* A phone behind a NAT: its SDP has an inside address, its packets come from where its SIP does. */
static void follows_a_phone_behind_a_nat(void **state)
{
    (void)state;
    struct attack a;
    struct phone nat;
    char sdp[512];
    world_open(&a.world);
    phone_open(&a.world, &nat, "203.0.113.5:61000");
    phone_open(&a.world, &a.caller, "192.0.2.1:4000");
    phone_open(&a.world, &a.callee, "10.1.0.99:5000");
    phone_open(&a.world, &a.stranger, "198.51.100.66:4000");
    begin_call(&a.world);
    struct media_flags *flags = make_flags(DIRECTION);
    struct media_sdp_request request = {
        .sdp = audio_sdp(sdp, "192.168.1.2:4000", ""),
        .from_caller = true,
        .received_from = addr("203.0.113.5:5060"),
        .flags = flags,
    };
    assert_int_equal(media_call_offer(a.world.call, &request, &a.world.out), 0);
    memory_release(flags);
    a.to_callee_side = sdp_address(buffer_text(&a.world.out), 0);
    a.to_caller_side = answer(&a.world, "b", "10.1.0.99:5000", "");
    spray(&a, 20);
    phone_send_rtp(&nat, &a.to_caller_side, 1);
    run_ms(&a.world, 5);
    phone_send_rtp(&a.callee, &a.to_callee_side, 1);
    run_ms(&a.world, 5);
    assert_int_equal(nat.heard, 1);
    assert_int_equal(a.callee.heard, 1);
    assert_int_equal(a.stranger.heard, 0);
    assert_int_equal(a.world.event_count, 1);
    assert_int_equal(a.world.events[0]->kind, MEDIA_EVENT_LEARNED);
    assert_true(a.world.events[0]->of_caller);
    assert_true(is_on(&a.world.events[0]->peer, "203.0.113.5"));
    phone_close(&nat);
    attack_close(&a);
}

static void asymmetric_sends_to_the_sdp_address(void **state)
{
    (void)state;
    struct attack a;
    struct phone sends;
    world_open(&a.world);
    phone_open(&a.world, &sends, "192.0.2.1:4998");
    phone_open(&a.world, &a.caller, "192.0.2.1:4000");
    phone_open(&a.world, &a.callee, "10.1.0.99:5000");
    phone_open(&a.world, &a.stranger, "198.51.100.66:4000");
    begin_call(&a.world);
    a.to_callee_side = offer(&a.world, "192.0.2.1:4000", "", DIRECTION "asymmetric");
    a.to_caller_side = answer(&a.world, "b", "10.1.0.99:5000", "");
    phone_send_rtp(&sends, &a.to_caller_side, 1);
    run_ms(&a.world, 1);
    phone_send_rtp(&a.callee, &a.to_callee_side, 1);
    run_ms(&a.world, 1);
    assert_int_equal(a.callee.heard, 1);
    assert_int_equal(a.caller.heard, 1);
    assert_int_equal(sends.heard, 0);
    phone_close(&sends);
    attack_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sdp_address_wins_at_once),
        cmocka_unit_test(a_nat_is_followed_to_the_sip_source),
        cmocka_unit_test(the_window_waits_for_the_first_packet),
        cmocka_unit_test(delayed_follows_and_keeps_the_last),
        cmocka_unit_test(immediate_takes_anybody),
        cmocka_unit_test(off_takes_the_sdp_address_only),
        cmocka_unit_test(without_strict_source_strangers_pass),
        cmocka_unit_test(new_signalling_opens_the_window_again),
        cmocka_unit_test(strangers_win_nothing),
        cmocka_unit_test(a_stranger_wins_immediate),
        cmocka_unit_test(follows_a_phone_behind_a_nat),
        cmocka_unit_test(asymmetric_sends_to_the_sdp_address),
    };
    return cmocka_run_group_tests_name("peer learning", tests, NULL, NULL);
}
