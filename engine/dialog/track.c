/*
 * Whatever ends the dialog passes track_ended(): the calls of its profiles are counted back there, before
 * a handler hears of the end.
 *
 * One timer serves both ends of a call from here: the duration that it may have, with a warning
 * before, and a script's wish to end it, which stands above the first.
 */
#include "dialog/track.h"

#include "base/error.h"
#include "base/memory.h"
#include "dialog/internal.h"

struct track {
    struct hash_link by_number; /* in dialogs->tracks */
    uint64_t number;
    struct dialogs *dialogs; /* holder, borrowed; not to be used once it has let go of its tracks */
    struct dialog *dialog;   /* borrowed; NULL once it has ended */
    struct timer timer, session;
    struct session_timer session_timer;
    uint64_t duration_ms; /* 0: no limit */
    uint64_t warn_ms;     /* before it is over; 0: not */
    bool is_warning_next; /* when the timer fires */
    bool is_ending;       /* track_hang_up() was called */
    struct text reason;   /* owned */
    struct variables variables;
    struct membership *memberships;
    void *kept; /* owned reference */
};

/* Its place in one profile. */
struct membership {
    struct membership *next;
    struct profile_place *place; /* owned */
};

/* The calls are one fewer from now on. */
static void leave(struct membership **at)
{
    struct membership *left = *at;
    *at = left->next;
    memory_release(left->place);
    memory_free_raw(left);
}

static void destroy(void *object)
{
    struct track *track = object;
    track_ended(track);
    hash_remove(&track->by_number);
    variables_release(&track->variables);
    memory_free_raw((char *)track->reason.p);
    memory_release(track->kept);
}

static const struct dialogs_options *options_of(const struct track *track)
{
    return &track->dialogs->options;
}

int track_create(struct track **trackp, struct dialog *dialog)
{
    struct dialogs *dialogs = dialog->dialogs;
    if (dialog->state == DIALOG_TERMINATED)
        return ERROR_STATE;
    *trackp = dialog_track(dialog);
    if (*trackp)
        return 0;
    struct track *track = memory_alloc(sizeof *track, destroy);
    if (!track)
        return ERROR_MEMORY;
    track->number = ++dialogs->last_track;
    int error = hash_insert(&dialogs->tracks, &track->by_number, track->number);
    if (!error) {
        track->dialogs = dialogs;
        track->dialog = dialog;
        dialog_attach(dialog, DIALOG_TRACK, track);
        *trackp = track;
    }
    memory_release(track); /* the dialog holds it now */
    return error;
}

struct track *dialog_track(const struct dialog *dialog)
{
    return dialog->attachments[DIALOG_TRACK];
}

static bool has_number(const struct hash_link *link, const void *key)
{
    return CONTAINER_OF(link, struct track, by_number)->number == *(const uint64_t *)key;
}

struct track *dialogs_find_track(struct dialogs *dialogs, uint64_t number)
{
    struct hash_link *link = hash_find(&dialogs->tracks, number, has_number, &number);
    return link ? CONTAINER_OF(link, struct track, by_number) : NULL;
}

uint64_t track_number(const struct track *track)
{
    return track->number;
}

struct dialog *track_dialog(const struct track *track)
{
    return track->dialog;
}

static void start_end(struct track *track);

static void over(void *arg)
{
    struct track *track = arg;
    struct dialog *dialog = track->dialog;
    if (track->is_warning_next && !track->is_ending) {
        start_end(track); /* first: whoever is told may set another duration */
        dialog_tell(dialog, DIALOG_EVENT_WARNING, NULL);
        return;
    }
    if (!track->is_ending)
        counter_count(options_of(track)->counters, COUNTER_DIALOG_DURATION);
    dialog_tell(dialog, track->is_ending ? DIALOG_EVENT_HANG_UP : DIALOG_EVENT_DURATION, NULL);
}

static void start(struct track *track, uint64_t after_ms)
{
    timer_start(loop_timers(options_of(track)->loop), &track->timer, after_ms, over, track);
}

/* Counted from the answer, which may be some time ago. */
static void start_until(struct track *track, uint64_t duration_ms)
{
    uint64_t now_ms = loop_now_ms(options_of(track)->loop);
    uint64_t until_ms = track->dialog->answered_ms + duration_ms;
    start(track, until_ms > now_ms ? until_ms - now_ms : 0);
}

static void start_end(struct track *track)
{
    track->is_warning_next = false;
    start_until(track, track->duration_ms);
}

static void start_duration(struct track *track)
{
    uint64_t lasted_ms = loop_now_ms(options_of(track)->loop) - track->dialog->answered_ms;
    track->is_warning_next = track->warn_ms && track->duration_ms > lasted_ms + track->warn_ms;
    start_until(track, track->duration_ms - (track->is_warning_next ? track->warn_ms : 0));
}

int track_limit_duration(struct track *track, uint64_t duration_ms)
{
    if (!track->dialog)
        return ERROR_STATE;
    track->duration_ms = duration_ms;
    if (track->is_ending || track->dialog->state != DIALOG_CONFIRMED)
        return 0;
    if (duration_ms)
        start_duration(track);
    else
        timer_stop(loop_timers(options_of(track)->loop), &track->timer);
    return 0;
}

int track_warn(struct track *track, uint64_t before_ms)
{
    track->warn_ms = before_ms;
    return track_limit_duration(track, track->duration_ms);
}

int track_hang_up(struct track *track, struct text reason)
{
    if (!track->dialog || track->is_ending)
        return ERROR_STATE;
    if (reason.n && !(track->reason.p = text_strdup(reason)))
        return ERROR_MEMORY;
    track->reason.n = reason.n;
    track->is_ending = true;
    start(track, 0);
    return 0;
}

void track_set_session_timer(struct track *track, const struct session_timer *timer)
{
    track->session_timer = *timer;
}

struct session_timer track_session_timer(const struct track *track)
{
    return track->session_timer;
}

static void session_over(void *arg)
{
    struct track *track = arg;
    counter_count(options_of(track)->counters, COUNTER_DIALOG_SESSION);
    dialog_tell(track->dialog, DIALOG_EVENT_SESSION, NULL);
}

void track_refresh_session(struct track *track, uint32_t interval_s)
{
    if (!track->dialog)
        return;
    struct timers *timers = loop_timers(options_of(track)->loop);
    if (interval_s)
        timer_start(timers, &track->session, (uint64_t)interval_s * 1000, session_over, track);
    else
        timer_stop(timers, &track->session);
}

struct text track_reason(const struct track *track)
{
    return track->reason;
}

int track_set_variable(struct track *track, struct text name, const struct value *value)
{
    if (!track->by_number.table)
        return ERROR_STATE;
    const struct dialogs_options *options = options_of(track);
    int error = variables_set(&track->variables, name, value, options->settings->dialog_vars_bytes);
    if (error == ERROR_LIMIT)
        counter_count(options->counters, COUNTER_DIALOG_VARS_LIMIT);
    return error;
}

const struct variables *track_variables(const struct track *track)
{
    return &track->variables;
}

static struct membership **membership_in(struct track *track, struct text profile)
{
    struct membership **at = &track->memberships;
    while (*at && !text_equal(profile_place_name((*at)->place), profile))
        at = &(*at)->next;
    return at;
}

static int join(struct track *track, struct profile_place **placep, struct text profile,
                struct text value, uint64_t most)
{
    const struct dialogs_options *options = options_of(track);
    if (!options->profiles)
        return ERROR_UNSUPPORTED;
    int error = profiles_join(
        placep, options->profiles,
        &(struct profile_request){profile, value, most, options->settings->limits_profile_values});
    if (error == ERROR_STATE)
        counter_count(options->counters, COUNTER_DIALOG_PROFILE_REFUSED);
    else if (error == ERROR_LIMIT)
        counter_count(options->counters, COUNTER_DIALOG_PROFILE_LIMIT);
    return error;
}

int track_set_profile(struct track *track, struct text profile, struct text value, uint64_t most)
{
    struct membership **at = membership_in(track, profile), *made;
    struct profile_place *place;
    if (!track->dialog)
        return ERROR_CANCELLED;
    if (*at && text_equal(profile_place_value((*at)->place), value.n ? value : TEXT("")))
        return 0;
    int error = join(track, &place, profile, value, most);
    if (error)
        return error;
    if (*at) {
        memory_release((*at)->place);
        (*at)->place = place;
        return 0;
    }
    made = memory_raw(sizeof *made);
    if (!made) {
        memory_release(place);
        return ERROR_MEMORY;
    }
    *made = (struct membership){.place = place};
    *at = made;
    return 0;
}

bool track_unset_profile(struct track *track, struct text profile)
{
    struct membership **at = membership_in(track, profile);
    bool is_there = *at;
    if (is_there)
        leave(at);
    return is_there;
}

void track_keep(struct track *track, void *object)
{
    void *old = track->kept;
    track->kept = memory_ref(object);
    memory_release(old);
}

void *track_kept(const struct track *track)
{
    return track->kept;
}

void track_answered(struct track *track)
{
    if (track->duration_ms && !track->is_ending)
        start_duration(track);
}

void track_ended(struct track *track)
{
    if (!track->dialog)
        return;
    timer_stop(loop_timers(options_of(track)->loop), &track->timer);
    timer_stop(loop_timers(options_of(track)->loop), &track->session);
    while (track->memberships)
        leave(&track->memberships);
    track->dialog = NULL;
}
