/*
 * Counts of calls by profile and value, of all workers together ("trunk-a", "outbound"): what a script
 * limits. A call's place is a counted object; releasing it is the only way to give the count back, so
 * that it happens once, however the call ends.
 */
#pragma once

#include "base/text.h"

struct profiles;      /* counted */
struct profile_place; /* counted: one call's place in one value of one profile */

/** @return 0 or ERROR_MEMORY; *profilesp returned owned */
int profiles_create(struct profiles **profilesp);
/** Where to count. */
struct profile_request {
    struct text profile, value; /**< copied; an absent value is "" */
    uint64_t most;              /**< calls of that value at once; 0: any number */
    uint64_t values_most;       /**< profiles and values that are counted at once */
};
/**
 * Take a place. Whether one is free and taking it are one step for all workers.
 * @param placep  returned owned
 * @return 0, ERROR_STATE (as many as may be are there), ERROR_LIMIT (values_most), ERROR_MEMORY
 */
int profiles_join(struct profile_place **placep, struct profiles *profiles,
                  const struct profile_request *request);
/** Its profile and value, borrowed. */
struct text profile_place_name(const struct profile_place *place);
struct text profile_place_value(const struct profile_place *place);
/** Calls of that value now. @param value absent: of the whole profile */
uint64_t profiles_count(struct profiles *profiles, struct text profile, struct text value);
/** @param value  absent: @p calls are those of the whole profile */
typedef void profile_visit_handler(void *arg, struct text profile, struct text value,
                                   uint64_t calls);
/** Under the lock: the visitor takes no place and gives none back. */
void profiles_for_each(struct profiles *profiles, profile_visit_handler *visit, void *arg);
