/* Who answered in the place of a party becomes one: the legs of a two-leg call after a transfer. */
#include "route/bridge_parts.h"

/* The leg of the transferor is kept for what it still says, and for handles that name it. */
static void retire(struct bridge *bridge, struct bridge_leg *leg, struct bridge_leg *kept)
{
    hash_remove(&leg->link);
    *kept = *leg;
    kept->link = (struct hash_link){0};
    kept->is_replaced = true;
    kept->next_replaced = bridge->replaced;
    bridge->replaced = kept;
    bridge_leg_open(bridge, kept);
}

/* 2xx of before, and their forks, are nobody's any more. */
static void forget_first(struct bridge *bridge)
{
    LIST_FOR_EACH_SAFE (link, &bridge->exchanges) {
        struct bridge_exchange *exchange = CONTAINER_OF(link, struct bridge_exchange, link);
        if (exchange->is_first)
            bridge_exchange_drop(exchange);
    }
}

static void replace_callee(struct bridge_transfer *transfer)
{
    struct bridge *bridge = transfer->bridge;
    struct bridge_fork *old = bridge->chosen, *fork = transfer->fork;
    struct media_call *call = dialog_attachment(bridge->dialog, DIALOG_MEDIA);
    retire(bridge, &bridge->callee, transfer->old_leg);
    bridge->callee = transfer->leg;
    bridge_leg_open(bridge, &bridge->callee);
    memcpy(fork->local_tag, old->local_tag, sizeof fork->local_tag); /* the caller knows that one */
    fork->remote_cseq[1] = old->remote_cseq[1];
    bridge->chosen = fork;
    if (call)
        media_call_drop_tag(call, bridge_media_tag(old));
    bridge_fork_release(old);
}

static void replace_caller(struct bridge_transfer *transfer)
{
    struct bridge *bridge = transfer->bridge;
    struct bridge_fork *fork = bridge->chosen;
    retire(bridge, &bridge->caller, transfer->old_leg);
    memcpy(fork->local_tag, transfer->leg.tag.p, sizeof fork->local_tag);
    transfer->leg.tag = transfer->fork->remote_tag; /* whoever sends From that tag is the caller */
    transfer->leg.remote =
        arena_printf(&bridge->arena, "%.*s;tag=%.*s", TEXT_ARG(transfer->leg.remote),
                     TEXT_ARG(transfer->fork->remote_tag));
    bridge_description_forget(bridge);
    bridge->caller = transfer->leg;
    bridge_leg_open(bridge, &bridge->caller);
    dialog_side_release(&bridge->caller_side);
    bridge->caller_side = transfer->fork->callee;
    transfer->fork->callee = (struct dialog_side){0};
    fork->remote_cseq[1] = 0;
    bridge_fork_release(transfer->fork);
}

/* The callee of a call that began here; what stood in its place goes. */
static void join_callee(struct bridge_transfer *transfer)
{
    struct bridge *bridge = transfer->bridge;
    struct bridge_fork *nobody = bridge->chosen, *fork = transfer->fork;
    bridge->callee.cseq = transfer->leg.cseq;
    bridge->callee.is_stranger = transfer->leg.is_stranger;
    memcpy(fork->local_tag, nobody->local_tag, sizeof fork->local_tag);
    fork->remote_cseq[1] = nobody->remote_cseq[1];
    bridge->chosen = fork;
    bridge_fork_release(nobody);
}

void bridge_take_place(struct bridge_transfer *transfer)
{
    if (bridge_is_alone(transfer->bridge)) {
        join_callee(transfer);
        return;
    }
    forget_first(transfer->bridge);
    if (transfer->of_callee)
        replace_callee(transfer);
    else
        replace_caller(transfer);
}
