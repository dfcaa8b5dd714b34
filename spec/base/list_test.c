/* Intrusive lists against an array. */
#include "base/list.h"

#include "base/random.h"
#include "check.h"

#define ITEMS 32
#define STEPS 20000

struct item {
    int number;
    struct link link;
};

static void expect(const struct list *list, struct item *const *model, size_t count)
{
    size_t i = 0;
    assert_int_equal(list->count, count);
    LIST_FOR_EACH (link, list) {
        struct item *item = CONTAINER_OF(link, struct item, link);
        assert_ptr_equal(item, model[i]);
        assert_ptr_equal(link->previous, i ? &model[i - 1]->link : NULL);
        i++;
    }
    assert_int_equal(i, count);
    assert_ptr_equal(list->last, count ? &model[count - 1]->link : NULL);
}

static void agrees_with_an_array(void **state)
{
    (void)state;
    struct item items[ITEMS] = {0}, *model[ITEMS];
    struct list list = {0};
    struct random random;
    size_t count = 0;
    random_seed(&random, 3);
    for (int step = 0; step < STEPS; step++) {
        struct item *item = &items[random_below(&random, ITEMS)];
        size_t at = 0;
        if (list_contains(&item->link)) {
            if (random_below(&random, 4) == 0)
                item = CONTAINER_OF(list_pop(&list), struct item, link);
            else
                list_remove(&item->link);
            while (model[at] != item)
                at++;
            memmove(model + at, model + at + 1, (--count - at) * sizeof *model);
            assert_false(list_contains(&item->link));
            list_remove(&item->link); /* nothing happens */
        } else if (random_below(&random, 2)) {
            list_append(&list, &item->link);
            model[count++] = item;
        } else {
            list_prepend(&list, &item->link);
            memmove(model + 1, model, count++ * sizeof *model);
            model[0] = item;
        }
        expect(&list, model, count);
    }
    LIST_FOR_EACH_SAFE (link, &list)
        list_remove(link);
    expect(&list, model, 0);
    assert_null(list_pop(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
