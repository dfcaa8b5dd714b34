/* Looking up: order, methods, flows (RFC 5626), GRUUs (RFC 5627), matching; and walking. */
#include "bench.h"

static void sorts_by_q_then_age(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 1, "<sip:old@b>;q=0.5");
    bench.now_ms += 10;
    put(&bench, "c2", 1, "<sip:low@b>;q=0.1,<sip:young@b>;q=0.5,<sip:none@b>");
    expect_bound(&bench, "sip:none@b sip:young@b sip:old@b sip:low@b ");
    /* A refresh is young. */
    bench.now_ms += 10;
    put(&bench, "c1", 2, "<sip:old@b>;q=0.5");
    expect_bound(&bench, "sip:none@b sip:old@b sip:young@b sip:low@b ");
    bench.settings.location_q_default = 0;
    put(&bench, "c1", 3, "<sip:old@b>;q=0.5");
    expect_bound(&bench, "sip:old@b sip:young@b sip:low@b sip:none@b ");
    close_bench(&bench);
}

static void finds_who_takes_the_method(void **state)
{
    struct bench bench;
    struct contact v[2];
    (void)state;
    open_bench(&bench);
    struct location_request request = request_of(&bench, "c1", 1);
    request.contact_count =
        read_contacts("<sip:a@b>,<sip:m@b>;methods=\"MESSAGE, OPTIONS\";q=0.1", v, 2);
    request.contacts = v;
    request.methods = method_set_parse(TEXT("INVITE,ACK,BYE,OPTIONS"));
    assert_int_equal(save(&bench, &request), 200);
    struct location_query query = {.aor = TEXT(ALICE), .now_ms = bench.now_ms};
    query.methods = method_set_bit(METHOD_INVITE);
    expect_found(&bench, &query, "sip:a@b ");
    query.methods = method_set_bit(METHOD_MESSAGE);
    expect_found(&bench, &query, "sip:m@b ");
    query.methods = method_set_bit(METHOD_OPTIONS);
    expect_found(&bench, &query, "sip:a@b sip:m@b ");
    query.methods = method_set_bit(METHOD_REFER);
    struct location_found *found;
    assert_int_equal(location_lookup(&found, bench.location, &query), ERROR_UNSUPPORTED);
    assert_null(found);
    query.aor = TEXT("nobody@b");
    assert_int_equal(location_lookup(&found, bench.location, &query), ERROR_NOT_FOUND);
    query = (struct location_query){.aor = TEXT(ALICE), .now_ms = bench.now_ms};
    memory_fail_after(0);
    assert_int_equal(location_lookup(&found, bench.location, &query), ERROR_MEMORY);
    memory_fail_never();
    close_bench(&bench);
}

/* What was found stays as it was, whatever happens to the AoR and the store. */
static void holds_what_it_found(void **state)
{
    struct bench bench;
    struct location_found *found;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 1, "<sip:a@b>;expires=60");
    const struct location_query query = {.aor = TEXT(ALICE), .now_ms = bench.now_ms};
    assert_int_equal(location_lookup(&found, bench.location, &query), 0);
    put(&bench, "c1", 2, "<sip:a@b>;expires=0");
    uint64_t live = bench.live_before;
    bench.live_before = memory_live() - 1; /* without the store */
    bench.result.record = memory_release(bench.result.record);
    bench.location = memory_release(bench.location);
    assert_text(found->v[0].binding->contact, "sip:a@b");
    memory_release(found);
    bench.live_before = live;
    close_bench(&bench);
}

#define FLOW(contact, instance, reg_id)                                                            \
    "<" contact ">;+sip.instance=\"<urn:uuid:" instance ">\";reg-id=" reg_id

/* RFC 5626 s6: instance and reg-id name the binding, whatever the contact. */
static void binds_flows(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 1, FLOW("sip:a@1.1.1.1", "A1", "1"));
    bench.now_ms++;
    put(&bench, "c1", 2, FLOW("sip:a@1.1.1.1", "A1", "2"));
    bench.now_ms++;
    put(&bench, "c2", 1, FLOW("sip:z@9.9.9.9", "B2", "1"));
    expect_bound(&bench, "sip:z@9.9.9.9 sip:a@1.1.1.1 +sip:a@1.1.1.1 ");
    /* After a reboot: another Call-ID, another port, the same flow. */
    bench.now_ms++;
    put(&bench, "c9", 1, FLOW("sip:a@1.1.1.1:5070", "a1", "1"));
    assert_string_equal(bench.told, "updated sip:a@1.1.1.1:5070|");
    expect_bound(&bench, "sip:a@1.1.1.1:5070 sip:z@9.9.9.9 +sip:a@1.1.1.1 ");
    /* Only one flow at a time. */
    assert_int_equal(
        put(&bench, "c3", 1, FLOW("sip:a@b", "A1", "3") "," FLOW("sip:a@b", "A1", "4")), 400);
    assert_int_equal(put(&bench, "c3", 1,
                         FLOW("sip:a@b", "A1", "1") "," FLOW("sip:a@b", "A1", "2") ";expires=0"),
                     200);
    /* A reg-id without an instance means nothing. */
    assert_int_equal(put(&bench, "c4", 1, "<sip:z@9.9.9.9>;reg-id=1;expires=0"), 200);
    expect_bound(&bench, "sip:a@b ");
    assert_int_equal(put(&bench, "c5", 1, "<sip:x@b>;reg-id=1,<sip:y@b>;reg-id=1"), 200);
    assert_int_equal(location_record_at(bench.result.record, 1)->reg_id, 0);
    close_bench(&bench);
}

static void expect_matches(unsigned match, const char *expected)
{
    struct bench bench;
    struct contact v[1];
    open_bench(&bench);
    bench.settings.location_match = match;
    struct location_request request = request_of(&bench, "c1", 1);
    request.contacts = v;
    request.path = TEXT("<sip:p1;lr>");
    request.contact_count = read_contacts("<sip:a@b;x=1>", v, 1);
    save(&bench, &request);
    request.call_id = TEXT("c2");
    request.now_ms++;
    read_contacts("<sip:a@B>", v, 1);
    save(&bench, &request);
    request.path = TEXT("<sip:p2;lr>");
    request.now_ms++;
    request.cseq++;
    read_contacts("<sip:%61@b;y=2>", v, 1);
    save(&bench, &request);
    request.now_ms++;
    request.cseq++;
    read_contacts("<sip:other@b>", v, 1);
    save(&bench, &request);
    bench.now_ms += 10;
    expect_bound(&bench, expected);
    close_bench(&bench);
}

/* Kamailio's matching modes; URIs compare by RFC 3261 s19.1.4. */
static void matches_as_set(void **state)
{
    (void)state;
    expect_matches(0, "sip:other@b sip:%61@b;y=2 ");
    expect_matches(1, "sip:other@b sip:%61@b;y=2 sip:a@b;x=1 ");
    expect_matches(2, "sip:other@b sip:%61@b;y=2 sip:a@B ");
    expect_matches(3, "sip:other@b sip:a@b;x=1 ");
}

static struct text print_temporary(struct bench *bench, struct buffer *out)
{
    buffer_clear(out);
    location_print_temporary_gruu(out, bench->location, TEXT(ALICE),
                                  location_record_at(bench->result.record, 0), TEXT("example.com"));
    struct text uri = buffer_text(out);
    assert_int_equal(uri.n, strlen("sip:tgruu.@example.com;gr") + 32);
    return (struct text){uri.p + 4, 6 + 32};
}

static int find_temporary(struct bench *bench, struct text user, const char *contact)
{
    struct location_found *found;
    const struct location_query query = {.now_ms = bench->now_ms};
    int error = location_lookup_temporary(&found, bench->location, user, &query);
    if (!error) {
        assert_int_equal(found->count, 1);
        assert_text(location_record_aor(found->record), ALICE);
        assert_text(found->v[0].binding->contact, contact);
    }
    memory_release(found);
    return error;
}

static void makes_and_finds_temporary_gruus(void **state)
{
    struct bench bench;
    struct buffer one = {0}, two = {0};
    (void)state;
    open_bench(&bench);
    put(&bench, "other", 1, "<sip:b@2>;+sip.instance=\"<urn:uuid:b>\";q=0.1");
    put(&bench, "c1", 1, "<sip:a@1>;+sip.instance=\"<urn:uuid:a>\"");
    struct text first = print_temporary(&bench, &one);
    put(&bench, "c1", 2, "<sip:a@1>;+sip.instance=\"<urn:uuid:a>\"");
    struct text second = print_temporary(&bench, &two);
    assert_false(text_equal(first, second));
    assert_int_equal(find_temporary(&bench, first, "sip:a@1"), 0);
    assert_int_equal(find_temporary(&bench, second, "sip:a@1"), 0);
    /* Registered with another Call-ID: the old ones are void (RFC 5627 s3.1.2). */
    put(&bench, "c2", 1, "<sip:a@1>;+sip.instance=\"<urn:uuid:a>\"");
    assert_int_equal(find_temporary(&bench, first, "sip:a@1"), ERROR_NOT_FOUND);
    first = print_temporary(&bench, &one);
    assert_int_equal(find_temporary(&bench, first, "sip:a@1"), 0);
    char forged[64];
    assert_true(text_to_array(first, forged, sizeof forged));
    forged[20] = forged[20] == '0' ? '1' : '0';
    assert_int_equal(find_temporary(&bench, text_of(forged), NULL), ERROR_NOT_FOUND);
    forged[20] = 'x';
    assert_int_equal(find_temporary(&bench, text_of(forged), NULL), ERROR_SYNTAX);
    assert_int_equal(find_temporary(&bench, TEXT("alice"), NULL), ERROR_SYNTAX);
    assert_int_equal(find_temporary(&bench, TEXT_NONE, NULL), ERROR_SYNTAX);
    buffer_release(&one);
    buffer_release(&two);
    close_bench(&bench);
}

static void makes_and_finds_public_gruus(void **state)
{
    struct bench bench;
    struct buffer out = {0};
    struct uri uri;
    (void)state;
    open_bench(&bench);
    put(&bench, "c1", 1, "<sip:a@1>;+sip.instance=\"<urn:x:a;b=\\c>\",<sip:b@2>");
    location_print_public_gruu(&out, TEXT("sip:" ALICE), TEXT("<urn:x:a;b=c>"));
    assert_text(buffer_text(&out), "sip:" ALICE ";gr=urn:x:a%3Bb%3Dc");
    assert_int_equal(uri_parse(&uri, buffer_text(&out)), 0);
    struct location_query query = {
        .aor = TEXT(ALICE), .gr = uri_param(&uri, TEXT("gr")), .now_ms = bench.now_ms};
    expect_found(&bench, &query, "");
    put(&bench, "c1", 2, "<sip:a@1>;+sip.instance=\"<urn:x:a;b=c>\"");
    expect_found(&bench, &query, "sip:a@1 ");
    query.gr = TEXT("urn:x:A%3bB=c"); /* URNs compare without case here */
    expect_found(&bench, &query, "sip:a@1 ");
    query.gr = TEXT("urn:x:a");
    expect_found(&bench, &query, "");
    buffer_release(&out);
    close_bench(&bench);
}

static void names_aors(void **state)
{
    struct settings settings;
    struct arena arena = {0};
    struct text aor;
    struct uri uri;
    (void)state;
    settings_default(&settings);
    assert_int_equal(uri_parse(&uri, TEXT("sip:%41lice:pw@Example.COM:5062;user=phone")), 0);
    assert_int_equal(location_aor(&aor, &settings, &uri, TEXT_NONE, &arena), 0);
    assert_text(aor, "alice@example.com");
    settings.location_case_sensitive = 1;
    assert_int_equal(location_aor(&aor, &settings, &uri, TEXT_NONE, &arena), 0);
    assert_text(aor, "Alice@example.com");
    settings.location_use_domain = 0;
    assert_int_equal(location_aor(&aor, &settings, &uri, TEXT_NONE, &arena), 0);
    assert_text(aor, "Alice");
    settings.location_use_domain = 1;
    assert_int_equal(uri_parse(&uri, TEXT("tel:+4912;ext=3")), 0);
    assert_int_equal(location_aor(&aor, &settings, &uri, TEXT_NONE, &arena), ERROR_SYNTAX);
    assert_int_equal(location_aor(&aor, &settings, &uri, TEXT("a.b"), &arena), 0);
    assert_text(aor, "+4912@a.b");
    assert_int_equal(uri_parse(&uri, TEXT("sip:example.com")), 0);
    assert_int_equal(location_aor(&aor, &settings, &uri, TEXT_NONE, &arena), ERROR_SYNTAX);
    assert_int_equal(uri_parse(&uri, TEXT("sip:a%0d%0ab@c")), 0);
    assert_int_equal(location_aor(&aor, &settings, &uri, TEXT_NONE, &arena), ERROR_SYNTAX);
    arena_reset(&arena);
}

#define WALKED 3000

/* The number in front of an AoR "17@b", which ends without a NUL. */
static unsigned number_of(struct text aor)
{
    uint32_t number = 0;
    assert_int_equal(text_to_u32(text_split(&aor, '@'), &number), 0);
    return number;
}

/* Records come and go and tables grow while somebody walks: those that stay are seen exactly once. */
static void walks_all_records(void **state)
{
    static unsigned seen[2 * WALKED];
    struct bench bench;
    struct location_cursor cursor = {0};
    struct location_record *v[7];
    (void)state;
    open_bench(&bench);
    unsigned made = 0;
    char aor[32];
    struct location_binding row = {
        .contact = TEXT("sip:x@y"), .expires_ms = LOCATION_NEVER, .q = CONTACT_Q_NONE};
    for (; made < WALKED; made++) {
        snprintf(aor, sizeof aor, "%u@b", made);
        assert_int_equal(location_load(bench.location, text_of(aor), &row, START_MS), 0);
    }
    memset(seen, 0, sizeof seen);
    for (size_t n; (n = location_walk(bench.location, &cursor, v, 7)) > 0;) {
        for (size_t i = 0; i < n; i++) {
            seen[number_of(location_record_aor(v[i]))]++;
            memory_release(v[i]);
        }
        for (unsigned i = 0; i < 30 && made < 2 * WALKED; i++, made++) {
            snprintf(aor, sizeof aor, "%u@b", made);
            assert_int_equal(location_load(bench.location, text_of(aor), &row, START_MS), 0);
        }
    }
    assert_int_equal(made, 2 * WALKED);
    for (unsigned i = 0; i < made; i++)
        assert_true(seen[i] == 1 || (i >= WALKED && seen[i] == 0));
    assert_int_equal(location_walk(bench.location, &cursor, v, 7), 0);
    close_bench(&bench);
}

/* Who ends what the walk gives misses none. */
static void walks_all_that_go(void **state)
{
    struct bench bench;
    struct location_cursor cursor = {0};
    struct location_record *v[8];
    struct location_state now;
    char aor[32];
    (void)state;
    open_bench(&bench);
    struct location_binding row = {
        .contact = TEXT("sip:x@y"), .expires_ms = LOCATION_NEVER, .q = CONTACT_Q_NONE};
    for (unsigned i = 0; i < 4 * WALKED; i++) {
        snprintf(aor, sizeof aor, "%u@b", i);
        assert_int_equal(location_load(bench.location, text_of(aor), &row, START_MS), 0);
    }
    for (size_t n; (n = location_walk(bench.location, &cursor, v, 8)) > 0;)
        for (size_t i = 0; i < n; i++) {
            location_remove(bench.location, location_record_aor(v[i]), TEXT_NONE, START_MS, NULL);
            memory_release(v[i]);
        }
    location_get_state(bench.location, &now);
    assert_int_equal(now.aors, 0);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_by_q_then_age),
        cmocka_unit_test(finds_who_takes_the_method),
        cmocka_unit_test(holds_what_it_found),
        cmocka_unit_test(binds_flows),
        cmocka_unit_test(matches_as_set),
        cmocka_unit_test(makes_and_finds_temporary_gruus),
        cmocka_unit_test(makes_and_finds_public_gruus),
        cmocka_unit_test(names_aors),
        cmocka_unit_test(walks_all_records),
        cmocka_unit_test(walks_all_that_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
