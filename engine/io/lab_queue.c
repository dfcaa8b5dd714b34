/*
 * The lab's event queue: an intrusive pairing heap. Pushing links two nodes and allocates nothing,
 * so a wake-up cannot fail; popping merges the children in two passes, O(log n) amortised.
 * `previous` is the left sibling, or the parent for a first child.
 */
#include "io/lab_world.h"

static bool is_before(const struct lab_event *a, const struct lab_event *b)
{
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us;
    return a->is_wake != b->is_wake ? a->is_wake : a->sequence < b->sequence;
}

static struct lab_event *merge(struct lab_event *a, struct lab_event *b)
{
    if (!a || !b)
        return a ? a : b;
    if (is_before(b, a)) {
        struct lab_event *swap = a;
        a = b;
        b = swap;
    }
    b->sibling = a->child;
    if (a->child)
        a->child->previous = b;
    b->previous = a;
    a->child = b;
    return a;
}

static struct lab_event *take_off(struct lab_event **list)
{
    struct lab_event *event = *list;
    if (!event)
        return NULL;
    *list = event->sibling;
    event->sibling = event->previous = NULL;
    return event;
}

/* Left to right in pairs, then right to left into one. */
static struct lab_event *merge_siblings(struct lab_event *list)
{
    struct lab_event *pairs = NULL;
    while (list) {
        struct lab_event *first = take_off(&list);
        struct lab_event *pair = merge(first, take_off(&list));
        pair->sibling = pairs;
        pairs = pair;
    }
    struct lab_event *root = NULL;
    while (pairs)
        root = merge(root, take_off(&pairs));
    return root;
}

void lab_queue_push(struct lab_queue *queue, struct lab_event *event, uint64_t time_us)
{
    event->time_us = time_us;
    event->sequence = queue->next_sequence++;
    event->child = event->sibling = event->previous = NULL;
    event->is_queued = true;
    queue->root = merge(queue->root, event);
}

struct lab_event *lab_queue_pop(struct lab_queue *queue)
{
    struct lab_event *event = queue->root;
    if (!event)
        return NULL;
    queue->root = merge_siblings(event->child);
    event->child = NULL;
    event->is_queued = false;
    return event;
}

void lab_queue_remove(struct lab_queue *queue, struct lab_event *event)
{
    if (!event->is_queued)
        return;
    if (event == queue->root) {
        lab_queue_pop(queue);
        return;
    }
    if (event->previous->child == event)
        event->previous->child = event->sibling;
    else
        event->previous->sibling = event->sibling;
    if (event->sibling)
        event->sibling->previous = event->previous;
    queue->root = merge(queue->root, merge_siblings(event->child));
    event->child = event->sibling = event->previous = NULL;
    event->is_queued = false;
}
