/* SipHash and the table on top of it. */
#include "base/hash.h"

#include "base/list.h"
#include "base/random.h"
#include "check.h"

#define ITEMS 2000
#define STEPS 60000

struct item {
    uint32_t key;
    bool is_in;
    struct hash_link link;
};

/* Reference values of the authors: key 00..0f, input 00..n-1. */
static void hashes_as_the_authors_do(void **state)
{
    (void)state;
    const struct hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    char input[16];
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (char)i;
    assert_true(hash_text(&key, (struct text){input, 0}) == 0x726fdb47dd0e0e31u);
    assert_true(hash_text(&key, (struct text){input, 1}) == 0x74f839c593dc67fdu);
    assert_true(hash_text(&key, (struct text){input, 8}) == 0x93f5f5799a932462u);
    assert_true(hash_text(&key, (struct text){input, 15}) == 0xa129ca6149be45e5u);
}

/* And their 128 bits of nothing at all. */
static void hashes_wide_as_the_authors_do(void **state)
{
    (void)state;
    const struct hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    struct hash_wide wide = hash_texts_wide(&key, &TEXT(""), 1);
    assert_true(wide.low == 0xe6a825ba047f81a3u);
    assert_true(wide.high == 0x930255c71472f66du);
}

/* SipHash-1-3-128 as another implementation, which agrees with the authors on 2-4, gives it. */
static void hashes_for_a_table_with_fewer_rounds(void **state)
{
    (void)state;
    const struct hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    const struct text v[] = {{"z9hG4bK-a", 9}, {"\1", 1}};
    struct hash_wide nothing = hash_index_wide(&key, &TEXT(""), 1);
    struct hash_wide some = hash_index_wide(&key, v, 2);
    assert_true(nothing.low == 0xbea58827b2bc7ee7u && nothing.high == 0x013030dd6adb62fdu);
    assert_true(some.low == 0x8639f05a618df007u && some.high == 0xc0bf4cef8d072df7u);
    assert_true(hash_index(&key, v, 2) == 0xdf2979ad38865e16u);
}

/* The length of a long text does not fit into one byte: bytes of it must not pass for a text behind it. */
static void tells_the_length_of_a_long_text(void **state)
{
    (void)state;
    const struct hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    char bytes[300];
    memset(bytes, 'x', sizeof bytes);
    const struct text v[] = {{bytes, sizeof bytes}, {"ab", 2}, {NULL, 0}};
    assert_true(hash_texts(&key, v, 3) == 0x6c60cf088e3b9cd9u);
}

/* However a text lies across the words that are hashed, every byte of it counts. */
static void every_byte_counts(void **state)
{
    (void)state;
    const struct hash_key key = {3, 4};
    for (size_t before = 0; before < 10; before++)
        for (size_t n = 1; n < 20; n++)
            for (size_t changed = 0; changed < n; changed++) {
                char front[10] = "0123456789", bytes[20] = "abcdefghijklmnopqrst";
                const struct text v[] = {{front, before}, {bytes, n}};
                struct hash_wide old = hash_texts_wide(&key, v, 2);
                uint64_t old_one = hash_texts(&key, v, 2);
                bytes[changed] ^= 0x20;
                struct hash_wide new = hash_texts_wide(&key, v, 2);
                assert_true(old.low != new.low &&old.high != new.high);
                assert_true(old_one != hash_texts(&key, v, 2));
                struct hash_wide new_index = hash_index_wide(&key, v, 2);
                bytes[changed] ^= 0x20;
                struct hash_wide old_index = hash_index_wide(&key, v, 2);
                assert_true(old_index.low != new_index.low && old_index.high != new_index.high);
            }
}

static void keeps_texts_apart(void **state)
{
    (void)state;
    const struct hash_key key = {1, 2};
    const struct text one[] = {{"ab", 2}, {"c", 1}}, two[] = {{"a", 1}, {"bc", 2}};
    const struct text empty[] = {{NULL, 0}, {"abc", 3}};
    assert_true(hash_texts(&key, one, 2) != hash_texts(&key, two, 2));
    assert_true(hash_texts(&key, one, 2) != hash_texts(&key, empty, 2));
    assert_true(hash_texts(&key, one, 2) == hash_texts(&key, one, 2));
    assert_true(hash_texts(&key, one, 1) != hash_texts(&key, one, 2));
}

static bool has_key(const struct hash_link *link, const void *key)
{
    return CONTAINER_OF(link, const struct item, link)->key == *(const uint32_t *)key;
}

static void count_and_remove_odd(struct hash_link *link, void *arg)
{
    struct item *item = CONTAINER_OF(link, struct item, link);
    ++*(size_t *)arg;
    if (item->key % 2)
        hash_remove(link);
}

/* Few hash values, so that buckets are shared. */
static uint64_t hash_of(uint32_t key)
{
    return key % 701;
}

static void agrees_with_flags(void **state)
{
    (void)state;
    static struct item items[ITEMS];
    struct hash_table table = {0};
    struct random random;
    size_t count = 0, visited = 0, even = 0;
    random_seed(&random, 5);
    for (uint32_t i = 0; i < ITEMS; i++)
        items[i] = (struct item){.key = i};
    assert_null(hash_find(&table, 1, has_key, &items[1].key));
    for (int step = 0; step < STEPS; step++) {
        struct item *item = &items[random_below(&random, ITEMS)];
        struct hash_link *found = hash_find(&table, hash_of(item->key), has_key, &item->key);
        assert_ptr_equal(found, item->is_in ? &item->link : NULL);
        if (item->is_in)
            hash_remove(&item->link);
        else
            assert_int_equal(hash_insert(&table, &item->link, hash_of(item->key)), 0);
        item->is_in = !item->is_in;
        count += item->is_in ? 1 : (size_t)-1;
        assert_int_equal(table.count, count);
    }
    for (uint32_t i = 0; i < ITEMS; i++)
        even += items[i].is_in && items[i].key % 2 == 0;
    hash_for_each(&table, count_and_remove_odd, &visited);
    assert_int_equal(visited, count);
    assert_int_equal(table.count, even);
    hash_table_release(&table);
    assert_null(items[0].link.table);
    hash_remove(&items[0].link); /* in no table: nothing happens */
}

static void survives_failed_allocations(void **state)
{
    (void)state;
    struct hash_table table = {0};
    struct item items[65] = {0};
    memory_fail_after(0);
    assert_int_equal(hash_insert(&table, &items[0].link, 0), ERROR_MEMORY);
    assert_null(items[0].link.table);
    memory_fail_after(1);
    for (uint32_t i = 0; i < 65; i++) { /* growing fails: the table only becomes slower */
        items[i].key = i;
        assert_int_equal(hash_insert(&table, &items[i].link, hash_of(i)), 0);
    }
    memory_fail_never();
    for (uint32_t i = 0; i < 65; i++)
        assert_non_null(hash_find(&table, hash_of(i), has_key, &i));
    hash_table_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_the_authors_do),
        cmocka_unit_test(hashes_wide_as_the_authors_do),
        cmocka_unit_test(hashes_for_a_table_with_fewer_rounds),
        cmocka_unit_test(tells_the_length_of_a_long_text),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(keeps_texts_apart),
        cmocka_unit_test(agrees_with_flags),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
