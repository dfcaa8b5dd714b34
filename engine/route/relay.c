/* req:relay and req:fork: targets become branches (RFC 3261 s16.5, s16.6). */
#include "route/context.h"

#include "base/memory.h"

#include <stdlib.h>

/* One group of targets: open while one of its branches is neither sent nor given up. */
struct relay_wait {
    struct response_context *context; /* owned reference */
    unsigned open, sent;
    int error;
    bool is_inside;                      /* the call that began it has not returned yet */
    const struct relay_options *options; /* in the request's arena */
    relay_done_handler *done;
    void *arg;
};

static void wait_destroy(void *arg)
{
    struct relay_wait *wait = arg;
    memory_release(wait->context);
}

static int wait_result(const struct relay_wait *wait)
{
    if (wait->sent)
        return 0;
    return wait->error ? wait->error : ERROR_NOT_FOUND;
}

static int start_groups(struct response_context *context, relay_done_handler *done, void *arg);

static __attribute__((cold)) void refuse_loop(struct response_context *context)
{
    proxy_reply(context, &(struct response_options){.status = 482});
}

/* A relay of which nothing can be sent, because the request has been there, is answered 482 (s16.3 4). */
static int conclude(struct response_context *context, int result)
{
    if (result < 0 && context->is_looped && !context->pending)
        refuse_loop(context);
    return result;
}

/* One branch is on its way: only now the relay counts as made. What failed before it is old: the
 * script saw it and chose to go on. Deviation: RFC 3261 s16.7 6 would choose among the old
 * responses, too. */
static void group_sent(const struct relay_wait *wait)
{
    struct response_context *context = wait->context;
    context->is_decided = true;
    context->is_best_old = context->is_in_failure && context->best;
    context->on_failure = wait->options->on_failure;
}

/* All branches of the group are sent or given up: when none was sent, the next group's turn has
 * come; when there is none, that is what the caller is told. */
static void group_settled(struct relay_wait *wait)
{
    struct response_context *context = wait->context;
    int result = wait_result(wait);
    if (result == 0)
        group_sent(wait);
    if (result && !context->is_cancelled && !context->is_final_sent &&
        context->group_at < context->group_count)
        result = start_groups(context, wait->done, wait->arg);
    if (result == ROUTE_WAITING)
        return;
    conclude(context, result);
    if (wait->done)
        wait->done(wait->arg, result);
    /* Those that were sent may have failed while the last one was looked up. */
    if (result == 0)
        response_collect(context);
    context_shrink(context);
}

void relay_wait_outcome(struct relay_wait *wait, int error)
{
    if (error)
        wait->error = error;
    else
        wait->sent++;
    if (--wait->open == 0 && !wait->is_inside)
        group_settled(wait);
    memory_release(wait);
}

/* Share of Max-Breadth for each of @p count parallel branches (RFC 5393 s5.3.3). 0: leave it alone */
static int share_breadth(struct response_context *context, size_t count, unsigned *share)
{
    struct header_view view = {0};
    uint32_t left = (uint32_t)context->proxy->options.settings->limits_max_breadth;
    bool is_written = edits_header(context->edits, HEADER_MAX_BREADTH, TEXT_NONE, &view);
    *share = 0;
    if (is_written && text_to_u32(text_trim(view.value), &left))
        left = 0;
    if (!is_written && count == 1)
        return 0;
    if (left < count)
        return ERROR_LIMIT;
    *share = left / (unsigned)count;
    return 0;
}

static __attribute__((cold)) int refuse_breadth(struct response_context *context)
{
    counter_count(context->proxy->options.counters, COUNTER_ROUTE_BREADTH_LIMIT);
    proxy_reply(context,
                &(struct response_options){.status = 440, .reason = TEXT("Max-Breadth Exceeded")});
    return ERROR_LIMIT;
}

/* @param options  kept by keep_options() */
static int start_group(struct response_context *context, const struct target_group *group,
                       const struct relay_options *options, relay_done_handler *done, void *arg)
{
    unsigned breadth;
    if (share_breadth(context, group->count, &breadth))
        return refuse_breadth(context);
    struct relay_wait *wait = memory_alloc_local(sizeof *wait, 0, wait_destroy);
    if (!wait)
        return ERROR_MEMORY;
    wait->context = memory_ref(context);
    wait->done = done;
    wait->arg = arg;
    wait->is_inside = true;
    wait->options = options;
    for (size_t i = 0; i < group->count; i++) {
        wait->open++;
        branch_start(context, &group->v[i], options, breadth, memory_ref(wait));
    }
    wait->is_inside = false;
    int result = wait->open ? ROUTE_WAITING : wait_result(wait);
    if (result == 0)
        group_sent(wait);
    memory_release(wait);
    return result;
}

/* Has this UA answered on another flow of the same fork? */
static bool has_answered(const struct response_context *context, struct text instance)
{
    LIST_FOR_EACH (link, &context->branches) {
        const struct branch *branch = CONTAINER_OF(link, struct branch, link);
        if (branch->has_answered && branch->index >= context->fork_first &&
            text_equal(branch->instance, instance))
            return true;
    }
    return false;
}

/* Leave out who has answered already (RFC 5626 s7). */
static void drop_answered(const struct response_context *context, struct target_group *group)
{
    size_t kept = 0;
    for (size_t i = 0; i < group->count; i++)
        if (!text_is_set(group->v[i].instance) || !has_answered(context, group->v[i].instance))
            group->v[kept++] = group->v[i];
    group->count = kept;
}

/* The next group that can be sent. */
static int start_groups(struct response_context *context, relay_done_handler *done, void *arg)
{
    int result = ERROR_NOT_FOUND;
    while (result < 0 && !context->is_final_sent && context->group_at < context->group_count) {
        struct target_group *group = &context->groups[context->group_at++];
        drop_answered(context, group);
        if (group->count)
            result = start_group(context, group, context->options, done, arg);
    }
    return result;
}

static __attribute__((cold)) int refuse_hops(struct response_context *context)
{
    counter_count(context->proxy->options.counters, COUNTER_ROUTE_LOOP);
    proxy_reply(context, &(struct response_options){.status = 483});
    return ERROR_LIMIT;
}

/* May this context be relayed now? Answers 483 and 422 itself. */
static int check(struct response_context *context)
{
    if (context->is_cancelled)
        return ERROR_CANCELLED;
    if (context->is_final_sent || (context->is_decided && !context->is_in_failure))
        return ERROR_STATE;
    if (proxy_check_max_forwards(context))
        return refuse_hops(context);
    bool may_have_timer =
        context->dialog && dialog_has_any(context->dialog, DIALOG_HAS(DIALOG_TRACK));
    return may_have_timer ? session_timer_check(context) : 0;
}

static bool copy_text(struct response_context *context, struct text *t)
{
    bool was_set = text_is_set(*t);
    *t = arena_copy(&context->request->arena, *t);
    return !was_set || text_is_set(*t);
}

/* The branches read them as long as the request is there; the caller's are borrowed. */
static int keep_options(struct response_context *context, const struct relay_options *options)
{
    struct relay_options *kept = arena_alloc(&context->request->arena, sizeof *kept);
    if (!kept)
        return ERROR_MEMORY;
    *kept = *options;
    kept->to = TEXT_NONE; /* is the target's */
    if (!copy_text(context, &kept->interface) || !copy_text(context, &kept->on_reply) ||
        !copy_text(context, &kept->on_branch) || !copy_text(context, &kept->on_failure))
        return ERROR_MEMORY;
    context->options = kept;
    return 0;
}

int proxy_relay(struct response_context *context, const struct relay_options *options,
                relay_done_handler *done, void *arg)
{
    if (!context->server)
        return forward_request(context, options);
    int error = check(context);
    if (!error)
        error = keep_options(context, options);
    if (error)
        return error;
    struct fork_target target = {.next_hop = options->to};
    const struct target_group group = {&target, 1};
    return conclude(context, start_group(context, &group, context->options, done, arg));
}

static int by_q(const void *a, const void *b)
{
    const struct fork_target *x = a, *y = b;
    return x->q > y->q ? -1 : x->q < y->q;
}

/* A copy in the request's arena; NULL without memory. */
static struct fork_target *copy_targets(struct response_context *context,
                                        const struct fork_target *v, size_t count)
{
    struct fork_target *targets = arena_alloc(&context->request->arena, count * sizeof *targets);
    if (!targets)
        return NULL;
    memcpy(targets, v, count * sizeof *targets);
    for (size_t i = 0; i < count; i++)
        if (!copy_text(context, &targets[i].uri) || !copy_text(context, &targets[i].next_hop) ||
            !copy_text(context, &targets[i].route) || !copy_text(context, &targets[i].instance))
            return NULL;
    return targets;
}

int context_set_targets(struct response_context *context, const struct fork_target *v, size_t count)
{
    if (!context->request)
        return ERROR_STATE;
    struct fork_target *targets = count ? copy_targets(context, v, count) : NULL;
    if (count && !targets)
        return ERROR_MEMORY;
    context->targets = targets;
    context->target_count = count;
    return 0;
}

const struct fork_target *context_targets(const struct response_context *context, size_t *count)
{
    *count = context->request ? context->target_count : 0;
    return *count ? context->targets : NULL;
}

/* Keep the targets in the request's arena, sorted, and cut into groups of equal q. */
static int keep_groups(struct response_context *context, const struct fork_target *v, size_t count)
{
    struct fork_target *targets = copy_targets(context, v, count);
    struct target_group *groups = arena_zalloc(&context->request->arena, count * sizeof *groups);
    if (!targets || !groups)
        return ERROR_MEMORY;
    qsort(targets, count, sizeof *targets, by_q);
    context->groups = groups;
    context->group_count = context->group_at = 0;
    context->fork_first = context->branch_count;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || targets[i].q != targets[i - 1].q)
            groups[context->group_count++] = (struct target_group){&targets[i], 0};
        groups[context->group_count - 1].count++;
    }
    return 0;
}

int proxy_fork(struct response_context *context, const struct fork_target *v, size_t count,
               const struct relay_options *options, relay_done_handler *done, void *arg)
{
    if (count == 0 || !context->server)
        return ERROR_ARGUMENT;
    if (count > context->proxy->options.settings->limits_branches) {
        counter_add(context->proxy->options.counters, COUNTER_ROUTE_BRANCH_LIMIT, count);
        return ERROR_LIMIT;
    }
    int error = check(context);
    if (!error)
        error = keep_options(context, options);
    if (!error)
        error = keep_groups(context, v, count);
    if (error)
        return error;
    return conclude(context, start_groups(context, done, arg));
}

static void next_group_done(void *arg, int error)
{
    struct response_context *context = arg;
    if (error)
        response_collect(context);
    memory_release(context);
}

bool relay_next_group(struct response_context *context)
{
    if (context->group_at >= context->group_count)
        return false;
    int result = start_groups(context, next_group_done, memory_ref(context));
    if (result != ROUTE_WAITING)
        memory_release(context);
    return result >= 0;
}
