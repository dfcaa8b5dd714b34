/*
 * Gateways in numbered sets, chosen by Kamailio's algorithms; engine-wide, shared by all workers.
 * An immutable snapshot of the list is swapped as a whole on reload; states, counts and latencies
 * live in counted destination objects that a snapshot shares with its successor (same set, URI), so
 * that a reload forgets nothing and a call-load count never drifts.
 */
#pragma once

#include "base/address.h"
#include "base/buffer.h"
#include "base/counter.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "sip/message.h"

struct dispatcher;
struct dispatcher_destination; /* counted */

enum dispatcher_state {
    DISPATCHER_ACTIVE,
    DISPATCHER_TRYING, /**< failing, below the threshold: still used */
    DISPATCHER_INACTIVE,
    DISPATCHER_DISABLED, /**< by the operator; only the operator brings it back */
};
/** Kamailio's two letters: "AP", "IX" ... @p is_probing the second */
const char *dispatcher_state_letters(enum dispatcher_state state, bool is_probing);

/** Kamailio's numbers. */
enum dispatcher_algorithm {
    DISPATCHER_HASH_CALL_ID = 0,
    DISPATCHER_HASH_FROM = 1,
    DISPATCHER_HASH_TO = 2,
    DISPATCHER_HASH_RURI = 3,
    DISPATCHER_ROUND_ROBIN = 4,
    DISPATCHER_HASH_AUTH = 5,
    DISPATCHER_RANDOM = 6,
    DISPATCHER_HASH_VALUE = 7,
    DISPATCHER_PRIORITY = 8,
    DISPATCHER_WEIGHT = 9,
    DISPATCHER_CALL_LOAD = 10,
    DISPATCHER_RELATIVE_WEIGHT = 11,
    DISPATCHER_PARALLEL = 12,
    DISPATCHER_LATENCY = 13,
};
/** By name ("round-robin", "hash-call-id" ...) or decimal number, any case. @return 0 or ERROR_SYNTAX */
int dispatcher_algorithm_parse(enum dispatcher_algorithm *algorithm, struct text t);
/** @return "round-robin" and so on */
const char *dispatcher_algorithm_name(enum dispatcher_algorithm algorithm);

struct dispatcher_options {
    const char *const *files; /**< list files, may be none */
    size_t file_count;
    struct text inline_list;  /**< the same lines from the configuration; may be absent */
    unsigned ping_interval_s; /**< 0: never */
    char ping_method[32], ping_from[256];
    char ping_reply_codes[256]; /**< "class=2;code=403;..." */
    unsigned probing_threshold, inactive_threshold, probing_mode;
    struct log *log;
};
/** @param fault  on error one line "file:line: what; what to do", released by memory_free_raw(). @return 0, ERROR_SYNTAX, ERROR_NOT_FOUND (file), ERROR_MEMORY */
int dispatcher_create(struct dispatcher **dispatcherp, const struct dispatcher_options *options,
                      char **fault);
/**
 * Read the lists again, with other options if given; on error nothing changes. One thread at a time.
 * @param options  copied, its log aside; NULL: as before
 * @return as dispatcher_create()
 */
int dispatcher_reload(struct dispatcher *dispatcher, const struct dispatcher_options *options,
                      char **fault);
bool dispatcher_has_set(const struct dispatcher *dispatcher, unsigned set);

/** An ordered choice for one request: first is used now, the rest on failure. Counted. */
struct dispatcher_choice;
struct dispatcher_query {
    unsigned set;
    enum dispatcher_algorithm algorithm;
    struct message *request; /**< whose parts are hashed; what has none is turned round-robin */
    struct text hash_value;  /**< for DISPATCHER_HASH_VALUE */
    size_t limit;            /**< at most so many candidates; 0: all */
    struct random *random;   /**< the worker's; NULL: turns instead of chance */
};
/** @return 0, ERROR_NOT_FOUND (no such set, or nobody active in it), ERROR_MEMORY */
int dispatcher_select(struct dispatcher_choice **choicep, struct dispatcher *dispatcher,
                      const struct dispatcher_query *query);
/** Current destination, returned borrowed from the choice; NULL when used up. */
struct dispatcher_destination *dispatcher_choice_current(const struct dispatcher_choice *choice);
/** Go on to the next one that is still active. @return it or NULL */
struct dispatcher_destination *dispatcher_choice_next(struct dispatcher_choice *choice);
/** Are all candidates meant to be branches at once (DISPATCHER_PARALLEL)? */
bool dispatcher_choice_is_parallel(const struct dispatcher_choice *choice);
size_t dispatcher_choice_count(const struct dispatcher_choice *choice);
/** Candidate @p i < count, whether used or not; returned borrowed from the choice. */
struct dispatcher_destination *dispatcher_choice_at(const struct dispatcher_choice *choice,
                                                    size_t i);

/* A destination; texts borrowed from it. */
struct text dispatcher_destination_uri(const struct dispatcher_destination *destination);
unsigned dispatcher_destination_set(const struct dispatcher_destination *destination);
struct text dispatcher_destination_attrs(const struct dispatcher_destination *destination);
/** One attribute, "socket", "duid"; absent when not there. */
struct text dispatcher_destination_attr(const struct dispatcher_destination *destination,
                                        struct text name);
int dispatcher_destination_priority(const struct dispatcher_destination *destination);
enum dispatcher_state dispatcher_destination_state(const struct dispatcher_destination *destination,
                                                   bool *is_probing);
unsigned dispatcher_destination_calls(const struct dispatcher_destination *destination);
/** The flags column: 1 inactive, 2 trying, 4 disabled, 8 probing, 16 no DNS, 32 no ping. */
unsigned dispatcher_destination_flags(const struct dispatcher_destination *destination);
/** Is its host a name (which is_from cannot match until it is resolved)? */
bool dispatcher_destination_is_name(const struct dispatcher_destination *destination);
/** What pings measured; all 0 until the first answer. */
struct dispatcher_latency {
    uint32_t answers, timeouts;
    uint32_t average_us, deviation_us, max_us;
    uint32_t estimate_us; /**< of now: younger answers weigh more */
};
struct dispatcher_latency
dispatcher_destination_latency(const struct dispatcher_destination *destination);
/**
 * The resolver: what the name of @p destination resolves to now, so that dispatcher_is_from() knows
 * it; any thread. Ports of @p v do not matter. @return 0 or ERROR_MEMORY (nothing changed)
 */
int dispatcher_destination_set_addresses(struct dispatcher *dispatcher,
                                         struct dispatcher_destination *destination,
                                         const struct address *v, size_t c);

/**
 * Count one call on a destination until the returned token is released (it hangs on the dialog):
 * the count cannot drift. @return token, returned owned, or NULL without memory
 */
void *dispatcher_load_token(struct dispatcher_destination *destination);

/**
 * Script and ctl: set the state of a destination, of all that have this URI or duid in @p set, or
 * with @p uri "all" of the whole set.
 * @param state  Kamailio's letters ("AP", "ix", "d" ...), or a word: "active"; "probing" (until a
 *               ping succeeds); "inactive" (the same where pings are sent, else until set active);
 *               "disabled" (until set active); "trying" (one failure, counted against the threshold)
 * @return 0; ERROR_NOT_FOUND; ERROR_SYNTAX; ERROR_STATE: it is disabled, only "active" ends that;
 *         ERROR_UNSUPPORTED: "probing", but nothing pings it
 */
int dispatcher_mark(struct dispatcher *dispatcher, unsigned set, struct text uri,
                    struct text state);
/** Is the source of @p request one of the set's destinations? set 0: of any. Ports compare unless the URI has none. */
bool dispatcher_is_from(const struct dispatcher *dispatcher, unsigned set,
                        const struct address *source);

/** @return destination by set and URI (or duid), with a reference for the caller, or NULL */
struct dispatcher_destination *dispatcher_find(struct dispatcher *dispatcher, unsigned set,
                                               struct text uri);
typedef void dispatcher_visit_handler(void *arg, struct dispatcher_destination *destination);
void dispatcher_for_each(struct dispatcher *dispatcher, dispatcher_visit_handler *visit, void *arg);

/* Probing: the worker that owns pings asks who is due, sends OPTIONS, and reports. */
/** @return next destination due for a ping at @p now_ms, with a reference for the caller, or NULL; each is returned once per interval */
struct dispatcher_destination *dispatcher_ping_due(struct dispatcher *dispatcher, uint64_t now_ms);
/** The options in force now, without the lists; any thread. */
void dispatcher_get_options(struct dispatcher *dispatcher, struct dispatcher_options *options);
#define DISPATCHER_NO_ANSWER 0 /* as a status: none came, or nothing could be sent; never good */
/** @p status final response code, or DISPATCHER_NO_ANSWER; @p latency_ms round trip. @return true when the state changed */
bool dispatcher_ping_result(struct dispatcher *dispatcher,
                            struct dispatcher_destination *destination, unsigned status,
                            uint32_t latency_ms);
