/* Responses that the engine makes itself (RFC 3261 s8.2.6). */
#pragma once

#include "sip/edit.h"

/** What is in it besides what RFC 3261 s8.2.6.2 copies from the request. */
struct response_options {
    unsigned status;
    struct text reason;  /**< absent: the standard phrase */
    struct text to_tag;  /**< added where To has none and status > 100 */
    struct text headers; /**< whole lines with CRLF, "Retry-After: 5\r\n"; may be absent */
    struct text body;
    struct text content_type; /**< needed with a body */
    struct text server;       /**< Server value; absent: none */
    bool copy_record_route;   /**< dialog-making 1xx/2xx (s12.1.1) */
};

/**
 * Print a response to @p request. received and rport are put into the top Via by RFC 3261 s18.2.1
 * and RFC 3581 from request->source.
 */
void response_print(struct buffer *out, struct message *request,
                    const struct response_options *options);
/** Standard phrase, "Unknown" for an unlisted code. */
const char *status_reason(unsigned status);
