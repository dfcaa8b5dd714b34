/* What no REGISTER asks for: time, rows of a store; and who is told. */
#include "store_double.h"

static void put_aor(struct bench *bench, const char *aor, const char *contacts)
{
    struct contact v[8];
    struct location_request request = request_of(bench, "c", 1);
    request.aor = text_of(aor);
    request.contact_count = read_contacts(contacts, v, 8);
    request.contacts = v;
    assert_int_equal(save(bench, &request), 200);
    bench->result.record = memory_release(bench->result.record);
}

static void ends_what_is_not_refreshed(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 1, "<sip:a@b>;expires=60,<sip:b@b>;expires=120");
    bench.now_ms += 59999;
    assert_false(location_tick(bench.location, bench.now_ms, &bench.counters, NULL));
    expect_bound(&bench, "sip:a@b sip:b@b ");
    bench.now_ms += 1;
    expect_bound(&bench, "sip:b@b "); /* before anybody looks at the clock for it */
    bench.told[0] = '\0';
    assert_false(location_tick(bench.location, bench.now_ms, &bench.counters, NULL));
    assert_string_equal(bench.told, "expired sip:a@b|");
    /* A refresh moves the end. */
    put(&bench, "c1", 2, "<sip:b@b>;expires=600");
    bench.now_ms += 599999;
    bench.told[0] = '\0';
    location_tick(bench.location, bench.now_ms, &bench.counters, NULL);
    assert_string_equal(bench.told, "");
    bench.now_ms += 1;
    location_tick(bench.location, bench.now_ms, &bench.counters, NULL);
    assert_string_equal(bench.told, "expired sip:b@b|");
    assert_int_equal(counted(&bench, COUNTER_LOCATION_EXPIRED), 2);
    struct location_state now;
    location_get_state(bench.location, &now);
    assert_true(now.aors == 0 && now.bindings == 0);
    close_bench(&bench);
}

/* A REGISTER finds what expired before the clock was looked at, and says so. */
static void a_late_register_makes_a_new_binding(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 7, "<sip:a@b>;expires=60");
    bench.now_ms += 60000;
    assert_int_equal(put(&bench, "c1", 3, "<sip:a@b>;expires=60"), 200); /* no old CSeq is left */
    assert_string_equal(bench.told, "expired sip:a@b|inserted sip:a@b|");
    assert_int_equal(counted(&bench, COUNTER_LOCATION_EXPIRED), 1);
    close_bench(&bench);
}

#define MANY 50

static void ends_many_in_batches(void **state)
{
    struct bench bench;
    char aor[32];
    (void)state;
    open_bench(&bench);
    bench.settings.location_expire_batch = 8;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(aor, sizeof aor, "%u@b", i);
        put_aor(&bench, aor, "<sip:a@b>;expires=60");
    }
    bench.now_ms += 3600000;
    unsigned ticks = 1;
    struct location_state now;
    for (; location_tick(bench.location, bench.now_ms, NULL, NULL); ticks++) {
        bench.told[0] = '\0';
        location_get_state(bench.location, &now);
        assert_int_equal(now.aors, MANY - 8 * ticks);
    }
    assert_true(ticks >= MANY / 8 && ticks <= MANY / 8 + 2);
    location_get_state(bench.location, &now);
    assert_int_equal(now.aors, 0);
    close_bench(&bench);
}

/* Without memory an expired binding stays a little, unseen, and goes later. */
static void ends_later_without_memory(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 1, "<sip:a@b>;expires=60,<sip:b@b>,<sip:c@b>");
    bench.now_ms += 60000;
    bench.told[0] = '\0';
    memory_fail_after(0);
    location_tick(bench.location, bench.now_ms, &bench.counters, NULL);
    assert_int_equal(
        location_remove(bench.location, TEXT(ALICE), TEXT("sip:b@b"), bench.now_ms, NULL),
        ERROR_MEMORY);
    memory_fail_never();
    assert_string_equal(bench.told, "");
    assert_int_equal(counted(&bench, COUNTER_LOCATION_EXPIRED), 0);
    expect_bound(&bench, "sip:b@b sip:c@b ");
    bench.now_ms += 1000;
    location_tick(bench.location, bench.now_ms, &bench.counters, NULL);
    assert_string_equal(bench.told, "expired sip:a@b|");
    /* A command without a contact has an empty word there. */
    assert_int_equal(location_remove(bench.location, TEXT(ALICE), TEXT(""), bench.now_ms, NULL), 2);
    close_bench(&bench);
}

/* Keepalives that were not answered count for one binding; its refresh is another. */
static void ends_who_is_silent(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 1, "<sip:a@b>,<sip:b@b>");
    struct location_record *record = location_find(bench.location, TEXT(ALICE));
    const struct location_binding *binding = location_record_at(record, 0);
    assert_int_equal(location_binding_pinged(binding, false), 1);
    assert_int_equal(location_binding_pinged(binding, false), 2);
    assert_int_equal(location_binding_pinged(binding, true), 0);
    for (unsigned i = 1; i < 300; i++)
        assert_int_equal(location_binding_pinged(binding, false), i < 255 ? i : 255);
    assert_int_equal(location_binding_pinged(location_record_at(record, 1), false), 1);
    put(&bench, "c1", 2, "<sip:a@b>,<sip:b@b>");
    struct location_record *after = location_find(bench.location, TEXT(ALICE));
    assert_int_equal(location_binding_pinged(location_record_at(after, 0), false), 1);
    bench.told[0] = '\0';
    assert_int_equal(
        location_remove_binding(bench.location, TEXT(ALICE), binding, bench.now_ms, NULL), 0);
    assert_string_equal(bench.told, "");
    binding = location_record_at(after, 0);
    memory_fail_after(0);
    assert_int_equal(
        location_remove_binding(bench.location, TEXT(ALICE), binding, bench.now_ms, NULL),
        ERROR_MEMORY);
    memory_fail_never();
    assert_int_equal(
        location_remove_binding(bench.location, TEXT(ALICE), binding, bench.now_ms, NULL), 1);
    assert_int_equal(strncmp(bench.told, "removed ", 8), 0);
    memory_release(record);
    memory_release(after);
    close_bench(&bench);
}

/* A wall clock may be set back or far ahead. */
static void survives_a_clock_that_jumps(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 1, "<sip:a@b>;expires=600");
    location_tick(bench.location, bench.now_ms + 500000, NULL, NULL);
    location_tick(bench.location, bench.now_ms - 86400000, NULL, NULL);
    bench.now_ms -= 86400000;
    assert_int_equal(put(&bench, "c1", 2, "<sip:a@b>;expires=600"), 200);
    expect_bound(&bench, "sip:a@b ");
    /* The wheel stands where the clock was: it asks too early and too late, but asks again. */
    bench.now_ms += 86400000 + 700000;
    location_tick(bench.location, bench.now_ms, NULL, NULL);
    expect_bound(&bench, "");
    struct location_state now;
    location_get_state(bench.location, &now);
    assert_int_equal(now.aors, 0);
    /* Ten years are more than the wheel reaches. */
    const struct location_binding row = {.contact = TEXT("sip:x@y"),
                                         .expires_ms = bench.now_ms + 315360000000u};
    assert_int_equal(location_load(bench.location, TEXT(ALICE), &row, bench.now_ms), 0);
    for (unsigned year = 0; year < 9; year++) {
        bench.now_ms += 31536000000u;
        assert_false(location_tick(bench.location, bench.now_ms, NULL, NULL));
        expect_bound(&bench, "sip:x@y ");
    }
    bench.now_ms += 31536000000u;
    assert_false(location_tick(bench.location, bench.now_ms, NULL, NULL));
    location_get_state(bench.location, &now);
    assert_int_equal(now.aors, 0);
    close_bench(&bench);
}

/** What an observer keeps of a change. */
struct heard {
    struct location_binding *binding;
    uint64_t version;
    unsigned calls;
    void *by;
};

static void keep(void *arg, const struct location_changes *changes)
{
    struct heard *heard = arg;
    assert_true(changes->version > heard->version);
    heard->version = changes->version;
    heard->calls++;
    heard->by = changes->by;
    memory_release(heard->binding);
    heard->binding = memory_ref((void *)changes->v[0].binding);
    if (changes->v[0].kind == LOCATION_UPDATED)
        assert_int_equal(changes->v[0].before->q, CONTACT_Q_NONE);
    assert_true((changes->record == NULL) == (changes->v[0].kind == LOCATION_REMOVED));
    assert_text(changes->aor, ALICE);
}

static void tells_observers(void **state)
{
    struct bench bench;
    struct heard heard = {0};
    int caller;
    (void)state;
    open_bench(&bench);
    assert_int_equal(location_observe(bench.location, keep, &heard), 0);
    put(&bench, "c1", 1, "<sip:a@b>");
    assert_null(heard.by);
    put(&bench, "c1", 2, "<sip:a@b>;q=0.3");
    assert_int_equal(heard.binding->q, 300);
    assert_int_equal(location_remove(bench.location, TEXT(ALICE), TEXT_NONE, START_MS, &caller), 1);
    assert_ptr_equal(heard.by, &caller);
    assert_int_equal(heard.calls, 3);
    assert_int_equal(location_observe(bench.location, keep, &heard), 0);
    assert_int_equal(location_observe(bench.location, keep, &heard), 0);
    assert_int_equal(location_observe(bench.location, keep, &heard), ERROR_LIMIT);
    memory_release(heard.binding);
    assert_string_equal(location_change_name(LOCATION_EXPIRED), "expired");
    close_bench(&bench);
}

static void loads_rows(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    bench.settings.location_aors = 1;
    struct location_binding row = {.contact = TEXT("sip:a@b"),
                                   .ruid = TEXT("uloc-1"),
                                   .call_id = TEXT("c1"),
                                   .cseq = 9,
                                   .expires_ms = START_MS + 1000,
                                   .q = CONTACT_Q_NONE};
    assert_int_equal(location_load(bench.location, TEXT(ALICE), &row, START_MS), 0);
    row.contact = TEXT("sip:c@b"); /* the same row again */
    assert_int_equal(location_load(bench.location, TEXT(ALICE), &row, START_MS), 0);
    expect_bound(&bench, "sip:c@b ");
    assert_int_equal(location_load(bench.location, TEXT("x@y"), &row, START_MS), ERROR_LIMIT);
    assert_int_equal(location_load(bench.location, TEXT(ALICE), &row, START_MS + 1000),
                     ERROR_TIMEOUT);
    assert_int_equal(location_load(bench.location, TEXT_NONE, &row, START_MS), ERROR_SYNTAX);
    uint64_t n = 0;
    int error;
    do {
        memory_fail_after(n++);
        error = location_load(bench.location, TEXT(ALICE), &row, START_MS);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY);
    } while (error);
    row.ruid = TEXT_NONE;
    assert_int_equal(location_load(bench.location, TEXT(ALICE), &row, START_MS), 0);
    row.contact = TEXT_NONE;
    assert_int_equal(location_load(bench.location, TEXT(ALICE), &row, START_MS), ERROR_SYNTAX);
    assert_string_equal(bench.told, "");
    /* The order of a Call-ID goes on after a restart. */
    assert_int_equal(put(&bench, "c1", 9, "<sip:c@b>"), 500);
    close_bench(&bench);
}

static void write_through(void *arg, const struct location_changes *changes)
{
    const struct location_store *store = arg;
    store->operations->write(store->store, changes, NULL);
}

static void count_done(void *arg, int error)
{
    struct location_loading *loading = arg;
    loading->error = error ? error : loading->error;
    loading->loaded += 1000;
}

/* A second service finds in the store what the first one had; what expired meanwhile is left out. */
static void goes_on_after_a_restart(void **state)
{
    struct bench bench, second;
    struct store_double rows = {0};
    struct location_store store = {&double_operations, &rows};
    (void)state;
    open_bench(&bench);
    assert_int_equal(location_observe(bench.location, write_through, &store), 0);
    put(&bench, "c1", 1, "<sip:a@1>;expires=60,<sip:b@2>;q=0.5,<sip:c@3>");
    put(&bench, "c1", 2, "<sip:a@1>;expires=70,<sip:c@3>;expires=0");
    put_aor(&bench, "bob@b", "<sip:bob@9>;expires=600");
    assert_int_equal(rows.count, 3);
    rows.error = ERROR_TRANSPORT;
    put_aor(&bench, "lost@b", "<sip:lost@9>");
    rows.error = 0;

    open_bench(&second);
    second.now_ms = START_MS + 70000;
    struct location_loading loading = {.location = second.location, .now_ms = second.now_ms};
    const struct location_reply reply = {
        .row = location_load_row, .done = count_done, .arg = &loading};
    assert_int_equal(store.operations->load(store.store, START_MS, &reply), 0);
    assert_int_equal(loading.loaded, 1002);
    assert_int_equal(loading.expired, 1);
    assert_int_equal(loading.refused, 0);
    assert_int_equal(loading.error, 0);
    expect_bound(&second, "sip:b@2 ");
    assert_int_equal(store.operations->fetch(store.store, TEXT("bob@b"), START_MS, &reply), 0);
    assert_int_equal(loading.loaded, 2003);
    second.settings.location_uri_bytes = 3;
    store.operations->fetch(store.store, TEXT("bob@b"), START_MS, &reply);
    assert_int_equal(loading.refused, 1);
    second.settings.location_uri_bytes = 512;
    memory_fail_after(0);
    store.operations->load(store.store, second.now_ms, &reply);
    memory_fail_never();
    assert_int_equal(loading.error, ERROR_MEMORY);
    assert_int_equal(store.operations->purge(store.store, second.now_ms, NULL), 0);
    assert_int_equal(rows.count, 2);
    close_bench(&second);
    double_release(&rows);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_what_is_not_refreshed),
        cmocka_unit_test(a_late_register_makes_a_new_binding),
        cmocka_unit_test(ends_many_in_batches),
        cmocka_unit_test(ends_later_without_memory),
        cmocka_unit_test(ends_who_is_silent),
        cmocka_unit_test(survives_a_clock_that_jumps),
        cmocka_unit_test(tells_observers),
        cmocka_unit_test(loads_rows),
        cmocka_unit_test(goes_on_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
