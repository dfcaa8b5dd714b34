/* The order of SRV records (RFC 2782): least priority first; within one, a draw by weight. */
#include "transport/name_cache.h"

static void swap(struct resolve_record *a, struct resolve_record *b)
{
    struct resolve_record t = *a;
    *a = *b;
    *b = t;
}

/* By priority, then weight: records of weight 0 stand first, as the draw wants it. Few records. */
static void sort(struct resolve_record *v, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0; j--) {
            const struct resolve_record *a = &v[j - 1], *b = &v[j];
            if (a->priority < b->priority || (a->priority == b->priority && a->weight <= b->weight))
                break;
            swap(&v[j - 1], &v[j]);
        }
}

/* Draw one of v[0..count-1] (one priority) and put it in front, the others keep their order. */
static void draw(struct resolve_record *v, size_t count, struct random *random)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += v[i].weight;
    uint32_t chosen = random_below(random, sum + 1), running = 0;
    for (size_t i = 0; i < count; i++) {
        running += v[i].weight;
        if (running < chosen)
            continue;
        for (; i > 0; i--)
            swap(&v[i - 1], &v[i]);
        return;
    }
}

void srv_order(struct resolve_record *v, size_t count, struct random *random)
{
    sort(v, count);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && v[end].priority == v[begin].priority; end++)
            ;
        for (size_t i = begin; i + 1 < end; i++)
            draw(v + i, end - i, random);
    }
}
