/* One worker's script host on a virtual loop, a fake proxy, and requests for it. */
#pragma once

#include "fake_proxy.h"

#include "script/reaper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define INVITE                                                                                     \
    "INVITE sip:bob@example.com SIP/2.0\r\n"                                                       \
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"                                    \
    "Max-Forwards: 70\r\n"                                                                         \
    "From: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"                                           \
    "To: <sip:bob@example.com>\r\n"                                                                \
    "Call-ID: call-1@192.0.2.1\r\n"                                                                \
    "CSeq: 7 INVITE\r\n"                                                                           \
    "Contact: <sip:alice@192.0.2.1:5070>\r\n"                                                      \
    "X-Tag: one\r\n"                                                                               \
    "X-Tag: two\r\n"                                                                               \
    "User-Agent: phone/1.0\r\n"                                                                    \
    "Content-Type: application/sdp\r\n"                                                            \
    "Content-Length: 5\r\n"                                                                        \
    "\r\n"                                                                                         \
    "v=0\r\n"
#define BUSY                                                                                       \
    "SIP/2.0 486 Busy Here\r\n"                                                                    \
    "Via: SIP/2.0/UDP 127.0.0.20:5060;branch=z9hG4bK2\r\n"                                         \
    "From: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"                                           \
    "To: <sip:bob@example.com>;tag=b1\r\n"                                                         \
    "Call-ID: call-1@192.0.2.1\r\n"                                                                \
    "CSeq: 7 INVITE\r\n"                                                                           \
    "Content-Length: 0\r\n"                                                                        \
    "\r\n"

struct bench {
    struct io *io;
    struct loop *loop;
    struct settings settings;
    struct counters counters;
    struct log log;
    char line[4096]; /* last logged */
    char call_id[128];
    unsigned lines;
    struct configuration *configuration;
    struct shared *shared;
    struct reaper *reaper; /* NULL: generations close their states themselves */
    struct proxy proxy;
    struct script *script;
    struct route_handlers handlers;
    char fault[4096];
    unsigned generations, done;
    int done_error;
};

static inline void bench_note_line(void *arg, enum log_level level, enum log_group group,
                                   struct text call_id, struct text line)
{
    struct bench *bench = arg;
    (void)level;
    (void)group;
    snprintf(bench->call_id, sizeof bench->call_id, "%.*s", TEXT_ARG(call_id));
    snprintf(bench->line, sizeof bench->line, "%.*s", TEXT_ARG(line));
    bench->lines++;
}

static inline void bench_free_configuration(void *object)
{
    struct configuration *configuration = object;
    free(configuration->listeners);
    memory_release(configuration->sources);
}

static inline struct configuration *bench_configuration(void)
{
    struct configuration *configuration =
        memory_alloc(sizeof *configuration, bench_free_configuration);
    configuration->listener_count = 2;
    configuration->listeners = calloc(2, sizeof *configuration->listeners);
    const char *names[] = {"public", "private"}, *hosts[] = {"127.0.0.10", "127.0.0.20"};
    for (uint16_t i = 0; i < 2; i++) {
        struct listener *listener = &configuration->listeners[i];
        listener->id = i;
        listener->port = 5060;
        snprintf(listener->interface, sizeof listener->interface, "%s", names[i]);
        snprintf(listener->host, sizeof listener->host, "%s", hosts[i]);
        assert_int_equal(address_parse(&listener->local, text_of(hosts[i]), 5060), 0);
    }
    assert_int_equal(source_list_create(&configuration->sources), 0);
    assert_int_equal(source_list_add(configuration->sources, TEXT("trusted"), TEXT("192.0.2.0/24")),
                     0);
    return configuration;
}

static inline void bench_open(struct bench *bench)
{
    *bench = (struct bench){0};
    settings_default(&bench->settings);
    bench->log = (struct log){.level = LOG_INFO, .sink = bench_note_line, .arg = bench};
    assert_int_equal(io_lab_create(&bench->io, 1), 0);
    assert_int_equal(loop_create(&bench->loop, bench->io, "worker"), 0);
    assert_int_equal(loop_start(bench->loop), 0);
    bench->configuration = bench_configuration();
    assert_int_equal(shared_create(&bench->shared, 65536), 0);
    bench->proxy = (struct proxy){.settings = &bench->settings, .log = &bench->log};
    assert_int_equal(script_create(&bench->script,
                                   &(struct script_options){
                                       .io = bench->io,
                                       .loop = bench->loop,
                                       .settings = &bench->settings,
                                       .counters = &bench->counters,
                                       .log = &bench->log,
                                   }),
                     0);
    bench->handlers = script_handlers(bench->script);
}

static inline void bench_close(struct bench *bench)
{
    script_stop(bench->script);
    memory_release(bench->script);
    memory_release(bench->shared);
    memory_release(bench->configuration);
    memory_release(bench->loop);
    memory_release(bench->io);
}

/** Load a script; its fault, if any, is kept. */
static inline int bench_load(struct bench *bench, struct generation **generation,
                             const char *source)
{
    char *fault = NULL;
    struct generation_options options = {
        .io = bench->io,
        .settings = &bench->settings,
        .log = &bench->log,
        .configuration = bench->configuration,
        .shared = bench->shared,
        .reaper = bench->reaper,
        .lua_dir = LUNASIP_LUA_DIR,
        .route_path = "route.lua",
        .source = text_of(source),
        .number = ++bench->generations,
        .is_deterministic = true,
    };
    int error = generation_create(generation, &options, &fault);
    bench->fault[0] = 0;
    if (fault)
        snprintf(bench->fault, sizeof bench->fault, "%s", fault);
    memory_free_raw(fault);
    return error;
}

static inline void bench_use(struct bench *bench, const char *source)
{
    struct generation *generation;
    if (bench_load(bench, &generation, source))
        fail_msg("%s", bench->fault);
    script_use(bench->script, generation);
}

static inline struct message *bench_message(struct bench *bench, const char *bytes)
{
    struct message *message;
    struct message_fault fault;
    assert_int_equal(message_parse(&message, text_of(bytes), &bench->settings, &fault), 0);
    message->source.listener = &bench->configuration->listeners[0];
    assert_int_equal(address_parse(&message->source.peer, TEXT("192.0.2.1:5060"), 0), 0);
    return message;
}

static inline struct response_context *bench_context(struct bench *bench, const char *bytes)
{
    struct response_context *context = memory_alloc(sizeof *context, fake_context_destroy);
    assert_non_null(context);
    context->proxy = &bench->proxy;
    context->handlers = &bench->handlers;
    context->request = bench_message(bench, bytes);
    assert_int_equal(edits_begin(&context->edits, context->request, NULL), 0);
    context->generation = bench->handlers.generation(bench->handlers.arg);
    return context;
}

static inline void bench_done(void *arg, int error)
{
    struct bench *bench = arg;
    bench->done++;
    bench->done_error = error;
}

static inline int bench_run_request(struct bench *bench, struct response_context *context)
{
    return bench->handlers.run(bench->handlers.arg, &(struct route_run){
                                                        .kind = ROUTE_REQUEST,
                                                        .name = TEXT(""),
                                                        .context = context,
                                                        .edits = context->edits,
                                                        .done = bench_done,
                                                        .arg = bench,
                                                    });
}

/** Load @p source, run its request_route on INVITE, release all. @return what the run returned */
static inline int bench_once(struct bench *bench, const char *source)
{
    bench_use(bench, source);
    struct response_context *context = bench_context(bench, INVITE);
    int result = bench_run_request(bench, context);
    memory_release(context);
    return result;
}

/** What the route wrote with sip.log.info() last. */
#define assert_logged(bench, text) assert_string_equal((bench)->line, text)

static inline void bench_advance(struct bench *bench, uint64_t delay_ms)
{
    uint64_t until_us = lab_now_us(bench->io) + delay_ms * 1000;
    while (lab_step(bench->io, until_us))
        ;
}
