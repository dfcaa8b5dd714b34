/*
 * A transfer whose Replaces names a call of another worker (RFC 5589 s7): that one is asked who the far
 * party is and by which names it knows its dialog with us, and the transfer begins with the answer.
 * Nothing of either call is touched by the other's worker but a copy of what was asked for.
 */
#include "route/bridge_parts.h"

/** Counted; travels to the other worker and back, and is one worker's at a time. */
struct bridge_lookup {
    struct bridge *bridge; /* owned reference; of the worker that asks */
    struct arena arena;    /* of the texts below */
    struct bridge_referral referral;
    struct text replaces;
    bool of_callee;
};

static void destroy(void *arg)
{
    struct bridge_lookup *lookup = arg;
    arena_reset(&lookup->arena);
    memory_release(lookup->bridge);
}

/* There. What it does not know stays as it was: the target may. */
static void translate(struct proxy *proxy, void *arg)
{
    struct bridge_lookup *lookup = arg;
    bridge_refer_translate(proxy, lookup->replaces, &lookup->arena, &lookup->referral);
}

/* Here again. */
static void begin(struct proxy *proxy, void *arg)
{
    struct bridge_lookup *lookup = arg;
    struct bridge *bridge = lookup->bridge;
    (void)proxy;
    int error = bridge_transfer_begin(bridge, lookup->of_callee, &lookup->referral);
    if (!error) {
        bridge_transfer_trying(bridge);
    } else if (!bridge->is_ended) {
        unsigned status = bridge_refer_status(error);
        struct bridge_transfer none = {
            .bridge = bridge,
            .of_callee = lookup->of_callee,
            .is_told = lookup->referral.is_told,
            .refer_cseq = lookup->referral.cseq,
        };
        bridge_refer_notify(&none, status, true);
        bridge_tell(bridge, (struct bridge_event){.kind = BRIDGE_EVENT_TRANSFER, .status = status});
    }
    memory_release(lookup);
}

int bridge_lookup(struct bridge *bridge, bool of_callee, const struct bridge_referral *referral)
{
    const struct proxy_options *options = &bridge->proxy->options;
    struct text rest = referral->unknown, call_id = text_trim(text_split(&rest, ';'));
    if (!options->consult || bridge->is_ended || !bridge->chosen || bridge->transfer)
        return ERROR_STATE;
    struct bridge_lookup *lookup = memory_alloc(sizeof *lookup, destroy);
    if (!lookup)
        return ERROR_MEMORY;
    lookup->bridge = memory_ref(bridge);
    lookup->of_callee = of_callee;
    lookup->referral = *referral;
    lookup->referral.uri = arena_copy(&lookup->arena, referral->uri);
    lookup->referral.lines = arena_copy(&lookup->arena, referral->lines);
    lookup->replaces = arena_copy(&lookup->arena, referral->unknown);
    bool is_whole = lookup->referral.uri.p && lookup->referral.lines.p && lookup->replaces.p;
    int error = is_whole ? options->consult(options->home_arg, call_id, translate, begin, lookup)
                         : ERROR_MEMORY;
    if (error)
        memory_release(lookup);
    return error;
}
