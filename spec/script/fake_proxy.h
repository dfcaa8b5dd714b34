/*
 * A stand-in for the proxy core in tests of the script host: it keeps what a script asks for, and
 * answers as the test wants. Include it in one file of a test executable.
 */
#pragma once

#include "base/memory.h"
#include "route/bridge.h"
#include "script/script.h"

struct branch {
    unsigned index;
    struct edits *edits;
    struct text next_hop;
    struct destination destination;
};

struct response_context {
    struct proxy *proxy;
    struct message *request; /* owned */
    struct edits *edits;     /* owned */
    struct generation *generation;
    const struct route_handlers *handlers;
    void *data;
    char next_hop[256];
    const struct listener *listener;
    uint32_t flags;
    struct dispatcher_choice *choice;
    bool is_cancelled, is_decided, is_dropped, is_record_routed;
    /* what was asked for */
    unsigned reply_status, replies, relays, forwards, manages;
    bool is_forgotten; /* answered statelessly */
    char reply_reason[64], reply_headers[512], reply_body[256];
    struct relay_options relay;
    char relay_to[128], relay_on_failure[64];
    struct fork_target targets[8];
    size_t target_count;
    struct route_run *nested; /* run this handler during relay */
    int nested_result;
    /* what to answer */
    int result;
    relay_done_handler *done;
    void *done_arg;
};

struct proxy {
    struct transport *transport;
    struct dialogs *dialogs;
    struct dispatcher *dispatcher;
    struct random random;
    const struct settings *settings;
    struct log *log;
};

static void fake_context_destroy(void *object)
{
    struct response_context *context = object;
    context->handlers->context_ended(context->handlers->arg, context);
    memory_release(context->choice);
    memory_release(context->request);
    memory_release(context->generation);
}

int bridge_begin(struct bridge **bridgep, struct response_context *context,
                 const struct bridge_options *options)
{
    (void)bridgep;
    (void)options;
    return context->result ? context->result : ERROR_STATE;
}

int bridge_originate(struct bridge **bridgep, struct proxy *proxy,
                     const struct bridge_origination *wanted)
{
    (void)bridgep;
    (void)proxy;
    (void)wanted;
    return ERROR_UNSUPPORTED;
}

int bridge_replace(struct bridge **bridgep, struct response_context *context, unsigned *status)
{
    (void)bridgep;
    *status = 481;
    return context->result ? context->result : ERROR_NOT_FOUND;
}

struct dialog *bridge_dialog(const struct bridge *bridge)
{
    (void)bridge;
    return NULL;
}

struct text bridge_call_id(const struct bridge *bridge)
{
    (void)bridge;
    return TEXT_NONE;
}

struct text bridge_tag(const struct bridge *bridge)
{
    (void)bridge;
    return TEXT_NONE;
}

struct bridge *bridge_find(struct proxy *proxy, struct text call_id, struct text tag)
{
    (void)proxy;
    (void)call_id;
    (void)tag;
    return NULL;
}

void bridge_hang_up(struct bridge *bridge, enum dialog_end end, struct text reason)
{
    (void)bridge;
    (void)end;
    (void)reason;
}

int bridge_transfer(struct bridge *bridge, struct text uri, bool replaces_caller)
{
    (void)bridge;
    (void)uri;
    (void)replaces_caller;
    return ERROR_STATE;
}

void bridge_keep(struct bridge *bridge, void *object)
{
    (void)bridge;
    (void)object;
}

void *bridge_kept(const struct bridge *bridge)
{
    (void)bridge;
    return NULL;
}

void *bridge_generation(const struct bridge *bridge)
{
    (void)bridge;
    return NULL;
}

void bridge_watch_dtmf(struct bridge *bridge)
{
    (void)bridge;
}

const char *bridge_event_name(enum bridge_event_kind kind)
{
    (void)kind;
    return "event";
}

bool proxy_makes_records(const struct proxy *proxy)
{
    (void)proxy;
    return false;
}

int proxy_record_set(struct proxy *proxy, struct dialog *dialog, struct text name,
                     const struct value *value)
{
    (void)proxy, (void)dialog, (void)name, (void)value;
    return ERROR_UNSUPPORTED;
}

struct value proxy_record_get(const struct dialog *dialog, struct text name)
{
    (void)dialog, (void)name;
    return (struct value){0};
}

struct dialogs *proxy_dialogs(struct proxy *proxy)
{
    return proxy->dialogs;
}

struct random *proxy_random(struct proxy *proxy)
{
    return &proxy->random;
}

struct dispatcher *proxy_dispatcher(struct proxy *proxy)
{
    return proxy->dispatcher;
}

struct transport *proxy_transport(struct proxy *proxy)
{
    return proxy->transport;
}

const struct settings *proxy_settings(struct proxy *proxy)
{
    return proxy->settings;
}

struct log *proxy_log(struct proxy *proxy)
{
    return proxy->log;
}

struct proxy *context_proxy(const struct response_context *context)
{
    return context->proxy;
}

struct message *context_request(const struct response_context *context)
{
    return context->request;
}

struct edits *context_edits(const struct response_context *context)
{
    return context->edits;
}

void *context_generation(const struct response_context *context)
{
    return context->generation;
}

void *context_script_data(const struct response_context *context)
{
    return context->data;
}

void context_set_script_data(struct response_context *context, void *data)
{
    context->data = data;
}

struct text context_next_hop(const struct response_context *context)
{
    return context->next_hop[0] ? text_of(context->next_hop) : TEXT_NONE;
}

int context_set_next_hop(struct response_context *context, struct text uri)
{
    text_to_array(uri, context->next_hop, sizeof context->next_hop);
    return 0;
}

int context_set_targets(struct response_context *context, const struct fork_target *v, size_t count)
{
    (void)context;
    (void)v;
    return count ? ERROR_STATE : 0;
}

const struct fork_target *context_targets(const struct response_context *context, size_t *count)
{
    (void)context;
    *count = 0;
    return NULL;
}

const struct listener *context_send_listener(const struct response_context *context)
{
    return context->listener;
}

void context_set_send_listener(struct response_context *context, const struct listener *listener)
{
    context->listener = listener;
}

uint32_t *context_flags(struct response_context *context)
{
    return &context->flags;
}

struct dispatcher_choice *context_dispatcher_choice(const struct response_context *context)
{
    return context->choice;
}

void context_set_dispatcher_choice(struct response_context *context,
                                   struct dispatcher_choice *choice)
{
    memory_ref(choice);
    memory_release(context->choice);
    context->choice = choice;
}

bool context_is_cancelled(const struct response_context *context)
{
    return context->is_cancelled;
}

struct dialog *context_dialog(const struct response_context *context)
{
    (void)context;
    return NULL;
}

unsigned context_branch_count(const struct response_context *context)
{
    return context->relays;
}

struct edits *branch_edits(const struct branch *branch)
{
    return branch->edits;
}

unsigned branch_index(const struct branch *branch)
{
    return branch->index;
}

struct text branch_next_hop(const struct branch *branch)
{
    return branch->next_hop;
}

const struct destination *branch_destination(const struct branch *branch)
{
    return &branch->destination;
}

int proxy_reply(struct response_context *context, const struct response_options *options)
{
    if (context->result)
        return context->result;
    context->replies++;
    context->is_decided = true;
    context->reply_status = options->status;
    text_to_array(options->reason, context->reply_reason, sizeof context->reply_reason);
    text_to_array(options->headers, context->reply_headers, sizeof context->reply_headers);
    text_to_array(options->body, context->reply_body, sizeof context->reply_body);
    return 0;
}

int proxy_reply_and_forget(struct response_context *context, const struct response_options *options)
{
    context->is_forgotten = true;
    return proxy_reply(context, options);
}

int proxy_relay(struct response_context *context, const struct relay_options *options,
                relay_done_handler *done, void *arg)
{
    context->relays++;
    context->relay = *options;
    text_to_array(options->to, context->relay_to, sizeof context->relay_to);
    text_to_array(options->on_failure, context->relay_on_failure, sizeof context->relay_on_failure);
    context->done = done;
    context->done_arg = arg;
    if (context->nested)
        context->nested_result = context->handlers->run(context->handlers->arg, context->nested);
    return context->result;
}

int proxy_fork(struct response_context *context, const struct fork_target *v, size_t count,
               const struct relay_options *options, relay_done_handler *done, void *arg)
{
    context->target_count = count;
    for (size_t i = 0; i < count && i < 8; i++)
        context->targets[i] = v[i];
    return proxy_relay(context, options, done, arg);
}

int proxy_forward(struct response_context *context)
{
    context->forwards++;
    return context->result;
}

void proxy_drop(struct response_context *context)
{
    context->is_dropped = true;
}

int proxy_record_route(struct response_context *context)
{
    context->is_record_routed = true;
    return context->result;
}

int proxy_loose_route(struct response_context *context)
{
    return message_header(context->request, HEADER_ROUTE) ? 1 : 0;
}

int proxy_check_max_forwards(const struct response_context *context)
{
    return message_max_forwards(context->request) == 0 ? ERROR_LIMIT : 0;
}

int call_media_manage(struct response_context *context, struct branch *branch,
                      struct message *message, const struct media_flags *flags)
{
    (void)branch;
    (void)message;
    (void)flags;
    context->manages++;
    return context->result;
}

int proxy_track(struct track **trackp, struct response_context *context)
{
    (void)trackp;
    (void)context;
    return ERROR_STATE;
}

int proxy_keep_alive(struct response_context *context, uint64_t interval_ms, unsigned failures)
{
    (void)context;
    (void)interval_ms;
    (void)failures;
    return ERROR_STATE;
}

bool proxy_is_noting(const struct proxy *proxy)
{
    (void)proxy;
    return false;
}

void proxy_note(struct proxy *proxy, struct text call_id, struct text what)
{
    (void)proxy;
    (void)call_id;
    (void)what;
}

int proxy_hide(struct response_context *context, struct text interfaces, bool is_call_id_masked)
{
    (void)context;
    (void)interfaces;
    (void)is_call_id_masked;
    return ERROR_STATE;
}

struct profiles *proxy_profiles(struct proxy *proxy)
{
    (void)proxy;
    return NULL;
}
