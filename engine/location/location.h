/*
 * Where users are: the location service of a registrar (RFC 3261 s10.3). Address of record to
 * bindings, one store for the whole engine, shared by all workers.
 *
 * GLOSSARY
 *   AoR       address of record: the key, an opaque text ("2001@example.com"); location_aor() makes
 *             it from a URI
 *   binding   one contact of an AoR and what the REGISTER that made it said. Counted, immutable: a
 *             refresh makes a new one
 *   record    an AoR and all its bindings at one moment. Counted, immutable: every change makes a
 *             new record and puts it in the place of the old, so all contacts of a REGISTER take
 *             effect at once or not at all, and who reads holds no lock
 *   change    what became of one binding; observers are told all changes of a record together
 *
 * Times are wall clock milliseconds since the epoch (io_wall_us() / 1000), so that they mean the
 * same after a restart. Every call may be made on any thread, but location_create(),
 * location_observe() and the last memory_release(), which come before and after all others.
 */
#pragma once

#include "base/buffer.h"
#include "base/counter.h"
#include "base/hash.h"
#include "base/settings.h"
#include "sip/contact.h"
#include "sip/method_set.h"

#include <stdatomic.h>

struct location;        /* counted */
struct location_record; /* counted, immutable */

/** One contact of an AoR. Read-only when it comes from here; texts live as long as it does. */
struct location_binding {
    struct text contact;    /**< URI as the UA wrote it */
    struct text call_id;    /**< of the REGISTER */
    struct text user_agent; /**< or absent */
    struct text path;       /**< Path values in order, comma-joined (RFC 3327), or absent */
    struct text received;   /**< URI of where it came from when behind a NAT, or absent */
    struct text socket;   /**< our socket "udp:HOST:PORT"; transport_listener_by_socket() finds the
                                 listener of this run; or absent */
    struct text instance; /**< "<urn:uuid:...>", or absent */
    struct text ruid;     /**< names this binding in stores and commands; kept by a refresh */
    uint64_t expires_ms;  /**< when it ends; LOCATION_NEVER: it stays */
    uint64_t modified_ms; /**< when it was made or refreshed */
    uint64_t flow_id;     /**< connection of this run (RFC 5626), or 0 */
    uint32_t cseq;
    uint32_t methods; /**< method_set.h bits; METHOD_SET_ALL when the UA said nothing */
    uint32_t flags, contact_flags; /**< Kamailio's flags and cflags: the script's */
    uint32_t reg_id;               /**< RFC 5626, or 0 */
    int16_t q;                     /**< thousandths, or CONTACT_Q_NONE */
    _Atomic uint8_t unanswered;    /**< of location_binding_pinged() alone */
    _Atomic uint8_t ping;          /**< of location_binding_begin_ping() alone */
};
#define LOCATION_NEVER UINT64_MAX

static inline bool location_binding_is_expired(const struct location_binding *binding,
                                               uint64_t now_ms)
{
    return binding->expires_ms <= now_ms;
}
/** Seconds until it ends, rounded up; 0 when it has ended; UINT32_MAX when it never does. */
uint32_t location_binding_expires_s(const struct location_binding *binding, uint64_t now_ms);

/**
 * A keepalive is to be sent, whose answer is waited for. What is known of keepalives is the one thing of a
 * binding that changes. Any thread.
 * @return true: location_binding_end_ping() is due when it is over; false: one is under way, and is overdue now
 */
bool location_binding_begin_ping(const struct location_binding *binding);
/** @return whether another was to be sent meanwhile */
bool location_binding_end_ping(const struct location_binding *binding);
/**
 * Note what became of a keepalive.
 * @return how many in a row were not answered, at most 255
 */
unsigned location_binding_pinged(const struct location_binding *binding, bool is_answered);

/* ---- records ---- */

struct text location_record_aor(const struct location_record *record);
size_t location_record_count(const struct location_record *record);
/**
 * By descending q, then the most recent first; returned borrowed from the record. Some may have
 * expired.
 */
const struct location_binding *location_record_at(const struct location_record *record, size_t i);

/* ---- making one ---- */

struct location_options {
    const struct settings *settings; /**< borrowed, outlives the store; block location */
    struct hash_key hash_key;        /**< secret. Temporary GRUUs outlive a restart if it does */
    uint64_t start_ms;               /**< now: ruids of two runs differ by it */
};
/** @return 0 or ERROR_MEMORY; release with memory_release() */
int location_create(struct location **locationp, const struct location_options *options);

/** What is in it now. */
struct location_state {
    uint64_t aors, bindings;
};
void location_get_state(const struct location *location, struct location_state *state);

/* ---- what changes ---- */

enum location_change_kind {
    LOCATION_INSERTED,
    LOCATION_UPDATED, /**< refreshed or changed */
    LOCATION_REMOVED, /**< by a REGISTER or a command */
    LOCATION_EXPIRED,
};
/** @return "inserted" and so on */
const char *location_change_name(enum location_change_kind kind);

/** One binding's. */
struct location_change {
    enum location_change_kind kind;
    const struct location_binding *binding; /**< as it is now, or as it was when it is gone */
    const struct location_binding *before;  /**< LOCATION_UPDATED: the one it replaces; else NULL */
};

/**
 * All of one record, at once. Everything borrowed during the call: memory_ref() a binding to keep
 * it.
 */
struct location_changes {
    struct text aor;
    uint64_t version; /**< grows with every change of an AoR: threads may report out of order, and
                           who keeps a copy drops what is older than what it has */
    const struct location_record *record; /**< the AoR after it; NULL: no binding is left */
    const struct location_change *v;
    size_t count;
    void *by; /**< what the caller of the function that made the change gave as such */
};
/** Runs on the thread that makes the change, after it, under no lock; may call the store. */
typedef void location_change_handler(void *arg, const struct location_changes *changes);
#define LOCATION_OBSERVERS_MAX 4
/**
 * Have every change told, but for location_load()'s. Before threads start. @return 0 or ERROR_LIMIT
 */
int location_observe(struct location *location, location_change_handler *handler, void *arg);

/* ---- REGISTER ---- */

/** What decides in one save; from the settings, and the script may differ. */
struct location_rules {
    uint32_t expires_default_s, expires_least_s;
    uint32_t expires_most_s; /**< 0: as asked */
    bool refuses_brief;      /**< below the least: 423, as far as s10.3 allows; false: the least */
    uint32_t contacts_max;   /**< of one AoR */
    unsigned match;          /**< location.match: which contact of one AoR is the same binding */
};
void location_rules_default(struct location_rules *rules, const struct settings *settings);

/**
 * One REGISTER; texts borrowed during the call. location_request_parse() fills it from a message.
 */
struct location_request {
    struct text aor;
    struct text call_id;
    uint32_t cseq;
    const struct contact *contacts;
    size_t contact_count; /**< 0 and no star: nothing changes, the bindings are asked for */
    bool is_star;         /**< "Contact: *" */
    bool has_expires;     /**< Expires header */
    uint32_t expires_s;
    struct text path, received, socket, user_agent; /**< each may be absent */
    uint32_t methods;                               /**< Allow, as bits; 0: not said */
    uint32_t flags, contact_flags;
    uint64_t flow_id;
    const struct location_rules *rules; /**< NULL: the settings */
    bool is_command; /**< of an operator: Call-ID and CSeq order nothing, expires 0 is for ever */
    uint64_t now_ms;
    struct counters *counters; /**< of this thread; NULL: nothing is counted */
    void *by;                  /**< for observers */
};

/** What to answer. */
struct location_result {
    unsigned status;    /**< 200, or the response that is due; nothing has changed then */
    const char *reason; /**< phrase of the response, static */
    uint32_t least_s;   /**< 423: Min-Expires */
    uint64_t version;   /**< of the record; 0 when there is none */
    struct location_record *record; /**< the AoR afterwards, returned owned; NULL: no binding */
};

/**
 * Process a REGISTER by RFC 3261 s10.3 steps 6 to 8: each contact refreshes its binding, or makes
 * one, or with expires 0 ends it; "*" ends all. All contacts or none. A contact with instance and
 * reg-id takes the place of the flow with the same two (RFC 5626 s6), others of the binding that
 * rules.match says is the same. The AoR's expired bindings go at the same time.
 * @param result  filled also when it fails
 * @return 0 (200);
 *         ERROR_SYNTAX (400: star with contacts or without Expires 0, two contacts with reg-id, a
 *         text beyond its limit);
 *         ERROR_STATE (500: CSeq not higher than that of a binding with the same Call-ID);
 *         ERROR_TIMEOUT (423);
 *         ERROR_LIMIT (503: contacts_max, location.request_contacts or location.aors);
 *         ERROR_MEMORY (500)
 */
int location_save(struct location *location, const struct location_request *request,
                  struct location_result *result);

/**
 * End bindings of an AoR (a command, or a flow that broke).
 * @param which  contact URI (equal by RFC 3261 s19.1.4) or ruid; absent or empty: all of them
 * @return how many, 0 for none; ERROR_MEMORY
 */
int location_remove(struct location *location, struct text aor, struct text which, uint64_t now_ms,
                    void *by);

/**
 * End this very binding: one that was refreshed meanwhile is another, and stays.
 * @param binding  of a record that the caller has a reference to
 * @return 1; 0: it is not there any more; ERROR_MEMORY
 */
int location_remove_binding(struct location *location, struct text aor,
                            const struct location_binding *binding, uint64_t now_ms, void *by);

/**
 * Put a row of a persistent store in; observers are not told. One with the ruid of a binding that
 * is there takes its place. An empty ruid gets one.
 * @param row  borrowed
 * @return 0; ERROR_TIMEOUT (it has expired); ERROR_SYNTAX (no contact, a text beyond its limit);
 *         ERROR_LIMIT (location.aors); ERROR_MEMORY
 */
int location_load(struct location *location, struct text aor, const struct location_binding *row,
                  uint64_t now_ms);

/* ---- a store that others write too ---- */

struct location_refresh; /* counted: what a store holds of one AoR, on its way here */

/** Before the store is asked. @param refreshp  returned owned. @return 0 or ERROR_MEMORY */
int location_refresh_begin(struct location_refresh **refreshp, struct location *location,
                           struct text aor);
/** One of its rows, borrowed. @return 0; ERROR_SYNTAX (no sense in it); ERROR_MEMORY */
int location_refresh_add(struct location_refresh *refresh, const struct location_binding *row);
struct text location_refresh_aor(const struct location_refresh *refresh);
/**
 * These are all: they take the place of what is here. A row that is known keeps its flow. Observers are not told.
 * @return 0; ERROR_STATE (it changed here since begin, which counts more); ERROR_LIMIT (location.aors); ERROR_MEMORY
 */
int location_refresh_end(struct location_refresh *refresh, uint64_t now_ms);
/**
 * Make room: what a store has can be asked for again. Observers are not told.
 * @return 0; ERROR_STATE (the record is not in force any more); ERROR_MEMORY
 */
int location_forget(struct location *location, const struct location_record *record,
                    uint64_t now_ms);

/* ---- looking up ---- */

/** Who is wanted. */
struct location_query {
    struct text aor;
    /**
     * Only one UA instance: the value of the Request-URI's gr parameter (public GRUU, RFC 5627).
     * Absent: all.
     */
    struct text gr;
    uint32_t methods; /**< only bindings that take all of these; 0: any */
    uint64_t now_ms;
};

/** One place to send to. */
struct location_target {
    const struct location_binding *binding; /**< borrowed from the result */
    /**
     * Another flow to the UA instance of an earlier target: to be tried only when that failed
     * (RFC 5626 s7: never two flows of one instance at a time).
     */
    bool is_alternative;
};

/** Counted. */
struct location_found {
    struct location_record *record; /**< reference */
    size_t count;                   /**< at least 1 */
    struct location_target v[];     /**< by descending q, then the most recent first */
};
/**
 * Live bindings of an AoR.
 * @param foundp  returned owned; NULL on error
 * @return 0; ERROR_NOT_FOUND (not registered); ERROR_UNSUPPORTED (registered, but nobody takes this
 *         method); ERROR_MEMORY
 */
int location_lookup(struct location_found **foundp, struct location *location,
                    const struct location_query *query);
/**
 * The same by the user part of a temporary GRUU (RFC 5627 s5.4).
 * @param query  aor and gr are not looked at
 * @return as location_lookup(); ERROR_SYNTAX: no temporary GRUU of ours
 */
int location_lookup_temporary(struct location_found **foundp, struct location *location,
                              struct text user, const struct location_query *query);
/** The record of an AoR, returned owned; NULL when it has no binding. Some may have expired. */
struct location_record *location_find(struct location *location, struct text aor);

/** Where a walk is; zero-initialised is the start. */
struct location_cursor {
    uint32_t shard;
    size_t bucket, skip;
};
/**
 * The next records of all, in no particular order. Each that stays all the while is seen once,
 * whatever goes meanwhile, as long as no bucket of the table holds more than @p room; the lock is
 * held for one batch.
 * @param v  @p room of them (8 are enough), each returned owned
 * @return how many, seldom all that there is room for; 0 at the end
 */
size_t location_walk(struct location *location, struct location_cursor *cursor,
                     struct location_record **v, size_t room);

/* ---- time ---- */

/**
 * End what has expired, at most location.expire_batch AoRs, so that no worker is held up. To be
 * called about once a second, by any worker.
 * @param by  for observers
 * @return true: more is due, call again soon
 */
bool location_tick(struct location *location, uint64_t now_ms, struct counters *counters, void *by);

/* ---- words ---- */

/**
 * The AoR that a URI names (RFC 3261 s10.3 step 5): "user@host" without parameters and password,
 * escapes resolved, host in lower case; the user too unless location.case_sensitive is set; the
 * user alone where location.use_domain is 0.
 * @param host  for a tel URI, which has none; absent: such a URI is refused
 * @param aor   in @p arena
 * @return 0, ERROR_SYNTAX (no user, or a control character in it), ERROR_MEMORY
 */
int location_aor(struct text *aor, const struct settings *settings, const struct uri *uri,
                 struct text host, struct arena *arena);

/**
 * Append the public GRUU of an instance (RFC 5627 s5.3): @p uri ";gr=" instance.
 * @param uri       AoR as a URI without parameters, "sip:2001@example.com"
 * @param instance  of the binding, with or without "<" and ">"
 */
void location_print_public_gruu(struct buffer *out, struct text uri, struct text instance);
/**
 * Append a temporary GRUU of a binding: "sip:tgruu.<32 digits>@host;gr", "sips:" of a SIPS contact. It names neither AoR nor
 * instance, differs with each REGISTER, and all of them reach the instance as long as it registers
 * with the same Call-ID. Nothing is stored for it.
 */
void location_print_temporary_gruu(struct buffer *out, const struct location *location,
                                   struct text aor, const struct location_binding *binding,
                                   struct text host);
/**
 * Would a contact lead back to the AoR that it is to be bound to (RFC 5627 s5.1)? Then it is one of the AoR's own
 * GRUUs, or the AoR itself.
 * @param uri      the AoR as a URI
 * @param contact  parsed
 */
bool location_is_loop(const struct location *location, struct text aor, struct text uri,
                      const struct uri *contact);
