/*
 * What the engine counts. Each loop (worker or media thread) has its own struct counters and is the
 * only writer; readers sum them up. Every limit and every silent drop has a line here.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* name, text as shown by `ctl status`, what it counts */
#define COUNTERS(XX)                                                                               \
    XX(SIP_RECEIVED, "sip.received", "datagrams with SIP received")                                \
    XX(SIP_SENT, "sip.sent", "SIP messages sent")                                                  \
    XX(SIP_SEND_FAILED, "sip.send_failed", "SIP messages that the kernel refused to send")         \
    XX(SIP_KEEPALIVE, "sip.keepalive", "CRLF and STUN-less keepalives received")                   \
    XX(SIP_TOO_LARGE, "sip.too_large",                                                             \
       "messages beyond limits.message_bytes or limits.headers, dropped")                          \
    XX(SIP_MALFORMED, "sip.malformed", "messages without usable start line or headers, dropped")   \
    XX(SIP_FOREIGN_VIA, "sip.foreign_via", "responses whose top Via is not ours, dropped")         \
    XX(SIP_INSANE, "sip.insane", "requests refused by the sanity check")                           \
    XX(SIP_HANDED_OVER, "sip.handed_over", "messages given to the worker that owns their call")    \
    XX(SIP_MAILBOX_FULL, "sip.mailbox_full",                                                       \
       "messages dropped because that worker's mailbox was full")                                  \
    XX(SIP_SHED, "sip.shed", "new requests refused with 503: the worker was behind, or it drains") \
    XX(SIP_SOURCE_LIMITED, "sip.source_limited", "new requests beyond the rate of one source")     \
    XX(SIP_SOURCE_FORGOTTEN, "sip.source_forgotten",                                               \
       "sources whose rate was forgotten for another's: limits.sources reached")                   \
    XX(SIP_KERNEL_DROPPED, "sip.kernel_dropped",                                                   \
       "datagrams the kernel dropped: receive buffer full")                                        \
    XX(TRANSACTION_CREATED, "transaction.created", "transactions made")                            \
    XX(TRANSACTION_ABSORBED, "transaction.absorbed", "retransmissions absorbed")                   \
    XX(TRANSACTION_RETRANSMITTED, "transaction.retransmitted", "messages sent again by a timer")   \
    XX(TRANSACTION_TIMEOUT, "transaction.timeout", "client transactions that timed out")           \
    XX(TRANSACTION_LIMIT, "transaction.limit", "requests refused: limits.transactions reached")    \
    XX(TRANSACTION_STRAY_RESPONSE, "transaction.stray_response", "responses without transaction")  \
    XX(TRANSACTION_STRAY_ACK, "transaction.stray_ack", "ACKs that match nothing")                  \
    XX(DIALOG_CREATED, "dialog.created", "dialogs made")                                           \
    XX(DIALOG_LIMIT, "dialog.limit", "calls refused: limits.dialogs reached")                      \
    XX(DIALOG_IDLE, "dialog.idle", "dialogs ended after limits.dialog_idle_s without a message")   \
    XX(DIALOG_LEG_LIMIT, "dialog.leg_limit", "answering To tags that a dialog could not remember") \
    XX(DIALOG_KEEPALIVE, "dialog.keepalive", "calls ended because a party was not there any more") \
    XX(DIALOG_SESSION, "dialog.session", "calls whose session nobody refreshed in time")           \
    XX(DIALOG_DURATION, "dialog.duration", "calls that lasted as long as their script allows")     \
    XX(DIALOG_VARS_LIMIT, "dialog.vars_limit",                                                     \
       "variables of a call refused: dialog.vars_bytes reached")                                   \
    XX(DIALOG_UNKNOWN, "dialog.unknown",                                                           \
       "requests of unknown calls refused (481) or dropped (ACK)")                                 \
    XX(DIALOG_PROFILE_REFUSED, "dialog.profile_refused",                                           \
       "calls that a profile had no place for, as its script limits it")                           \
    XX(DIALOG_PROFILE_LIMIT, "dialog.profile_limit",                                               \
       "calls not counted: limits.profile_values reached")                                         \
    XX(ROUTE_LOOP, "route.loop", "requests refused as a loop (482) or by Max-Forwards (483)")      \
    XX(ROUTE_BRANCH_LIMIT, "route.branch_limit", "targets not tried: limits.branches reached")     \
    XX(ROUTE_BREADTH_LIMIT, "route.breadth_limit",                                                 \
       "forks refused with 440: more targets than Max-Breadth, or limits.max_breadth without one") \
    XX(ROUTE_QUEUE_FULL, "route.queue_full",                                                       \
       "messages of a waiting call beyond limits.call_queue")                                      \
    XX(CALL_ORIGINATED, "call.originated", "calls begun here by sip.call.originate")               \
    XX(CALL_BRIDGED, "call.bridged", "calls joined of two legs by sip.call.bridge")                \
    XX(CALL_TRANSFERRED, "call.transferred", "parties of two-leg calls replaced by others")        \
    XX(CALL_GLARE, "call.glare", "offers refused (491, 500) because another was on its way")       \
    XX(CALL_UNPRACKED, "call.unpracked",                                                           \
       "two-leg calls ended because nobody acknowledged a reliable provisional response")          \
    XX(CALL_UNACKNOWLEDGED, "call.unacknowledged",                                                 \
       "two-leg calls ended because nobody acknowledged the 2xx")                                  \
    XX(SCRIPT_ERROR, "script.error", "handler runs that ended with an error")                      \
    XX(SCRIPT_BUDGET, "script.budget", "handler runs ended by their budget")                       \
    XX(SCRIPT_MEMORY_LIMIT, "script.memory_limit",                                                 \
       "handler runs ended because script.memory_mib was reached")                                 \
    XX(SCRIPT_GENERATION_LIMIT, "script.generation_limit",                                         \
       "dialogs that went to the newest generation: script.generations reached")                   \
    XX(SCRIPT_LEAVE_LIMIT, "script.leave_limit",                                                   \
       "generations that left nothing, because it was beyond script.leave_bytes")                  \
    XX(SCRIPT_WAITING_LIMIT, "script.waiting_limit",                                               \
       "handler runs ended because script.waiting was reached")                                    \
    XX(SCRIPT_REGEX_LIMIT, "script.regex_limit",                                                   \
       "regular expressions ended by script.regex_steps")                                          \
    XX(SCRIPT_UNANSWERED, "script.unanswered",                                                     \
       "requests that the route neither sent on nor answered")                                     \
    XX(SHARED_FULL, "shared.full", "values refused: shared.bytes reached")                         \
    XX(AUTH_CHALLENGED, "auth.challenged", "challenges sent (401, 407)")                           \
    XX(AUTH_GOOD, "auth.good", "credentials that were right")                                      \
    XX(AUTH_REFUSED, "auth.refused", "credentials that were wrong or not to be used")              \
    XX(AUTH_STALE, "auth.stale", "right credentials whose nonce was too old or used up")           \
    XX(AUTH_REPLAYED, "auth.replayed", "right credentials whose count was used before")            \
    XX(AUTH_NONCE_FORGOTTEN, "auth.nonce_forgotten",                                               \
       "nonces forgotten before their time: auth.nonces reached")                                  \
    XX(AUTH_CREDENTIALS_FORGOTTEN, "auth.credentials_forgotten",                                   \
       "HA1s forgotten before their time: auth.credentials reached")                               \
    XX(DISPATCHER_PING, "dispatcher.ping", "OPTIONS sent to gateways")                             \
    XX(DISPATCHER_PING_FAILED, "dispatcher.ping_failed", "OPTIONS without good answer")            \
    XX(LOCATION_SAVED, "location.saved", "REGISTERs that changed bindings")                        \
    XX(LOCATION_EXPIRED, "location.expired", "bindings that ended without being refreshed")        \
    XX(LOCATION_BRIEF, "location.brief", "REGISTERs refused with 423: location.expires_least_s")   \
    XX(LOCATION_OUT_OF_ORDER, "location.out_of_order",                                             \
       "REGISTERs refused: CSeq not higher than that of the binding")                              \
    XX(LOCATION_CONTACT_LIMIT, "location.contact_limit",                                           \
       "REGISTERs refused: location.contacts_per_aor or location.request_contacts reached")        \
    XX(LOCATION_AOR_LIMIT, "location.aor_limit", "REGISTERs refused: location.aors reached")       \
    XX(LOCATION_TOO_LONG, "location.too_long",                                                     \
       "REGISTERs refused: location.uri_bytes, path_bytes or text_bytes")                          \
    XX(KEEPALIVE_SENT, "keepalive.sent", "keepalives sent to devices")                             \
    XX(KEEPALIVE_NOT_SENT, "keepalive.not_sent",                                                   \
       "keepalives that could not be sent: no way to the device, or no memory")                    \
    XX(KEEPALIVE_UNANSWERED, "keepalive.unanswered", "OPTIONS that no device answered")            \
    XX(KEEPALIVE_ENDED, "keepalive.ended", "bindings ended: keepalive.failures reached")           \
    XX(LOCATION_LOADED, "location.loaded", "bindings loaded from the database")                    \
    XX(LOCATION_FETCHED, "location.fetched", "db_mode 3: addresses of record asked for")           \
    XX(LOCATION_FETCH_FAILED, "location.fetch_failed",                                             \
       "of them, those that the database could not tell")                                          \
    XX(LOCATION_EVICTED, "location.evicted",                                                       \
       "db_mode 3: addresses of record forgotten, location.aors reached")                          \
    XX(LOCATION_STORED, "location.stored", "rows of bindings written")                             \
    XX(LOCATION_STORE_FAILED, "location.store_failed",                                             \
       "rows of bindings not written: they are tried again")                                       \
    XX(LOCATION_STORE_REFUSED, "location.store_refused", "rows that the database refuses")         \
    XX(LOCATION_STORE_QUEUE_FULL, "location.store_queue_full",                                     \
       "changes beyond location.store_queue: all bindings are written again")                      \
    XX(LOCATION_UNSTORED, "location.unstored",                                                     \
       "REGISTERs answered 503: their rows could not be written")                                  \
    XX(MEDIA_CALL, "media.call", "calls with media")                                               \
    XX(MEDIA_NO_PORT, "media.no_port", "offers refused: no free port in the range")                \
    XX(MEDIA_LIMIT, "media.limit", "offers refused: a media limit was reached")                    \
    XX(MEDIA_QUEUE_FULL, "media.queue_full",                                                       \
       "commands to a media thread that found its queue full")                                     \
    XX(MEDIA_FORWARDED, "media.forwarded", "RTP and RTCP packets forwarded")                       \
    XX(MEDIA_FORWARDED_BYTES, "media.forwarded_bytes", "bytes in them")                            \
    XX(MEDIA_NOT_RTP, "media.not_rtp", "packets dropped: neither RTP nor RTCP")                    \
    XX(MEDIA_STRANGER, "media.stranger", "packets dropped: source is not the learned peer")        \
    XX(MEDIA_NO_PEER, "media.no_peer", "packets dropped: the other side has no address yet")       \
    XX(MEDIA_SEND_FAILED, "media.send_failed", "packets that the kernel refused to send")          \
    XX(MEDIA_DTMF, "media.dtmf", "digits among RTP that were told to a script")                    \
    XX(MEDIA_DTMF_DROPPED, "media.dtmf_dropped",                                                   \
       "digits not told: faster than one in 40 ms, or the worker's mailbox was full")              \
    XX(MEDIA_TIMEOUT, "media.timeout", "calls whose media stopped")                                \
    XX(TRUNK_SENT, "trunk.sent", "REGISTERs sent to trunks")                                       \
    XX(TRUNK_REGISTERED, "trunk.registered", "of them, accepted")                                  \
    XX(TRUNK_CHALLENGED, "trunk.challenged", "of them, challenged (401, 407)")                     \
    XX(TRUNK_REFUSED, "trunk.refused", "attempts that ended with a refusal")                       \
    XX(TRUNK_UNANSWERED, "trunk.unanswered", "attempts that nobody answered")                      \
    XX(RESOLVE_QUERY, "resolve.query", "DNS queries sent")                                         \
    XX(RESOLVE_FAILED, "resolve.failed", "names that did not resolve")                             \
    XX(RESOLVE_CACHE_FULL, "resolve.cache_full",                                                   \
       "names forgotten or refused: resolve.cache reached")                                        \
    XX(DATABASE_ASKED, "database.asked", "queries asked of databases")                             \
    XX(DATABASE_FAILED, "database.failed", "of them, answered with an error")                      \
    XX(DATABASE_LATE, "database.late", "of them, not answered within their deadline")              \
    XX(DATABASE_QUEUE_FULL, "database.queue_full", "queries refused: database.queue reached")      \
    XX(DATABASE_STATEMENT_FORGOTTEN, "database.statement_forgotten",                               \
       "texts of statements forgotten for others: database.statements reached")                    \
    XX(DATABASE_TOO_LARGE, "database.too_large",                                                   \
       "answers dropped: larger than database.answer_bytes")                                       \
    XX(DATABASE_DISCONNECTED, "database.disconnected", "connections to databases lost")            \
    XX(DATABASE_LOST_ANSWER, "database.lost_answer", "answers that nobody took any more")          \
    XX(HTTP_ASKED, "http.asked", "HTTP requests of scripts")                                       \
    XX(HTTP_FAILED, "http.failed", "of them, those that no server answered")                       \
    XX(HTTP_LATE, "http.late", "of them, not answered within their deadline")                      \
    XX(HTTP_REFUSED, "http.refused", "HTTP requests refused: http.requests reached")               \
    XX(HTTP_TOO_LARGE, "http.too_large", "answers beyond http.body_bytes or http.head_bytes")      \
    XX(RECORDS_MADE, "records.made", "records of calls made")                                      \
    XX(RECORDS_DROPPED, "records.dropped",                                                         \
       "records lost: records.queue was reached, or there was no memory")                          \
    XX(RECORDS_FIELDS_LIMIT, "records.fields_limit",                                               \
       "fields of records refused: records.fields_bytes reached")                                  \
    XX(RECORDS_WRITTEN, "records.written", "records that the file has taken")                      \
    XX(RECORDS_SPOOLED, "records.spooled", "records that the spool of the database has taken")     \
    XX(RECORDS_SPOOL_FULL, "records.spool_full",                                                   \
       "records lost to the database: records.spool_mib reached, or no memory")                    \
    XX(RECORDS_STORED, "records.stored", "rows that the database has taken")                       \
    XX(RECORDS_REFUSED, "records.refused", "rows that the database refuses, put aside")            \
    XX(RECORDS_ROTATED, "records.rotated", "files of records put aside")                           \
    XX(CONTROL_CUT_OFF, "control.cut_off",                                                         \
       "clients of the control socket beyond limits.control_ms or limits.control_bytes")

enum counter {
#define XX(name, text, help) COUNTER_##name,
    COUNTERS(XX)
#undef XX
        COUNTER_COUNT
};

/** One loop's counters. */
struct counters {
    _Atomic uint64_t value[COUNTER_COUNT];
};

/** Add @p n; only the owning loop's thread may. */
static inline void counter_add(struct counters *counters, enum counter counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(&counters->value[counter], memory_order_relaxed);
    atomic_store_explicit(&counters->value[counter], old + n, memory_order_relaxed);
}
static inline void counter_count(struct counters *counters, enum counter counter)
{
    counter_add(counters, counter, 1);
}
static inline uint64_t counter_read(const struct counters *counters, enum counter counter)
{
    return atomic_load_explicit(&counters->value[counter], memory_order_relaxed);
}
/** @return "sip.received" and so on */
const char *counter_name(enum counter counter);
/** @return what it counts */
const char *counter_help(enum counter counter);
