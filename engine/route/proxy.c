/* The proxy core of one worker: made of its transaction layer, its dialogs and its contexts. */
#include "route/context.h"

#include "base/memory.h"

#define CALL_ID_NOTED_BYTES 256

static void destroy(void *arg)
{
    struct proxy *proxy = arg;
    memory_release(proxy->queue);
    memory_release(proxy->dialogs);
    memory_release(proxy->transactions);
    hash_table_release(&proxy->legs);
    hash_table_release(&proxy->masked);
    buffer_release(&proxy->out);
}

static int create_transactions(struct proxy *proxy)
{
    const struct proxy_options *options = &proxy->options;
    return transactions_create(
        &proxy->transactions,
        &(struct transactions_options){
            .io = options->io,
            .loop = options->loop,
            .transport = options->transport,
            .settings = options->settings,
            .counters = options->counters,
            .log = options->log,
            .hash_key = options->hash_key,
            .handlers = {request_receive, request_receive_ack, request_receive_cancel,
                         request_receive_stray_cancel, stateless_reply_receive, proxy},
            .admits = options->admits,
            .admits_arg = options->admits_arg,
        });
}

static int create_dialogs(struct proxy *proxy)
{
    const struct proxy_options *options = &proxy->options;
    return dialogs_create(&proxy->dialogs, &(struct dialogs_options){
                                               .loop = options->loop,
                                               .settings = options->settings,
                                               .counters = options->counters,
                                               .log = options->log,
                                               .hash_key = options->hash_key,
                                               .profiles = options->profiles,
                                               .event = call_dialog_event,
                                               .arg = proxy,
                                           });
}

int proxy_create(struct proxy **proxyp, const struct proxy_options *options)
{
    struct proxy *proxy = memory_alloc(sizeof *proxy, destroy);
    if (!proxy)
        return ERROR_MEMORY;
    proxy->options = *options;
    io_seed_random(options->io, &proxy->random);
    int error = create_transactions(proxy);
    timers_expect(loop_timers(options->loop), options->settings->timers_c_ms);
    if (!error)
        error = create_dialogs(proxy);
    if (!error)
        error = call_queue_create(&proxy->queue, proxy);
    if (error)
        memory_release(proxy);
    else
        *proxyp = proxy;
    return error;
}

void proxy_receive(struct proxy *proxy, struct message *message)
{
    transactions_receive(proxy->transactions, message);
}

void proxy_undeliverable(struct proxy *proxy, const struct address *address, struct text bytes)
{
    transactions_undeliverable(proxy->transactions, address, bytes);
}

void proxy_set_refusing(struct proxy *proxy, bool is_refusing)
{
    proxy->is_refusing = is_refusing;
}

size_t proxy_unanswered(const struct proxy *proxy)
{
    size_t count = 0;
    LIST_FOR_EACH (link, &proxy->contexts) {
        const struct response_context *context = CONTAINER_OF(link, struct response_context, link);
        count +=
            context->server && !context->dialog && !context->is_final_sent && !context->is_dropped;
    }
    return count;
}

void proxy_stop(struct proxy *proxy)
{
    proxy->queue = memory_release(proxy->queue);
    bridge_stop_all(proxy);
    dialogs_stop(proxy->dialogs);
    uac_stop_all(proxy);
    transactions_stop(proxy->transactions);
    /* Nobody is told when everything stops, so what the transactions held is given back here. */
    LIST_FOR_EACH_SAFE (link, &proxy->contexts) {
        struct response_context *context = CONTAINER_OF(link, struct response_context, link);
        if (context->is_attached)
            memory_release(context);
    }
}

struct transactions *proxy_transactions(struct proxy *proxy)
{
    return proxy->transactions;
}

struct dialogs *proxy_dialogs(struct proxy *proxy)
{
    return proxy->dialogs;
}

struct profiles *proxy_profiles(struct proxy *proxy)
{
    return proxy->options.profiles;
}

void proxy_draw_call_id(struct proxy *proxy, char *out, size_t size_bytes)
{
    const struct proxy_options *options = &proxy->options;
    do {
        random_token(&proxy->random, out, size_bytes);
    } while (!options->is_home(options->home_arg, (struct text){out, size_bytes}));
}

bool proxy_is_noting(const struct proxy *proxy)
{
    return proxy->options.note;
}

void proxy_note(struct proxy *proxy, struct text call_id, struct text what)
{
    if (proxy->options.note)
        proxy->options.note(proxy->options.note_arg, call_id, what);
}

static void note_name(struct proxy *proxy, struct text of, struct text name)
{
    char bytes[sizeof PROXY_NOTE_CALL_ID + CALL_ID_NOTED_BYTES];
    struct text mark = TEXT(PROXY_NOTE_CALL_ID);
    if (!proxy->options.note || !name.n || name.n > CALL_ID_NOTED_BYTES)
        return;
    memcpy(bytes, mark.p, mark.n);
    memcpy(bytes + mark.n, name.p, name.n);
    proxy_note(proxy, of, (struct text){bytes, mark.n + name.n});
}

void proxy_note_names(struct proxy *proxy, struct text one, struct text other)
{
    note_name(proxy, one, other);
    note_name(proxy, other, one);
}

struct random *proxy_random(struct proxy *proxy)
{
    return &proxy->random;
}

struct dispatcher *proxy_dispatcher(struct proxy *proxy)
{
    return proxy->options.dispatcher;
}

struct transport *proxy_transport(struct proxy *proxy)
{
    return proxy->options.transport;
}

const struct settings *proxy_settings(struct proxy *proxy)
{
    return proxy->options.settings;
}

struct log *proxy_log(struct proxy *proxy)
{
    return proxy->options.log;
}
