/*
 * HTTP requests without waiting. A request is asked on one thread, carried out on the client's own, and
 * answered on the thread that asked: a slow server delays nobody but those who need its answer.
 *
 * GLOSSARY
 *   http      the client of an engine; one thread carries out all of its requests at once
 *   request   what is asked; answered exactly once
 *   answer    what the server said, whatever its status, or why there is nothing
 *   exchange  a request from question to answer (internal.h)
 *   http_lab  what answers in a virtual io, where no socket is opened
 *
 * Names and certificates are checked against the system's authorities. Redirects are followed where the
 * request says so, cookies are not kept, and proxies that the environment names are not used.
 */
#pragma once

#include "base/counter.h"
#include "base/log.h"
#include "base/settings.h"
#include "io/mailbox.h"

struct http;     /* counted */
struct http_lab; /* counted */

/** One header field (RFC 9110 s5). */
struct http_field {
    struct text name, value;
};

struct http_answer;
/** Runs on the asker's thread, from mailbox_run(). @p answer borrowed */
typedef void http_done_handler(void *arg, const struct http_answer *answer);

/** Counted. What a request brought; read-only. */
struct http_answer {
    struct mail mail;
    int error; /**< 0; ERROR_TIMEOUT (deadline), ERROR_TRANSPORT (name, connection, certificate; or lost
                         before the answer's end), ERROR_LIMIT (larger than http.body_bytes or
                         http.head_bytes; too many redirects), ERROR_SYNTAX (where it redirects to),
                         ERROR_MEMORY, ERROR_CANCELLED (the engine stops) */
    const char *problem; /**< in words, or ""; owned by the answer */
    unsigned status;     /**< 100 to 999 when there is no error */
    const struct http_field *fields;
    size_t field_count;
    struct text body; /**< never absent */
    http_done_handler *done;
    void *arg;
};

struct http_options {
    struct io *io; /**< borrowed; in a virtual one http_use_lab() says who answers */
    const struct settings *settings; /**< block http; copied */
    struct counters *counters;       /**< borrowed; of this client alone */
};

/** @return 0 or ERROR_MEMORY */
int http_create(struct http **httpp, const struct http_options *options);
/** Start its thread, under the account that serves. @return 0; ERROR_LIMIT (threads), ERROR_MEMORY */
int http_start(struct http *http);
/** Answer everything that waits with ERROR_CANCELLED and end the thread; before memory_release(). */
void http_stop(struct http *http);

/** One request; everything is copied. */
struct http_request {
    struct text method; /**< "GET"; a token */
    struct text url;    /**< http: or https: */
    const struct http_field *fields;
    size_t field_count;
    struct text body;     /**< absent: none */
    uint32_t deadline_ms; /**< of everything, redirects too; 0: the setting */
    unsigned redirects;   /**< followed at most; 0: none is */
};
/**
 * Ask; any thread.
 * @param home  where the answer is posted; it outlives this client's http_stop()
 * @return 0; ERROR_LIMIT (http.requests wait), ERROR_ARGUMENT (URL, method or header field is malformed;
 *         *problem says it, static), ERROR_STATE (stopped, or not started), ERROR_MEMORY: @p done is
 *         then not called
 */
int http_ask(struct http *http, const struct http_request *request, struct mailbox *home,
             http_done_handler *done, void *arg, const char **problem);

/** Requests that are not answered now. */
size_t http_waiting(struct http *http);

/* ---- the lab ---- */

/** What the lab answers to URLs that begin with @p url; of several the longest. */
struct http_lab_answer {
    struct text url;
    unsigned status;
    struct text head; /**< lines "Name: value" */
    struct text body;
    uint32_t delay_ms;
    int error; /**< instead of an answer: one of struct http_answer; 0: none */
};
/** A request as it arrived; borrowed from the lab. */
struct http_lab_request {
    struct text method, url;
    struct text head; /**< lines "Name: value" */
    struct text body; /**< absent: none */
};

/** @return 0 or ERROR_MEMORY */
int http_lab_create(struct http_lab **labp);
/** From now on @p lab (shared) answers; without one every request fails. Virtual io only. */
void http_use_lab(struct http *http, struct http_lab *lab);
/** Copied; takes the place of an earlier one of the same URL. @return 0 or ERROR_MEMORY */
int http_lab_set(struct http_lab *lab, const struct http_lab_answer *answer);
/** @return how many requests have arrived, oldest first */
size_t http_lab_count(const struct http_lab *lab);
struct http_lab_request http_lab_request_at(const struct http_lab *lab, size_t i);
