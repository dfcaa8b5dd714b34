/* A call's life, and its legs and branches: the worker's half of call.h. */
#include "media/call.h"

#include "base/error.h"
#include "base/memory.h"
#include "media/agree.h"

/* ---- legs ---- */

static void leg_release(struct media_leg *leg)
{
    memory_free_raw(leg->streams);
    memory_free_raw(leg->tag);
    leg->streams = NULL;
    leg->tag = NULL;
}

struct media_leg *media_leg_find(const struct media_call *call, struct text tag)
{
    LIST_FOR_EACH (link, &call->legs) {
        struct media_leg *leg = CONTAINER_OF(link, struct media_leg, link);
        if (text_equal(text_of(leg->tag), tag))
            return leg;
    }
    return NULL;
}

int media_leg_create(struct media_leg **legp, struct media_call *call, struct media_branch *branch,
                     struct text tag)
{
    if (call->legs.count >= media_setting(call->media, media_limits_tags))
        return ERROR_LIMIT;
    struct media_leg *leg = memory_raw(sizeof *leg);
    if (!leg)
        return ERROR_MEMORY;
    *leg = (struct media_leg){.branch = branch, .tag = memory_raw(tag.n + 1)};
    if (!leg->tag) {
        memory_free_raw(leg);
        return ERROR_MEMORY;
    }
    text_to_array(tag, leg->tag, tag.n + 1);
    list_append(&call->legs, &leg->link);
    *legp = leg;
    return 0;
}

int media_leg_reserve(struct media_leg *leg, unsigned count)
{
    if (count <= leg->count)
        return 0;
    struct leg_stream *streams = memory_raw_resize(leg->streams, count * sizeof *streams);
    if (!streams)
        return ERROR_MEMORY;
    for (unsigned i = leg->count; i < count; i++)
        streams[i] = (struct leg_stream){.is_live = false};
    leg->streams = streams;
    leg->count = count;
    return 0;
}

void media_leg_remove(struct media_call *call, struct media_leg *leg)
{
    if (call->active == leg)
        call->active = NULL;
    if (call->confirmed == leg)
        call->confirmed = NULL;
    list_remove(&leg->link);
    leg_release(leg);
    memory_free_raw(leg);
}

/* ---- branches ---- */

static void branch_release(struct media_branch *branch)
{
    for (unsigned i = 0; i < branch->count; i++)
        memory_release(branch->streams[i].side);
    memory_free_raw(branch->streams);
    branch->streams = NULL;
    branch->count = 0;
}

struct media_branch *media_branch_find(const struct media_call *call, uint32_t id)
{
    LIST_FOR_EACH (link, &call->branches) {
        struct media_branch *branch = CONTAINER_OF(link, struct media_branch, link);
        if (branch->id == id)
            return branch;
    }
    return NULL;
}

int media_branch_create(struct media_branch **branchp, struct media_call *call, uint32_t id)
{
    if (call->branches.count >= media_setting(call->media, media_limits_tags))
        return ERROR_LIMIT;
    struct media_branch *branch = memory_raw(sizeof *branch);
    if (!branch)
        return ERROR_MEMORY;
    *branch = (struct media_branch){.id = id};
    list_append(&call->branches, &branch->link);
    *branchp = branch;
    return 0;
}

int media_branch_reserve(struct media_branch *branch, unsigned count)
{
    if (count <= branch->count)
        return 0;
    struct branch_stream *streams = memory_raw_resize(branch->streams, count * sizeof *streams);
    if (!streams)
        return ERROR_MEMORY;
    for (unsigned i = branch->count; i < count; i++)
        streams[i] = (struct branch_stream){.side = NULL};
    branch->streams = streams;
    branch->count = count;
    return 0;
}

void media_branch_remove(struct media_branch *branch)
{
    list_remove(&branch->link);
    branch_release(branch);
    memory_free_raw(branch);
}

/* ---- the call ---- */

static void forget_call(struct media_call *call)
{
    if (!call->is_closed)
        atomic_fetch_sub_explicit(&call->media->calls, 1, memory_order_relaxed);
    call->is_closed = true;
}

static void destroy(void *object)
{
    struct media_call *call = object;
    forget_call(call);
    while (call->legs.first)
        media_leg_remove(call, CONTAINER_OF(call->legs.first, struct media_leg, link));
    while (call->branches.first)
        media_branch_remove(CONTAINER_OF(call->branches.first, struct media_branch, link));
    leg_release(&call->caller);
    branch_release(&call->caller_branch);
    memory_free_raw(call->awaited);
    memory_release(call->flags[0]);
    memory_release(call->flags[1]);
    memory_release(call->media);
}

static void count_for(const struct media_mailbox *mailbox, enum counter counter)
{
    if (mailbox->counters)
        counter_count(mailbox->counters, counter);
}

int media_call_create(struct media_call **callp, struct media *media, struct text call_id,
                      const struct media_mailbox *mailbox)
{
    if (atomic_fetch_add_explicit(&media->calls, 1, memory_order_relaxed) >=
        media_setting(media, media_limits_calls)) {
        atomic_fetch_sub_explicit(&media->calls, 1, memory_order_relaxed);
        count_for(mailbox, COUNTER_MEDIA_LIMIT);
        return ERROR_LIMIT;
    }
    struct media_call *call = memory_alloc(sizeof *call + call_id.n, destroy);
    if (!call) {
        atomic_fetch_sub_explicit(&media->calls, 1, memory_order_relaxed);
        return ERROR_MEMORY;
    }
    call->media = memory_ref(media);
    uint32_t turn = atomic_fetch_add_explicit(&media->next_thread, 1, memory_order_relaxed);
    call->thread = &media->threads[turn % media->thread_count];
    call->mailbox = *mailbox;
    call->caller.branch = &call->caller_branch;
    call->id_bytes = call_id.n;
    if (call_id.n)
        memcpy(call->id, call_id.p, call_id.n);
    count_for(mailbox, COUNTER_MEDIA_CALL);
    *callp = call;
    return 0;
}

struct text media_call_id(const struct media_call *call)
{
    return (struct text){call->id, call->id_bytes};
}

void media_call_count(struct media_call *call, enum counter counter)
{
    count_for(&call->mailbox, counter);
}

int media_call_post(struct media_call *call, struct command *command)
{
    if (media_thread_post(call->thread, command)) {
        if (call->media->is_stopped)
            media_thread_run(call->thread);
        return 0;
    }
    media_call_count(call, COUNTER_MEDIA_QUEUE_FULL);
    return ERROR_LIMIT;
}

bool media_call_is_closed(const struct media_call *call)
{
    return call->is_closed || atomic_load_explicit(&call->is_ended, memory_order_acquire);
}

static void run_close(struct media_thread *thread, struct command *command)
{
    (void)thread;
    struct media_call *call = CONTAINER_OF(command, struct media_call, close);
    media_call_shut(call);
    memory_release(call);
}

void media_call_close(struct media_call *call)
{
    if (call->is_closed)
        return;
    forget_call(call);
    call->owner = NULL;
    if (!call->is_handed_over)
        return;
    call->close.run = run_close;
    media_thread_post_last(call->thread, &call->close);
    if (call->media->is_stopped)
        media_thread_run(call->thread);
}

int media_call_begin_again(struct media_call **againp, struct media_call *call)
{
    struct media_call *again;
    if (call->is_closed || !media_call_is_closed(call))
        return ERROR_STATE;
    int error = media_call_create(&again, call->media, media_call_id(call), &call->mailbox);
    if (error)
        return error;
    for (unsigned i = 0; i < 2; i++)
        again->flags[i] = memory_ref(call->flags[i]);
    again->owner = call->owner;
    atomic_store_explicit(&again->is_dtmf_awaited,
                          atomic_load_explicit(&call->is_dtmf_awaited, memory_order_relaxed),
                          memory_order_relaxed);
    media_call_close(call);
    *againp = again;
    return 0;
}

void media_call_tell_dtmf(struct media_call *call, void *owner)
{
    if (call->is_closed)
        return;
    call->owner = owner;
    atomic_store_explicit(&call->is_dtmf_awaited, true, memory_order_relaxed);
}

void *media_call_owner(const struct media_call *call)
{
    return call->owner;
}

int media_call_set_flags(struct media_call *call, const struct media_flags *flags, bool from_caller)
{
    const char *names[] = {flags->from, flags->to};
    for (size_t i = 0; i < 2; i++)
        if (names[i][0] && !media_has_interface(call->media, text_of(names[i])))
            return ERROR_NOT_FOUND;
    memory_ref((void *)flags);
    memory_release(call->flags[from_caller]);
    call->flags[from_caller] = (struct media_flags *)flags;
    return 0;
}

/* The 2xx was announced before its SDP was handed to us: remember whose it is. */
static int await_tag(struct media_call *call, struct text tag)
{
    memory_free_raw(call->awaited);
    call->awaited = memory_raw(tag.n + 1);
    if (!call->awaited)
        return ERROR_MEMORY;
    text_to_array(tag, call->awaited, tag.n + 1);
    return 0;
}

int media_call_confirm(struct media_call *call, struct text callee_tag)
{
    if (media_call_is_closed(call))
        return ERROR_STATE;
    struct media_leg *leg = media_leg_find(call, callee_tag);
    if (!leg)
        return await_tag(call, callee_tag);
    call->confirmed = leg;
    LIST_FOR_EACH_SAFE (link, &call->legs) {
        struct media_leg *other = CONTAINER_OF(link, struct media_leg, link);
        if (other != leg && other->branch == leg->branch)
            media_leg_remove(call, other);
    }
    if (!leg->is_answered || (call->active == leg && !media_has_rejected(call, leg)))
        return 0;
    return media_agree(call, leg);
}

/* The audio goes to another callee that has answered, if there is one. */
static void elect(struct media_call *call)
{
    LIST_FOR_EACH (link, &call->legs) {
        struct media_leg *leg = CONTAINER_OF(link, struct media_leg, link);
        if (!call->active && leg->is_answered && media_agree(call, leg) == 0)
            return;
    }
}

static void drop_branch(struct media_call *call, struct media_branch *branch)
{
    media_close_branch(call, branch);
    LIST_FOR_EACH_SAFE (link, &call->legs) {
        struct media_leg *leg = CONTAINER_OF(link, struct media_leg, link);
        if (leg->branch == branch)
            media_leg_remove(call, leg);
    }
    media_branch_remove(branch);
}

void media_call_drop_branch(struct media_call *call, uint32_t id)
{
    struct media_branch *branch = media_branch_find(call, id);
    if (!branch || call->is_closed || (call->confirmed && call->confirmed->branch == branch))
        return;
    drop_branch(call, branch);
    elect(call);
}

void media_call_drop_tag(struct media_call *call, struct text callee_tag)
{
    struct media_leg *leg = media_leg_find(call, callee_tag);
    if (!leg || call->is_closed)
        return;
    struct media_branch *branch = leg->branch;
    media_leg_remove(call, leg);
    bool is_used = false;
    LIST_FOR_EACH (link, &call->legs)
        is_used |= CONTAINER_OF(link, struct media_leg, link)->branch == branch;
    if (!is_used)
        drop_branch(call, branch);
    elect(call);
}
