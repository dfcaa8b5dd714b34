/* What is refused before a route sees it (RFC 3261 s8.2, s16.3; Kamailio's sanity checks). */
#pragma once

#include "sip/message.h"

/** Verdict: status 0 is fine, otherwise the response that is due. */
struct sanity_verdict {
    unsigned status;
    const char *reason;      /**< static */
    struct text unsupported; /**< Proxy-Require tokens for 420; borrowed from the message */
};

/** Syntax of Request-URI scheme (416), From, To, Via, CSeq method, Content-Length, Max-Forwards value,
 * Proxy-Require (420), SIP version (505). Max-Forwards 0 is the proxy's business. */
struct sanity_verdict sanity_check(struct message *request);
