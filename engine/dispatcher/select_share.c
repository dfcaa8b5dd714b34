/* Algorithms that share calls out whatever is in them: round-robin (4), random (6), priority (8), weight (9), relative weight (11). */
#include "dispatcher/select.h"

#include <math.h>

/* Turns go over the usable ones, so that the neighbour of a dead gateway gets no double share. */
void select_round_robin(struct selection *selection)
{
    uint32_t turn = select_turn(&selection->set->positions->round_robin);
    select_rotate(selection, selection->count, turn % selection->count);
}

/* The worker's random numbers, or a fixed sequence that moves on with each selection. */
static struct random *random_of(const struct selection *selection, struct random *own)
{
    if (selection->query->random)
        return selection->query->random;
    random_seed(own, select_turn(&selection->set->positions->draw));
    return own;
}

void select_by_random(struct selection *selection)
{
    struct random own, *random = random_of(selection, &own);
    for (size_t i = selection->count; i > 1; i--) {
        size_t k = random_below(random, (uint32_t)i);
        struct candidate swap = selection->v[i - 1];
        selection->v[i - 1] = selection->v[k];
        selection->v[k] = swap;
    }
}

void select_by_priority(struct selection *selection)
{
    (void)selection; /* they come by priority */
}

/* Candidates come by index: where is the one of that index? NULL when it is not usable. */
static struct candidate *candidate_of(const struct selection *selection, size_t index)
{
    size_t low = 0, high = selection->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (selection->v[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < selection->count && selection->v[low].index == index ? &selection->v[low] : NULL;
}

/*
 * The hundred slots are walked from this turn's on: the first usable destination found is used now,
 * the others follow as they are met, so that what a dead gateway leaves is shared by weight too.
 * Those without a slot come last.
 */
void select_by_weight(struct selection *selection)
{
    const struct dispatcher_set *set = selection->set;
    if (!set->has_weights) {
        select_round_robin(selection);
        return;
    }
    for (size_t i = 0; i < selection->count; i++)
        selection->v[i].score = SNAPSHOT_SLOTS;
    uint32_t turn = select_turn(&set->positions->weight) % SNAPSHOT_SLOTS;
    size_t met = 0;
    for (uint32_t i = 0; i < SNAPSHOT_SLOTS && met < selection->count; i++) {
        uint32_t index = set->slots[(turn + i) % SNAPSHOT_SLOTS];
        struct candidate *candidate = candidate_of(selection, index);
        if (!candidate || candidate->score < SNAPSHOT_SLOTS)
            continue;
        candidate->score = i;
        met++;
    }
    select_sort(selection);
}

/*
 * rweight; with cc=1 less one for each millisecond that the gateway is above its usual latency (of
 * its weight where that is written, as in Kamailio), but at least one.
 */
static double relative_weight(const struct dispatcher_destination *destination)
{
    double weight = destination->rweight;
    if (!destination->has_congestion_control)
        return weight;
    if (destination->weight)
        weight = destination->weight;
    double rest = weight - gateway_congestion_us(destination->gateway) / 1000;
    return weight > 0 && rest < 1 ? 1 : rest;
}

static uint64_t score_of(double value)
{
    uint64_t bits; /* of a positive double; they sort as the numbers do */
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/*
 * Drawing without putting back, by weight (Efraimidis and Spirakis): whoever has the least
 * -log(u) / weight is drawn first. A weight of 0 is drawn after all others; when nobody has any,
 * all are equal.
 */
void select_by_relative_weight(struct selection *selection)
{
    struct random own, *random = random_of(selection, &own);
    double sum = 0;
    for (size_t i = 0; i < selection->count; i++)
        sum += relative_weight(selection->v[i].destination);
    for (size_t i = 0; i < selection->count; i++) {
        double weight = sum > 0 ? relative_weight(selection->v[i].destination) : 1;
        double draw = -log(((double)(random_u64(random) >> 11) + 1) / 9007199254740993.0);
        selection->v[i].score = weight > 0 ? score_of(draw / weight) : UINT64_MAX;
    }
    select_sort(selection);
}
