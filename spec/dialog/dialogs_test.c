/* The dialogs of a worker: attachments, idle timer, limits, memory. */
#include "bench.h"

#define SIXTY "012345678901234567890123456789012345678901234567890123456789"

static int released[DIALOG_ATTACHMENT_COUNT], release_count;

static void note_release(void *object)
{
    released[*(int *)object] = ++release_count;
}

static void attach(struct dialog *dialog, enum dialog_attachment which)
{
    int *object = memory_alloc(sizeof *object, note_release);
    assert_non_null(object);
    *object = which;
    dialog_attach(dialog, which, object);
    assert_ptr_equal(dialog_attachment(dialog, which), object);
    dialog_attach(dialog, which, object); /* the same once more */
    memory_release(object);
}

static void what_hangs_on_it_is_released_at_its_end(void **state)
{
    struct bench *bench = *state;
    struct dialog *dialog = begin(bench);
    memory_ref(dialog);
    release_count = 0;
    attach(dialog, DIALOG_GENERATION);
    attach(dialog, DIALOG_LOAD);
    attach(dialog, DIALOG_MEDIA);
    attach(dialog, DIALOG_LOAD); /* failover: another gateway's */
    assert_int_equal(release_count, 1);
    dialog_terminate(dialog, DIALOG_END_MEDIA);
    assert_true(bench->had_media);
    assert_int_equal(bench->end, DIALOG_END_MEDIA);
    assert_int_equal(release_count, 4);
    assert_int_equal(released[DIALOG_MEDIA], 2);
    assert_int_equal(released[DIALOG_GENERATION], 4); /* last */
    assert_null(dialog_attachment(dialog, DIALOG_MEDIA));
    struct dialogs *late = memory_alloc(8, NULL);
    dialog_attach(dialog, DIALOG_MEDIA, late); /* too late: not kept */
    assert_null(dialog_attachment(dialog, DIALOG_MEDIA));
    memory_release(late);
    memory_release(dialog);
}

static void one_look_tells_what_it_has(void **state)
{
    struct bench *bench = *state;
    struct dialog *dialog = begin(bench);
    memory_ref(dialog);
    assert_false(dialog_has_any(dialog, ~0u));
    for (unsigned i = 0; i < DIALOG_ATTACHMENT_COUNT; i++) {
        attach(dialog, i);
        assert_true(dialog_has_any(dialog, DIALOG_HAS(i)));
        assert_false(dialog_has_any(dialog, ~(DIALOG_HAS(i + 1) - 1)));
    }
    dialog_attach(dialog, DIALOG_TRACK, NULL);
    assert_false(dialog_has_any(dialog, DIALOG_HAS(DIALOG_TRACK)));
    respond(dialog, 200, "bob");
    dialog_count_own(dialog, TEXT("carol"), true); /* no leg of it */
    assert_false(dialog_has_any(dialog, DIALOG_HAS_OWN_REQUESTS));
    dialog_count_own(dialog, TEXT("bob"), true);
    assert_true(dialog_has_any(dialog, DIALOG_HAS_OWN_REQUESTS));
    dialog_terminate(dialog, DIALOG_END_LOCAL);
    assert_false(dialog_has_any(dialog, ~DIALOG_HAS_OWN_REQUESTS));
    assert_true(dialog_has_any(dialog, DIALOG_HAS_OWN_REQUESTS)); /* numbers do not come back */
    memory_release(dialog);
}

static void ends_when_nothing_is_heard(void **state)
{
    struct bench *bench = *state;
    bench->settings.limits_dialog_idle_s = 100;
    struct dialog *dialog = begin(bench);
    respond(dialog, 200, "bob");
    advance(bench, 90000);
    struct message *update = request("UPDATE", "bob", "alice");
    dialog_on_request(dialog, update);
    memory_release(update);
    advance(bench, 99999);
    assert_int_equal(dialogs_count(bench->dialogs), 1);
    respond(dialog, 200, "bob"); /* a response to a re-INVITE keeps it too */
    advance(bench, 99999);
    assert_int_equal(dialogs_count(bench->dialogs), 1);
    advance(bench, 1);
    assert_int_equal(dialogs_count(bench->dialogs), 0);
    assert_int_equal(bench->end, DIALOG_END_IDLE);
    assert_int_equal(counter_read(&bench->counters, COUNTER_DIALOG_IDLE), 1);
    expect_events(bench, "start answer end ");
}

static void their_number_is_bounded(void **state)
{
    struct bench *bench = *state;
    bench->settings.limits_dialogs = 2;
    struct dialog *dialog;
    for (int i = 0; i < 4; i++) {
        char call[16];
        snprintf(call, sizeof call, "call%d", i);
        struct message *invite = make("INVITE sip:b SIP/2.0", "INVITE", call, "alice", NULL);
        assert_int_equal(dialog_create(&dialog, bench->dialogs, invite), i < 2 ? 0 : ERROR_LIMIT);
        if (i < 2)
            dialog_start(dialog, invite);
        memory_release(invite);
    }
    assert_null(dialog);
    assert_int_equal(counter_read(&bench->counters, COUNTER_DIALOG_LIMIT), 2);
    dialogs_stop(bench->dialogs);
    assert_int_equal(bench->end, DIALOG_END_LOCAL);
    expect_events(bench, "start start end end ");
}

static void a_handler_may_end_it(void **state)
{
    struct bench *bench = *state;
    struct dialog *dialog;
    bench->ends_at_start = true;
    struct message *invite = request("INVITE", "alice", NULL);
    assert_int_equal(dialog_create(&dialog, bench->dialogs, invite), 0);
    assert_int_equal(dialog_start(dialog, invite), ERROR_CANCELLED);
    memory_release(invite);
    bench->ends_at_start = false;
    bench->ends_at_answer = true;
    respond(begin(bench), 200, "bob");
    assert_int_equal(dialogs_count(bench->dialogs), 0);
    expect_events(bench, "start end start answer end ");
}

static void end_visited(void *arg, struct dialog *dialog)
{
    unsigned *count = arg;
    if (++*count % 2)
        dialog_terminate(dialog, DIALOG_END_LOCAL);
}

static void each_may_be_visited_and_ended(void **state)
{
    struct bench *bench = *state;
    unsigned count = 0;
    for (int i = 0; i < 1000; i++) {
        char call[16];
        struct dialog *dialog;
        snprintf(call, sizeof call, "call%d", i);
        struct message *invite = make("INVITE sip:b SIP/2.0", "INVITE", call, "alice", NULL);
        assert_int_equal(dialog_create(&dialog, bench->dialogs, invite), 0);
        memory_release(invite);
    }
    dialogs_for_each(bench->dialogs, end_visited, &count);
    assert_int_equal(count, 1000);
    assert_int_equal(dialogs_count(bench->dialogs), 500);
}

struct end_pairs {
    struct dialog *v[8];
};

/* As a handler does that hears of the end of one call and ends another. */
static void end_two(void *arg, struct dialog *dialog)
{
    const struct end_pairs *pairs = arg;
    for (size_t i = 0; i < 8; i++)
        if (pairs->v[i] == dialog) {
            dialog_terminate(pairs->v[i ^ 1], DIALOG_END_LOCAL);
            dialog_terminate(dialog, DIALOG_END_LOCAL);
        }
}

static void a_visit_may_end_the_next_one(void **state)
{
    struct bench *bench = *state;
    struct end_pairs pairs;
    for (int i = 0; i < 8; i++) {
        char call[16];
        snprintf(call, sizeof call, "call%d", i);
        struct message *invite = make("INVITE sip:b SIP/2.0", "INVITE", call, "alice", NULL);
        assert_int_equal(dialog_create(&pairs.v[i], bench->dialogs, invite), 0);
        memory_release(invite);
    }
    dialogs_for_each(bench->dialogs, end_two, &pairs);
    assert_int_equal(dialogs_count(bench->dialogs), 0);
}

static void is_small(void **state)
{
    struct bench *bench = *state;
    struct settings settings;
    struct message_fault fault;
    struct message *invite, *ok;
    struct dialog *dialog;
    static const char headers[] =
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
        "From: <sip:" SIXTY ">;tag=" SIXTY "\r\nTo: <sip:" SIXTY ">%s\r\nCall-ID: " SIXTY "\r\n"
        "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    char bytes[2048];
    settings_default(&settings);
    int n = snprintf(bytes, sizeof bytes, "INVITE sip:b SIP/2.0\r\n");
    n += snprintf(bytes + n, sizeof bytes - (size_t)n, headers, "");
    assert_int_equal(message_parse(&invite, (struct text){bytes, (size_t)n}, &settings, &fault), 0);
    n = snprintf(bytes, sizeof bytes, "SIP/2.0 200 OK\r\n");
    n += snprintf(bytes + n, sizeof bytes - (size_t)n, headers, ";tag=" SIXTY);
    assert_int_equal(message_parse(&ok, (struct text){bytes, (size_t)n}, &settings, &fault), 0);
    assert_int_equal(dialog_create(&dialog, bench->dialogs, invite), 0);
    dialog_on_response(dialog, ok);
    /* two allocations: 8 bytes of malloc's each, 16 of the counted object, 8 of a hash bucket */
    size_t size = dialog_memory_bytes(dialog) + 2 * 8 + 16 + 8;
    print_message("a confirmed dialog with identifiers of 60 bytes: %zu bytes\n", size);
    assert_true(size <= 768);
    memory_release(invite);
    memory_release(ok);
}

static void names_its_states(void **state)
{
    (void)state;
    assert_string_equal(dialog_state_name(DIALOG_EARLY), "early");
    assert_string_equal(dialog_state_name((enum dialog_state)9), "unknown");
    assert_string_equal(dialog_end_name(DIALOG_END_LOCAL), "local");
    assert_string_equal(dialog_end_name((enum dialog_end)99), "unknown");
}

/* ---- memory ---- */

/* One whole call in which every step may find no memory; true when none failed. */
static bool call_with_little_memory(struct bench *bench, uint64_t n)
{
    struct message *invite = request("INVITE", "alice", NULL);
    struct message *ringing = response(180, "alice", "bob");
    struct message *ok = response(200, "alice", "carol");
    struct message *bye = request("BYE", "alice", "carol");
    struct dialog *dialog;
    memory_fail_after(n);
    int error = dialog_create(&dialog, bench->dialogs, invite);
    assert_true(!error || error == ERROR_MEMORY);
    bool is_whole = false;
    if (!error) {
        dialog_on_response(dialog, ringing);
        dialog_on_response(dialog, ok);
        assert_int_equal(dialog_current_state(dialog), DIALOG_CONFIRMED);
        is_whole = dialog_leg_count(dialog, DIALOG_CONFIRMED) == 1 &&
                   dialog_leg_count(dialog, DIALOG_EARLY) == 1;
        dialog_on_bye_done(dialog, bye); /* ends it even when its leg could not be remembered */
    }
    memory_fail_never();
    assert_int_equal(dialogs_count(bench->dialogs), 0);
    memory_release(invite);
    memory_release(ringing);
    memory_release(ok);
    memory_release(bye);
    return is_whole;
}

static void survives_any_failed_allocation(void **state)
{
    (void)state;
    bool is_whole = false;
    uint64_t n = 0;
    for (; !is_whole; n++) {
        struct bench bench;
        open_bench(&bench);
        is_whole = call_with_little_memory(&bench, n);
        close_bench(&bench);
    }
    assert_true(n > 3);
    struct dialogs *dialogs;
    struct bench bench;
    open_bench(&bench);
    const struct dialogs_options options = {.loop = bench.loop,
                                            .settings = &bench.settings,
                                            .counters = &bench.counters,
                                            .log = &bench.log};
    memory_fail_after(0);
    assert_int_equal(dialogs_create(&dialogs, &options), ERROR_MEMORY);
    memory_fail_never();
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_hangs_on_it_is_released_at_its_end),
        TEST(one_look_tells_what_it_has),
        TEST(ends_when_nothing_is_heard),
        TEST(their_number_is_bounded),
        TEST(a_handler_may_end_it),
        TEST(each_may_be_visited_and_ended),
        TEST(a_visit_may_end_the_next_one),
        TEST(is_small),
        cmocka_unit_test(names_its_states),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests_name("dialogs", tests, NULL, NULL);
}
