/*
 * A SIP message: the received bytes and where everything lies in them (RFC 3261 s7).
 *
 * message_parse() makes one pass: start line, header lines (folding, compact forms), body. What is
 * inside a header is parsed when somebody asks, once, by parse_osip.c into the message's arena. A
 * message is never printed from its parts: it is forwarded as received bytes plus edits (edit.h).
 */
#pragma once

#include "base/address.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/settings.h"
#include "sip/header.h"
#include "sip/method.h"
#include "sip/name_addr.h"
#include "sip/uri.h"
#include "sip/via.h"

struct listener; /* transport/transport.h; here only carried */

/** Where a message came from and where it arrived; filled by the transport. */
struct message_source {
    struct address peer;             /**< source address and port of the datagram or connection */
    const struct listener *listener; /**< our socket that received it; borrowed */
    uint64_t flow_id;                /**< connection; 0 for datagrams */
    uint64_t received_us;            /**< loop_now_us() at arrival */
};

/** Fields are read-only outside engine/sip, except source. Counted: memory_ref(), memory_release(). */
struct message {
    struct text bytes; /**< from the start line to the end of the body; owned */
    struct message_source source;
    bool is_request;
    /* start line */
    enum method method; /**< of a request; of a response the one in CSeq */
    struct text method_text;
    struct text request_uri; /**< requests */
    struct text version;     /**< "SIP/2.0"; sanity_check() refuses others */
    uint16_t status;         /**< responses */
    struct text reason;      /**< responses */
    /* headers and body */
    struct header *headers; /**< in order of appearance */
    uint16_t header_count;
    uint16_t first[HEADER_KIND_COUNT]; /**< index + 1 of the first header of a kind; 0: none */
    uint64_t repeated;                 /**< one bit for each kind that has more than one header */
    struct text head;                  /**< bytes up to and with the empty line */
    struct text body;                  /**< Content-Length bytes, or all that is left */
    struct text call_id;               /**< value of Call-ID */
    uint32_t cseq_number;
    int16_t max_forwards;          /**< see message_max_forwards() */
    struct arena arena;            /**< of everything parsed from this message; freed with it */
    struct message_parsed *parsed; /**< cache of parse_osip.c */
    bool is_sane;                  /**< sanity_check() has found nothing */
    uint64_t caller_hash;          /**< message_caller_hash(); 0: not asked for */
};

/** Why message_parse() refused; the transport counts, and answers 400 where it can. */
struct message_fault {
    const char *reason; /**< static phrase for the 400 response; NULL when none is due */
};

/**
 * Parse received bytes, which are copied. Empty lines in front are skipped (s7.5), bytes behind the
 * body ignored (s18.3).
 * Checked at once: start line, header syntax, presence and number of Via, From, To, Call-ID and
 * CSeq, CSeq (number, method equal to the request's), Content-Length (not beyond the bytes that are
 * there), limits. Single bytes: a line may end with LF alone, but never holds a CR of its own.
 * @param messagep  message, returned owned. Also made for a faulty request that can be answered 400
 *                  (its method and a Via line were found, and it is no ACK): then the return value
 *                  is ERROR_SYNTAX and *messagep is not NULL. Only response_print() may be used on
 *                  such a message: From, To, Call-ID, CSeq may be missing.
 * @param fault     filled on ERROR_SYNTAX
 * @return 0, ERROR_SYNTAX, ERROR_LIMIT (message or headers too large), ERROR_MEMORY
 */
int message_parse(struct message **messagep, struct text bytes, const struct settings *settings,
                  struct message_fault *fault);

/** Call-ID value without parsing the rest, to find the owner worker; absent when there is none. */
struct text message_peek_call_id(struct text bytes);

/** Is there more than one header of @p kind? Those of HEADER_OTHER may have different names. */
static inline bool message_is_repeated(const struct message *message, enum header_kind kind)
{
    return message->repeated >> kind & 1;
}
_Static_assert(HEADER_KIND_COUNT <= 64, "one bit for each kind");
/** @return first header of @p kind, returned borrowed, or NULL */
static inline const struct header *message_header(const struct message *message,
                                                  enum header_kind kind)
{
    return message->first[kind] ? &message->headers[message->first[kind] - 1] : NULL;
}
/** Next header of the same kind (and name) after @p header, or NULL. */
const struct header *message_header_next(const struct message *message,
                                         const struct header *header);
/** By any name, long or compact. */
const struct header *message_header_named(const struct message *message, struct text name);

/* Parsed on demand and kept; returned borrowed (life of the message), NULL when absent or malformed. */
/** Topmost Via. */
const struct via *message_via(struct message *message);
/** Is that the only one, and well-formed? */
bool message_has_one_via(struct message *message);
/** The one below, also when comma-joined. */
const struct via *message_via_second(struct message *message);
/**
 * Value of the first Via line with what a server adds to the top element; see via_with_source().
 * Computed once, from message->source.
 * @return returned borrowed; absent when the line stays as it is
 */
struct text message_via_with_source(struct message *message);
const struct name_addr *message_from(struct message *message);
const struct name_addr *message_to(struct message *message);
/** First Contact; NULL for "*". */
const struct name_addr *message_contact(struct message *message);
const struct uri *message_request_uri(struct message *message);
/** Tag parameters; absent when there is none. The URI in front of it may be malformed. */
struct text message_from_tag(struct message *message);
struct text message_to_tag(struct message *message);
/**
 * hash_index() of Call-ID and From tag, by which a request of the caller, and a response to it, finds
 * its dialog. Computed once. @param key  the engine's
 */
uint64_t message_caller_hash(struct message *message, const struct hash_key *key);
/** It counts as a message of that Call-ID; its header stays. @return 0 or ERROR_MEMORY */
int message_rename_call(struct message *message, struct text call_id);
/** Max-Forwards; -1 absent, -2 malformed. */
static inline int message_max_forwards(const struct message *message)
{
    return message->max_forwards;
}
