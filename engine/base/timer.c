/* The wheel; timer.h tells how it works. */
#include "base/timer.h"

#define GROUP_BITS  6
#define PLACE_DUE   0xffffu
#define WHEEL_LIMIT ((uint64_t)1 << (GROUP_BITS * TIMER_LEVELS))

void timers_init(struct timers *timers, uint64_t now_ms)
{
    *timers = (struct timers){.now_ms = now_ms};
}

static void place(struct timers *timers, struct timer *timer)
{
    uint64_t difference = timer->due_ms ^ timers->now_ms;
    if (timer->due_ms <= timers->now_ms) {
        timer->place = PLACE_DUE;
        list_append(&timers->due, &timer->link);
        return;
    }
    unsigned level = (63u - (unsigned)__builtin_clzll(difference)) / GROUP_BITS;
    if (level >= TIMER_LEVELS)
        level = TIMER_LEVELS - 1; /* beyond the wheel: it comes round and is placed again */
    unsigned slot = (unsigned)(timer->due_ms >> (GROUP_BITS * level)) & (TIMER_SLOTS - 1);
    timer->place = (uint16_t)(level * TIMER_SLOTS + slot);
    list_append(&timers->slots[level][slot], &timer->link);
    timers->occupied[level] |= (uint64_t)1 << slot;
}

static void unplace(struct timers *timers, struct timer *timer)
{
    list_remove(&timer->link);
    if (timer->place == PLACE_DUE)
        return;
    unsigned level = timer->place / TIMER_SLOTS, slot = timer->place % TIMER_SLOTS;
    if (!timers->slots[level][slot].first)
        timers->occupied[level] &= ~((uint64_t)1 << slot);
}

void timer_start(struct timers *timers, struct timer *timer, uint64_t delay_ms,
                 timer_handler *handler, void *arg)
{
    timer_stop(timers, timer);
    if (delay_ms >= WHEEL_LIMIT / 2)
        delay_ms = WHEEL_LIMIT / 2;
    timer->due_ms = timers->now_ms + (delay_ms ? delay_ms : 1);
    timer->handler = handler;
    timer->arg = arg;
    timer->order = timers->order ? (*timers->order)++ : 0;
    timers->count++;
    place(timers, timer);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
    if (!timer_is_running(timer))
        return;
    unplace(timers, timer);
    timers->count--;
}

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

/* The clock reaches a slot: what is in it moves down, or is due. */
static void enter_slot(struct timers *timers, unsigned level, unsigned slot, uint64_t at)
{
    timers->now_ms = at;
    struct list moving = timers->slots[level][slot];
    timers->slots[level][slot] = (struct list){0};
    timers->occupied[level] &= ~((uint64_t)1 << slot);
    for (struct link *link = moving.first, *next; link; link = next) {
        next = link->next;
        *link = (struct link){0};
        place(timers, CONTAINER_OF(link, struct timer, link));
    }
}

struct timer *timers_due(struct timers *timers, uint64_t now_ms)
{
    while (!timers->due.first) {
        unsigned level = 0, slot = 0;
        uint64_t at = next_slot(timers, &level, &slot);
        if (at > now_ms) {
            timers->now_ms = now_ms > timers->now_ms ? now_ms : timers->now_ms;
            return NULL;
        }
        enter_slot(timers, level, slot, at);
    }
    return CONTAINER_OF(timers->due.first, struct timer, link);
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
    unsigned level, slot;
    return timers->due.first ? timers->now_ms : next_slot(timers, &level, &slot);
}
