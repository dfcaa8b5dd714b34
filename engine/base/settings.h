/*
 * Every number that an operator can set: block and name as written in the configuration, unit in
 * the name, default and range. The configuration's schema, conf/lunasip.lua and the fields below
 * come from this one list.
 */
#pragma once

#include <stdint.h>

/* block, name, default, least, most, what it does */
#define SETTINGS(XX)                                                                               \
    XX(timers, t1_ms, 500, 10, 10000, "round-trip estimate T1 (RFC 3261 s17.1.1.1)")               \
    XX(timers, t2_ms, 4000, 10, 60000, "longest retransmission interval T2")                       \
    XX(timers, t4_ms, 5000, 10, 60000, "how long a message stays in the network, T4")              \
    XX(timers, c_ms, 180000, 1000, 3600000, "Timer C: how long an INVITE may ring (s16.6)")        \
    XX(timers, trying_ms, 200, 0, 10000, "100 Trying is sent after this, or at relay if sooner")   \
    XX(limits, message_bytes, 65535, 1024, 65535, "largest SIP message")                           \
    XX(limits, headers, 256, 16, 4096, "header lines of one message")                              \
    XX(limits, transactions, 200000, 1, 10000000,                                                  \
       "live transactions of one worker; a tenth is for requests within dialogs")                  \
    XX(limits, dialogs, 100000, 1, 10000000, "live dialogs of one worker")                         \
    XX(limits, profile_values, 100000, 1, 10000000, "profiles and values that count calls")        \
    XX(limits, dialog_legs, 32, 1, 1024, "answering To tags that one dialog remembers")            \
    XX(limits, branches, 16, 1, 64, "branches of one request")                                     \
    XX(limits, max_forwards, 70, 1, 255, "Max-Forwards added where there is none")                 \
    XX(limits, max_breadth, 60, 1, 1000, "Max-Breadth added where there is none (RFC 5393)")       \
    XX(limits, call_queue, 16, 1, 1024, "messages of one call that wait while its handler waits")  \
    XX(limits, mailbox, 16384, 256, 1048576, "messages between two workers (a power of two)")      \
    XX(limits, cps_per_source, 0, 0, 1000000, "new requests per second of one source; 0: any")     \
    XX(limits, sources, 65536, 16, 1048576, "sources whose rate is remembered")                    \
    XX(limits, shed_lag_ms, 500, 10, 60000, "a worker this far behind refuses new calls")          \
    XX(limits, dialog_idle_s, 43200, 60, 604800, "a dialog without any message ends after this")   \
    XX(limits, control_ms, 5000, 100, 60000,                                                       \
       "how long asking, or reading an answer, on the control socket may take")                    \
    XX(limits, control_bytes, 65536, 1024, 1048576, "longest request on the control socket")       \
    XX(threads, patient, 1, 0, 1,                                                                  \
       "1: a SIP worker that wakes waits until a running program pauses (SCHED_BATCH)")            \
    XX(script, budget_instructions, 1000000, 1000, 1000000000,                                     \
       "VM instructions of one handler run")                                                       \
    XX(script, budget_ms, 100, 1, 60000, "time of one handler run without waiting")                \
    XX(script, memory_mib, 256, 8, 65536,                                                          \
       "memory of one worker's Lua state: beyond it a handler is ended")                           \
    XX(script, generations, 8, 1, 64, "script generations alive at once")                          \
    XX(script, leave_bytes, 65536, 0, 16777216, "what a generation may leave to the next one")     \
    XX(script, waiting, 10000, 1, 1000000, "handlers of one worker that wait at once")             \
    XX(script, regex_steps, 100000, 100, 100000000, "steps of one regular expression")             \
    XX(auth, nonce_s, 300, 1, 86400, "how long a nonce of a challenge is good")                    \
    XX(auth, nonces, 100000, 16, 10000000, "nonces in use that are remembered, for their counts")  \
    XX(auth, one_time_nonce, 0, 0, 1, "1: a nonce is good for one request")                        \
    XX(auth, bind_source, 0, 0, 1, "1: a nonce is good for the address that it was sent to")       \
    XX(auth, credentials, 100000, 16, 10000000, "HA1s remembered for check { cache_s = ... }")     \
    XX(shared, bytes, 16777216, 65536, 4294967295, "memory of the shared dictionaries")            \
    XX(media_limits, streams, 16, 1, 64, "m= lines of one SDP")                                    \
    XX(media_limits, tags, 16, 1, 64, "answering To tags of one call that get a leg of their own") \
    XX(media_limits, calls, 100000, 1, 1000000, "calls with media at once")                        \
    XX(media_limits, timeout_s, 60, 1, 86400,                                                      \
       "a call without any packet for so long ends its media")                                     \
    XX(media_limits, silent_timeout_s, 3600, 1, 86400, "the same while the call is on hold")       \
    XX(media_limits, offer_timeout_s, 3600, 1, 86400, "the same while it is not answered")         \
    XX(media_limits, learn_ms, 3000, 0, 60000,                                                     \
       "how long after an SDP a peer's address is learned")                                        \
    XX(dscp, sip, 24, 0, 63, "DSCP of SIP datagrams (24 = CS3)")                                   \
    XX(dscp, rtp, 46, 0, 63, "DSCP of RTP datagrams (46 = EF)")                                    \
    XX(dialog, match_lost_route, 1, 0, 1,                                                          \
       "1: a request within a call that lost its Route still finds the other side")                \
    XX(dialog, refuse_unknown, 0, 0, 1,                                                            \
       "1: a request within a call that is not known here gets 481; 0: its script decides")        \
    XX(dialog, recorder_mib, 8, 0, 4096,                                                           \
       "newest messages of calls, for ctl calls show; of all workers together; 0: none")           \
    XX(dialog, recorder_message_bytes, 1024, 256, 16384, "kept of one message")                    \
    XX(dialog, vars_bytes, 4096, 0, 1048576, "names and texts of one tracked call's variables")    \
    XX(location, aors, 1000000, 1, 100000000, "addresses of record with bindings at once")         \
    XX(location, contacts_per_aor, 10, 1, 1000, "bindings of one address of record")               \
    XX(location, request_contacts, 64, 1, 1000, "contacts of one REGISTER")                        \
    XX(location, expires_default_s, 3600, 1, 4294967295, "of a contact that asks for no time")     \
    XX(location, expires_least_s, 60, 0, 86400, "shortest registration")                           \
    XX(location, expires_most_s, 3600, 0, 4294967295, "longest registration; 0: any")              \
    XX(location, expires_refuse, 1, 0, 1,                                                          \
       "shorter than the shortest: 1: answered 423; 0: made the shortest")                         \
    XX(location, match, 0, 0, 3,                                                                   \
       "the same binding: 0: equal URI; 1: and Call-ID; 2: and Path; 3: Call-ID alone")            \
    XX(location, use_domain, 1, 0, 1, "1: an address of record is user@host; 0: the user alone")   \
    XX(location, case_sensitive, 0, 0, 1, "1: the case of the user part matters")                  \
    XX(location, q_default, 1000, 0, 1000, "thousandths: the q of a contact that has none")        \
    XX(location, uri_bytes, 512, 64, 8192, "longest contact")                                      \
    XX(location, path_bytes, 1024, 64, 8192, "longest Path of a binding")                          \
    XX(location, text_bytes, 255, 32, 8192,                                                        \
       "longest address of record, Call-ID, instance; a longer User-Agent is cut")                 \
    XX(location, expire_batch, 1000, 1, 100000, "addresses of record that expire without a pause") \
    XX(keepalive, interval_s, 0, 0, 86400, "seconds between two keepalives of a device; 0: none")  \
    XX(keepalive, nat_only, 1, 0, 1, "1: only devices saved with received (behind a NAT); 0: all") \
    XX(keepalive, options, 1, 0, 1, "1: OPTIONS, which devices answer; 0: empty lines (CRLF)")     \
    XX(keepalive, failures, 3, 0, 100,                                                             \
       "OPTIONS in a row without any answer that end a binding; 0: none do")                       \
    XX(location, db_mode, 1, 0, 3,                                                                 \
       "0: no database; 1: a REGISTER waits for its rows; 2: written soon after; 3: 1, asked too") \
    XX(location, store_queue, 100000, 1, 10000000, "rows of bindings that wait to be written")     \
    XX(location, write_through_ms, 5, 0, 1000,                                                     \
       "db_mode 1: how long rows are gathered, which are then written together")                   \
    XX(location, write_back_ms, 1000, 10, 3600000, "db_mode 2: how often rows are written")        \
    XX(location, load_batch, 5000, 1, 100000, "rows that one query reads at the start")            \
    XX(drain, deadline_s, 30, 0, 86400, "how long SIGTERM waits for calls to end")                 \
    XX(reload, watch, 0, 0, 1, "1: a file that changes is loaded by itself")                       \
    XX(reload, settle_ms, 200, 10, 60000, "how long nothing may change before it is loaded")       \
    XX(reload, test_s, 60, 1, 3600, "how long the specs of ctl reload --test may run")             \
    XX(trunk, retry_base_s, 30, 1, 3600,                                                           \
       "after a failed registration: half to all of base * 2^failures (RFC 5626 s4.5)")            \
    XX(trunk, retry_most_s, 1800, 1, 86400, "but no longer than this")                             \
    XX(trunk, leave_ms, 2000, 0, 60000, "how long a stop waits until trunks know of it")           \
    XX(resolve, timeout_ms, 2000, 10, 60000, "one DNS query")                                      \
    XX(resolve, negative_ttl_s, 10, 0, 3600, "how long a failed name is remembered")               \
    XX(resolve, cache, 4096, 16, 1048576, "names remembered")                                      \
    XX(database, connections, 4, 1, 64,                                                            \
       "connections to one database; ordered queries have one more")                               \
    XX(database, queue, 10000, 1, 10000000, "queries of one database that are not answered")       \
    XX(database, timeout_ms, 2000, 10, 60000, "deadline of a query, and of an attempt to connect") \
    XX(database, statements, 256, 1, 65536, "texts of statements that stay prepared")              \
    XX(database, answer_bytes, 16777216, 1024, 4294967295, "largest answer of one query")          \
    XX(http, timeout_ms, 2000, 10, 3600000, "deadline of a request, redirects included")           \
    XX(http, requests, 1000, 1, 100000, "requests that are under way")                             \
    XX(http, host_connections, 32, 1, 1000, "connections to one server; more requests wait")       \
    XX(http, body_bytes, 1048576, 0, 4294967295, "largest body of an answer")                      \
    XX(http, head_bytes, 65536, 1024, 1048576, "all header fields of an answer")                   \
    XX(records, failed, 1, 0, 1,                                                                   \
       "1: calls that nobody answered have a record, too; 0: they do not")                         \
    XX(records, fields_bytes, 1024, 0, 65536, "names and texts of one call's own fields")          \
    XX(records, gather_ms, 50, 0, 10000,                                                           \
       "how long records are gathered, which are written together")                                \
    XX(records, missed, 0, 0, 1, "1: calls that nobody answered have a row in missed_calls, too")  \
    XX(records, queue, 20000, 1, 10000000, "records that wait to be written")                      \
    XX(records, rotate_mib, 100, 0, 1048576, "a larger file is put aside; 0: none is")             \
    XX(records, rotate_s, 0, 0, 31536000, "a file this old is put aside; 0: none is")              \
    XX(records, spool_mib, 1024, 1, 1048576,                                                       \
       "records that wait for the database: beyond it they are lost to it")                        \
    XX(records, keep, 0, 0, 1000000, "files put aside that stay; 0: all of them")                  \
    XX(records, sync_ms, 1000, 0, 3600000,                                                         \
       "how often what was written is forced to the disk; 0: left to the kernel")

/** The values in force; a plain struct, copied where it is used. */
struct settings {
#define XX(block, name, value, least, most, help) uint64_t block##_##name;
    SETTINGS(XX)
#undef XX
};

/** One line of the list. */
struct setting {
    const char *block, *name, *help;
    uint64_t value, least, most;
};

void settings_default(struct settings *settings);
/** @return the list, *count its length */
const struct setting *settings_list(unsigned *count);
/**
 * @return 0; ERROR_NOT_FOUND for an unknown name; ERROR_LIMIT outside the range
 */
int settings_set(struct settings *settings, const char *block, const char *name, uint64_t value);
/** @return 0 or ERROR_NOT_FOUND */
int settings_get(const struct settings *settings, const char *block, const char *name,
                 uint64_t *value);
