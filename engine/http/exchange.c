/* One request from question to answer: the copy of what is asked, and the answer as it grows. */
#include "base/error.h"
#include "base/memory.h"
#include "http/internal.h"

#include <stdio.h>

/** Counted. An answer with what it owns. */
struct reply {
    struct http_answer answer; /* first: it is what is posted */
    struct buffer head, body;
    struct http_field *fields; /**< owned */
    int error;                 /**< a limit that was met, or memory that was missing */
    const char *why;           /**< static; of error */
    char problem[HTTP_PROBLEM_BYTES];
};

/* ---- answers ---- */

static void reply_destructor(void *object)
{
    struct reply *reply = object;
    buffer_release(&reply->head);
    buffer_release(&reply->body);
    memory_free_raw(reply->fields);
}

static void deliver(struct mail *mail)
{
    const struct http_answer *answer = CONTAINER_OF(mail, struct http_answer, mail);
    answer->done(answer->arg, answer);
}

static struct reply *reply_create(http_done_handler *done, void *arg)
{
    struct reply *reply = memory_alloc(sizeof *reply, reply_destructor);
    if (!reply)
        return NULL;
    reply->answer.mail.deliver = deliver;
    reply->answer.problem = reply->problem;
    reply->answer.body = TEXT("");
    reply->answer.done = done;
    reply->answer.arg = arg;
    return reply;
}

/** A line "Name: value"; false for another: a folded one, say (RFC 9112 s5.2). */
static bool read_field(struct text line, struct http_field *field)
{
    const char *colon = text_find(line, ':');
    if (!colon || colon == line.p || text_is_space(line.p[0]))
        return false;
    field->name = text_trim(text_span(line.p, colon));
    field->value = text_trim(text_span(colon + 1, line.p + line.n));
    return true;
}

/** Make fields of the head's lines. @return 0 or ERROR_MEMORY */
static int read_fields(struct reply *reply)
{
    struct text head = buffer_text(&reply->head);
    size_t lines = 0;
    for (size_t i = 0; i < head.n; i++)
        lines += head.p[i] == '\n';
    reply->fields = memory_raw((lines + 1) * sizeof *reply->fields);
    if (!reply->fields)
        return ERROR_MEMORY;
    size_t count = 0;
    while (head.n && count <= lines)
        count += read_field(text_split(&head, '\n'), &reply->fields[count]);
    reply->answer.fields = reply->fields;
    reply->answer.field_count = count;
    return 0;
}

/* ---- requests ---- */

static void exchange_destructor(void *object)
{
    struct exchange *exchange = object;
    memory_release(exchange->reply);
    atomic_fetch_sub_explicit(&exchange->http->waiting, 1, memory_order_relaxed);
}

static char *put(char *to, struct text t)
{
    if (t.n)
        memcpy(to, t.p, t.n);
    return to + t.n;
}

static size_t head_bytes(const struct http_request *request)
{
    size_t n = 0;
    for (size_t i = 0; i < request->field_count; i++)
        n += request->fields[i].name.n + sizeof ": " + request->fields[i].value.n;
    return n;
}

/** White space around a value is no part of it (RFC 9110 s5.5). */
static char *put_fields(char *to, const struct http_request *request)
{
    for (size_t i = 0; i < request->field_count; i++) {
        to = put(to, request->fields[i].name);
        to = put(to, TEXT(": "));
        to = put(to, text_trim(request->fields[i].value));
        *to++ = 0;
    }
    return to;
}

struct exchange *exchange_create(struct http *http, const struct http_request *request,
                                 struct mailbox *home, http_done_handler *done, void *arg)
{
    size_t room =
        request->method.n + 1 + request->url.n + 1 + head_bytes(request) + request->body.n;
    struct reply *reply = reply_create(done, arg);
    struct exchange *exchange =
        reply ? memory_alloc_room(sizeof *exchange, room, exchange_destructor) : NULL;
    if (!exchange) {
        memory_release(reply);
        return NULL;
    }
    exchange->http = http;
    atomic_fetch_add_explicit(&http->waiting, 1, memory_order_relaxed);
    exchange->reply = reply;
    exchange->home = home;
    exchange->deadline_ms = request->deadline_ms ? request->deadline_ms : http->timeout_ms;
    exchange->redirects = request->redirects;
    char *to = (char *)(exchange + 1);
    exchange->method = to;
    to = put(to, request->method);
    *to++ = 0;
    exchange->url = to;
    to = put(to, request->url);
    *to++ = 0;
    char *head = to;
    to = put_fields(to, request);
    exchange->head = text_span(head, to);
    if (text_is_set(request->body))
        exchange->body = (struct text){to, request->body.n};
    put(to, request->body);
    return exchange;
}

/* ---- what comes ---- */

static bool refuse(struct exchange *exchange, int error, const char *why)
{
    exchange->reply->error = error;
    exchange->reply->why = why;
    return false;
}

static bool take(struct exchange *exchange, struct buffer *buffer, struct text bytes, size_t most,
                 const char *why)
{
    if (bytes.n > most || buffer->n > most - bytes.n) {
        http_count(exchange->http, COUNTER_HTTP_TOO_LARGE);
        return refuse(exchange, ERROR_LIMIT, why);
    }
    buffer_append(buffer, bytes);
    return !buffer->error || refuse(exchange, ERROR_MEMORY, "");
}

bool exchange_take_head(struct exchange *exchange, struct text line)
{
    if (exchange_is_answered(exchange))
        return false;
    if (text_starts_with(line, TEXT("HTTP/"))) {
        buffer_clear(&exchange->reply->head);
        return true;
    }
    return take(exchange, &exchange->reply->head, line, exchange->http->head_bytes,
                "the answer's head is larger than http.head_bytes");
}

bool exchange_take_body(struct exchange *exchange, struct text bytes)
{
    return !exchange_is_answered(exchange) &&
           take(exchange, &exchange->reply->body, bytes, exchange->http->body_bytes,
                "the answer's body is larger than http.body_bytes");
}

void exchange_end(struct exchange *exchange, unsigned status, int error, const char *problem)
{
    struct reply *reply = exchange->reply;
    struct http *http = exchange->http;
    if (!reply)
        return;
    exchange->reply = NULL;
    if (reply->error) {
        error = reply->error;
        problem = reply->why;
    }
    if (!error)
        error = read_fields(reply);
    if (error) {
        struct text words = text_trim(text_of(problem));
        snprintf(reply->problem, sizeof reply->problem, "%.*s", TEXT_ARG(words));
        buffer_release(&reply->body);
        http_count(http, COUNTER_HTTP_FAILED);
    } else {
        reply->answer.status = status;
        reply->answer.body = buffer_text(&reply->body);
    }
    if (error == ERROR_TIMEOUT)
        http_count(http, COUNTER_HTTP_LATE);
    reply->answer.error = error;
    mailbox_post(exchange->home, &reply->answer.mail);
}
