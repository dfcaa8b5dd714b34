/* One dialog: states, directions, forks and ends (RFC 3261 s12, s13, s15). */
#include "bench.h"

static void a_call_from_invite_to_bye(void **state)
{
    struct bench *bench = *state;
    advance(bench, 1000);
    struct dialog *dialog = begin(bench);
    assert_int_equal(dialog_current_state(dialog), DIALOG_STARTING);
    assert_int_equal(dialog_started_ms(dialog), 1000);
    assert_int_equal(dialog_answered_ms(dialog), 0);
    expect_text(dialog_call_id(dialog), "call");
    expect_text(dialog_caller_tag(dialog), "alice");
    expect_text(dialog_from_uri(dialog), "sip:alice@example.com");
    expect_text(dialog_to_uri(dialog), "sip:bob@example.net");
    respond(dialog, 100, NULL);
    respond(dialog, 100, "hop"); /* 100 makes no dialog, tag or not */
    respond(dialog, 180, NULL);  /* neither does a response without tag */
    assert_int_equal(dialog_current_state(dialog), DIALOG_STARTING);
    respond(dialog, 180, "bob");
    respond(dialog, 183, "bob");
    assert_int_equal(dialog_current_state(dialog), DIALOG_EARLY);
    assert_int_equal(dialog_leg_state(dialog, TEXT("bob")), DIALOG_EARLY);
    assert_int_equal(dialog_leg_state(dialog, TEXT("hop")), DIALOG_STARTING);
    advance(bench, 500);
    respond(dialog, 200, "bob");
    respond(dialog, 200, "bob"); /* retransmitted by the UAS until ACK */
    assert_int_equal(dialog_current_state(dialog), DIALOG_CONFIRMED);
    assert_int_equal(dialog_answered_ms(dialog), 1500);
    assert_int_equal(dialog_leg_count(dialog, DIALOG_CONFIRMED), 1);
    dialog_on_failure(dialog, 488); /* of a re-INVITE: s14.1 */
    assert_int_equal(dialogs_count(bench->dialogs), 1);
    bye_done(dialog, "alice", "bob");
    assert_int_equal(dialogs_count(bench->dialogs), 0);
    assert_int_equal(bench->end, DIALOG_END_BYE);
    expect_events(bench, "start answer end ");
    assert_int_equal(counter_read(&bench->counters, COUNTER_DIALOG_CREATED), 1);
}

static void is_found_from_both_directions(void **state)
{
    struct bench *bench = *state;
    static const char *const methods[] = {"ACK",    "BYE",  "UPDATE", "PRACK",
                                          "INVITE", "INFO", "REFER",  "NOTIFY"};
    struct dialog *dialog = begin(bench);
    /* the caller may cancel or, once it has a tag, update what is not answered yet */
    assert_ptr_equal(find(bench, request("CANCEL", "alice", NULL)), dialog);
    assert_ptr_equal(find(bench, request("ACK", "alice", "486")), dialog);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        assert_ptr_equal(find(bench, request(methods[i], "alice", "bob")), dialog);
        assert_ptr_equal(find(bench, request(methods[i], "bob", "alice")), dialog);
    }
    assert_ptr_equal(find(bench, response(180, "alice", "carol")), dialog);
    assert_ptr_equal(find(bench, response(200, "bob", "alice")), dialog);
    assert_null(find(bench, request("BYE", "bob", "mallory")));
    assert_null(find(bench, request("INVITE", "bob", NULL)));
    assert_null(find(bench, make("BYE sip:b SIP/2.0", "BYE", "other", "alice", "bob")));
}

static void knows_who_speaks(void **state)
{
    struct bench *bench = *state;
    struct dialog *dialog = begin(bench);
    struct {
        struct message *message;
        bool is_from_caller;
        const char *callee_tag;
    } rows[] = {
        {request("BYE", "alice", "bob"), true, "bob"},
        {request("BYE", "bob", "alice"), false, "bob"},
        {response(200, "alice", "bob"), false, "bob"},
        {response(200, "bob", "alice"), true, "bob"},
        {request("CANCEL", "alice", NULL), true, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(dialog_is_from_caller(dialog, rows[i].message), rows[i].is_from_caller);
        struct text tag = dialog_callee_tag(dialog, rows[i].message);
        if (rows[i].callee_tag)
            expect_text(tag, rows[i].callee_tag);
        else
            assert_false(text_is_set(tag));
        memory_release(rows[i].message);
    }
}

static void the_same_invite_finds_its_dialog(void **state)
{
    struct bench *bench = *state;
    struct dialog *dialog = begin(bench);
    assert_ptr_equal(begin(bench), dialog);
    assert_int_equal(dialogs_count(bench->dialogs), 1);
    assert_int_equal(dialog_invites(dialog), 2);
    dialog_on_failure(dialog, 486); /* of one that a proxy before us has forked */
    assert_int_equal(dialogs_count(bench->dialogs), 1);
    dialog_on_failure(dialog, 407);
    begin(bench); /* again, with credentials: a call of its own */
    expect_events(bench, "start end start ");
}

static void a_failure_or_a_cancel_ends_it(void **state)
{
    struct bench *bench = *state;
    static const struct {
        unsigned status;
        enum dialog_end end;
    } rows[] = {{486, DIALOG_END_FAILED},
                {408, DIALOG_END_FAILED},
                {302, DIALOG_END_FAILED},
                {603, DIALOG_END_FAILED},
                {487, DIALOG_END_CANCELLED}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dialog *dialog = begin(bench);
        if (i % 2)
            respond(dialog, 180, "bob");
        respond(dialog, rows[i].status, "bob"); /* by itself it decides nothing: a branch failed */
        assert_int_equal(dialogs_count(bench->dialogs), 1);
        dialog_on_failure(dialog, rows[i].status);
        assert_int_equal(dialogs_count(bench->dialogs), 0);
        assert_int_equal(bench->end, rows[i].end);
    }
}

/* ---- forks ---- */

static void a_fork_ends_with_its_last_leg(void **state)
{
    struct bench *bench = *state;
    struct dialog *dialog = begin(bench);
    respond(dialog, 180, "bob");
    respond(dialog, 183, "carol");
    respond(dialog, 180, "dave");
    respond(dialog, 200, "bob");
    respond(dialog, 200, "carol"); /* both answered before the proxy's CANCEL (s16.7) */
    assert_int_equal(dialog_leg_count(dialog, DIALOG_CONFIRMED), 2);
    assert_int_equal(dialog_leg_count(dialog, DIALOG_EARLY), 1);
    bye_done(dialog, "alice", "dave"); /* never answered: no leg to end the call by */
    bye_done(dialog, "alice", "bob");
    assert_int_equal(dialog_current_state(dialog), DIALOG_CONFIRMED);
    assert_int_equal(dialog_leg_state(dialog, TEXT("bob")), DIALOG_TERMINATED);
    bye_done(dialog, "alice", "stranger");
    bye_done(dialog, "alice", "bob");
    assert_int_equal(dialogs_count(bench->dialogs), 1);
    bye_done(dialog, "carol", "alice");
    assert_int_equal(dialogs_count(bench->dialogs), 0);
    expect_events(bench, "start answer end ");
}

static void crossing_byes_end_it_once(void **state)
{
    struct bench *bench = *state;
    struct dialog *dialog = begin(bench);
    respond(dialog, 200, "bob");
    memory_ref(dialog); /* as the second BYE's transaction does */
    bye_done(dialog, "bob", "alice");
    bye_done(dialog, "alice", "bob");
    respond(dialog, 200, "bob"); /* late copy */
    dialog_on_failure(dialog, 481);
    assert_int_equal(bench->end, DIALOG_END_BYE);
    expect_events(bench, "start answer end ");
    expect_text(dialog_call_id(dialog), "call"); /* readable as long as it is held */
    memory_release(dialog);
}

static void a_bye_may_meet_an_early_leg(void **state)
{
    struct bench *bench = *state;
    struct dialog *dialog = begin(bench);
    respond(dialog, 180, "bob");
    bye_done(dialog, "alice", "bob"); /* s15: allowed to the caller */
    assert_int_equal(dialogs_count(bench->dialogs), 1);
    dialog_on_failure(dialog, 487);
    expect_events(bench, "start end ");
    dialog = begin(bench);
    respond(dialog, 180, "bob");
    bye_done(dialog, "alice", "bob");
    respond(dialog, 200, "bob"); /* it had crossed the BYE */
    assert_int_equal(dialogs_count(bench->dialogs), 0);
    assert_int_equal(bench->end, DIALOG_END_BYE);
    expect_events(bench, "start answer end ");
}

static void legs_are_bounded_and_an_answer_comes_first(void **state)
{
    struct bench *bench = *state;
    bench->settings.limits_dialog_legs = 3;
    struct dialog *dialog = begin(bench);
    char tag[16];
    for (int i = 0; i < 10; i++) {
        snprintf(tag, sizeof tag, "fork%d", i);
        respond(dialog, 180, tag);
    }
    assert_int_equal(dialog_leg_count(dialog, DIALOG_EARLY), 3);
    assert_int_equal(counter_read(&bench->counters, COUNTER_DIALOG_LEG_LIMIT), 7);
    respond(dialog, 200, "fork9");
    assert_int_equal(dialog_leg_state(dialog, TEXT("fork0")), DIALOG_STARTING);
    assert_int_equal(dialog_leg_state(dialog, TEXT("fork9")), DIALOG_CONFIRMED);
    respond(dialog, 200, "fork1");
    respond(dialog, 200, "fork5");
    respond(dialog, 200, "fork7"); /* all places are confirmed */
    assert_int_equal(dialog_leg_count(dialog, DIALOG_CONFIRMED), 3);
    assert_int_equal(dialog_leg_state(dialog, TEXT("fork7")), DIALOG_STARTING);
    bye_done(dialog, "alice", "fork9");
    bye_done(dialog, "alice", "fork5");
    bye_done(dialog, "alice", "fork1");
    assert_int_equal(dialogs_count(bench->dialogs), 0);
}

/* RFC 3261 s12.1, s12.2: target, route set and sequence number of each party. */
static void learns_its_two_sides(void **state)
{
    struct dialog *dialog = begin(*state);
    struct dialog_side caller, callee;
    assert_false(dialog_sides(dialog, TEXT("bob"), &caller, &callee));
    respond(dialog, 200, "bob");
    assert_true(dialog_sides(dialog, TEXT("bob"), &caller, &callee));
    assert_false(text_is_set(caller.target) || text_is_set(callee.target));
    assert_int_equal(callee.cseq, 1);
    assert_int_equal(caller.cseq, 0);

    struct message *ok = say("SIP/2.0 200 OK", "1 INVITE", "sip:bob@b.example", "alice", "bob");
    dialog_learn_side(dialog, ok, TEXT("<sip:p.example;lr>"));
    memory_release(ok);
    struct message *info = say("INFO sip:x SIP/2.0", "7 INFO", NULL, "bob", "alice");
    dialog_on_request(dialog, info);
    dialog_learn_side(dialog, info, TEXT_NONE); /* no Contact: nothing is learnt */
    memory_release(info);
    struct message *ack = say("ACK sip:x SIP/2.0", "9 ACK", NULL, "alice", "bob");
    dialog_on_request(dialog, ack);
    memory_release(ack);
    struct message *moved =
        say("UPDATE sip:x SIP/2.0", "8 UPDATE", "sip:bob@c.example", "bob", "alice");
    dialog_on_request(dialog, moved);
    memory_fail_after(0);
    dialog_learn_side(dialog, moved, TEXT_NONE);
    memory_fail_never();
    assert_true(dialog_sides(dialog, TEXT("bob"), &caller, &callee));
    expect_text(callee.target, "sip:bob@b.example");
    dialog_learn_side(dialog, moved, TEXT_NONE);
    memory_release(moved);
    assert_true(dialog_sides(dialog, TEXT("bob"), &caller, &callee));
    expect_text(callee.target, "sip:bob@c.example");
    expect_text(callee.route, "<sip:p.example;lr>");
    assert_int_equal(callee.cseq, 1);
    assert_int_equal(caller.cseq, 8);
    bye_done(dialog, "alice", "bob");
}

static void tags_may_be_missing(void **state)
{
    struct bench *bench = *state; /* RFC 2543 (s12.1.1, s12.2.1.1) */
    struct dialog *dialog;
    struct message *invite = request("INVITE", NULL, NULL);
    assert_int_equal(dialog_create(&dialog, bench->dialogs, invite), 0);
    memory_release(invite);
    struct message *ok = response(200, NULL, NULL);
    dialog_on_response(dialog, ok);
    memory_release(ok);
    assert_int_equal(dialog_current_state(dialog), DIALOG_CONFIRMED);
    assert_ptr_equal(find(bench, request("BYE", NULL, NULL)), dialog);
    bye_done(dialog, NULL, NULL);
    assert_int_equal(dialogs_count(bench->dialogs), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_from_invite_to_bye),
        TEST(is_found_from_both_directions),
        TEST(knows_who_speaks),
        TEST(the_same_invite_finds_its_dialog),
        TEST(a_failure_or_a_cancel_ends_it),
        TEST(a_fork_ends_with_its_last_leg),
        TEST(crossing_byes_end_it_once),
        TEST(a_bye_may_meet_an_early_leg),
        TEST(legs_are_bounded_and_an_answer_comes_first),
        TEST(learns_its_two_sides),
        TEST(tags_may_be_missing),
    };
    return cmocka_run_group_tests_name("dialog", tests, NULL, NULL);
}
