/* Sorting destinations into sets, and the table of the weight distribution. */
#include "dispatcher/snapshot.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

int destination_list_append(struct destination_list *list,
                            struct dispatcher_destination *destination)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        void *v = memory_raw_resize(list->v, room * sizeof *list->v);
        if (!v) {
            memory_release(destination);
            return ERROR_MEMORY;
        }
        list->v = v;
        list->room = room;
    }
    destination->order = list->count;
    list->v[list->count++] = destination;
    return 0;
}

void destination_list_release(struct destination_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        memory_release(list->v[i]);
    memory_free_raw(list->v);
    *list = (struct destination_list){0};
}

static void destroy(void *object)
{
    struct snapshot *snapshot = object;
    for (size_t i = 0; i < snapshot->set_count; i++)
        memory_release(snapshot->sets[i].positions);
    memory_free_raw(snapshot->sets);
    struct destination_list list = {snapshot->destinations, snapshot->count, 0};
    destination_list_release(&list);
}

/* By set, then priority (highest first), then place in the files. */
static int compare(const void *a, const void *b)
{
    const struct dispatcher_destination *left = *(struct dispatcher_destination *const *)a;
    const struct dispatcher_destination *right = *(struct dispatcher_destination *const *)b;
    if (left->set != right->set)
        return left->set < right->set ? -1 : 1;
    if (left->priority != right->priority)
        return left->priority > right->priority ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

/*
 * Kamailio's reading of weights: shares in hundred, what is missing goes to the last destination,
 * what is beyond hundred is cut. @return shares per destination in @p shares
 */
static void share_out(const struct dispatcher_set *set, unsigned *shares)
{
    unsigned left = SNAPSHOT_SLOTS;
    for (size_t i = 0; i < set->count; i++) {
        shares[i] = set->v[i]->weight < left ? set->v[i]->weight : left;
        left -= shares[i];
    }
    shares[set->count - 1] += left;
}

/*
 * Fill the slots so that the turns of one destination lie as far apart as they can (each turn goes
 * to whoever is most behind its share), where Kamailio shuffles: the same counts in any hundred
 * calls, no runs, and the same order in every process.
 */
static int fill_slots(struct dispatcher_set *set)
{
    for (size_t i = 0; i < set->count && !set->has_weights; i++)
        set->has_weights = set->v[i]->weight > 0;
    if (!set->has_weights)
        return 0;
    unsigned *shares = memory_raw(set->count * sizeof *shares);
    int *behind = memory_raw(set->count * sizeof *behind);
    if (shares && behind) {
        share_out(set, shares);
        memset(behind, 0, set->count * sizeof *behind);
        for (size_t slot = 0; slot < SNAPSHOT_SLOTS; slot++) {
            size_t best = 0;
            for (size_t i = 0; i < set->count; i++) {
                behind[i] += (int)shares[i];
                if (behind[i] > behind[best])
                    best = i;
            }
            behind[best] -= SNAPSHOT_SLOTS;
            set->slots[slot] = (uint32_t)best;
        }
    }
    int error = shares && behind ? 0 : ERROR_MEMORY;
    memory_free_raw(shares);
    memory_free_raw(behind);
    return error;
}

static int fill_set(struct dispatcher_set *set, const struct snapshot *previous)
{
    const struct dispatcher_set *before = previous ? snapshot_set(previous, set->id) : NULL;
    set->positions =
        before ? memory_ref(before->positions) : memory_alloc(sizeof *set->positions, NULL);
    return set->positions ? fill_slots(set) : ERROR_MEMORY;
}

static int fill_sets(struct snapshot *snapshot, const struct snapshot *previous)
{
    size_t sets = 0;
    for (size_t i = 0; i < snapshot->count; i++)
        sets += i == 0 || snapshot->destinations[i]->set != snapshot->destinations[i - 1]->set;
    snapshot->sets = memory_raw(sets * sizeof *snapshot->sets);
    if (!snapshot->sets)
        return ERROR_MEMORY;
    for (size_t begin = 0, end; begin < snapshot->count; begin = end) {
        struct dispatcher_set *set = &snapshot->sets[snapshot->set_count++];
        *set = (struct dispatcher_set){.id = snapshot->destinations[begin]->set,
                                       .v = snapshot->destinations + begin};
        for (end = begin; end < snapshot->count && snapshot->destinations[end]->set == set->id;)
            end++;
        set->count = end - begin;
        int error = fill_set(set, previous);
        if (error)
            return error;
    }
    return 0;
}

int snapshot_create(struct snapshot **snapshotp, struct destination_list *list,
                    const struct snapshot *previous)
{
    struct snapshot *snapshot = memory_alloc(sizeof *snapshot, destroy);
    if (!snapshot)
        return ERROR_MEMORY;
    snapshot->destinations = list->v;
    snapshot->count = list->count;
    *list = (struct destination_list){0};
    if (snapshot->count)
        qsort(snapshot->destinations, snapshot->count, sizeof *snapshot->destinations, compare);
    int error = fill_sets(snapshot, previous);
    if (error) {
        memory_release(snapshot);
        return error;
    }
    *snapshotp = snapshot;
    return 0;
}

const struct dispatcher_set *snapshot_set(const struct snapshot *snapshot, unsigned id)
{
    size_t low = 0, high = snapshot->set_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot->sets[middle].id == id)
            return &snapshot->sets[middle];
        if (snapshot->sets[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
