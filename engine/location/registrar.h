/* From a REGISTER to the store, and from the store into the 200 (RFC 3261 s10.3). */
#pragma once

#include "location/location.h"

/**
 * Fill @p request with what the message says: contacts, Expires, Path, Call-ID, CSeq, User-Agent,
 * Allow. AoR, received, socket, flags, rules, time and counters are the caller's. A reg-id means nothing and is
 * left out when the first hop does not know outbound and the UA does not ask for it (RFC 5626 s6).
 * @param arena  keeps what is not the message's own
 * @return 0, ERROR_SYNTAX (a Contact or Path that is none), ERROR_MEMORY
 */
int location_request_parse(struct location_request *request, struct message *message,
                           struct arena *arena);

/** What becomes of a UA's wish for a flow of its own (RFC 5626 s6). */
enum location_outbound {
    OUTBOUND_NONE,    /**< it has none: no instance with reg-id, or no "outbound" in Supported */
    OUTBOUND_GRANTED, /**< "Require: outbound" goes into the 200 */
    OUTBOUND_LACKING, /**< unknown to the first proxy: 439 First Hop Lacks Outbound Support */
};
/**
 * The first hop is us, or the proxy that put the last Path value in: its URI has an ob parameter
 * then.
 * @param request  of location_request_parse()
 */
enum location_outbound location_outbound(const struct message *message,
                                         const struct location_request *request);

/** What a 200 tells besides the contacts. */
struct location_answer {
    struct text uri;  /**< AoR as a URI, for GRUUs: "sip:2001@example.com" */
    bool prints_gruu; /**< the UA lists "gruu" in Supported (RFC 5627 s5.3) */
    uint64_t now_ms;
};
/**
 * Append a Contact line for each live binding: q, expires, received, +sip.instance and reg-id,
 * pub-gruu and temp-gruu.
 * @param record  NULL: nothing
 */
void location_print_contacts(struct buffer *out, const struct location *location,
                             const struct location_record *record,
                             const struct location_answer *answer);
