/* Names of header fields, long and compact (RFC 3261 s7.3.3, s20), and where each header lies. */
#pragma once

#include "base/text.h"

/* enum name, long form, compact form or 0 */
/* clang-format off */
#define HEADERS(XX)                                                                                \
    XX(VIA, "Via", 'v') XX(FROM, "From", 'f') XX(TO, "To", 't') XX(CALL_ID, "Call-ID", 'i')        \
    XX(CSEQ, "CSeq", 0) XX(MAX_FORWARDS, "Max-Forwards", 0) XX(CONTACT, "Contact", 'm')            \
    XX(ROUTE, "Route", 0) XX(RECORD_ROUTE, "Record-Route", 0)                                      \
    XX(CONTENT_LENGTH, "Content-Length", 'l') XX(CONTENT_TYPE, "Content-Type", 'c')                \
    XX(MAX_BREADTH, "Max-Breadth", 0) XX(PROXY_REQUIRE, "Proxy-Require", 0)                        \
    XX(REQUIRE, "Require", 0) XX(SUPPORTED, "Supported", 'k') XX(UNSUPPORTED, "Unsupported", 0)    \
    XX(ALLOW, "Allow", 0) XX(EXPIRES, "Expires", 0) XX(USER_AGENT, "User-Agent", 0)                \
    XX(SERVER, "Server", 0) XX(TIMESTAMP, "Timestamp", 0) XX(RETRY_AFTER, "Retry-After", 0)        \
    XX(REASON, "Reason", 0) XX(RSEQ, "RSeq", 0) XX(RACK, "RAck", 0)                                \
    XX(AUTHORIZATION, "Authorization", 0) XX(PROXY_AUTHORIZATION, "Proxy-Authorization", 0)        \
    XX(WWW_AUTHENTICATE, "WWW-Authenticate", 0) XX(PROXY_AUTHENTICATE, "Proxy-Authenticate", 0)    \
    XX(P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0)                                              \
    XX(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0)                                            \
    XX(REMOTE_PARTY_ID, "Remote-Party-ID", 0) XX(DIVERSION, "Diversion", 0)                        \
    XX(REFER_TO, "Refer-To", 'r') XX(REFERRED_BY, "Referred-By", 'b') XX(EVENT, "Event", 'o')      \
    XX(PATH, "Path", 0) XX(SUBJECT, "Subject", 's') XX(CONTENT_ENCODING, "Content-Encoding", 'e')  \
    XX(SESSION_EXPIRES, "Session-Expires", 'x') XX(MIN_SE, "Min-SE", 0) XX(REPLACES, "Replaces", 0) \
    XX(ACCEPT_CONTACT, "Accept-Contact", 'a') XX(REJECT_CONTACT, "Reject-Contact", 'j')            \
    XX(REQUEST_DISPOSITION, "Request-Disposition", 'd') XX(ALLOW_EVENTS, "Allow-Events", 'u')      \
    XX(IDENTITY, "Identity", 'y') XX(DATE, "Date", 0) XX(WARNING, "Warning", 0)
/* clang-format on */

enum header_kind {
    HEADER_OTHER, /**< any other; the name tells which */
#define XX(name, text, compact) HEADER_##name,
    HEADERS(XX)
#undef XX
        HEADER_KIND_COUNT
};

/** One header line where it lies in the received bytes. */
struct header {
    struct text
        line; /**< from the first byte of the name to the last of its CRLF, folds included */
    struct text name;  /**< as written */
    struct text value; /**< trimmed; may contain folds */
    enum header_kind kind;
};

/** Long or compact, any case. */
enum header_kind header_kind_parse(struct text name);
/** @return long form; NULL for HEADER_OTHER */
const char *header_kind_name(enum header_kind kind);
/** Same header: equal kinds, or equal names when both are HEADER_OTHER. */
bool header_is(const struct header *header, enum header_kind kind, struct text name);
