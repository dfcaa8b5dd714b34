/*
 * Selection: the usable destinations of a set are put into the order in which they are to be tried.
 * An algorithm is one function that orders candidates; each gets them by priority, then as in the
 * files. To add one: write it, list it in select.c.
 */
#pragma once

#include "dispatcher/internal.h"

struct candidate {
    struct dispatcher_destination *destination; /**< borrowed from the snapshot */
    uint64_t score;                             /**< for select_sort() */
    size_t index;                               /**< in the set */
};

struct selection {
    const struct dispatcher_query *query;
    const struct dispatcher_set *set;
    struct candidate *v; /**< usable ones only; at least one */
    size_t count;
};

typedef void select_handler(struct selection *selection);

select_handler select_by_call_id, select_by_from, select_by_to, select_by_request_uri,
    select_by_credentials, select_by_value; /* select_hash.c */
select_handler select_round_robin, select_by_random, select_by_priority, select_by_weight,
    select_by_relative_weight;                         /* select_share.c */
select_handler select_by_call_load, select_by_latency; /* select_load.c */

/** Has it room for one more call (attribute maxload)? */
bool select_has_room(const struct dispatcher_destination *destination);

/** Stable, lowest score first. */
void select_sort(struct selection *selection);
/** Begin with candidate @p first of the leading @p count, those before it go behind them. */
void select_rotate(struct selection *selection, size_t count, size_t first);
/** Next turn of a position. */
uint32_t select_turn(_Atomic uint32_t *position);
