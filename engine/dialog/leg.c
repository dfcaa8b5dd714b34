/* A short list per dialog: nearly always one leg, a few when the callee's side forks. */
#include "dialog/leg.h"

#include "base/error.h"
#include "base/memory.h"

struct dialog_leg *dialog_legs_find(const struct dialog_legs *legs, struct text tag)
{
    for (struct dialog_leg *leg = legs->first; leg; leg = leg->next)
        if (text_equal(dialog_leg_tag(leg), tag))
            return leg;
    return NULL;
}

static void release(struct dialog_leg *leg)
{
    dialog_side_release(&leg->callee);
    memory_free_raw(leg);
}

/* Drop the oldest leg that only rings or is over. */
static bool make_room(struct dialog_legs *legs)
{
    for (struct dialog_leg **at = &legs->first; *at; at = &(*at)->next) {
        struct dialog_leg *leg = *at;
        if (leg->state == DIALOG_CONFIRMED)
            continue;
        *at = leg->next;
        release(leg);
        legs->count--;
        return true;
    }
    return false;
}

int dialog_legs_add(struct dialog_leg **legp, struct dialog_legs *legs, struct text tag,
                    uint64_t most, bool may_replace)
{
    if (legs->count >= most && !(may_replace && make_room(legs)))
        return ERROR_LIMIT;
    struct dialog_leg *leg = memory_raw(sizeof *leg + tag.n);
    if (!leg)
        return ERROR_MEMORY;
    *leg = (struct dialog_leg){.state = DIALOG_EARLY, .tag_bytes = (uint32_t)tag.n};
    if (tag.n)
        memcpy(leg->tag, tag.p, tag.n);
    struct dialog_leg **at = &legs->first;
    while (*at)
        at = &(*at)->next;
    *at = leg;
    legs->count++;
    *legp = leg;
    return 0;
}

bool dialog_legs_set(struct dialog_legs *legs, struct dialog_leg *leg, enum dialog_state state)
{
    if (leg->state >= state)
        return false;
    if (leg->state == DIALOG_CONFIRMED)
        legs->confirmed--;
    if (state == DIALOG_CONFIRMED)
        legs->confirmed++;
    leg->state = state;
    return true;
}

void dialog_legs_release(struct dialog_legs *legs)
{
    while (legs->first) {
        struct dialog_leg *next = legs->first->next;
        release(legs->first);
        legs->first = next;
    }
    *legs = (struct dialog_legs){0};
}
