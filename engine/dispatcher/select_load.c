/* Algorithms that look at the gateways: call load (10), latency (13). */
#include "dispatcher/select.h"

bool select_has_room(const struct dispatcher_destination *destination)
{
    return !destination->maxload ||
           atomic_load_explicit(&destination->gateway->calls, memory_order_relaxed) <
               destination->maxload;
}

/*
 * Fewest calls first; equals take turns, so that short calls on an idle set do not all meet the
 * first. Workers that select at the same moment may each take the last place below maxload.
 */
void select_by_call_load(struct selection *selection)
{
    uint32_t turn = select_turn(&selection->set->positions->call_load);
    select_rotate(selection, selection->count, turn % selection->count);
    for (size_t i = 0; i < selection->count; i++) {
        struct candidate *candidate = &selection->v[i];
        candidate->score = dispatcher_destination_calls(candidate->destination);
        candidate->index = i; /* equals stay in the order of this turn */
    }
    select_sort(selection);
}

/* Kamailio's adjusted priority: P less L/P, at least 1; L in ms, with cc=1 only what is unusual. */
static int64_t adjusted_priority(const struct dispatcher_destination *destination)
{
    int64_t priority = destination->priority;
    const struct gateway *gateway = destination->gateway;
    int64_t latency_ms = (destination->has_congestion_control
                              ? gateway_congestion_us(gateway)
                              : atomic_load_explicit(&gateway->estimate_us, memory_order_relaxed)) /
                         1000;
    if (priority <= 0 || latency_ms <= priority)
        return priority;
    int64_t adjusted = priority - latency_ms / priority;
    return adjusted < 1 ? 1 : adjusted;
}

/* Highest adjusted priority first; the equals at the top take turns. */
void select_by_latency(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        selection->v[i].score =
            (uint64_t)(INT32_MAX - adjusted_priority(selection->v[i].destination));
    select_sort(selection);
    size_t equals = 1;
    while (equals < selection->count && selection->v[equals].score == selection->v[0].score)
        equals++;
    uint32_t turn = select_turn(&selection->set->positions->latency);
    select_rotate(selection, equals, turn % equals);
}
