/* A worker's dialogs in the lab, and the messages of one call; for the two specs beside it. */
#pragma once

#include "dialog/dialog.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/** What one test looks at. */
struct bench {
    uint64_t live_before;
    struct io *io;
    struct loop *loop;
    struct settings settings;
    struct counters counters;
    struct log log;
    struct dialogs *dialogs;
    struct buffer events; /**< one word per event */
    enum dialog_end end;  /**< of the last one that ended */
    bool had_media;       /**< at its end event */
    bool ends_at_start, ends_at_answer;
};

static inline void on_event(void *arg, struct dialog *dialog, enum dialog_event event,
                            struct message *message)
{
    static const char *const names[] = {"start ", "answer ", "end "};
    struct bench *bench = arg;
    (void)message;
    buffer_append(&bench->events, text_of(names[event]));
    if (event == DIALOG_EVENT_END) {
        bench->end = dialog_end_reason(dialog);
        bench->had_media = dialog_attachment(dialog, DIALOG_MEDIA) != NULL;
        assert_int_equal(dialog_current_state(dialog), DIALOG_TERMINATED);
        dialog_terminate(dialog, DIALOG_END_LOCAL); /* harmless */
    }
    if ((event == DIALOG_EVENT_START && bench->ends_at_start) ||
        (event == DIALOG_EVENT_ANSWER && bench->ends_at_answer))
        dialog_terminate(dialog, DIALOG_END_LOCAL);
}

static inline void open_bench(struct bench *bench)
{
    *bench = (struct bench){.live_before = memory_live()};
    assert_int_equal(io_lab_create(&bench->io, 1), 0);
    assert_int_equal(loop_create(&bench->loop, bench->io, "worker"), 0);
    assert_int_equal(loop_start(bench->loop), 0);
    settings_default(&bench->settings);
    const struct dialogs_options options = {
        .loop = bench->loop,
        .settings = &bench->settings,
        .counters = &bench->counters,
        .log = &bench->log,
        .hash_key = {1, 2},
        .event = on_event,
        .arg = bench,
    };
    assert_int_equal(dialogs_create(&bench->dialogs, &options), 0);
}

static inline int set_up(void **state)
{
    struct bench *bench = malloc(sizeof *bench);
    open_bench(bench);
    *state = bench;
    return 0;
}

static inline void close_bench(struct bench *bench)
{
    dialogs_stop(bench->dialogs);
    assert_int_equal(dialogs_count(bench->dialogs), 0);
    memory_release(bench->dialogs);
    loop_stop(bench->loop);
    loop_join(bench->loop);
    memory_release(bench->loop);
    memory_release(bench->io);
    buffer_release(&bench->events);
    assert_int_equal(memory_live(), bench->live_before);
}

static inline int tear_down(void **state)
{
    close_bench(*state);
    free(*state);
    return 0;
}

static inline void advance(struct bench *bench, uint64_t ms)
{
    uint64_t until_us = lab_now_us(bench->io) + ms * 1000;
    while (lab_step(bench->io, until_us))
        ;
}

static inline void expect_events(struct bench *bench, const char *events)
{
    buffer_append_char(&bench->events, '\0');
    assert_string_equal(bench->events.p, events);
    buffer_clear(&bench->events);
}

/* What a message is made of; NULL: it has none. */
struct words {
    const char *first, *cseq, *call, *from_tag, *to_tag, *contact;
};

/* @return NULL without memory */
static inline struct message *make_message(const struct words *words)
{
    struct settings settings;
    struct message_fault fault;
    struct message *message = NULL;
    char bytes[2048];
    settings_default(&settings);
    int n = snprintf(bytes, sizeof bytes,
                     "%s\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
                     "From: <sip:alice@example.com>%s%s\r\nTo: <sip:bob@example.net>%s%s\r\n"
                     "Call-ID: %s\r\nCSeq: %s\r\n%s%s%sContent-Length: 0\r\n\r\n",
                     words->first, words->from_tag ? ";tag=" : "",
                     words->from_tag ? words->from_tag : "", words->to_tag ? ";tag=" : "",
                     words->to_tag ? words->to_tag : "", words->call, words->cseq,
                     words->contact ? "Contact: <" : "", words->contact ? words->contact : "",
                     words->contact ? ">\r\n" : "");
    message_parse(&message, (struct text){bytes, (size_t)n}, &settings, &fault);
    return message;
}

/* A message of call @p call; @p first is the start line, tags may be NULL. NULL without memory. */
static inline struct message *make(const char *first, const char *method, const char *call,
                                   const char *from_tag, const char *to_tag)
{
    char cseq[64];
    snprintf(cseq, sizeof cseq, "1 %s", method);
    return make_message(&(struct words){first, cseq, call, from_tag, to_tag, NULL});
}

/* A message of call "call" with both tags; @p contact may be NULL. */
static inline struct message *say(const char *first, const char *cseq, const char *contact,
                                  const char *from_tag, const char *to_tag)
{
    struct message *message =
        make_message(&(struct words){first, cseq, "call", from_tag, to_tag, contact});
    assert_non_null(message);
    return message;
}

static inline struct message *request(const char *method, const char *from_tag, const char *to_tag)
{
    char first[64];
    snprintf(first, sizeof first, "%s sip:bob@example.net SIP/2.0", method);
    struct message *message = make(first, method, "call", from_tag, to_tag);
    assert_non_null(message);
    return message;
}

static inline struct message *response(unsigned status, const char *from_tag, const char *to_tag)
{
    char first[64];
    snprintf(first, sizeof first, "SIP/2.0 %u Whatever", status);
    struct message *message = make(first, "INVITE", "call", from_tag, to_tag);
    assert_non_null(message);
    return message;
}

static inline struct dialog *begin(struct bench *bench)
{
    struct dialog *dialog;
    struct message *invite = request("INVITE", "alice", NULL);
    assert_int_equal(dialog_create(&dialog, bench->dialogs, invite), 0);
    dialog_start(dialog, invite);
    memory_release(invite);
    return dialog;
}

static inline void respond(struct dialog *dialog, unsigned status, const char *to_tag)
{
    struct message *message = response(status, "alice", to_tag);
    dialog_on_response(dialog, message);
    memory_release(message);
}

static inline void bye_done(struct dialog *dialog, const char *from_tag, const char *to_tag)
{
    struct message *bye = request("BYE", from_tag, to_tag);
    dialog_on_bye_done(dialog, bye);
    memory_release(bye);
}

static inline struct dialog *find(struct bench *bench, struct message *message)
{
    struct dialog *dialog = dialog_find(bench->dialogs, message);
    memory_release(message);
    return dialog;
}

static inline void expect_text(struct text t, const char *expected)
{
    assert_int_equal(t.n, strlen(expected));
    assert_memory_equal(t.p, expected, t.n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
