/* The choice: which algorithm, which candidates, and moving on when one fails. */
#include "dispatcher/select.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

struct dispatcher_choice {
    struct snapshot *snapshot; /**< shared: keeps the destinations alive */
    enum dispatcher_algorithm algorithm;
    size_t at, count;
    struct candidate v[];
};

static const struct {
    const char *name;
    select_handler *order;
} algorithms[] = {
    [DISPATCHER_HASH_CALL_ID] = {"hash-call-id", select_by_call_id},
    [DISPATCHER_HASH_FROM] = {"hash-from", select_by_from},
    [DISPATCHER_HASH_TO] = {"hash-to", select_by_to},
    [DISPATCHER_HASH_RURI] = {"hash-ruri", select_by_request_uri},
    [DISPATCHER_ROUND_ROBIN] = {"round-robin", select_round_robin},
    [DISPATCHER_HASH_AUTH] = {"hash-auth", select_by_credentials},
    [DISPATCHER_RANDOM] = {"random", select_by_random},
    [DISPATCHER_HASH_VALUE] = {"hash-value", select_by_value},
    [DISPATCHER_PRIORITY] = {"priority", select_by_priority},
    [DISPATCHER_WEIGHT] = {"weight", select_by_weight},
    [DISPATCHER_CALL_LOAD] = {"call-load", select_by_call_load},
    [DISPATCHER_RELATIVE_WEIGHT] = {"relative-weight", select_by_relative_weight},
    [DISPATCHER_PARALLEL] = {"parallel", select_by_priority},
    [DISPATCHER_LATENCY] = {"latency", select_by_latency},
};
#define ALGORITHM_COUNT (sizeof algorithms / sizeof *algorithms)

int dispatcher_algorithm_parse(enum dispatcher_algorithm *algorithm, struct text t)
{
    uint32_t number;
    if (text_to_u32(t, &number) == 0) {
        *algorithm = (enum dispatcher_algorithm)number;
        return number < ALGORITHM_COUNT ? 0 : ERROR_SYNTAX;
    }
    for (size_t i = 0; i < ALGORITHM_COUNT; i++)
        if (text_equal_nocase(t, text_of(algorithms[i].name))) {
            *algorithm = (enum dispatcher_algorithm)i;
            return 0;
        }
    return ERROR_SYNTAX;
}

const char *dispatcher_algorithm_name(enum dispatcher_algorithm algorithm)
{
    return (unsigned)algorithm < ALGORITHM_COUNT ? algorithms[algorithm].name : "unknown";
}

static int compare(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->score != right->score)
        return left->score < right->score ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

void select_sort(struct selection *selection)
{
    qsort(selection->v, selection->count, sizeof *selection->v, compare);
}

static void reverse(struct candidate *v, size_t count)
{
    for (size_t i = 0, k = count; i + 1 < k; i++) {
        struct candidate swap = v[i];
        v[i] = v[--k];
        v[k] = swap;
    }
}

void select_rotate(struct selection *selection, size_t count, size_t first)
{
    reverse(selection->v, first);
    reverse(selection->v + first, count - first);
    reverse(selection->v, count);
}

uint32_t select_turn(_Atomic uint32_t *position)
{
    return atomic_fetch_add_explicit(position, 1, memory_order_relaxed);
}

static void destroy(void *object)
{
    struct dispatcher_choice *choice = object;
    memory_release(choice->snapshot);
}

/* Candidates that may get this call now. */
static size_t collect(struct dispatcher_choice *choice, const struct dispatcher_set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct dispatcher_destination *destination = set->v[i];
        if (gateway_is_usable(destination->gateway) &&
            (choice->algorithm != DISPATCHER_CALL_LOAD || select_has_room(destination)))
            choice->v[count++] = (struct candidate){destination, 0, i};
    }
    return count;
}

static int choose(struct dispatcher_choice **choicep, struct snapshot *snapshot,
                  const struct dispatcher_set *set, const struct dispatcher_query *query)
{
    struct dispatcher_choice *choice =
        memory_alloc(sizeof *choice + set->count * sizeof *choice->v, destroy);
    if (!choice)
        return ERROR_MEMORY;
    choice->snapshot = memory_ref(snapshot);
    choice->algorithm = query->algorithm;
    choice->count = collect(choice, set);
    if (!choice->count) {
        memory_release(choice);
        return ERROR_NOT_FOUND;
    }
    struct selection selection = {query, set, choice->v, choice->count};
    algorithms[query->algorithm].order(&selection);
    if (query->limit && query->limit < choice->count)
        choice->count = query->limit;
    *choicep = choice;
    return 0;
}

int dispatcher_select(struct dispatcher_choice **choicep, struct dispatcher *dispatcher,
                      const struct dispatcher_query *query)
{
    if (!engine_check((unsigned)query->algorithm < ALGORITHM_COUNT))
        return ERROR_NOT_FOUND;
    struct snapshot *snapshot = dispatcher_snapshot(dispatcher);
    const struct dispatcher_set *set = snapshot_set(snapshot, query->set);
    int error = set ? choose(choicep, snapshot, set, query) : ERROR_NOT_FOUND;
    memory_release(snapshot);
    return error;
}

struct dispatcher_destination *dispatcher_choice_current(const struct dispatcher_choice *choice)
{
    return dispatcher_choice_at(choice, choice->at);
}

struct dispatcher_destination *dispatcher_choice_next(struct dispatcher_choice *choice)
{
    while (choice->at < choice->count && ++choice->at < choice->count) {
        struct dispatcher_destination *destination = choice->v[choice->at].destination;
        if (gateway_is_usable(destination->gateway) &&
            (choice->algorithm != DISPATCHER_CALL_LOAD || select_has_room(destination)))
            return destination;
    }
    return NULL;
}

bool dispatcher_choice_is_parallel(const struct dispatcher_choice *choice)
{
    return choice->algorithm == DISPATCHER_PARALLEL;
}

size_t dispatcher_choice_count(const struct dispatcher_choice *choice)
{
    return choice->count;
}

struct dispatcher_destination *dispatcher_choice_at(const struct dispatcher_choice *choice,
                                                    size_t i)
{
    return i < choice->count ? choice->v[i].destination : NULL;
}
