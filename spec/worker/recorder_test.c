/* The ring of the flight recorder: what is kept is whole, in order, and the newest there is. */
#include "base/error.h"
#include "base/memory.h"
#include "worker/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MESSAGE_BYTES 600

static void keep(struct recorder *recorder, unsigned number, const char *call, size_t filler)
{
    char bytes[2048];
    int n = snprintf(bytes, sizeof bytes, "INVITE sip:%u SIP/2.0\r\nCall-ID: %s\r\nX: %0*d\r\n\r\n",
                     number, call, (int)filler, 0);
    recorder_keep(recorder, &(struct recorded){
                                .at_ms = number,
                                .is_sent = number % 2,
                                .bytes = {bytes, (size_t)n},
                            });
}

struct seen {
    unsigned count, first, last;
    bool is_torn;
};

static void look(void *arg, const struct recorded *recorded)
{
    struct seen *seen = arg;
    char start[64];
    unsigned number = (unsigned)recorded->at_ms;
    int n = snprintf(start, sizeof start, "INVITE sip:%u SIP", number);
    seen->is_torn |= !text_starts_with(recorded->bytes, (struct text){start, (size_t)n}) ||
                     recorded->is_sent != (number % 2 == 1) || recorded->bytes.n > MESSAGE_BYTES;
    if (seen->count++ == 0)
        seen->first = number;
    else
        seen->is_torn |= number != seen->last + 1;
    seen->last = number;
}

static void visit(const struct recorder *recorder, const char *call_id, struct seen *seen)
{
    struct text id = text_of(call_id);
    recorder_visit(recorder, &id, 1, look, seen);
}

static void keeps_the_newest(void **state)
{
    struct recorder *recorder;
    (void)state;
    assert_int_equal(recorder_create(&recorder, 10000, MESSAGE_BYTES), 0);
    for (unsigned i = 0; i < 5000; i++) {
        struct seen seen = {0};
        keep(recorder, i, "one", 1 + i * 37 % 700);
        visit(recorder, "one", &seen);
        assert_false(seen.is_torn);
        assert_int_equal(seen.last, i);
        /* 10,000 bytes hold at least these, whatever their lengths are */
        assert_true(seen.count >= (i < 12 ? i + 1 : 12));
    }
    memory_release(recorder);
}

static void tells_calls_apart(void **state)
{
    struct recorder *recorder;
    struct seen one = {0}, two = {0}, none = {0};
    (void)state;
    assert_int_equal(recorder_create(&recorder, 10000, MESSAGE_BYTES), 0);
    visit(recorder, "one", &none);
    keep(recorder, 1, "one", 1);
    keep(recorder, 2, "one", 1);
    keep(recorder, 3, "two", 1);
    visit(recorder, "one", &one);
    visit(recorder, "two", &two);
    visit(recorder, "three", &none);
    assert_int_equal(one.count, 2);
    assert_int_equal(two.count, 1);
    assert_int_equal(none.count, 0);
    const struct text both[] = {TEXT("two"), TEXT("one")};
    struct seen all = {0};
    recorder_visit(recorder, both, 2, look, &all);
    assert_int_equal(all.count, 3);
    assert_false(all.is_torn); /* in their order */
    memory_release(recorder);
}

static void needs_room_for_a_message(void **state)
{
    struct recorder *recorder;
    (void)state;
    assert_int_equal(recorder_create(&recorder, MESSAGE_BYTES, MESSAGE_BYTES), ERROR_ARGUMENT);
    for (uint64_t n = 0; n < 2; n++) {
        memory_fail_after(n);
        assert_int_equal(recorder_create(&recorder, 10000, MESSAGE_BYTES), ERROR_MEMORY);
        memory_fail_never();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_newest),
        cmocka_unit_test(tells_calls_apart),
        cmocka_unit_test(needs_room_for_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
