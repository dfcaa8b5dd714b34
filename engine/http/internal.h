/* Private to this folder: a client, and its requests from question to answer. */
#pragma once

#include "base/buffer.h"
#include "base/list.h"
#include "base/timer.h"
#include "http/http.h"

#include <pthread.h>

#define HTTP_PROBLEM_BYTES 256

/* ---- exchanges (exchange.c) ---- */

/** Counted. A request until nothing is done for it any more, which may be later than its answer. */
struct exchange {
    struct link link;   /**< in http.incoming, then in a list of whoever carries it out */
    struct timer timer; /**< its deadline; in the lab perhaps the delay of its answer */
    struct http *http;  /**< borrowed */
    struct mailbox *home;
    struct reply *reply; /**< owned, growing; NULL once it is posted */
    const char *method, *url;
    struct text head; /**< lines "Name: value", each with a NUL behind it */
    struct text body; /**< absent: none */
    uint32_t deadline_ms;
    unsigned redirects;
    struct transfer *transfer; /**< the client's, while it carries it out */
};

/** @return returned owned; NULL without memory */
struct exchange *exchange_create(struct http *http, const struct http_request *request,
                                 struct mailbox *home, http_done_handler *done, void *arg);
/**
 * A line of the answer's head, as it comes: the status line makes it begin anew. Nothing once it is answered.
 * @return false: it may not go on (limit, memory, answered); exchange_end() then has the reason
 */
bool exchange_take_head(struct exchange *exchange, struct text line);
/** Bytes of the answer's body, the same. */
bool exchange_take_body(struct exchange *exchange, struct text bytes);
/** Post the answer unless that is done, and count it. @param error  0, or why; a limit that was met counts more */
void exchange_end(struct exchange *exchange, unsigned status, int error, const char *problem);
static inline bool exchange_is_answered(const struct exchange *exchange)
{
    return exchange->reply == NULL;
}

/* ---- clients ---- */

struct transfer;
struct client;

struct http {
    struct io *io;
    struct counters *counters;
    size_t requests_most, body_bytes, head_bytes;
    unsigned host_connections;
    uint32_t timeout_ms;
    pthread_mutex_t lock; /**< guards incoming, and the two flags */
    struct list incoming; /**< struct exchange, owned */
    _Atomic size_t
        waiting; /**< exchanges alive: one that is answered may still hold a connection */
    bool has_started, is_stopping;
    struct client *client; /**< owned; of the real world */
    struct http_lab *lab;  /**< owned */
    struct loop *lab_loop; /**< owned; of the virtual world */
    struct list late;      /**< struct exchange, owned; of the virtual world */
};

/** Take the oldest of http.incoming; returned owned, NULL: none. */
struct exchange *http_take(struct http *http);
static inline void http_count(struct http *http, enum counter counter)
{
    atomic_fetch_add_explicit(&http->counters->value[counter], 1, memory_order_relaxed);
}

/* ---- who carries them out: client.c, the only user of libcurl; lab.c in the virtual world ---- */

/** Is the URL one that a request may have? @return 0 or ERROR_ARGUMENT with *problem, static */
int client_check_url(const char *url, const char **problem);
int client_start(struct http *http);
/** Something is in http.incoming. */
void client_wake(struct http *http);
/** End the thread, ending what it carries out. */
void client_stop(struct http *http);

int lab_client_start(struct http *http);
void lab_client_stop(struct http *http);
