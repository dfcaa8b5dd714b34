/*
 * Requests that the engine sends by itself (UAC, RFC 3261 s8.1 and s12.2.1.1): from a URI to an
 * address, a client transaction, the next address of the name when one fails (RFC 3263 s4.3).
 */
#pragma once

#include "route/proxy.h"

#include <limits.h>

struct uac; /* one request under way; the proxy core's until it is over */

#define UAC_LAST_HOP UINT_MAX /* Max-Forwards: 0 */

/**
 * A response that does not end the request: provisional, 100 aside, or a 2xx to an INVITE, each time
 * that it comes (RFC 6026 s7.2). @p response  borrowed
 */
typedef void uac_early_handler(void *arg, struct message *response);

/** Texts are borrowed during uac_send(). None may hold a line end but where it says so. */
struct uac_request {
    enum method method; /**< what the transaction layer makes of it; ACK has none; not CANCEL */
    struct text method_text; /**< absent: the method's name */
    struct text request_uri;
    struct text route;    /**< value of Route, loose or strict routers; absent: none */
    struct text next_hop; /**< URI that it is sent to; absent: the first Route or the Request-URI */
    struct text from, to; /**< header values, tags included */
    struct text call_id;  /**< must hash home, or the response goes astray */
    uint32_t cseq;
    unsigned max_forwards; /**< 0: limits.max_forwards; UAC_LAST_HOP: none is left */
    struct text headers;   /**< further lines, each with its line end; absent: none */
    struct text
        contact_user; /**< print a Contact at the socket that it leaves from; absent: none */
    struct text body, content_type;  /**< absent: none */
    const struct listener *listener; /**< our socket; NULL: the one that leads to the address */
    bool is_first_address; /**< a probe of one address: others of the name are not tried */
    /**
     * Told what is not final, and the 2xx to an INVITE, which then stays under way, and whose
     * @p done never runs any more, until uac_abandon(). NULL: provisional responses are ignored.
     */
    uac_early_handler *early;
    int *why; /**< receives an error before @p done hears of no response; NULL: nobody asks */
    const char *cause; /**< loop_set_cause(): a constant; NULL: nothing in particular */
};

/**
 * It is over; of an ACK nobody hears. @p response  the final one, borrowed; NULL: none came, or it could not be sent
 */
typedef void uac_done_handler(void *arg, struct message *response);

/**
 * Send a request.
 * @param uacp  what uac_abandon() takes, valid until @p done runs; borrowed. May be NULL
 * @param done  called once, never during this call; NULL: nobody waits for it
 * @return 0; ERROR_ARGUMENT (URI, or no socket of ours leads there), ERROR_NOT_FOUND and other
 *         errors of resolve_uri(), ERROR_LIMIT, ERROR_MEMORY: nothing was sent, @p done is not called
 */
int uac_send(struct uac **uacp, struct proxy *proxy, const struct uac_request *request,
             uac_done_handler *done, void *arg);
/** Nobody waits for it any more; its transaction goes on. Accepts NULL. */
void uac_abandon(struct uac *uac);
/**
 * CANCEL an INVITE; @p done runs as ever, since a 2xx may cross it (RFC 3261 s9.1).
 * @param reason  value of Reason; absent: none
 * @return false: it was not sent yet, and has ended now without a word
 */
bool uac_cancel(struct uac *uac, struct text reason);
/** A request within a call, from one party to the other so to say. */
struct call_request {
    struct dialog *dialog;
    struct text callee_tag; /**< names the leg */
    bool to_caller;
    enum method method;
    struct text headers; /**< further lines; absent: none */
    const char *cause;   /**< as in struct uac_request */
};
/** @return as uac_send(), and ERROR_STATE: there is no such leg, or it never said where it wants requests */
int call_request_send(struct uac **uacp, struct proxy *proxy, const struct call_request *wanted,
                      uac_done_handler *done, void *arg);
/** Append a Contact line with the address of our socket. @param user  absent or empty: none */
void uac_print_contact(struct buffer *out, const struct listener *listener, struct text user);
