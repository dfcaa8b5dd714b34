/* Target and route set share one block, since they are learnt together and mostly once. */
#include "dialog/side.h"

#include "base/memory.h"

void dialog_side_learn(struct dialog_side *side, struct message *message, struct text route)
{
    const struct name_addr *contact = message_contact(message);
    if (!contact || !text_is_set(contact->uri_text))
        return;
    if (!text_is_set(route))
        route = side->route;
    struct text target = contact->uri_text;
    bool is_known = text_equal(side->target, target) && text_equal(side->route, route);
    char *block = is_known ? NULL : memory_raw(target.n + route.n);
    if (!is_known && !block)
        return;
    if (block) {
        memcpy(block, target.p, target.n);
        if (route.n)
            memcpy(block + target.n, route.p, route.n);
        dialog_side_release(side);
        side->target = (struct text){block, target.n};
        side->route = route.n ? (struct text){block + target.n, route.n} : TEXT_NONE;
    }
    side->listener = message->source.listener;
}

void dialog_side_count(struct dialog_side *side, uint32_t cseq)
{
    if (cseq > side->cseq)
        side->cseq = cseq;
}

void dialog_side_release(struct dialog_side *side)
{
    memory_free_raw((char *)side->target.p);
    side->target = side->route = TEXT_NONE;
}
