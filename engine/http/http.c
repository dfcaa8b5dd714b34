/* A client as others see it. */
#include "base/error.h"
#include "base/memory.h"
#include "http/internal.h"

/* ---- making and ending ---- */

static void http_destructor(void *object)
{
    struct http *http = object;
    http_stop(http);
    memory_release(http->lab);
    pthread_mutex_destroy(&http->lock);
}

int http_create(struct http **httpp, const struct http_options *options)
{
    const struct settings *settings = options->settings;
    struct http *http = memory_alloc(sizeof *http, http_destructor);
    if (!http)
        return ERROR_MEMORY;
    http->io = options->io;
    http->counters = options->counters;
    http->requests_most = settings->http_requests;
    http->body_bytes = settings->http_body_bytes;
    http->head_bytes = settings->http_head_bytes;
    http->host_connections = (unsigned)settings->http_host_connections;
    http->timeout_ms = (uint32_t)settings->http_timeout_ms;
    pthread_mutex_init(&http->lock, NULL);
    *httpp = http;
    return 0;
}

int http_start(struct http *http)
{
    if (!engine_check(!http->has_started && !http->is_stopping))
        return ERROR_STATE;
    int error = io_is_virtual(http->io) ? lab_client_start(http) : client_start(http);
    http->has_started = !error;
    return error;
}

void http_stop(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    bool was_stopping = http->is_stopping;
    http->is_stopping = true;
    pthread_mutex_unlock(&http->lock);
    if (was_stopping || !http->has_started)
        return;
    if (io_is_virtual(http->io))
        lab_client_stop(http);
    else
        client_stop(http);
}

/* ---- asking ---- */

/** RFC 9110 s5.6.2. */
static bool is_token(struct text t)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < t.n; i++) {
        char c = t.p[i], lower = (char)(c | 0x20);
        if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z') &&
            (c == 0 || !strchr(others, c)))
            return false;
    }
    return t.n > 0;
}

/** Nothing that could begin another line (RFC 9110 s5.5). */
static bool is_value(struct text t)
{
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] == '\r' || t.p[i] == '\n' || t.p[i] == 0)
            return false;
    return true;
}

static const char *find_problem(const struct http_request *request)
{
    if (!is_token(request->method))
        return "the method is no token";
    for (size_t i = 0; i < request->field_count; i++) {
        if (!is_token(request->fields[i].name))
            return "the name of a header field is no token";
        if (!is_value(request->fields[i].value))
            return "the value of a header field has a line break in it";
    }
    if (text_equal(request->method, TEXT("HEAD")) && text_is_set(request->body))
        return "a HEAD request has no body";
    return text_find(request->url, 0) ? "the URL has a NUL in it" : NULL;
}

/** Whoever carries it out is woken under the lock: http_stop() cannot end it meanwhile. */
static void hand_over(struct http *http, struct exchange *exchange)
{
    list_append(&http->incoming, &exchange->link);
    if (http->lab_loop)
        loop_wake(http->lab_loop);
    else
        client_wake(http);
}

/** @return 0 when @p exchange (given) will be carried out */
static int take_in(struct http *http, struct exchange *exchange)
{
    int error = 0;
    pthread_mutex_lock(&http->lock);
    if (!http->has_started || http->is_stopping)
        error = ERROR_STATE;
    else if (atomic_load_explicit(&http->waiting, memory_order_relaxed) > http->requests_most)
        error = ERROR_LIMIT;
    else
        hand_over(http, exchange);
    pthread_mutex_unlock(&http->lock);
    if (error)
        memory_release(exchange);
    return error;
}

int http_ask(struct http *http, const struct http_request *request, struct mailbox *home,
             http_done_handler *done, void *arg, const char **problem)
{
    *problem = find_problem(request);
    if (*problem)
        return ERROR_ARGUMENT;
    struct exchange *exchange = exchange_create(http, request, home, done, arg);
    if (!exchange)
        return ERROR_MEMORY;
    int error = client_check_url(exchange->url, problem);
    if (error) {
        memory_release(exchange);
        return error;
    }
    error = take_in(http, exchange);
    if (error == ERROR_LIMIT)
        http_count(http, COUNTER_HTTP_REFUSED);
    else if (!error)
        http_count(http, COUNTER_HTTP_ASKED);
    return error;
}

struct exchange *http_take(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    struct link *link = list_pop(&http->incoming);
    pthread_mutex_unlock(&http->lock);
    return link ? CONTAINER_OF(link, struct exchange, link) : NULL;
}

size_t http_waiting(struct http *http)
{
    return atomic_load_explicit(&http->waiting, memory_order_relaxed);
}
