/* The arena. */
#include "base/arena.h"

#include "check.h"

static void gives_aligned_pieces(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t size = 0; size < 5000; size += 7) {
        char *piece = arena_zalloc(&arena, size);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(piece[i], 0);
        memset(piece, 0xff, size);
    }
    arena_reset(&arena);
    assert_null(arena.chunks);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    arena_reset(&arena);
}

static void copies_and_prints(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_text(arena_copy(&arena, TEXT("abc")), "abc");
    assert_text(arena_copy(&arena, TEXT("")), "");
    assert_false(text_is_set(arena_copy(&arena, TEXT_NONE)));
    assert_text(arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    arena_reset(&arena);
}

static void uses_what_it_is_lent_first(void **state)
{
    (void)state;
    struct arena arena = {0};
    char block[256];
    memory_fail_after(0);
    arena_lend(&arena, block + 1, sizeof block - 1);
    char *piece = arena_alloc(&arena, 200);
    assert_true(piece >= block && piece + 200 <= block + sizeof block);
    assert_int_equal((uintptr_t)piece % 16, 0);
    assert_null(arena_alloc(&arena, 100)); /* lent memory is used up, and there is no other */
    memory_fail_never();
    assert_non_null(arena_alloc(&arena, 100));
    arena_reset(&arena);
    arena_lend(&arena, block + 1, 3); /* too small to be aligned */
    assert_non_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
}

static void survives_failed_allocations(void **state)
{
    (void)state;
    struct arena arena = {0};
    memory_fail_after(0);
    assert_null(arena_alloc(&arena, 1));
    assert_null(arena_zalloc(&arena, 1));
    assert_false(text_is_set(arena_copy(&arena, TEXT("abc"))));
    assert_false(text_is_set(arena_printf(&arena, "x")));
    memory_fail_never();
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_pieces),
        cmocka_unit_test(copies_and_prints),
        cmocka_unit_test(uses_what_it_is_lent_first),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
