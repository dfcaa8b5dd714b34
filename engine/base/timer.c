/* The wheel; timer.h tells how it works. */
#include "base/timer.h"

#define GROUP_BITS  6
#define PLACE_WHEEL 1u      /* and above: level and slot */
#define PLACE_LANE  0x8000u /* and above, but for PLACE_DUE: its number */
#define PLACE_DUE   0xffffu
#define WHEEL_LIMIT ((uint64_t)1 << (GROUP_BITS * TIMER_LEVELS))

void timers_init(struct timers *timers, uint64_t now_ms)
{
    *timers = (struct timers){.now_ms = now_ms, .soonest_ms = UINT64_MAX};
}

void timers_expect(struct timers *timers, uint64_t delay_ms)
{
    for (unsigned i = 0; i < timers->lane_count; i++)
        if (timers->lanes[i].delay_ms == delay_ms)
            return;
    if (timers->lane_count < TIMER_LANES)
        timers->lanes[timers->lane_count++] =
            (struct timer_lane){.delay_ms = delay_ms, .due_ms = UINT64_MAX};
}

/* ---- lists ---- */

/* @param before  NULL: in front of all */
static void put_after(struct timer_list *list, struct timer *before, struct timer *timer)
{
    struct timer *next = before ? before->next : list->first;
    timer->previous = before;
    timer->next = next;
    *(before ? &before->next : &list->first) = timer;
    *(next ? &next->previous : &list->last) = timer;
}

static void append(struct timer_list *list, struct timer *timer)
{
    put_after(list, list->last, timer);
}

static void take(struct timer_list *list, const struct timer *timer)
{
    *(timer->previous ? &timer->previous->next : &list->first) = timer->next;
    *(timer->next ? &timer->next->previous : &list->last) = timer->previous;
}

/* ---- the wheel ---- */

static void note_due(struct timers *timers, uint64_t at_ms)
{
    if (at_ms < timers->soonest_ms)
        timers->soonest_ms = at_ms;
}

static void place(struct timers *timers, struct timer *timer)
{
    uint64_t difference = timer->due_ms ^ timers->now_ms;
    if (timer->due_ms <= timers->now_ms) {
        timer->place = PLACE_DUE;
        append(&timers->due, timer);
        return;
    }
    unsigned level = (63u - (unsigned)__builtin_clzll(difference)) / GROUP_BITS;
    if (level >= TIMER_LEVELS)
        level = TIMER_LEVELS - 1; /* beyond the wheel: it comes round and is placed again */
    uint64_t turns = timer->due_ms >> (GROUP_BITS * level); /* of that level, since time 0 */
    unsigned slot = (unsigned)turns & (TIMER_SLOTS - 1);
    timer->place = (uint16_t)(PLACE_WHEEL + level * TIMER_SLOTS + slot);
    append(&timers->slots[level][slot], timer);
    timers->occupied[level] |= (uint64_t)1 << slot;
    note_due(timers, turns << (GROUP_BITS * level));
}

/* ---- lanes ---- */

/* @return false: its delay has none */
static bool place_in_lane(struct timers *timers, struct timer *timer, uint64_t delay_ms)
{
    for (unsigned i = 0; i < timers->lane_count; i++) {
        struct timer_lane *lane = &timers->lanes[i];
        if (lane->delay_ms != delay_ms)
            continue;
        timer->place = (uint16_t)(PLACE_LANE + i);
        if (!lane->timers.first) {
            lane->due_ms = timer->due_ms;
            note_due(timers, timer->due_ms);
        }
        append(&lane->timers, timer);
        return true;
    }
    return false;
}

/*
 * Of what started 32 s ago nothing is in a cache any more: while one timer is handled, the memory of the
 * two behind it comes. What a lane's handlers need should lie at the front of what they get.
 */
static void bring_next(const struct timer *first)
{
    __builtin_prefetch(first->arg);
    __builtin_prefetch(first->next);
}

static void find_lane_due(struct timer_lane *lane)
{
    const struct timer *first = lane->timers.first;
    lane->due_ms = first ? first->due_ms : UINT64_MAX;
    if (first)
        bring_next(first);
}

/* Among those that are due it stands behind those that started before. */
static void add_due(struct timers *timers, struct timer *timer)
{
    struct timer *before = timers->due.last;
    while (before && (int32_t)(before->order - timer->order) > 0)
        before = before->previous;
    timer->place = PLACE_DUE;
    put_after(&timers->due, before, timer);
}

/* The clock is at a time when lanes have something due. */
static void enter_lanes(struct timers *timers)
{
    for (unsigned i = 0; i < timers->lane_count; i++) {
        struct timer_lane *lane = &timers->lanes[i];
        while (lane->due_ms <= timers->now_ms) {
            struct timer *timer = lane->timers.first;
            take(&lane->timers, timer);
            add_due(timers, timer);
            find_lane_due(lane);
        }
    }
}

/* ---- what is due first ---- */

/* Earliest occupied slot: its time, level and number. */
static uint64_t next_slot(const struct timers *timers, unsigned *level, unsigned *slot)
{
    for (unsigned l = 0; l < TIMER_LEVELS; l++) {
        if (!timers->occupied[l])
            continue;
        unsigned shift = GROUP_BITS * l;
        unsigned at = (unsigned)(timers->now_ms >> shift) & (TIMER_SLOTS - 1);
        uint64_t later = at == TIMER_SLOTS - 1 ? 0 : timers->occupied[l] >> (at + 1) << (at + 1);
        uint64_t turn = (uint64_t)1 << (shift + GROUP_BITS); /* one round of this level */
        uint64_t base = timers->now_ms & ~(turn - 1);
        if (!later) { /* only the top level wraps */
            later = timers->occupied[l];
            base += turn;
        }
        *level = l;
        *slot = (unsigned)__builtin_ctzll(later);
        return base + ((uint64_t)*slot << shift);
    }
    return UINT64_MAX;
}

/* Earliest time of all lanes. */
static uint64_t lanes_due_ms(const struct timers *timers)
{
    uint64_t due_ms = UINT64_MAX;
    for (unsigned i = 0; i < timers->lane_count; i++)
        if (timers->lanes[i].due_ms < due_ms)
            due_ms = timers->lanes[i].due_ms;
    return due_ms;
}

static void find_soonest(struct timers *timers)
{
    unsigned level, slot;
    uint64_t wheel_ms = next_slot(timers, &level, &slot), lanes_ms = lanes_due_ms(timers);
    timers->soonest_ms = wheel_ms < lanes_ms ? wheel_ms : lanes_ms;
}

/* ---- one timer ---- */

/* @return when its slot or lane was due, if it was the first there is; UINT64_MAX otherwise */
static uint64_t unplace(struct timers *timers, struct timer *timer)
{
    unsigned place = timer->place;
    timer->place = 0;
    if (place == PLACE_DUE) {
        take(&timers->due, timer);
        return UINT64_MAX;
    }
    if (place >= PLACE_LANE) {
        struct timer_lane *lane = &timers->lanes[place - PLACE_LANE];
        take(&lane->timers, timer);
        if (timer->previous)
            return UINT64_MAX;
        find_lane_due(lane);
        return timer->due_ms;
    }
    unsigned level = (place - PLACE_WHEEL) / TIMER_SLOTS;
    unsigned slot = (place - PLACE_WHEEL) % TIMER_SLOTS;
    take(&timers->slots[level][slot], timer);
    if (timers->slots[level][slot].first)
        return UINT64_MAX;
    timers->occupied[level] &= ~((uint64_t)1 << slot);
    return timer->due_ms >> (GROUP_BITS * level) << (GROUP_BITS * level);
}

void timer_start(struct timers *timers, struct timer *timer, uint64_t delay_ms,
                 timer_handler *handler, void *arg)
{
    if (timer_is_running(timer))
        timer_stop(timers, timer);
    if (delay_ms >= WHEEL_LIMIT / 2)
        delay_ms = WHEEL_LIMIT / 2;
    timer->due_ms = timers->now_ms + (delay_ms ? delay_ms : 1);
    timer->handler = handler;
    timer->arg = arg;
    timer->order = timers->order ? (*timers->order)++ : timers->own_order++;
    timers->count++;
    if (!place_in_lane(timers, timer, delay_ms))
        place(timers, timer);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
    if (!timer_is_running(timer))
        return;
    if (unplace(timers, timer) == timers->soonest_ms)
        find_soonest(timers);
    timers->count--;
}

/* ---- the clock ---- */

/* The clock reaches a slot: what is in it moves down, or is due. */
static void enter_slot(struct timers *timers, unsigned level, unsigned slot, uint64_t at)
{
    timers->now_ms = at;
    struct timer *moving = timers->slots[level][slot].first;
    timers->slots[level][slot] = (struct timer_list){0};
    timers->occupied[level] &= ~((uint64_t)1 << slot);
    for (struct timer *next; moving; moving = next) {
        next = moving->next;
        place(timers, moving);
    }
}

/* The clock moves to the next time at which a slot or a lane is due. */
static void enter_next(struct timers *timers)
{
    unsigned level = 0, slot = 0;
    uint64_t at_ms = timers->soonest_ms;
    if (next_slot(timers, &level, &slot) == at_ms)
        enter_slot(timers, level, slot, at_ms); /* all that the wheel has for that time */
    else
        timers->now_ms = at_ms;
    enter_lanes(timers);
    find_soonest(timers);
}

struct timer *timers_due(struct timers *timers, uint64_t now_ms)
{
    while (!timers->due.first) {
        if (timers->soonest_ms > now_ms) {
            timers->now_ms = now_ms > timers->now_ms ? now_ms : timers->now_ms;
            return NULL;
        }
        enter_next(timers);
    }
    return timers->due.first;
}

void timers_fire(struct timers *timers, struct timer *timer)
{
    timer_stop(timers, timer);
    timer->handler(timer->arg);
}

void timers_advance(struct timers *timers, uint64_t now_ms)
{
    for (struct timer *timer; (timer = timers_due(timers, now_ms));)
        timers_fire(timers, timer);
}

uint64_t timers_next_ms(const struct timers *timers)
{
    return timers->due.first ? timers->now_ms : timers->soonest_ms;
}
