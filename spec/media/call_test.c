/* A call's life: re-INVITE, hold, forks, late offers, limits, ends, and memory that runs out. */
#include "media_world.h"

#define DIRECTION "direction=public direction=private "

static bool same(const struct address *a, const struct address *b)
{
    return address_equal(a, b);
}

static void keeps_ports_through_reinvites(void **state)
{
    (void)state;
    struct world world;
    char sdp[512];
    world_open(&world);
    begin_call(&world);
    struct address callee_sees = offer(&world, "192.0.2.1:4000", "", DIRECTION);
    struct address caller_sees = answer(&world, "b", "10.1.0.99:5000", "");
    assert_int_equal(media_call_confirm(world.call, TEXT("b")), 0);
    /* The caller moves. */
    struct address now = offer(&world, "192.0.2.77:4444", "", NULL);
    assert_true(same(&now, &callee_sees));
    now = answer(&world, "b", "10.1.0.99:5000", "");
    assert_true(same(&now, &caller_sees));
    /* The callee offers: directions turn around by themselves. */
    assert_int_equal(
        pass_sdp(&world, true, false, "b", 0, audio_sdp(sdp, "10.1.0.99:5678", ""), NULL), 0);
    now = sdp_address(buffer_text(&world.out), 0);
    assert_true(same(&now, &caller_sees));
    assert_int_equal(
        pass_sdp(&world, false, true, "b", 0, audio_sdp(sdp, "192.0.2.77:4444", ""), NULL), 0);
    now = sdp_address(buffer_text(&world.out), 0);
    assert_true(same(&now, &callee_sees));
    run_ms(&world, 1);
    /* And packets follow both. */
    struct phone caller, callee;
    phone_open(&world, &caller, "192.0.2.77:4444");
    phone_open(&world, &callee, "10.1.0.99:5678");
    phone_send_rtp(&caller, &caller_sees, 1);
    phone_send_rtp(&callee, &callee_sees, 1);
    run_ms(&world, 5);
    assert_int_equal(caller.heard, 1);
    assert_int_equal(callee.heard, 1);
    assert_int_equal(ports_in_use(&world), 2);
    phone_close(&caller);
    phone_close(&callee);
    world_close(&world);
}

/* RFC 3264 s4: an offer that is refused changes nothing. */
static void a_refused_offer_changes_nothing(void **state)
{
    (void)state;
    struct world world;
    struct phone caller, callee;
    world_open(&world);
    begin_call(&world);
    phone_open(&world, &caller, "192.0.2.1:4000");
    phone_open(&world, &callee, "10.1.0.99:5000");
    struct address callee_sees = offer(&world, "192.0.2.1:4000", "", DIRECTION);
    answer(&world, "b", "10.1.0.99:5000", "");
    offer(&world, "192.0.2.200:9000", "", NULL); /* 488 */
    phone_send_rtp(&callee, &callee_sees, 1);
    run_ms(&world, 5);
    assert_int_equal(caller.heard, 1);
    phone_close(&caller);
    phone_close(&callee);
    world_close(&world);
}

static void an_offer_may_come_in_the_answer(void **state)
{
    (void)state;
    struct world world;
    char sdp[512];
    world_open(&world);
    begin_call(&world);
    struct media_flags *flags = make_flags(DIRECTION);
    assert_int_equal(media_call_set_flags(world.call, flags, true), 0);
    memory_release(flags);
    assert_int_equal(/* an ACK or PRACK answers nothing yet */
                     pass_sdp(&world, false, true, "b", 0, audio_sdp(sdp, "192.0.2.1:4000", ""),
                              NULL),
                     ERROR_NOT_FOUND);
    assert_int_equal(
        pass_sdp(&world, true, false, "b", 0, audio_sdp(sdp, "10.1.0.99:5000", ""), NULL), 0);
    struct address caller_sees = sdp_address(buffer_text(&world.out), 0);
    assert_true(is_on(&caller_sees, "10.0.0.10"));
    assert_int_equal(
        pass_sdp(&world, false, true, "b", 0, audio_sdp(sdp, "192.0.2.1:4000", ""), NULL), 0);
    struct address callee_sees = sdp_address(buffer_text(&world.out), 0);
    assert_true(is_on(&callee_sees, "10.1.0.20"));
    world_close(&world);
}

static const char two_streams[] = "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
                                  "m=audio %u RTP/AVP 0\r\nm=video %u RTP/AVP 34\r\n";

static struct text two(char out[512], const char *host, unsigned audio, unsigned video)
{
    int n = snprintf(out, 512, two_streams, host, host, audio, video);
    return (struct text){out, (size_t)n};
}

static void exchange_two(struct world *world, unsigned offered_video, unsigned answered_video)
{
    char sdp[512];
    assert_int_equal(
        pass_sdp(world, true, true, "", 0, two(sdp, "192.0.2.1", 4000, offered_video), DIRECTION),
        0);
    assert_int_equal(
        pass_sdp(world, false, false, "b", 0, two(sdp, "10.1.0.99", 5000, answered_video), NULL),
        0);
    run_ms(world, 1);
}

static void streams_come_and_go(void **state)
{
    (void)state;
    struct world world;
    char sdp[512];
    world_open(&world);
    begin_call(&world);
    exchange_two(&world, 4002, 5002);
    assert_int_equal(media_call_confirm(world.call, TEXT("b")), 0);
    assert_int_equal(ports_in_use(&world), 4);
    /* Taken out by the offerer. */
    assert_int_equal(pass_sdp(&world, true, true, "b", 0, two(sdp, "192.0.2.1", 4000, 0), NULL), 0);
    assert_int_equal(ports_in_use(&world), 4); /* not before the answer */
    assert_int_equal(pass_sdp(&world, false, false, "b", 0, two(sdp, "10.1.0.99", 5000, 0), NULL),
                     0);
    run_ms(&world, 1);
    assert_int_equal(ports_in_use(&world), 2);
    /* And back. */
    assert_int_equal(pass_sdp(&world, true, true, "b", 0, two(sdp, "192.0.2.1", 4000, 4002), NULL),
                     0);
    assert_int_equal(ports_in_use(&world), 4);
    assert_int_equal(pass_sdp(&world, false, false, "b", 0, two(sdp, "10.1.0.99", 5000, 0), NULL),
                     0);
    run_ms(&world, 1);
    assert_int_equal(ports_in_use(&world), 2); /* refused by the answerer */
    end_call(&world);
    assert_int_equal(ports_in_use(&world), 0);
    world_close(&world);
}

static void a_refused_stream_goes_when_the_call_is_confirmed(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    begin_call(&world);
    exchange_two(&world, 4002, 0);
    assert_int_equal(ports_in_use(&world), 4); /* another fork may still take it */
    assert_int_equal(media_call_confirm(world.call, TEXT("b")), 0);
    run_ms(&world, 1);
    assert_int_equal(ports_in_use(&world), 2);
    struct media_stream_statistics s[4];
    assert_int_equal(media_call_statistics(world.call, s, 4), 1);
    world_close(&world);
}

/* ---- forks ---- */

static void forks_share_the_callers_ports(void **state)
{
    (void)state;
    struct world world;
    char sdp[512];
    struct phone caller, one, other;
    world_open(&world);
    begin_call(&world);
    phone_open(&world, &caller, "192.0.2.1:4000");
    phone_open(&world, &one, "10.1.0.91:5000");
    phone_open(&world, &other, "10.1.0.92:5000");
    struct address callee_sees[2];
    for (uint32_t branch = 0; branch < 2; branch++) {
        assert_int_equal(pass_sdp(&world, true, true, "", branch,
                                  audio_sdp(sdp, "192.0.2.1:4000", ""), DIRECTION),
                         0);
        callee_sees[branch] = sdp_address(buffer_text(&world.out), 0);
    }
    assert_false(same(&callee_sees[0], &callee_sees[1]));
    assert_int_equal(ports_in_use(&world), 3);
    struct address caller_sees = answer(&world, "one", "10.1.0.91:5000", "");
    phone_send_rtp(&one, &callee_sees[0], 1);
    run_ms(&world, 5);
    assert_int_equal(caller.heard, 1); /* early media of the first */
    assert_int_equal(
        pass_sdp(&world, false, false, "other", 1, audio_sdp(sdp, "10.1.0.92:5000", ""), NULL), 0);
    struct address again = sdp_address(buffer_text(&world.out), 0);
    assert_true(same(&again, &caller_sees));
    run_ms(&world, 1);
    phone_send_rtp(&one, &callee_sees[0], 2);
    phone_send_rtp(&other, &callee_sees[1], 1);
    phone_send_rtp(&caller, &caller_sees, 1);
    run_ms(&world, 5);
    assert_int_equal(caller.heard, 2); /* only the one that answered last is heard */
    assert_int_equal(other.heard, 1);
    assert_int_equal(one.heard, 0);
    /* 200 without SDP from the first: its leg has the call. */
    assert_int_equal(media_call_confirm(world.call, TEXT("one")), 0);
    media_call_drop_branch(world.call, 1);
    media_call_drop_branch(world.call, 0); /* confirmed: stays */
    run_ms(&world, 1);
    assert_int_equal(ports_in_use(&world), 2);
    phone_send_rtp(&caller, &caller_sees, 2);
    phone_send_rtp(&one, &callee_sees[0], 3);
    run_ms(&world, 5);
    assert_int_equal(one.heard, 1);
    assert_int_equal(caller.heard, 3);
    phone_close(&caller);
    phone_close(&one);
    phone_close(&other);
    world_close(&world);
}

/* A proxy behind us forked: two callees read the same offer. */
static void tags_of_one_branch_share_its_ports(void **state)
{
    (void)state;
    struct world world;
    struct phone caller, one, other;
    world_open(&world);
    begin_call(&world);
    phone_open(&world, &caller, "192.0.2.1:4000");
    phone_open(&world, &one, "10.1.0.91:5000");
    phone_open(&world, &other, "10.1.0.92:5000");
    offer(&world, "192.0.2.1:4000", "", DIRECTION);
    assert_int_equal(media_call_confirm(world.call, TEXT("one")), 0); /* before its SDP */
    answer(&world, "other", "10.1.0.92:5000", "");
    struct address caller_sees = answer(&world, "one", "10.1.0.91:5000", "");
    answer(&world, "other", "10.1.0.92:5000", ""); /* too late */
    phone_send_rtp(&caller, &caller_sees, 1);
    run_ms(&world, 5);
    assert_int_equal(one.heard, 1);
    assert_int_equal(other.heard, 0);
    media_call_drop_tag(world.call, TEXT("other"));
    media_call_drop_tag(world.call, TEXT("nobody"));
    assert_int_equal(ports_in_use(&world), 2);
    media_call_drop_tag(world.call, TEXT("one"));
    run_ms(&world, 1);
    assert_int_equal(ports_in_use(&world), 1); /* the caller's, until the call ends */
    phone_close(&caller);
    phone_close(&one);
    phone_close(&other);
    world_close(&world);
}

static void another_fork_takes_over_from_one_that_failed(void **state)
{
    (void)state;
    struct world world;
    char sdp[512];
    struct phone caller, one;
    world_open(&world);
    begin_call(&world);
    phone_open(&world, &caller, "192.0.2.1:4000");
    phone_open(&world, &one, "10.1.0.91:5000");
    struct address caller_sees = {0};
    for (uint32_t branch = 0; branch < 2; branch++)
        assert_int_equal(pass_sdp(&world, true, true, "", branch,
                                  audio_sdp(sdp, "192.0.2.1:4000", ""), DIRECTION),
                         0);
    caller_sees = answer(&world, "one", "10.1.0.91:5000", "");
    assert_int_equal(
        pass_sdp(&world, false, false, "two", 1, audio_sdp(sdp, "10.1.0.92:5000", ""), NULL), 0);
    media_call_drop_branch(world.call, 1);
    run_ms(&world, 1);
    phone_send_rtp(&caller, &caller_sees, 1);
    run_ms(&world, 5);
    assert_int_equal(one.heard, 1);
    phone_close(&caller);
    phone_close(&one);
    world_close(&world);
}

/* ---- limits ---- */

static void refuses_when_ports_run_out(void **state)
{
    (void)state;
    struct world world;
    char sdp[512];
    world_init(&world);
    world_open_with(&world, 30000, 30003, 1); /* two pairs an interface */
    begin_call(&world);
    exchange_two(&world, 4002, 5002);
    assert_int_equal(ports_in_use(&world), 4);
    struct media_call *first = world.call;
    begin_call(&world);
    assert_int_equal(
        pass_sdp(&world, true, true, "", 0, audio_sdp(sdp, "192.0.2.1:4000", ""), DIRECTION),
        ERROR_LIMIT);
    assert_int_equal(world.out.n, 0);
    assert_int_equal(counted(&world, COUNTER_MEDIA_NO_PORT), 1);
    assert_int_equal(ports_in_use(&world), 4);
    media_call_close(first);
    memory_release(first);
    run_ms(&world, 1);
    offer(&world, "192.0.2.1:4000", "", NULL); /* now there are */
    assert_int_equal(ports_in_use(&world), 2);
    world_close(&world);
}

/* Half of the ports could be had: none are kept. */
static void an_offer_takes_all_ports_or_none(void **state)
{
    (void)state;
    struct world world;
    struct udp *blocker;
    char sdp[512];
    world_init(&world);
    world_open_with(&world, 30000, 30001, 1);
    struct address taken = addr("10.1.0.20:30001");
    struct udp_options options = {0};
    assert_int_equal(udp_open(&blocker, world.io, &taken, &options), 0); /* another program */
    begin_call(&world);
    assert_int_equal(
        pass_sdp(&world, true, true, "", 0, audio_sdp(sdp, "192.0.2.1:4000", ""), DIRECTION),
        ERROR_LIMIT);
    assert_int_equal(ports_in_use(&world), 0);
    assert_int_equal(lab_open_sockets(world.io), 1);
    udp_close(blocker);
    world_close(&world);
}

static void bounds_tags_branches_and_calls(void **state)
{
    (void)state;
    struct world world;
    char sdp[512], tag[16];
    world_init(&world);
    world.settings.media_limits_tags = 3;
    world.settings.media_limits_calls = 1;
    world_open_with(&world, 30000, 30999, 1);
    begin_call(&world);
    struct media_call *second;
    assert_int_equal(media_call_create(&second, world.media, TEXT("x"), &world.mailbox),
                     ERROR_LIMIT);
    for (unsigned i = 0; i < 4; i++) {
        int error =
            pass_sdp(&world, true, true, "", i, audio_sdp(sdp, "192.0.2.1:4000", ""), DIRECTION);
        assert_int_equal(error, i < 3 ? 0 : ERROR_LIMIT);
    }
    for (unsigned i = 0; i < 4; i++) {
        snprintf(tag, sizeof tag, "tag%u", i);
        int error =
            pass_sdp(&world, false, false, tag, 0, audio_sdp(sdp, "10.1.0.99:5000", ""), NULL);
        assert_int_equal(error, i < 3 ? 0 : ERROR_LIMIT);
    }
    assert_int_equal(counted(&world, COUNTER_MEDIA_LIMIT), 3);
    world_close(&world);
}

/* A media thread that does not get to its commands: new offers are refused, ends are not. */
static void bounds_the_commands_of_a_thread(void **state)
{
    (void)state;
    struct world world;
    char sdp[512];
    world_open(&world);
    begin_call(&world);
    offer(&world, "192.0.2.1:4000", "", DIRECTION);
    int error = 0;
    unsigned answers = 0;
    while (!error && answers < 20000) {
        error = pass_sdp(&world, false, false, "b", 0, audio_sdp(sdp, "10.1.0.99:5000", ""), NULL);
        answers++;
    }
    assert_int_equal(error, ERROR_LIMIT);
    assert_true(answers > 16000);
    assert_int_equal(counted(&world, COUNTER_MEDIA_QUEUE_FULL), 1);
    media_call_close(world.call);
    world.call = memory_release(world.call);
    run_ms(&world, 1);
    assert_int_equal(ports_in_use(&world), 0);
    world_close(&world);
}

/* ---- ends ---- */

static void closes_at_any_time(void **state)
{
    (void)state;
    struct world world;
    char sdp[512];
    world_init(&world);
    world_open_with(&world, 30000, 30999, 3);
    begin_call(&world);
    end_call(&world); /* nothing was ever offered */
    begin_call(&world);
    offer(&world, "192.0.2.1:4000", "", DIRECTION);
    media_call_close(world.call); /* before the thread has even started receiving */
    media_call_close(world.call);
    assert_true(media_call_is_closed(world.call));
    assert_int_equal(
        pass_sdp(&world, true, true, "", 0, audio_sdp(sdp, "192.0.2.1:4000", ""), DIRECTION),
        ERROR_STATE);
    world.call = memory_release(world.call);
    run_ms(&world, 1);
    assert_int_equal(ports_in_use(&world), 0);
    world_close(&world);
}

/* Every stream refused: the thread never hears of the call, and nothing is left of it. */
static void ends_without_any_stream(void **state)
{
    (void)state;
    struct world world;
    char sdp[512];
    world_open(&world);
    begin_call(&world);
    assert_int_equal(pass_sdp(&world, true, true, "", 0, two(sdp, "192.0.2.1", 0, 0), DIRECTION),
                     0);
    assert_int_equal(pass_sdp(&world, false, false, "b", 0, two(sdp, "10.1.0.99", 0, 0), NULL), 0);
    assert_int_equal(media_call_confirm(world.call, TEXT("b")), 0);
    run_ms(&world, 1);
    end_call(&world);
    run_ms(&world, 100000);
    assert_int_equal(world.event_count, 0);
    world_close(&world);
}

static void stops_with_calls_left(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    begin_call(&world);
    offer(&world, "192.0.2.1:4000", "", DIRECTION);
    answer(&world, "b", "10.1.0.99:5000", "");
    media_stop(world.media);
    assert_int_equal(ports_in_use(&world), 0);
    world_close(&world); /* the call ends after its relay */
}

static void survives_without_memory(void **state)
{
    (void)state;
    bool done = false;
    for (uint64_t n = 0; !done; n++) {
        struct world world;
        char sdp[512];
        world_open(&world);
        struct media_flags *flags = make_flags(DIRECTION "codec-strip=PCMA");
        struct media_sdp_request request = {
            .sdp = two(sdp, "192.0.2.1", 4000, 4002), .from_caller = true, .flags = flags};
        memory_fail_after(n);
        int error = media_call_create(&world.call, world.media, TEXT("call@spec"), &world.mailbox);
        if (!error)
            error = media_call_offer(world.call, &request, &world.out);
        request = (struct media_sdp_request){.sdp = request.sdp, .callee_tag = TEXT("b")};
        if (!error)
            error = media_call_answer(world.call, &request, &world.out);
        if (!error)
            error = media_call_confirm(world.call, TEXT("b"));
        memory_fail_never();
        done = !error;
        assert_true(error == 0 || error == ERROR_MEMORY);
        memory_release(flags);
        run_ms(&world, 10);
        world_close(&world);
        assert_true(n < 200);
    }
}

/* The media thread, too, may find no memory: for a socket, for an event. */
static void the_thread_survives_without_memory(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 20; n++) {
        struct world world;
        world_open(&world);
        begin_call(&world);
        offer(&world, "192.0.2.1:4000", "", DIRECTION);
        char sdp[512];
        assert_int_equal(
            pass_sdp(&world, false, false, "b", 0, audio_sdp(sdp, "10.1.0.99:5000", ""), NULL), 0);
        memory_fail_after(n);
        run_ms(&world, 70000);
        memory_fail_never();
        run_ms(&world, 70000);
        assert_int_equal(world.event_count, 1);
        assert_int_equal(ports_in_use(&world), 0);
        world_close(&world);
    }
}

static void relay_creation_survives_without_memory(void **state)
{
    (void)state;
    struct world world = {.live_before = memory_live()};
    settings_default(&world.settings);
    struct media_interface interface = {.name = "a", .v4.local = addr("10.0.0.1")};
    struct media_options options = {.interfaces = &interface,
                                    .interface_count = 1,
                                    .port_least = 30000,
                                    .port_most = 30999,
                                    .threads = 2,
                                    .settings = &world.settings,
                                    .log = &world.log};
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        assert_int_equal(io_lab_create(&world.io, 1), 0);
        memory_fail_after(n);
        error = media_create(&world.media, world.io, &options);
        memory_fail_never();
        if (!error) {
            media_stop(world.media);
            memory_release(world.media);
        }
        memory_release(world.io);
        assert_int_equal(memory_live(), world.live_before);
    }
    options.port_most = 30000;
    assert_int_equal(io_lab_create(&world.io, 1), 0);
    assert_int_equal(media_create(&world.media, world.io, &options), ERROR_ARGUMENT);
    options.interface_count = 0;
    assert_int_equal(media_create(&world.media, world.io, &options), ERROR_ARGUMENT);
    memory_release(world.io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_ports_through_reinvites),
        cmocka_unit_test(a_refused_offer_changes_nothing),
        cmocka_unit_test(an_offer_may_come_in_the_answer),
        cmocka_unit_test(streams_come_and_go),
        cmocka_unit_test(a_refused_stream_goes_when_the_call_is_confirmed),
        cmocka_unit_test(forks_share_the_callers_ports),
        cmocka_unit_test(tags_of_one_branch_share_its_ports),
        cmocka_unit_test(another_fork_takes_over_from_one_that_failed),
        cmocka_unit_test(refuses_when_ports_run_out),
        cmocka_unit_test(an_offer_takes_all_ports_or_none),
        cmocka_unit_test(bounds_tags_branches_and_calls),
        cmocka_unit_test(bounds_the_commands_of_a_thread),
        cmocka_unit_test(closes_at_any_time),
        cmocka_unit_test(ends_without_any_stream),
        cmocka_unit_test(stops_with_calls_left),
        cmocka_unit_test(survives_without_memory),
        cmocka_unit_test(the_thread_survives_without_memory),
        cmocka_unit_test(relay_creation_survives_without_memory),
    };
    return cmocka_run_group_tests_name("media calls", tests, NULL, NULL);
}
