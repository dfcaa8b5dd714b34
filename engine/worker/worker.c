/* Putting a worker together, and its place between transport and mailbox. */
#include "worker/worker.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/rate.h"
#include "route/bridge.h"
#include "trunk/client.h"
#include "worker/adopted.h"
#include "worker/expiry.h"
#include "worker/gateway_names.h"
#include "worker/handover.h"
#include "worker/keepalive.h"
#include "worker/ping.h"
#include "worker/recorder.h"

#include <stdatomic.h>
#include <stdio.h>

#define LAG_CHECK_MS 100  /* how often a worker looks whether it is behind */
#define LEAST_BYTES  16   /* a datagram with less is no message, but a keepalive */
#define SHED_MS      1000 /* new calls are refused so long at least: no flapping */

struct worker {
    struct worker_options options;
    struct settings settings; /* owned copy: the configuration's in force */
    struct counters counters;
    _Atomic(struct worker_change *) change; /* borrowed; NULL: none */
    struct loop *loop;                      /* owned */
    struct transport *transport;            /* owned */
    struct resolver *resolver;              /* owned */
    struct proxy *proxy;                    /* owned */
    struct script *script;                  /* owned */
    struct handover *handover;              /* owned */
    struct adopted *adopted;                /* owned; NULL: there is no other worker */
    struct recorder *recorder;              /* owned; NULL: none */
    struct mailbox answers;                 /* of databases and HTTP servers */
    struct ping *ping;                 /* owned; NULL: nothing to ping, or another worker does */
    struct gateway_names *names;       /* the same */
    struct expiry *expiry;             /* owned; NULL: another worker does it */
    struct keepalive *keepalive;       /* the same */
    struct trunk_client *trunk_client; /* owned */
    struct random random;
    struct timer lag_timer;
    uint64_t lag_due_ms;
    uint64_t behind_until_ms; /* was behind SHED_MS before */
    bool is_draining, is_behind;
    bool is_unrecorded; /* the message at hand is of no call */
};

static void destroy(void *arg)
{
    struct worker *worker = arg;
    memory_release(worker->adopted);
    memory_release(worker->trunk_client);
    memory_release(worker->keepalive);
    memory_release(worker->expiry);
    memory_release(worker->names);
    memory_release(worker->ping);
    memory_release(worker->proxy);
    memory_release(worker->recorder);
    memory_release(worker->script);
    memory_release(worker->resolver);
    memory_release(worker->transport);
    memory_release(worker->handover);
    memory_release(worker->loop);
}

/* ---- what the transport tells ---- */

static bool claim(void *arg, const struct listener *listener, const struct address *peer,
                  struct text bytes)
{
    struct worker *worker = arg;
    struct text call_id = message_peek_call_id(bytes);
    unsigned owner =
        text_is_set(call_id) ? worker_owner(&worker->options, call_id) : worker->options.index;
    if (owner == worker->options.index)
        return false;
    handover_bytes(worker->handover, owner, listener, peer, bytes);
    return true;
}

/*
 * Beyond the rate of its source a new request is answered without keeping anything, so that whoever
 * floods us costs no memory (RFC 3261 s21.5.4).
 */
static bool is_within_rate(void *arg, struct message *message)
{
    struct worker *worker = arg;
    uint32_t per_second = (uint32_t)worker->settings.limits_cps_per_source;
    if (rate_take(worker->options.rate, &message->source.peer, loop_now_ms(worker->loop),
                  per_second, &worker->counters))
        return true;
    counter_count(&worker->counters, COUNTER_SIP_SOURCE_LIMITED);
    transport_reply(
        worker->transport, message,
        &(struct response_options){.status = 503, .headers = TEXT("Retry-After: 1\r\n")});
    return false;
}

/* What phones and probes say all day is of no call. */
static bool is_of_no_call(enum method method)
{
    return method == METHOD_REGISTER || method == METHOD_OPTIONS;
}

static void record_received(struct worker *worker, const struct message *message)
{
    worker->is_unrecorded = is_of_no_call(message->method);
    if (!worker->recorder || worker->is_unrecorded)
        return;
    recorder_keep(worker->recorder, &(struct recorded){
                                        .at_ms = loop_now_ms(worker->loop),
                                        .listener = message->source.listener,
                                        .peer = &message->source.peer,
                                        .bytes = message->bytes,
                                    });
}

/* Answers to a message that is of no call are neither. */
static void on_sent(void *arg, const struct destination *destination, struct text bytes)
{
    struct worker *worker = arg;
    if (text_starts_with(bytes, TEXT("SIP/2.0 ")) ? worker->is_unrecorded
                                                  : bytes.n < LEAST_BYTES || bytes.p[0] == 'R' ||
                                                        text_starts_with(bytes, TEXT("OPTIONS ")))
        return;
    recorder_keep(worker->recorder, &(struct recorded){
                                        .at_ms = loop_now_ms(worker->loop),
                                        .is_sent = true,
                                        .listener = destination->listener,
                                        .peer = &destination->address,
                                        .bytes = bytes,
                                    });
}

static void on_note(void *arg, struct text call_id, struct text what)
{
    struct worker *worker = arg;
    if (worker->recorder)
        recorder_keep(worker->recorder, &(struct recorded){
                                            .at_ms = loop_now_ms(worker->loop),
                                            .is_note = true,
                                            .bytes = what,
                                            .call_id = call_id,
                                        });
}

static void on_message(void *arg, struct message *message)
{
    struct worker *worker = arg;
    unsigned owner =
        worker->adopted ? adopted_owner(worker->adopted, message) : worker->options.index;
    if (owner != worker->options.index) {
        handover_bytes(worker->handover, owner, message->source.listener, &message->source.peer,
                       message->bytes);
        return;
    }
    record_received(worker, message);
    proxy_receive(worker->proxy, message);
}

/* With a shared port the kernel reports an ICMP error to any of the workers' sockets. */
static void on_undeliverable(void *arg, const struct address *address, struct text bytes)
{
    struct worker *worker = arg;
    struct text call_id = message_peek_call_id(bytes);
    unsigned owner = worker->options.index;
    if (worker->options.count > 1 && text_is_set(call_id))
        owner = worker_owner(&worker->options, call_id);
    if (owner == worker->options.index)
        proxy_undeliverable(worker->proxy, address, bytes);
    else
        handover_bytes(worker->handover, owner, NULL, address, bytes);
}

/* ---- loop handlers ---- */

static void take_change(struct worker *worker)
{
    struct worker_change *change = atomic_exchange(&worker->change, NULL);
    if (!change)
        return;
    worker->settings = *change->settings;
    loop_set_patient(worker->loop, worker->settings.threads_patient);
    script_use(worker->script, change->generation);
    change->done(change->arg);
}

static void on_wake(void *arg)
{
    struct worker *worker = arg;
    take_change(worker);
    handover_receive(worker->handover);
    mailbox_run(&worker->answers);
}

static void on_idle(void *arg)
{
    struct worker *worker = arg;
    transport_flush(worker->transport);
    handover_wake(worker->handover);
}

static void update_refusing(struct worker *worker)
{
    proxy_set_refusing(worker->proxy, worker->is_draining || worker->is_behind);
}

/* New calls are shed before in-dialog requests when the worker falls behind. */
static void on_lag_timer(void *arg)
{
    struct worker *worker = arg;
    uint64_t now_ms = loop_clock_us(worker->loop) / 1000;
    uint64_t late_ms = now_ms > worker->lag_due_ms ? now_ms - worker->lag_due_ms : 0;
    if (late_ms >= worker->settings.limits_shed_lag_ms)
        worker->behind_until_ms = now_ms + SHED_MS;
    bool is_behind = now_ms < worker->behind_until_ms;
    if (is_behind != worker->is_behind) {
        worker->is_behind = is_behind;
        log_warning(worker->options.log, LOG_ENGINE, TEXT_NONE,
                    is_behind ? "worker %u is %llu ms behind: new calls get 503"
                              : "worker %u has caught up (%llu ms late)",
                    worker->options.index, (unsigned long long)late_ms);
        update_refusing(worker);
    }
    worker->lag_due_ms = now_ms + LAG_CHECK_MS;
    log_flush(worker->options.log);
    timer_start(loop_timers(worker->loop), &worker->lag_timer, LAG_CHECK_MS, on_lag_timer, worker);
}

void worker_set_draining(struct worker *worker, bool is_draining)
{
    worker->is_draining = is_draining;
    update_refusing(worker);
}

/* ---- media events come home ---- */

static void on_media_event(struct worker *worker, void *arg)
{
    struct media_event *event = arg;
    char expected[ADDRESS_TEXT_BYTES], peer[ADDRESS_TEXT_BYTES];
    struct text call_id = media_call_id(event->call);
    if (event->kind == MEDIA_EVENT_TIMEOUT) {
        log_warning(worker->options.log, LOG_MEDIA, call_id, "no packets: the media was ended");
        call_media_timeout(worker->proxy, event->call);
    } else if (event->kind == MEDIA_EVENT_DTMF) {
        bridge_take_media_event(event);
    } else {
        log_info(worker->options.log, LOG_MEDIA, call_id,
                 "stream %u: the %s sends from %.*s, its SDP said %.*s", event->stream,
                 event->of_caller ? "caller" : "callee",
                 TEXT_ARG(address_print(&event->peer, peer)),
                 TEXT_ARG(address_print(&event->expected, expected)));
    }
    memory_release(event);
}

static bool post_media_event(void *arg, struct media_event *event)
{
    return worker_post(arg, on_media_event, event) == 0;
}

/* ---- making ---- */

static int create_transport(struct worker *worker, const struct listener **failed)
{
    const struct configuration *configuration = worker->options.configuration;
    struct transport_handlers handlers = {claim, on_message, on_undeliverable, worker,
                                          worker->recorder ? on_sent : NULL};
    if (worker->options.count == 1)
        handlers.claim = NULL;
    return transport_create(&worker->transport,
                            &(struct transport_options){
                                .io = worker->options.io,
                                .loop = worker->loop,
                                .listeners = configuration->listeners,
                                .listener_count = configuration->listener_count,
                                .settings = &worker->settings,
                                .counters = &worker->counters,
                                .log = worker->options.log,
                                .hash_key = worker->options.hash_key,
                                .handlers = handlers,
                            },
                            failed);
}

static int create_resolver(struct worker *worker)
{
    struct resolve_options options = {
        .loop = worker->loop,
        .random = &worker->random,
        .hash_key = worker->options.hash_key,
        .settings = &worker->settings,
        .counters = &worker->counters,
    };
    for (size_t i = 0; i < worker->options.configuration->listener_count; i++) {
        bool is_ipv6 = address_is_ipv6(&worker->options.configuration->listeners[i].local);
        options.has_ipv4 |= !is_ipv6;
        options.has_ipv6 |= is_ipv6;
    }
    return resolve_create(&worker->resolver, &options);
}

static int create_script(struct worker *worker)
{
    return script_create(&worker->script, &(struct script_options){
                                              .io = worker->options.io,
                                              .loop = worker->loop,
                                              .settings = &worker->settings,
                                              .counters = &worker->counters,
                                              .log = worker->options.log,
                                              .location = worker->options.location,
                                              .keeper = worker->options.keeper,
                                              .trunks = worker->options.trunks,
                                              .answers = &worker->answers,
                                              .worker = worker->options.index,
                                          });
}

static int consult(void *arg, struct text call_id, proxy_task *there, proxy_task *back,
                   void *task_arg)
{
    struct worker *worker = arg;
    unsigned owner = worker_owner(&worker->options, call_id);
    if (owner == worker->options.index)
        return ERROR_STATE;
    return handover_consult(worker->handover, owner, there, back, task_arg);
}

static bool is_home(void *arg, struct text call_id)
{
    const struct worker *worker = arg;
    return worker_owner(&worker->options, call_id) == worker->options.index;
}

static int create_proxy(struct worker *worker)
{
    return proxy_create(&worker->proxy,
                        &(struct proxy_options){
                            .io = worker->options.io,
                            .loop = worker->loop,
                            .settings = &worker->settings,
                            .counters = &worker->counters,
                            .log = worker->options.log,
                            .hash_key = worker->options.hash_key,
                            .transport = worker->transport,
                            .resolver = worker->resolver,
                            .media = worker->options.media,
                            .mailbox = {post_media_event, worker, &worker->counters},
                            .dispatcher = worker->options.dispatcher,
                            .profiles = worker->options.profiles,
                            .masks = worker->options.masks,
                            .records = worker->options.records,
                            .handlers = script_handlers(worker->script),
                            .note = worker->settings.dialog_recorder_mib ? on_note : NULL,
                            .note_arg = worker,
                            .consult = worker->options.count > 1 ? consult : NULL,
                            .is_home = is_home,
                            .home_arg = worker,
                            .admits = worker->options.rate ? is_within_rate : NULL,
                            .admits_arg = worker,
                        });
}

static int create_trunk_client(struct worker *worker)
{
    return trunk_client_create(&worker->trunk_client, &(struct trunk_client_options){
                                                          .io = worker->options.io,
                                                          .loop = worker->loop,
                                                          .proxy = worker->proxy,
                                                          .trunks = worker->options.trunks,
                                                          .log = worker->options.log,
                                                          .counters = &worker->counters,
                                                          .is_home = is_home,
                                                          .home_arg = worker,
                                                          .changed = script_trunk_changed,
                                                          .changed_arg = worker->script,
                                                      });
}

static int create_recorder(struct worker *worker)
{
    size_t size_bytes = (size_t)worker->settings.dialog_recorder_mib << 20;
    if (!size_bytes)
        return 0;
    return recorder_create(&worker->recorder, size_bytes / worker->options.count,
                           (size_t)worker->settings.dialog_recorder_message_bytes);
}

/* What one worker does for all. */
static int create_common_care(struct worker *worker)
{
    if (worker->options.index != 0)
        return 0;
    int error = expiry_create(&worker->expiry, worker);
    if (!error)
        error = keepalive_create(&worker->keepalive, worker);
    if (error || !worker->options.dispatcher)
        return error;
    error = ping_create(&worker->ping, worker);
    return error ? error : gateway_names_create(&worker->names, worker);
}

int worker_create(struct worker **workerp, const struct worker_options *options,
                  const struct listener **failed)
{
    char name[16];
    struct worker *worker = memory_alloc(sizeof *worker, destroy);
    if (!worker)
        return ERROR_MEMORY;
    worker->options = *options;
    worker->settings = options->configuration->settings;
    io_seed_random(options->io, &worker->random);
    snprintf(name, sizeof name, "worker-%u", options->index);
    int error = loop_create(&worker->loop, options->io, name);
    worker->answers.loop = worker->loop;
    if (!error)
        error = handover_create(&worker->handover, worker, worker->settings.limits_mailbox);
    if (!error)
        error = create_recorder(worker);
    if (!error)
        error = create_transport(worker, failed);
    if (!error)
        error = create_resolver(worker);
    if (!error)
        error = create_script(worker);
    if (!error)
        error = create_proxy(worker);
    if (!error && worker->options.count > 1)
        error = adopted_create(&worker->adopted, worker);
    if (!error)
        error = create_trunk_client(worker);
    if (!error)
        error = create_common_care(worker);
    if (error) {
        memory_release(worker);
        return error;
    }
    script_attach(worker->script, worker->proxy);
    *workerp = worker;
    return 0;
}

/* ---- life ---- */

static void on_start(struct worker *worker, void *arg)
{
    loop_set_patient(worker->loop, worker->settings.threads_patient);
    script_use(worker->script, arg);
    transport_start(worker->transport);
    if (worker->ping)
        ping_start(worker->ping);
    if (worker->names)
        gateway_names_start(worker->names);
    if (worker->expiry)
        expiry_start(worker->expiry);
    if (worker->keepalive)
        keepalive_start(worker->keepalive);
    trunk_client_follow(worker->trunk_client);
    worker->lag_due_ms = loop_now_ms(worker->loop) + LAG_CHECK_MS;
    timer_start(loop_timers(worker->loop), &worker->lag_timer, LAG_CHECK_MS, on_lag_timer, worker);
}

int worker_start(struct worker *worker, struct generation *generation)
{
    loop_set_handlers(worker->loop, &(struct loop_handlers){on_wake, on_idle, worker});
    int error = worker_post(worker, on_start, generation);
    return error ? error : loop_start(worker->loop);
}

static void on_stop(struct worker *worker, void *arg)
{
    (void)arg;
    timer_stop(loop_timers(worker->loop), &worker->lag_timer);
    if (worker->ping)
        ping_stop(worker->ping);
    if (worker->names)
        gateway_names_stop(worker->names);
    if (worker->expiry)
        expiry_stop(worker->expiry);
    if (worker->keepalive)
        keepalive_stop(worker->keepalive);
    trunk_client_stop(worker->trunk_client);
    script_wake_all(worker->script);
    proxy_stop(worker->proxy);
    script_stop(worker->script);
    transport_flush(worker->transport);
    transport_stop(worker->transport);
}

void worker_stop(struct worker *worker)
{
    worker_ask(worker, on_stop, NULL);
    loop_stop(worker->loop);
    loop_join(worker->loop);
    handover_receive(worker->handover); /* tasks that nobody will run any more */
}

void worker_take_answers(struct worker *worker)
{
    mailbox_run(&worker->answers);
}

/* ---- mailbox ---- */

void worker_change(struct worker *worker, struct worker_change *change)
{
    atomic_store(&worker->change, change);
    if (io_is_virtual(worker->options.io))
        take_change(worker);
    else
        loop_wake(worker->loop);
}

unsigned worker_owner(const struct worker_options *options, struct text call_id)
{
    /* Equal ranges of the hash: its low bits choose the bucket in the owner's tables. */
    uint64_t hash = hash_text(&options->hash_key, call_id);
    return (unsigned)(((unsigned __int128)hash * options->count) >> 64);
}

void worker_draw_call_id(struct worker *worker, char *out, size_t size_bytes)
{
    struct worker_options most = worker->options;
    most.count = WORKERS_MAX;
    do {
        random_token(proxy_random(worker->proxy), out, size_bytes);
    } while (worker_owner(&most, (struct text){out, size_bytes}) != most.index);
}

/* ---- reading ---- */

struct proxy *worker_proxy(struct worker *worker)
{
    return worker->proxy;
}

struct script *worker_script(struct worker *worker)
{
    return worker->script;
}

struct transport *worker_transport(struct worker *worker)
{
    return worker->transport;
}

const struct recorder *worker_recorder(const struct worker *worker)
{
    return worker->recorder;
}

struct trunk_client *worker_trunk_client(struct worker *worker)
{
    return worker->trunk_client;
}

struct loop *worker_loop(struct worker *worker)
{
    return worker->loop;
}

struct resolver *worker_resolver(struct worker *worker)
{
    return worker->resolver;
}

const struct worker_options *worker_get_options(const struct worker *worker)
{
    return &worker->options;
}

struct counters *worker_counters(struct worker *worker)
{
    return &worker->counters;
}

struct handover *worker_handover(struct worker *worker)
{
    return worker->handover;
}
