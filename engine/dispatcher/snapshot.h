/*
 * The list at one moment: sets in order of number, each with its destinations in order of priority.
 * Counted and immutable once published, but for the positions of round-robin and its kin.
 */
#pragma once

#include "dispatcher/destination.h"

#define SNAPSHOT_SLOTS 100 /* of the weight distribution, as Kamailio's */

/** Where the turning algorithms are; counted, shared from snapshot to snapshot. */
struct set_positions {
    _Atomic uint32_t round_robin, weight, call_load, latency, draw;
};

struct dispatcher_set {
    unsigned id;
    size_t count;
    struct dispatcher_destination **v; /**< by priority, highest first, then as in the files */
    bool has_weights;                  /**< slots are filled */
    uint32_t slots[SNAPSHOT_SLOTS];    /**< index of a destination, algorithm 9 */
    struct set_positions *positions;   /**< shared */
};

struct snapshot {
    struct dispatcher_destination **destinations; /**< all, by set; owned, each a reference */
    size_t count;
    struct dispatcher_set *sets; /**< owned */
    size_t set_count;
};

/** Destinations being collected; zero-initialised is empty. */
struct destination_list {
    struct dispatcher_destination **v; /**< owned, each a reference */
    size_t count, room;
};

/** @param destination  given. @return 0 or ERROR_MEMORY (it is released then) */
int destination_list_append(struct destination_list *list,
                            struct dispatcher_destination *destination);
void destination_list_release(struct destination_list *list);

/**
 * @param list      given, emptied on success
 * @param previous  NULL, or the snapshot whose positions go on
 * @return 0 or ERROR_MEMORY; returned owned
 */
int snapshot_create(struct snapshot **snapshotp, struct destination_list *list,
                    const struct snapshot *previous);
/** @return set, borrowed, or NULL */
const struct dispatcher_set *snapshot_set(const struct snapshot *snapshot, unsigned id);
