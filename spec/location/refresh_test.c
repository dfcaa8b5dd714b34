/* Rows of a store that others write too, in the place of what is here; and what is forgotten for room. */
#include "bench.h"

static struct location_binding row_of(const char *ruid, const char *contact, uint32_t cseq,
                                      uint64_t expires_ms)
{
    return (struct location_binding){
        .ruid = text_of(ruid),
        .contact = text_of(contact),
        .call_id = TEXT("c1"),
        .cseq = cseq,
        .methods = METHOD_SET_ALL,
        .q = CONTACT_Q_NONE,
        .expires_ms = expires_ms,
        .modified_ms = START_MS,
    };
}

static struct location_refresh *begin(struct bench *bench)
{
    struct location_refresh *refresh;
    assert_int_equal(location_refresh_begin(&refresh, bench->location, TEXT(ALICE)), 0);
    assert_int_equal(location_refresh_aor(refresh).n, strlen(ALICE));
    return refresh;
}

static int end(struct bench *bench, struct location_refresh *refresh)
{
    int error = location_refresh_end(refresh, bench->now_ms);
    memory_release(refresh);
    return error;
}

static void rows_take_the_place_of_bindings(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c0", 1, "<sip:old@1.1.1.1>");
    bench.told[0] = '\0';
    struct location_refresh *refresh = begin(&bench);
    struct location_binding rows[] = {
        row_of("uloc-1", "sip:a@1.1.1.1", 1, START_MS + 1000),
        row_of("uloc-2", "sip:b@1.1.1.1", 1, LOCATION_NEVER),
        row_of("uloc-3", "sip:gone@1.1.1.1", 1, START_MS),
    };
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(location_refresh_add(refresh, &rows[i]), 0);
    assert_int_equal(end(&bench, refresh), 0);
    expect_bound(&bench, "sip:a@1.1.1.1 sip:b@1.1.1.1 ");
    assert_string_equal(bench.told, "");
    /* No row: nobody is there. */
    assert_int_equal(end(&bench, begin(&bench)), 0);
    expect_bound(&bench, "");
    close_bench(&bench);
}

static void a_row_without_sense_is_refused(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    struct location_refresh *refresh = begin(&bench);
    struct location_binding row = row_of("", "sip:a@1.1.1.1", 1, LOCATION_NEVER);
    assert_int_equal(location_refresh_add(refresh, &row), ERROR_SYNTAX);
    row = row_of("uloc-1", "", 1, LOCATION_NEVER);
    assert_int_equal(location_refresh_add(refresh, &row), ERROR_SYNTAX);
    assert_int_equal(end(&bench, refresh), 0);
    expect_bound(&bench, "");
    close_bench(&bench);
}

/* A connection is not in the row: it stays while nobody else refreshed the binding. */
static void a_known_row_keeps_its_flow(void **state)
{
    struct bench bench;
    struct contact contact;
    (void)state;
    open_bench(&bench);
    read_contacts("<sip:a@1.1.1.1>;expires=600", &contact, 1);
    struct location_request request = request_of(&bench, "c1", 7);
    request.contacts = &contact;
    request.contact_count = 1;
    request.flow_id = 42;
    assert_int_equal(save(&bench, &request), 200);
    struct location_binding row = *location_record_at(bench.result.record, 0);
    row.flow_id = 0;
    row.expires_ms -= row.expires_ms % 1000; /* as stores keep it */

    struct location_refresh *refresh = begin(&bench);
    assert_int_equal(location_refresh_add(refresh, &row), 0);
    assert_int_equal(end(&bench, refresh), 0);
    struct location_record *record = location_find(bench.location, TEXT(ALICE));
    assert_int_equal(location_record_at(record, 0)->flow_id, 42);
    memory_release(record);

    row.cseq++;
    refresh = begin(&bench);
    assert_int_equal(location_refresh_add(refresh, &row), 0);
    assert_int_equal(end(&bench, refresh), 0);
    record = location_find(bench.location, TEXT(ALICE));
    assert_int_equal(location_record_at(record, 0)->cseq, 8);
    assert_int_equal(location_record_at(record, 0)->flow_id, 0);
    memory_release(record);
    close_bench(&bench);
}

static void what_changed_meanwhile_counts_more(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    struct location_refresh *refresh = begin(&bench);
    struct location_binding row = row_of("uloc-1", "sip:old@1.1.1.1", 1, LOCATION_NEVER);
    assert_int_equal(location_refresh_add(refresh, &row), 0);
    put(&bench, "c1", 2, "<sip:new@1.1.1.1>");
    assert_int_equal(end(&bench, refresh), ERROR_STATE);
    expect_bound(&bench, "sip:new@1.1.1.1 ");
    close_bench(&bench);
}

static void room_is_made_by_forgetting(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    bench.settings.location_aors = 1;
    put(&bench, "c1", 1, "<sip:a@1.1.1.1>");
    struct location_record *before = location_find(bench.location, TEXT(ALICE));
    struct location_refresh *refresh;
    struct location_binding row = row_of("uloc-1", "sip:bob@1.1.1.1", 1, LOCATION_NEVER);
    assert_int_equal(location_refresh_begin(&refresh, bench.location, TEXT("bob@example.com")), 0);
    assert_int_equal(location_refresh_add(refresh, &row), 0);
    assert_int_equal(location_refresh_end(refresh, bench.now_ms), ERROR_LIMIT);
    bench.told[0] = '\0';
    assert_int_equal(location_forget(bench.location, before, bench.now_ms), 0);
    assert_int_equal(location_forget(bench.location, before, bench.now_ms), ERROR_STATE);
    assert_string_equal(bench.told, "");
    expect_bound(&bench, "");
    assert_int_equal(end(&bench, refresh), 0);
    memory_release(before);
    close_bench(&bench);
}

static int refresh_once(struct bench *bench)
{
    struct location_refresh *refresh;
    int error = location_refresh_begin(&refresh, bench->location, TEXT(ALICE));
    for (unsigned i = 0; i < 6 && !error; i++) {
        char ruid[16];
        snprintf(ruid, sizeof ruid, "uloc-%u", i);
        struct location_binding row = row_of(ruid, "sip:a@1.1.1.1", 1, LOCATION_NEVER);
        error = location_refresh_add(refresh, &row);
    }
    if (!error)
        error = location_refresh_end(refresh, bench->now_ms);
    memory_release(refresh);
    return error;
}

static void memory_may_run_out(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        assert_true(n < 1000);
        memory_fail_after(n);
        error = refresh_once(&bench);
        memory_fail_never();
        if (error)
            assert_int_equal(error, ERROR_MEMORY);
        struct location_record *record = location_find(bench.location, TEXT(ALICE));
        assert_true((record == NULL) == (error != 0));
        memory_release(record);
    }
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_take_the_place_of_bindings),
        cmocka_unit_test(a_row_without_sense_is_refused),
        cmocka_unit_test(a_known_row_keeps_its_flow),
        cmocka_unit_test(what_changed_meanwhile_counts_more),
        cmocka_unit_test(room_is_made_by_forgetting),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
