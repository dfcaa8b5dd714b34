/*
 * Timers of one loop: a hierarchical wheel of milliseconds, O(1) to start, stop and fire.
 *
 * A timer sits at the level of the highest 6-bit group in which its due time differs from now, in
 * the slot of that group's value. Hence the lowest occupied level always holds the earliest timer,
 * and a slot is touched at most once a level on its way down. Timers due in the same millisecond
 * fire in the order of their start: the lab relies on it.
 *
 * Beside the wheel are lanes, for delays that most timers have (64*T1, T4, T1): timers of one delay become
 * due in the order of their start, so that a list will do. On the wheel those of 32 s would be moved down
 * twice, after their memory has left every cache: 6 % of a call. The wheel is for all the others.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_LEVELS 6 /* 64^6 ms = 2.1 years */
#define TIMER_SLOTS  64
#define TIMER_LANES  8

/** Runs on the loop's thread; may start and stop any timer, this one too. */
typedef void timer_handler(void *arg);

/** Embedded in its owner; zero-initialised is stopped. */
struct timer {
    uint32_t order; /**< of its start */
    uint16_t place; /**< level and slot, a lane, or "due now"; 0: stopped */
    struct timer *next, *previous;
    uint64_t due_ms;
    timer_handler *handler;
    void *arg;
};

struct timer_list {
    struct timer *first, *last;
};

/** Timers of one delay. */
struct timer_lane {
    uint64_t delay_ms;
    uint64_t due_ms; /**< of the first; UINT64_MAX when there is none */
    struct timer_list timers;
};

/** The wheel of one loop. */
struct timers {
    uint64_t now_ms;
    struct timer_list slots[TIMER_LEVELS][TIMER_SLOTS];
    uint64_t occupied[TIMER_LEVELS]; /**< bit per slot that is not empty */
    struct timer_lane lanes[TIMER_LANES];
    unsigned lane_count;
    struct timer_list due; /**< fire within this advance */
    uint64_t soonest_ms;   /**< when the first slot or lane is due; UINT64_MAX: there is none */
    size_t count;          /**< timers running */
    uint32_t *order;    /**< borrowed: counts starts over several wheels of one thread; or NULL */
    uint32_t own_order; /**< counts starts without that */
};

void timers_init(struct timers *timers, uint64_t now_ms);
/** Many timers will have this delay: they get a lane, as long as there are lanes. The most usual first. */
void timers_expect(struct timers *timers, uint64_t delay_ms);
/** Start or restart: @p handler runs once, @p delay_ms (at least 1) after now. */
void timer_start(struct timers *timers, struct timer *timer, uint64_t delay_ms,
                 timer_handler *handler, void *arg);
/** Stop; nothing happens when it is not running. */
void timer_stop(struct timers *timers, struct timer *timer);
static inline bool timer_is_running(const struct timer *timer)
{
    return timer->place != 0;
}
/** Move the clock to @p now_ms and run what has become due, in order of due time. */
void timers_advance(struct timers *timers, uint64_t now_ms);
/**
 * Move the clock to the first time up to @p now_ms at which a timer is due.
 * @return the first of those due then, still running, returned borrowed; NULL: none, it is @p now_ms
 */
struct timer *timers_due(struct timers *timers, uint64_t now_ms);
/** Run one that timers_due() named. */
void timers_fire(struct timers *timers, struct timer *timer);
/**
 * When to call timers_advance() next: no timer is due before. A wheel may ask to be called earlier
 * than its first timer is due, to move timers down a level.
 * @return absolute milliseconds, UINT64_MAX without timers
 */
uint64_t timers_next_ms(const struct timers *timers);
