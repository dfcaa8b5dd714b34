/*
 * The best of the final responses that are no 2xx (RFC 3261 s16.7 6, 7): chosen when no branch is
 * pending, sent upstream after the failure route.
 */
#include "route/context.h"

#include "base/memory.h"

/* 408 to a non-INVITE: it is never sent (RFC 4320 s4.2). */
static bool is_unsendable(const struct message *response)
{
    return response->status == 408 && response->method != METHOD_INVITE;
}

/* Lower is better (s16.7 6). */
static unsigned rank(const struct message *response)
{
    static const unsigned preferred[] = {401, 407, 415, 420, 484};
    unsigned status = response->status;
    if (is_unsendable(response))
        return 1000;
    if (status >= 600)
        return 0;
    for (size_t i = 0; i < sizeof preferred / sizeof preferred[0]; i++)
        if (status == preferred[i])
            return 400;
    if (status == 408 || status == 487)
        return 499; /* says less than any other 4xx */
    if (status == 503)
        return 599;
    return status / 100 * 100 + 50;
}

static bool is_challenge(const struct message *response)
{
    return response->status == 401 || response->status == 407;
}

/* A header's value in one line: folding is white space (s7.3.1). */
static struct text unfolded(struct arena *arena, struct text value)
{
    char *copy = arena_alloc(arena, value.n + 1);
    if (!copy)
        return TEXT_NONE;
    for (size_t i = 0; i < value.n; i++)
        copy[i] = (char)(value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
    return (struct text){copy, value.n};
}

/* s16.7 7: challenges of the branches that lost go up, too. */
static void keep_challenges(struct response_context *context, struct message *response)
{
    static const enum header_kind kinds[] = {HEADER_WWW_AUTHENTICATE, HEADER_PROXY_AUTHENTICATE};
    struct arena *arena = &context->request->arena;
    for (size_t i = 0; i < 2; i++) {
        const struct header *header = message_header(response, kinds[i]);
        for (; header; header = message_header_next(response, header)) {
            struct text value = unfolded(arena, header->value);
            struct text more = arena_printf(arena, "%.*s%s: %.*s\n", TEXT_ARG(context->challenges),
                                            header_kind_name(kinds[i]), TEXT_ARG(value));
            if (text_is_set(more)) /* without memory the caller sees fewer challenges */
                context->challenges = more;
        }
    }
}

static void add_challenges(struct response_context *context)
{
    struct text rest = context->challenges;
    while (rest.n) {
        struct text value = text_split(&rest, '\n');
        struct text name = text_split(&value, ':');
        edits_append(context->best_edits, name, text_trim(value));
    }
}

void response_consider(struct response_context *context, struct message *response,
                       struct edits *edits, bool is_local)
{
    if (context->is_best_old) {
        context->best = memory_release(context->best);
        context->best_edits = NULL;
        context->challenges = TEXT_NONE;
        context->is_best_old = false;
    }
    bool is_better = !context->best || rank(response) < rank(context->best);
    struct message *loser = is_better ? context->best : response;
    if (loser && is_challenge(loser))
        keep_challenges(context, loser);
    if (!is_better)
        return;
    memory_ref(response);
    memory_release(context->best);
    context->best = response;
    context->best_edits = edits;
    context->best_is_local = is_local;
}

void response_leave_unanswered(struct response_context *context)
{
    log_info(context->proxy->options.log, LOG_ROUTE, context_call_id(context),
             "nobody answered this %.*s, and it gets no answer (RFC 4320)",
             TEXT_ARG(context->request->method_text));
    transaction_server_leave_unanswered(context->server);
    request_answered(context, 408);
}

static void send_best(struct response_context *context)
{
    if (!context->is_final_sent && is_unsendable(context->best)) {
        response_leave_unanswered(context);
        return;
    }
    struct message *best = memory_ref(context->best);
    struct edits *edits = context->best_edits;
    unsigned status = best->status;
    if (context->is_final_sent) {
        status = 0;
    } else if (status == 503 && !context->best_is_local) {
        /* s16.7 6: one server is overloaded, not we: the caller must not shun us. */
        status = 500;
        edits_set_status(edits, 500, text_of(status_reason(500)));
    }
    if (is_challenge(best))
        add_challenges(context);
    if (status)
        response_send_upstream(context, NULL, best, edits, status);
    memory_release(best);
}

static void failure_route_done(void *arg, int error)
{
    struct response_context *context = arg;
    context->is_in_failure = false;
    context->is_collecting_done = false;
    if (error && !context->is_final_sent && context->pending == 0)
        request_respond(context, &(struct response_options){.status = 500});
    else if (context->pending == 0 && !context->is_final_sent)
        response_collect(context);
    context_shrink(context);
    memory_release(context);
}

/* @return true when the failure route took over */
static bool run_failure_route(struct response_context *context)
{
    const struct route_handlers *handlers = &context->proxy->options.handlers;
    struct text name = context->on_failure;
    if (!name.n || context->is_cancelled ||
        !handlers->has(handlers->arg, context->generation, ROUTE_FAILURE, name))
        return false;
    context->on_failure = TEXT_NONE; /* armed anew by the next relay */
    context->is_in_failure = true;
    struct message *best = memory_ref(context->best);
    context_run(context, &(struct route_run){
                             .kind = ROUTE_FAILURE,
                             .name = name,
                             .context = context,
                             .reply = best,
                             .reply_is_local = context->best_is_local,
                             .edits = context->edits,
                             .done = failure_route_done,
                             .arg = memory_ref(context),
                         });
    memory_release(best);
    return true;
}

void response_consider_local(struct response_context *context, unsigned status)
{
    struct buffer out = {0};
    struct message *response = NULL;
    struct edits *edits = NULL;
    struct message_fault fault;
    response_print(&out, context->request,
                   &(struct response_options){
                       .status = status,
                       .to_tag = transaction_server_tag(context->server),
                       .server = context->proxy->options.server,
                   });
    int error = out.error ? out.error
                          : message_parse(&response, buffer_text(&out),
                                          context->proxy->options.settings, &fault);
    if (!error)
        error = edits_begin(&edits, response, NULL);
    if (!error)
        response_consider(context, response, edits, true);
    else
        log_error(context->proxy->options.log, LOG_ROUTE, context_call_id(context),
                  "no local %u: %s", status, error_text(error));
    memory_release(response);
    buffer_release(&out);
}

void response_collect(struct response_context *context)
{
    if (context->pending || context->is_final_sent || context->is_collecting_done ||
        !context->server || !context->request)
        return;
    bool is_settled = context->is_cancelled || (context->best && context->best->status >= 600);
    if (!is_settled && (relay_next_group(context) || context->is_final_sent))
        return;
    if (!context->best)
        response_consider_local(context, context->is_cancelled ? 487 : 408);
    if (!context->best) { /* no memory for a proper one */
        request_respond(context, &(struct response_options){.status = 500});
        return;
    }
    context->is_collecting_done = true;
    memory_ref(context);
    if (!run_failure_route(context))
        send_best(context);
    memory_release(context);
}
