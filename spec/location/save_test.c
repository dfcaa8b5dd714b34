/* REGISTER by RFC 3261 s10.3: order, times, limits, all contacts or none. */
#include "bench.h"

static void binds_refreshes_and_ends(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    expect_bound(&bench, "");
    assert_int_equal(put(&bench, "c1", 1, "<sip:a@10.0.0.1>;expires=600;q=0.7"), 200);
    const struct location_binding *binding = only(&bench);
    assert_text(binding->contact, "sip:a@10.0.0.1");
    assert_text(binding->call_id, "c1");
    assert_int_equal(binding->cseq, 1);
    assert_int_equal(binding->q, 700);
    assert_int_equal(binding->methods, METHOD_SET_ALL);
    assert_int_equal(location_binding_expires_s(binding, START_MS), 600);
    assert_int_equal(location_binding_expires_s(binding, START_MS + 1), 600);
    assert_int_equal(location_binding_expires_s(binding, START_MS + 599001), 1);
    assert_int_equal(location_binding_expires_s(binding, START_MS + 600000), 0);
    assert_string_equal(bench.told, "inserted sip:a@10.0.0.1|");
    char ruid[64];
    assert_true(text_to_array(binding->ruid, ruid, sizeof ruid));

    bench.now_ms += 60000;
    assert_int_equal(put(&bench, "c1", 2, "<sip:a@10.0.0.1>;expires=300"), 200);
    assert_string_equal(bench.told, "updated sip:a@10.0.0.1|");
    assert_text(only(&bench)->ruid, ruid);
    assert_int_equal(only(&bench)->expires_ms, bench.now_ms + 300000);

    assert_int_equal(put(&bench, "c1", 3, "<sip:a@10.0.0.1>;expires=0"), 200);
    assert_string_equal(bench.told, "removed sip:a@10.0.0.1|");
    assert_null(bench.result.record);
    expect_bound(&bench, "");
    struct location_state state_now;
    location_get_state(bench.location, &state_now);
    assert_int_equal(state_now.aors, 0);
    assert_int_equal(state_now.bindings, 0);
    assert_int_equal(counted(&bench, COUNTER_LOCATION_SAVED), 3);
    close_bench(&bench);
}

static void a_query_changes_nothing(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    assert_int_equal(put(&bench, "c0", 1, ""), 200);
    assert_null(bench.result.record);
    put(&bench, "c1", 1, "<sip:a@1.1.1.1>");
    assert_int_equal(put(&bench, "c1", 1, ""), 200);
    assert_text(only(&bench)->contact, "sip:a@1.1.1.1");
    assert_string_equal(bench.told, "");
    assert_int_equal(counted(&bench, COUNTER_LOCATION_SAVED), 1);
    close_bench(&bench);
}

/* Step 7: of one Call-ID, a CSeq must be higher than the binding's; another Call-ID always wins. */
static void keeps_the_order_of_a_call_id(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 5, "<sip:a@1.1.1.1>, <sip:b@1.1.1.1>");
    assert_int_equal(put(&bench, "c1", 5, "<sip:a@1.1.1.1>"), 500);
    assert_int_equal(put(&bench, "c1", 4, "<sip:a@1.1.1.1>;expires=0"), 500);
    /* What stands before the late one is not done either. */
    assert_int_equal(put(&bench, "c1", 5, "<sip:c@1.1.1.1>, <sip:b@1.1.1.1>;expires=0"), 500);
    expect_bound(&bench, "sip:a@1.1.1.1 sip:b@1.1.1.1 ");
    assert_int_equal(counted(&bench, COUNTER_LOCATION_OUT_OF_ORDER), 3);
    /* A contact of its own is not late. */
    assert_int_equal(put(&bench, "c1", 2, "<sip:c@1.1.1.1>"), 200);
    assert_int_equal(put(&bench, "c2", 1, "<sip:a@1.1.1.1>;expires=0"), 200);
    expect_bound(&bench, "sip:b@1.1.1.1 sip:c@1.1.1.1 ");
    /* The same contact twice: the later one counts. */
    assert_int_equal(
        put(&bench, "c1", 6, "<sip:b@1.1.1.1>;q=0.1,<sip:b@1.1.1.1>;q=0.2,<sip:c@1.1.1.1>"), 200);
    assert_int_equal(location_record_count(bench.result.record), 2);
    assert_int_equal(location_record_at(bench.result.record, 1)->q, 200);
    close_bench(&bench);
}

static unsigned star(struct bench *bench, const char *call_id, uint32_t cseq, bool has_expires,
                     uint32_t expires_s, size_t contacts)
{
    struct contact v[1];
    struct location_request request = request_of(bench, call_id, cseq);
    read_contacts("<sip:a@1.1.1.1>", v, 1);
    request.is_star = true;
    request.has_expires = has_expires;
    request.expires_s = expires_s;
    request.contacts = v;
    request.contact_count = contacts;
    return save(bench, &request);
}

static void star_ends_all(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    assert_int_equal(star(&bench, "c1", 1, true, 0, 0), 200); /* nothing to end is no fault */
    put(&bench, "c1", 1, "<sip:a@1.1.1.1>");
    put(&bench, "c2", 9, "<sip:b@1.1.1.1>");
    assert_int_equal(star(&bench, "c1", 2, true, 60, 0), 400);
    assert_int_equal(star(&bench, "c1", 2, false, 0, 0), 400);
    assert_int_equal(star(&bench, "c1", 2, true, 0, 1), 400);
    assert_int_equal(star(&bench, "c2", 9, true, 0, 0), 500); /* late for b: a stays as well */
    expect_bound(&bench, "sip:a@1.1.1.1 sip:b@1.1.1.1 ");
    assert_int_equal(star(&bench, "c2", 10, true, 0, 0), 200);
    assert_string_equal(bench.told, "removed sip:a@1.1.1.1|removed sip:b@1.1.1.1|");
    expect_bound(&bench, "");
    close_bench(&bench);
}

static uint32_t granted_s(struct bench *bench, bool has_expires, uint32_t expires_s,
                          const char *contact)
{
    static uint32_t cseq;
    struct contact v[1];
    struct location_request request = request_of(bench, "times", ++cseq);
    request.contact_count = read_contacts(contact, v, 1);
    request.contacts = v;
    request.has_expires = has_expires;
    request.expires_s = expires_s;
    if (save(bench, &request) != 200)
        return bench->result.status;
    return location_binding_expires_s(only(bench), bench->now_ms);
}

static void grants_times(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    bench.settings.location_expires_default_s = 1800;
    bench.settings.location_expires_least_s = 120;
    bench.settings.location_expires_most_s = 7200;
    assert_int_equal(granted_s(&bench, false, 0, "<sip:a@b>"), 1800);
    assert_int_equal(granted_s(&bench, true, 600, "<sip:a@b>"), 600);
    assert_int_equal(granted_s(&bench, true, 600, "<sip:a@b>;expires=700"), 700);
    assert_int_equal(granted_s(&bench, true, 600, "<sip:a@b>;expires=4294967295"), 7200);
    assert_int_equal(granted_s(&bench, true, 600, "<sip:a@b>;expires=soon"), 3600);
    assert_int_equal(granted_s(&bench, true, 600, "<sip:a@b>;expires=119"), 423);
    assert_int_equal(bench.result.least_s, 120);
    assert_int_equal(counted(&bench, COUNTER_LOCATION_BRIEF), 1);
    /* An hour or more is never too brief. */
    bench.settings.location_expires_least_s = 7000;
    assert_int_equal(granted_s(&bench, true, 3599, "<sip:a@b>"), 423);
    assert_int_equal(granted_s(&bench, true, 3600, "<sip:a@b>"), 7000);
    bench.settings.location_expires_refuse = 0;
    assert_int_equal(granted_s(&bench, true, 1, "<sip:a@b>"), 7000);
    bench.settings.location_expires_most_s = 0;
    assert_int_equal(granted_s(&bench, true, 4294967294, "<sip:a@b>"), 4294967294);
    /* One of two too brief: neither is bound. */
    bench.settings.location_expires_refuse = 1;
    assert_int_equal(put(&bench, "c9", 1, "<sip:x@b>;expires=9000, <sip:y@b>;expires=1"), 423);
    expect_bound(&bench, "sip:a@b ");
    close_bench(&bench);
}

static void limits_contacts(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    bench.settings.location_contacts_per_aor = 2;
    bench.settings.location_request_contacts = 3;
    assert_int_equal(put(&bench, "c", 1, "<sip:a@b>,<sip:b@b>,<sip:c@b>"), 503);
    expect_bound(&bench, "");
    assert_int_equal(put(&bench, "c", 1, "<sip:a@b>,<sip:b@b>"), 200);
    assert_int_equal(put(&bench, "c", 2, "<sip:c@b>"), 503);
    /* One goes, one comes. */
    assert_int_equal(put(&bench, "c", 3, "<sip:c@b>,<sip:a@b>;expires=0"), 200);
    assert_int_equal(put(&bench, "c", 4, "<sip:a@b>,<sip:b@b>,<sip:c@b>,<sip:d@b>"), 503);
    assert_int_equal(counted(&bench, COUNTER_LOCATION_CONTACT_LIMIT), 3);
    /* A lower limit lets those that are there refresh. */
    bench.settings.location_contacts_per_aor = 1;
    assert_int_equal(put(&bench, "c", 5, "<sip:b@b>,<sip:c@b>"), 200);
    struct location_rules rules;
    location_rules_default(&rules, &bench.settings);
    rules.contacts_max = 3;
    struct contact v[1];
    struct location_request request = request_of(&bench, "d", 1);
    request.contact_count = read_contacts("<sip:d@b>", v, 1);
    request.contacts = v;
    request.rules = &rules;
    assert_int_equal(save(&bench, &request), 200);
    assert_int_equal(location_record_count(bench.result.record), 3);
    close_bench(&bench);
}

static void limits_aors(void **state)
{
    struct bench bench;
    struct contact v[1];
    (void)state;
    open_bench(&bench);
    bench.settings.location_aors = 2;
    const char *const aors[] = {"a@b", "b@b", "c@b"};
    for (unsigned i = 0; i < 3; i++) {
        struct location_request request = request_of(&bench, "c", 1);
        request.aor = text_of(aors[i]);
        request.contact_count = read_contacts("<sip:x@y>", v, 1);
        request.contacts = v;
        assert_int_equal(save(&bench, &request), i < 2 ? 200 : 503);
    }
    assert_int_equal(counted(&bench, COUNTER_LOCATION_AOR_LIMIT), 1);
    assert_int_equal(location_remove(bench.location, TEXT("a@b"), TEXT_NONE, START_MS, NULL), 1);
    assert_int_equal(put(&bench, "c", 1, "<sip:x@y>"), 200);
    close_bench(&bench);
}

static void limits_texts(void **state)
{
    struct bench bench;
    char contact[200], call_id[80];
    struct contact v[1];
    (void)state;
    open_bench(&bench);
    bench.settings.location_uri_bytes = 64;
    bench.settings.location_text_bytes = 32;
    bench.settings.location_path_bytes = 64;
    snprintf(contact, sizeof contact, "<sip:%064d@b>", 1);
    assert_int_equal(put(&bench, "c", 1, contact), 400);
    snprintf(call_id, sizeof call_id, "%033d", 1);
    assert_int_equal(put(&bench, call_id, 1, "<sip:a@b>"), 400);
    struct location_request request = request_of(&bench, "c", 1);
    request.contact_count = read_contacts("<sip:a@b>", v, 1);
    request.contacts = v;
    request.path = text_of(contact);
    assert_int_equal(save(&bench, &request), 400);
    assert_int_equal(counted(&bench, COUNTER_LOCATION_TOO_LONG), 3);
    request.path = TEXT("<sip:p1;lr>,\r\n <sip:p2;lr>");
    request.user_agent = TEXT("A phone whose maker is proud of a name like this");
    assert_int_equal(save(&bench, &request), 200);
    assert_text(only(&bench)->user_agent, "A phone whose maker is proud of ");
    assert_text(only(&bench)->path, "<sip:p1;lr>,   <sip:p2;lr>"); /* unfolded */
    request.aor = TEXT_NONE;
    assert_int_equal(save(&bench, &request), 400);
    close_bench(&bench);
}

/* An operator's bindings: no order, and for ever when no time is given. */
static void takes_commands(void **state)
{
    struct bench bench;
    struct contact v[1];
    (void)state;
    open_bench(&bench);
    put(&bench, "c", 7, "<sip:a@b>");
    struct location_request request = request_of(&bench, "c", 1);
    request.contact_count = read_contacts("<sip:a@b>;expires=0", v, 1);
    request.contacts = v;
    request.is_command = true;
    assert_int_equal(save(&bench, &request), 200);
    assert_true(only(&bench)->expires_ms == LOCATION_NEVER);
    assert_int_equal(location_binding_expires_s(only(&bench), START_MS), UINT32_MAX);
    bench.now_ms += 1000ull * 86400 * 3650;
    location_tick(bench.location, bench.now_ms, &bench.counters, NULL);
    expect_bound(&bench, "sip:a@b ");
    /* By ruid, by an equal URI, by another. */
    struct text ruid = only(&bench)->ruid;
    assert_int_equal(location_remove(bench.location, TEXT(ALICE), TEXT("sip:a@c"), START_MS, NULL),
                     0);
    assert_int_equal(location_remove(bench.location, TEXT(ALICE), ruid, START_MS, NULL), 1);
    put(&bench, "c", 8, "<sip:a@b>,<sip:c@b>");
    assert_int_equal(location_remove(bench.location, TEXT(ALICE), TEXT("sip:a@B"), START_MS, NULL),
                     1);
    expect_bound(&bench, "sip:c@b ");
    assert_int_equal(location_remove(bench.location, TEXT("x@y"), TEXT_NONE, START_MS, NULL), 0);
    close_bench(&bench);
}

/* Every allocation of a save may fail: 500, and nothing has changed. */
static void survives_without_memory(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c", 1, "<sip:a@b>,<sip:b@b>");
    uint64_t n = 0;
    unsigned status;
    do {
        memory_fail_after(n++);
        status = put(&bench, "c", 2, "<sip:a@b>;expires=0,<sip:c@b>,<sip:d@b>");
        memory_fail_never();
        if (status == 200)
            break;
        assert_int_equal(status, 500);
        assert_string_equal(bench.told, "");
        expect_bound(&bench, "sip:a@b sip:b@b ");
    } while (n < 100);
    assert_int_equal(status, 200);
    assert_true(n > 3);
    expect_bound(&bench, "sip:b@b sip:c@b sip:d@b ");
    struct location *location;
    for (n = 0; n < 3; n++) {
        const struct location_options options = {.settings = &bench.settings};
        memory_fail_after(n);
        int error = location_create(&location, &options);
        memory_fail_never();
        assert_int_equal(error, n ? 0 : ERROR_MEMORY);
        memory_release(location);
    }
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binds_refreshes_and_ends),
        cmocka_unit_test(a_query_changes_nothing),
        cmocka_unit_test(keeps_the_order_of_a_call_id),
        cmocka_unit_test(star_ends_all),
        cmocka_unit_test(grants_times),
        cmocka_unit_test(limits_contacts),
        cmocka_unit_test(limits_aors),
        cmocka_unit_test(limits_texts),
        cmocka_unit_test(takes_commands),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
