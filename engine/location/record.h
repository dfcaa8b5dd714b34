/* A record: an AoR and its bindings at one moment. */
#pragma once

#include "location/internal.h"

/**
 * Make one of the live slots of a draft, sorted by q and age.
 * @return returned owned, NULL without memory
 */
struct location_record *record_create(const struct draft *draft);
/** The first expiry of its bindings; LOCATION_NEVER when none expires. */
uint64_t record_expires_ms(const struct location_record *record);
