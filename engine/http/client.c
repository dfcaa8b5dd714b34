/*
 * The client of the real world: one thread with libcurl's multi interface, which keeps connections and
 * carries out all requests at once.
 *
 * The deadline is kept by a timer of this thread and not by libcurl, whose own does not run while a
 * request waits for a connection. A request whose name is still being looked up cannot be taken out
 * without waiting for the system's resolver; it is answered in time and stays, until it would open a
 * socket or send. It counts for http.requests meanwhile, so threads of the resolver are bounded.
 */
#include "base/error.h"
#include "base/memory.h"
#include "http/internal.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define POLL_MOST_MS 60000 /* libcurl and client_wake() end it sooner */

static pthread_once_t once = PTHREAD_ONCE_INIT;

/** What libcurl knows about an exchange. */
struct transfer {
    CURL *easy;
    struct curl_slist *fields;
    char words[CURL_ERROR_SIZE];
};

struct client {
    struct http *http; /**< borrowed */
    CURLM *multi;
    pthread_t thread;
    struct timers timers;
    struct list running;     /**< struct exchange, owned */
    const char *authorities; /**< file in PEM, of the environment; NULL: the system's */
    _Atomic bool is_stopping;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void initialise(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
}

/* ---- URLs ---- */

static const char *find_url_problem(CURLU *url, const char *text)
{
    char *scheme = NULL;
    const char *problem = NULL;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    if (code)
        return curl_url_strerror(code);
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0))
        return "the URL has no scheme";
    if (!curl_strequal(scheme, "http") && !curl_strequal(scheme, "https"))
        problem = "the URL is neither http: nor https:";
    curl_free(scheme);
    return problem;
}

int client_check_url(const char *text, const char **problem)
{
    pthread_once(&once, initialise);
    CURLU *url = curl_url();
    if (!url)
        return ERROR_MEMORY;
    *problem = find_url_problem(url, text);
    curl_url_cleanup(url);
    return *problem ? ERROR_ARGUMENT : 0;
}

/* ---- what libcurl calls ---- */

static size_t on_head(char *p, size_t size, size_t n, void *arg)
{
    return exchange_take_head(arg, (struct text){p, size * n}) ? size * n : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    return exchange_take_body(arg, (struct text){p, size * n}) ? size * n : 0;
}

/** Nothing is opened for what is answered. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    if (exchange_is_answered(arg))
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/** Nothing is sent for what is answered. */
static int on_send(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    return exchange_is_answered(arg) ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- transfers ---- */

static void transfer_destructor(void *object)
{
    struct transfer *transfer = object;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->fields);
}

static bool add_field(struct transfer *transfer, const char *line)
{
    struct curl_slist *more = curl_slist_append(transfer->fields, line);
    if (more)
        transfer->fields = more;
    return more != NULL;
}

/**
 * The fields of the request, and that libcurl adds neither Expect nor a Content-Type of its own. It leaves
 * out a field without a value unless ';' stands for ':' (CURLOPT_HTTPHEADER).
 */
static bool add_fields(struct exchange *exchange, struct transfer *transfer)
{
    bool has_type = false;
    char *line = (char *)exchange->head.p, *end = line + exchange->head.n;
    while (line < end) {
        size_t n = strlen(line);
        has_type |= text_starts_with_nocase((struct text){line, n}, TEXT("Content-Type:"));
        if (text_equal(text_span(memchr(line, ':', n), line + n), TEXT(": ")))
            memcpy(line + n - 2, ";", 2);
        if (!add_field(transfer, line))
            return false;
        line += n + 1;
    }
    return add_field(transfer, "Expect:") && (has_type || add_field(transfer, "Content-Type:"));
}

static void set_method(CURL *easy, const struct exchange *exchange)
{
    bool is_get = strcmp(exchange->method, "GET") == 0;
    if (text_is_set(exchange->body)) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body.n);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange->body.p);
    } else if (strcmp(exchange->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    } else if (is_get) {
        return;
    }
    /* Of POST libcurl makes GET where a redirect says so (RFC 9110 s15.4); a method by name stays. */
    if (strcmp(exchange->method, "POST") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, exchange->method);
    else if (!text_is_set(exchange->body))
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "");
}

static void set_limits(CURL *easy, const struct exchange *exchange)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, exchange->redirects ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)exchange->redirects);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)exchange->deadline_ms);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (exchange->http->client->authorities)
        curl_easy_setopt(easy, CURLOPT_CAINFO, exchange->http->client->authorities);
}

static void set_callbacks(CURL *easy, struct exchange *exchange)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
}

/** @return 0 or ERROR_MEMORY; what was made is the exchange's in any case */
static int make_transfer(struct exchange *exchange)
{
    struct transfer *transfer = memory_alloc(sizeof *transfer, transfer_destructor);
    if (!transfer)
        return ERROR_MEMORY;
    exchange->transfer = transfer;
    transfer->easy = curl_easy_init();
    if (!transfer->easy || !add_fields(exchange, transfer))
        return ERROR_MEMORY;
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->words);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->fields);
    set_method(easy, exchange);
    set_limits(easy, exchange);
    set_callbacks(easy, exchange);
    return curl_easy_setopt(easy, CURLOPT_URL, exchange->url) ? ERROR_MEMORY : 0;
}

/* ---- carrying out ---- */

/** It is done with, answered or not. @param exchange given */
static void drop(struct client *client, struct exchange *exchange)
{
    list_remove(&exchange->link);
    timer_stop(&client->timers, &exchange->timer);
    if (exchange->transfer && exchange->transfer->easy)
        curl_multi_remove_handle(client->multi, exchange->transfer->easy);
    exchange->transfer = memory_release(exchange->transfer);
    memory_release(exchange);
}

static void on_deadline(void *arg)
{
    struct exchange *exchange = arg;
    curl_off_t lookup_us = 0;
    exchange_end(exchange, 0, ERROR_TIMEOUT, "no answer within the deadline");
    curl_easy_getinfo(exchange->transfer->easy, CURLINFO_NAMELOOKUP_TIME_T, &lookup_us);
    if (lookup_us)
        drop(exchange->http->client, exchange);
}

static void begin(struct client *client, struct exchange *exchange)
{
    int error = make_transfer(exchange);
    list_append(&client->running, &exchange->link);
    if (!error && curl_multi_add_handle(client->multi, exchange->transfer->easy))
        error = ERROR_MEMORY;
    if (error) {
        exchange_end(exchange, 0, error, "");
        drop(client, exchange);
        return;
    }
    timer_start(&client->timers, &exchange->timer, exchange->deadline_ms, on_deadline, exchange);
}

static int error_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK: return 0;
    case CURLE_OPERATION_TIMEDOUT: return ERROR_TIMEOUT;
    case CURLE_OUT_OF_MEMORY: return ERROR_MEMORY;
    case CURLE_TOO_MANY_REDIRECTS: return ERROR_LIMIT;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return ERROR_SYNTAX;
    default: return ERROR_TRANSPORT;
    }
}

static void finish(struct client *client, CURL *easy, CURLcode code)
{
    struct exchange *exchange = NULL;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &exchange);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    const char *words = exchange->transfer->words;
    exchange_end(exchange, (unsigned)status, error_of(code),
                 words[0] ? words : curl_easy_strerror(code));
    drop(client, exchange);
}

static long sleep_ms(const struct client *client)
{
    uint64_t next_ms = timers_next_ms(&client->timers), now = now_ms();
    if (next_ms <= now)
        return 0;
    return next_ms - now < POLL_MOST_MS ? (long)(next_ms - now) : POLL_MOST_MS;
}

static void *client_main(void *arg)
{
    struct client *client = arg;
    while (!client->is_stopping) {
        int running, left;
        timers_advance(&client->timers, now_ms());
        for (struct exchange *exchange; (exchange = http_take(client->http));)
            begin(client, exchange);
        curl_multi_perform(client->multi, &running);
        for (CURLMsg *msg; (msg = curl_multi_info_read(client->multi, &left));)
            if (msg->msg == CURLMSG_DONE)
                finish(client, msg->easy_handle, msg->data.result);
        curl_multi_poll(client->multi, NULL, 0, (int)sleep_ms(client), NULL);
    }
    return NULL;
}

/* ---- start and stop ---- */

static void client_destructor(void *object)
{
    struct client *client = object;
    curl_multi_cleanup(client->multi);
}

/** Signals are for the main thread. */
static int start_thread(struct client *client)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&client->thread, NULL, client_main, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return ERROR_LIMIT;
    pthread_setname_np(client->thread, "http");
    return 0;
}

int client_start(struct http *http)
{
    pthread_once(&once, initialise);
    struct client *client = memory_alloc(sizeof *client, client_destructor);
    if (!client)
        return ERROR_MEMORY;
    client->http = http;
    timers_init(&client->timers, now_ms());
    client->multi = curl_multi_init();
    /* OpenSSL's own variable, which libcurl does not look at: it names a file of its own. */
    client->authorities = getenv("SSL_CERT_FILE");
    http->client = client;
    int error = client->multi ? 0 : ERROR_MEMORY;
    if (!error) {
        curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                          (long)http->host_connections);
        error = start_thread(client);
    }
    if (error)
        http->client = memory_release(client);
    return error;
}

void client_wake(struct http *http)
{
    curl_multi_wakeup(http->client->multi);
}

void client_stop(struct http *http)
{
    struct client *client = http->client;
    client->is_stopping = true;
    client_wake(http);
    pthread_join(client->thread, NULL);
    for (struct exchange *exchange; (exchange = http_take(http));)
        list_append(&client->running, &exchange->link);
    LIST_FOR_EACH_SAFE (link, &client->running) {
        struct exchange *exchange = CONTAINER_OF(link, struct exchange, link);
        exchange_end(exchange, 0, ERROR_CANCELLED, "lunasip stops");
        drop(client, exchange);
    }
    http->client = memory_release(client);
}
