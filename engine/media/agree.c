/* Building the commands of agree.h from legs and branches; on the worker. */
#include "media/agree.h"

#include "base/error.h"
#include "base/memory.h"

/* ---- a command ---- */

static struct agree_command *command_create(struct media_call *call, unsigned room)
{
    struct agree_command *agree = memory_raw(sizeof *agree + room * sizeof agree->v[0]);
    if (agree)
        *agree = (struct agree_command){.command.run = media_run_agreements, .call = call};
    return agree;
}

static struct agreement *add(struct agree_command *agree, enum agreement_kind kind,
                             struct media_side *side)
{
    struct agreement *a = &agree->v[agree->count++];
    *a = (struct agreement){.kind = kind, .side = memory_ref(side)};
    return a;
}

static void discard(struct agree_command *agree)
{
    for (unsigned i = 0; i < agree->count; i++)
        memory_release(agree->v[i].side);
    memory_free_raw(agree);
}

/*
 * Post it; on error it is gone and nothing has changed. A call that never had a port is unknown to
 * the thread and stays so: nothing would end it there.
 */
static int post(struct media_call *call, struct agree_command *agree)
{
    int error = call->is_handed_over ? media_call_post(call, &agree->command) : 0;
    if (error || !call->is_handed_over)
        discard(agree);
    return error;
}

int media_hand_over(struct media_call *call, const struct media_opening *opening)
{
    struct agree_command *agree = command_create(call, opening->count);
    if (!agree)
        return ERROR_MEMORY;
    for (unsigned i = 0; i < opening->count; i++)
        add(agree, AGREEMENT_OPEN, opening->slots[i]->side);
    bool is_first = !call->is_handed_over;
    if (is_first)
        memory_ref(call); /* until its close command has run */
    call->is_handed_over = true;
    int error = post(call, agree);
    if (error && is_first) {
        call->is_handed_over = false;
        memory_release(call);
    }
    return error;
}

/* ---- terms ---- */

static bool is_live(const struct media_leg *leg, unsigned i)
{
    return i < leg->count && leg->streams[i].is_live;
}

static struct media_side *side_at(const struct media_branch *branch, unsigned i)
{
    return i < branch->count ? branch->streams[i].side : NULL;
}

/* How to treat what @p leg sends to us; @p other receives it. */
static void set_terms(struct side_terms *terms, const struct media_call *call,
                      const struct media_leg *leg, const struct media_leg *other, unsigned i)
{
    const struct leg_stream *said = &leg->streams[i];
    bool of_caller = leg == &call->caller;
    const struct media_flags *own = call->flags[of_caller];
    const struct media_flags *flags = own ? own : call->flags[!of_caller];
    terms->rtp = said->rtp;
    terms->rtcp = said->rtcp;
    terms->host = leg->host;
    terms->clocks = other->streams[i].clocks;
    terms->events = other->streams[i].events;
    terms->learning = flags ? flags->learning : LEARN_HEURISTIC;
    terms->is_strict = !flags || !(flags->bits & FLAG_ANY_SOURCE);
    terms->is_asymmetric = own && own->bits & FLAG_ASYMMETRIC;
    terms->has_mux = said->has_mux;
    terms->is_opaque = said->protocol == SDP_OTHER;
    terms->is_secure = said->protocol >= SDP_SAVP;
    terms->has_dtls = said->protocol >= SDP_TLS_SAVP;
}

static void add_terms(struct agree_command *agree, struct media_leg *leg, unsigned i)
{
    struct media_call *call = agree->call;
    struct media_side *a = side_at(&call->caller_branch, i), *b = side_at(leg->branch, i);
    struct agreement *at = add(agree, AGREEMENT_TERMS, a);
    at->other = b;
    set_terms(&at->terms, call, &call->caller, leg, i);
    at = add(agree, AGREEMENT_TERMS, b);
    at->other = a;
    set_terms(&at->terms, call, leg, &call->caller, i);
}

/* ---- rejected streams ---- */

/*
 * An m= line that the offerer took out is gone; one that a callee refused may still be taken by
 * another fork, until the call is confirmed.
 */
static bool is_gone(const struct media_call *call, const struct media_leg *leg, unsigned i)
{
    const struct media_leg *offerer = leg->branch->was_offered_by_caller ? &call->caller : leg;
    return call->confirmed == leg || (offerer == &call->caller && !is_live(offerer, i));
}

bool media_has_rejected(const struct media_call *call, const struct media_leg *leg)
{
    for (unsigned i = 0; i < call->caller_branch.count; i++)
        if (side_at(&call->caller_branch, i) && !(is_live(&call->caller, i) && is_live(leg, i)))
            return true;
    return false;
}

static void add_rejected(struct agree_command *agree, struct media_leg *leg, unsigned i)
{
    struct media_call *call = agree->call;
    enum agreement_kind kind = is_gone(call, leg, i) ? AGREEMENT_CLOSE : AGREEMENT_MUTE;
    struct media_side *sides[] = {side_at(&call->caller_branch, i), side_at(leg->branch, i)};
    for (size_t k = 0; k < 2; k++)
        if (sides[k])
            add(agree, kind, sides[k]);
}

static void forget_closed(struct media_branch *branch, unsigned i)
{
    if (i < branch->count)
        branch->streams[i].side = memory_release(branch->streams[i].side);
}

/* ---- the whole ---- */

static unsigned count_sides(const struct media_call *call)
{
    unsigned count = call->caller_branch.count;
    LIST_FOR_EACH (link, &call->branches)
        count += CONTAINER_OF(link, struct media_branch, link)->count;
    return count;
}

static void mute_branch(struct agree_command *agree, const struct media_branch *branch)
{
    for (unsigned i = 0; i < branch->count; i++)
        if (branch->streams[i].side)
            add(agree, AGREEMENT_MUTE, branch->streams[i].side);
}

/* @return true when every stream that both take is on hold */
static bool add_streams(struct agree_command *agree, struct media_leg *leg, unsigned count)
{
    struct media_call *call = agree->call;
    bool is_held = true;
    for (unsigned i = 0; i < count; i++) {
        bool is_carried = side_at(&call->caller_branch, i) && side_at(leg->branch, i);
        if (is_carried && is_live(&call->caller, i) && is_live(leg, i)) {
            is_held &= call->caller.streams[i].is_held || leg->streams[i].is_held;
            add_terms(agree, leg, i);
        } else {
            add_rejected(agree, leg, i);
        }
    }
    return is_held;
}

int media_agree(struct media_call *call, struct media_leg *leg)
{
    struct media_branch *branch = leg->branch;
    unsigned count = call->caller_branch.count;
    count = branch->count > count ? branch->count : count;
    struct agree_command *agree = command_create(call, count_sides(call) + count);
    if (!agree)
        return ERROR_MEMORY;
    LIST_FOR_EACH (link, &call->branches) {
        struct media_branch *other = CONTAINER_OF(link, struct media_branch, link);
        if (other != branch)
            mute_branch(agree, other);
    }
    agree->is_answer = true;
    agree->phase = add_streams(agree, leg, count) ? MEDIA_HELD : MEDIA_TALKING;
    int error = post(call, agree);
    if (error)
        return error;
    for (unsigned i = 0; i < count; i++)
        if (is_gone(call, leg, i) && !(is_live(&call->caller, i) && is_live(leg, i))) {
            forget_closed(&call->caller_branch, i);
            forget_closed(branch, i);
        }
    call->active = leg;
    return 0;
}

void media_close_branch(struct media_call *call, struct media_branch *branch)
{
    struct agree_command *agree = command_create(call, branch->count);
    if (!agree)
        return;
    for (unsigned i = 0; i < branch->count; i++)
        if (branch->streams[i].side)
            add(agree, AGREEMENT_CLOSE, branch->streams[i].side);
    post(call, agree);
}
