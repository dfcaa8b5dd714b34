/*
 * A call that a script tracks: what it keeps with it, how long it may last, and that it is to be
 * ended. Hangs on its dialog as DIALOG_TRACK and goes with it, unless a handler that waits holds it:
 * then variables can still be read, and everything else answers ERROR_STATE.
 */
#pragma once

#include "dialog/dialog.h"
#include "dialog/profiles.h"
#include "dialog/variables.h"

struct track; /* counted */

/**
 * Track a dialog, or find what tracks it already.
 * @param trackp  returned borrowed
 * @return 0, ERROR_STATE (it has ended), ERROR_MEMORY
 */
int track_create(struct track **trackp, struct dialog *dialog);
/** @return what tracks it, borrowed; NULL: nothing */
struct track *dialog_track(const struct dialog *dialog);
/** @return the one with that number, borrowed; NULL: it is gone */
struct track *dialogs_find_track(struct dialogs *dialogs, uint64_t number);
/** Names it among those of its worker. */
uint64_t track_number(const struct track *track);
/** @return its dialog, borrowed; NULL once that has ended */
struct dialog *track_dialog(const struct track *track);

/**
 * How long the call may last from its answer on; then DIALOG_EVENT_DURATION is told.
 * @param duration_ms  0: as long as it likes
 * @return 0, ERROR_STATE (it has ended)
 */
int track_limit_duration(struct track *track, uint64_t duration_ms);
/**
 * DIALOG_EVENT_WARNING is told so long before the duration is over; anew when that is set anew.
 * @param before_ms  0: not
 * @return 0, ERROR_STATE (it has ended)
 */
int track_warn(struct track *track, uint64_t before_ms);
/**
 * End the call soon: DIALOG_EVENT_HANG_UP is told from the loop, when the message at hand has gone on.
 * @param reason  value of a Reason header (RFC 3326), copied; absent: none
 * @return 0, ERROR_STATE (it has ended, or is about to), ERROR_MEMORY
 */
int track_hang_up(struct track *track, struct text reason);
/** A session timer as a proxy wants it (RFC 4028 s8), in seconds. */
struct session_timer {
    uint32_t expires_s; /**< longest interval; 0: it wants none */
    uint32_t least_s;   /**< shortest that it accepts, Min-SE */
};
void track_set_session_timer(struct track *track, const struct session_timer *timer);
struct session_timer track_session_timer(const struct track *track);
/**
 * A 2xx agreed on a session interval, or refreshed it: DIALOG_EVENT_SESSION is told when it is over.
 * @param interval_s  0: none was agreed on
 */
void track_refresh_session(struct track *track, uint32_t interval_s);
/** What track_hang_up() was given, borrowed. */
struct text track_reason(const struct track *track);

/** @return limits by dialog.vars_bytes; see variables_set() */
int track_set_variable(struct track *track, struct text name, const struct value *value);
const struct variables *track_variables(const struct track *track);

/**
 * Count this call in a profile (profiles.h) until it ends; with another value it moves there.
 * @param value  absent is ""
 * @param most   calls of that value at once; 0: any number
 * @return 0, ERROR_STATE (as many are there: it stays where it was), ERROR_LIMIT
 *         (limits.profile_values), ERROR_CANCELLED (the call has ended), ERROR_UNSUPPORTED, ERROR_MEMORY
 */
int track_set_profile(struct track *track, struct text profile, struct text value, uint64_t most);
/** Take it out. @return was it counted there? */
bool track_unset_profile(struct track *track, struct text profile);

/** One object of the script host's. @param object shared; the old one is released */
void track_keep(struct track *track, void *object);
void *track_kept(const struct track *track);

/* For dialog.c and dialogs.c. */
/** The call was answered. */
void track_answered(struct track *track);
/** Its dialog has ended: nothing is told any more. */
void track_ended(struct track *track);
