/*
 * What answers in a virtual world: answers by the beginning of a URL, on the virtual clock, and a record of
 * what was asked. A request arrives at once, whatever becomes of its answer. Redirects are not followed.
 */
#include "base/error.h"
#include "base/memory.h"
#include "http/internal.h"

/** What answers; its texts stand behind it. */
struct place {
    struct link link;
    struct http_lab_answer answer;
    char bytes[];
};

/** A request that arrived; its texts stand behind it. */
struct arrival {
    struct http_lab_request request;
    char bytes[];
};

struct http_lab {
    struct list places;        /**< struct place, owned */
    struct arrival **arrivals; /**< owned */
    size_t arrival_count, arrival_room;
};

/* ---- what answers ---- */

static void lab_destructor(void *object)
{
    struct http_lab *lab = object;
    for (struct link *link; (link = list_pop(&lab->places));)
        memory_free_raw(CONTAINER_OF(link, struct place, link));
    for (size_t i = 0; i < lab->arrival_count; i++)
        memory_free_raw(lab->arrivals[i]);
    memory_free_raw(lab->arrivals);
}

int http_lab_create(struct http_lab **labp)
{
    *labp = memory_alloc(sizeof **labp, lab_destructor);
    return *labp ? 0 : ERROR_MEMORY;
}

void http_use_lab(struct http *http, struct http_lab *lab)
{
    memory_ref(lab);
    memory_release(http->lab);
    http->lab = lab;
}

/** @return the copy; *to moves behind it */
static struct text keep(char **to, struct text t)
{
    if (!text_is_set(t))
        return t;
    struct text kept = {*to, t.n};
    if (t.n)
        memcpy(*to, t.p, t.n);
    *to += t.n;
    return kept;
}

int http_lab_set(struct http_lab *lab, const struct http_lab_answer *answer)
{
    struct place *place =
        memory_raw(sizeof *place + answer->url.n + answer->head.n + answer->body.n);
    if (!place)
        return ERROR_MEMORY;
    char *to = place->bytes;
    *place = (struct place){.answer = *answer};
    place->answer.url = keep(&to, answer->url);
    place->answer.head = keep(&to, answer->head);
    place->answer.body = keep(&to, answer->body);
    LIST_FOR_EACH_SAFE (link, &lab->places) {
        struct place *old = CONTAINER_OF(link, struct place, link);
        if (text_equal(old->answer.url, answer->url)) {
            list_remove(link);
            memory_free_raw(old);
        }
    }
    list_append(&lab->places, &place->link);
    return 0;
}

static const struct http_lab_answer *find_answer(const struct http_lab *lab, struct text url)
{
    const struct http_lab_answer *found = NULL;
    LIST_FOR_EACH (link, &lab->places) {
        const struct http_lab_answer *answer = &CONTAINER_OF(link, struct place, link)->answer;
        if (text_starts_with(url, answer->url) && (!found || answer->url.n > found->url.n))
            found = answer;
    }
    return found;
}

/* ---- what was asked ---- */

static bool make_room(struct http_lab *lab)
{
    if (lab->arrival_count < lab->arrival_room)
        return true;
    size_t room = lab->arrival_room * 2 + 16;
    struct arrival **v = memory_raw_resize(lab->arrivals, room * sizeof *v);
    if (!v)
        return false;
    lab->arrivals = v;
    lab->arrival_room = room;
    return true;
}

/** @return 0 or ERROR_MEMORY */
static int record(struct http_lab *lab, const struct exchange *exchange)
{
    struct text method = text_of(exchange->method), url = text_of(exchange->url);
    struct arrival *arrival =
        make_room(lab)
            ? memory_raw(sizeof *arrival + method.n + url.n + exchange->head.n + exchange->body.n)
            : NULL;
    if (!arrival)
        return ERROR_MEMORY;
    char *to = arrival->bytes;
    arrival->request.method = keep(&to, method);
    arrival->request.url = keep(&to, url);
    arrival->request.head = keep(&to, exchange->head);
    for (char *p = to - exchange->head.n; p < to; p++)
        *p = *p ? *p : '\n';
    arrival->request.body = keep(&to, exchange->body);
    lab->arrivals[lab->arrival_count++] = arrival;
    return 0;
}

size_t http_lab_count(const struct http_lab *lab)
{
    return lab->arrival_count;
}

struct http_lab_request http_lab_request_at(const struct http_lab *lab, size_t i)
{
    return lab->arrivals[i]->request;
}

/* ---- answering ---- */

static void answer_now(struct exchange *exchange, const struct http_lab_answer *answer)
{
    struct text head = answer->head;
    if (answer->error) {
        exchange_end(exchange, 0, answer->error, "the lab wants it to fail");
        return;
    }
    exchange_take_head(exchange, TEXT("HTTP/1.1"));
    bool goes_on = exchange_take_head(exchange, head);
    if (goes_on && strcmp(exchange->method, "HEAD") != 0)
        exchange_take_body(exchange, answer->body);
    exchange_end(exchange, answer->status, 0, "");
}

/** Answers are replaced, never removed: the one that holds when it is due. */
static void answer_late(void *arg)
{
    struct exchange *exchange = arg;
    list_remove(&exchange->link);
    answer_now(exchange, find_answer(exchange->http->lab, text_of(exchange->url)));
    memory_release(exchange);
}

static void give_up(void *arg)
{
    struct exchange *exchange = arg;
    list_remove(&exchange->link);
    exchange_end(exchange, 0, ERROR_TIMEOUT, "no answer within the deadline");
    memory_release(exchange);
}

static void begin(struct http *http, struct exchange *exchange)
{
    const struct http_lab_answer *answer =
        http->lab ? find_answer(http->lab, text_of(exchange->url)) : NULL;
    struct timers *timers = loop_timers(http->lab_loop);
    int error = http->lab ? record(http->lab, exchange) : 0;
    if (error || !answer) {
        exchange_end(exchange, 0, error ? error : ERROR_TRANSPORT,
                     error ? "" : "nothing in the lab answers this URL");
        memory_release(exchange);
        return;
    }
    list_append(&http->late, &exchange->link);
    if (answer->delay_ms >= exchange->deadline_ms)
        timer_start(timers, &exchange->timer, exchange->deadline_ms, give_up, exchange);
    else if (answer->delay_ms)
        timer_start(timers, &exchange->timer, answer->delay_ms, answer_late, exchange);
    else
        answer_late(exchange);
}

static void on_wake(void *arg)
{
    struct http *http = arg;
    for (struct exchange *exchange; (exchange = http_take(http));)
        begin(http, exchange);
}

int lab_client_start(struct http *http)
{
    int error = loop_create(&http->lab_loop, http->io, "http");
    if (error)
        return error;
    loop_set_handlers(http->lab_loop, &(struct loop_handlers){.wake = on_wake, .arg = http});
    return loop_start(http->lab_loop);
}

void lab_client_stop(struct http *http)
{
    for (struct exchange *exchange; (exchange = http_take(http));)
        list_append(&http->late, &exchange->link);
    LIST_FOR_EACH_SAFE (link, &http->late) {
        struct exchange *exchange = CONTAINER_OF(link, struct exchange, link);
        list_remove(link);
        timer_stop(loop_timers(http->lab_loop), &exchange->timer);
        exchange_end(exchange, 0, ERROR_CANCELLED, "lunasip stops");
        memory_release(exchange);
    }
    loop_stop(http->lab_loop);
    http->lab_loop = memory_release(http->lab_loop);
}
