/* Trunks of one configuration and the next: what stays, what is new, and what a refused allocation leaves. */
#include "trunk/internal.h"

#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct random source;

static struct trunk_terms *terms_of(const char *name, const char *user, const char *password)
{
    struct trunk_terms *terms = trunk_terms_create();
    terms->name = text_strdup(text_of(name));
    terms->registrar = text_strdup(TEXT("sip:provider.example"));
    terms->user = text_strdup(text_of(user));
    terms->domain = text_strdup(TEXT("provider.example"));
    terms->auth_user = text_strdup(text_of(user));
    terms->contact_user = text_strdup(text_of(user));
    terms->password = text_strdup(text_of(password));
    terms->expires_s = 3600;
    return terms;
}

static void release(struct trunk_terms **terms, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memory_release(terms[i]);
}

static void put(struct trunks *trunks, struct trunk_terms **terms, size_t count)
{
    struct trunks_change change;
    assert_int_equal(trunks_prepare(&change, trunks, terms, count, &source), 0);
    trunks_commit(trunks, &change);
    release(terms, count);
}

static struct trunks *three(void)
{
    struct trunks *trunks;
    struct trunk_terms *terms[] = {terms_of("a", "1", "x"), terms_of("b", "2", "x"),
                                   terms_of("c", "3", "x")};
    assert_int_equal(trunks_create(&trunks), 0);
    put(trunks, terms, 3);
    return trunks;
}

static void a_change_keeps_what_is_the_same_binding(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    struct trunks *trunks = three();
    struct trunk *a = trunks_find(trunks, TEXT("a")), *b = trunks_find(trunks, TEXT("b"));
    struct trunk *c = trunks_find(trunks, TEXT("c"));
    struct trunk_terms *before = trunk_terms_of(a), *after;
    struct trunk_terms *terms[] = {terms_of("a", "1", "x"), terms_of("b", "2", "y"),
                                   terms_of("c", "4", "x")};
    put(trunks, terms, 3);
    struct trunk *now[] = {trunks_at(trunks, 0), trunks_at(trunks, 1), trunks_at(trunks, 2)};
    assert_ptr_equal(now[0], a);
    assert_ptr_equal(now[1], b);
    assert_ptr_not_equal(now[2], c);
    assert_null(trunks_at(trunks, 3));
    after = trunk_terms_of(a);
    assert_ptr_equal(after, before); /* nothing is sent for it */
    memory_release(after);
    after = trunk_terms_of(b);
    assert_string_equal(after->password, "y");
    struct trunk *all[] = {a, b, c, now[0], now[1], now[2]};
    for (size_t i = 0; i < 6; i++)
        memory_release(all[i]);
    memory_release(after);
    memory_release(before);
    memory_release(trunks);
    assert_int_equal(memory_live(), live);
}

static void a_change_without_memory_changes_nothing(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    struct trunks *trunks = three();
    struct trunk_terms *terms[] = {terms_of("d", "1", "x"), terms_of("b", "2", "x"),
                                   terms_of("e", "5", "x")};
    struct trunks_change change;
    int error = ERROR_MEMORY;
    uint64_t n;
    for (n = 0; error; n++) {
        memory_fail_after(n);
        error = trunks_prepare(&change, trunks, terms, 3, &source);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY);
        assert_int_equal(trunks_count(trunks), 3);
    }
    assert_true(n > 3);
    trunks_discard(&change);
    assert_null(trunks_find(trunks, TEXT("d")));
    release(terms, 3);
    memory_release(trunks);
    assert_int_equal(memory_live(), live);
}

static void a_view_is_of_one_moment(void **state)
{
    (void)state;
    struct trunks *trunks = three();
    struct trunk *a = trunks_find(trunks, TEXT("a"));
    struct trunk_view view;
    char reason[2 * TRUNK_REASON_BYTES];
    memset(reason, 'x', sizeof reason);
    assert_int_equal(trunk_set_outcome(a,
                                       &(struct trunk_outcome){
                                           .state = TRUNK_DOWN,
                                           .status = 403,
                                           .reason = {reason, sizeof reason},
                                           .failures = 2,
                                       }),
                     TRUNK_REGISTERING);
    trunk_get_view(a, &view);
    assert_string_equal(trunk_state_name(view.state), "down");
    assert_int_equal(view.status, 403);
    assert_int_equal(strlen(view.reason), TRUNK_REASON_BYTES - 1); /* cut, not lost */
    trunk_view_release(&view);
    memory_release(a);
    memory_release(trunks);
}

int main(void)
{
    random_seed(&source, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_keeps_what_is_the_same_binding),
        cmocka_unit_test(a_change_without_memory_changes_nothing),
        cmocka_unit_test(a_view_is_of_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
