/*
 * Trunks: accounts at registrars of others, where this engine registers as a phone would (RFC 3261
 * s10.2), so that calls to them find the way here.
 *
 * GLOSSARY
 *   terms   what the configuration says of a trunk; never changed, a reload brings others
 *   trunk   one of them while it lives: Call-ID and CSeq that its registrar knows, how it stands
 *   trunks  all of an engine; read by any thread
 *
 * One worker, whose the trunk's Call-ID is, does what is to be done for it (client.h).
 */
#pragma once

#include "base/log.h"
#include "base/random.h"

struct trunk;  /* counted; any thread */
struct trunks; /* counted; any thread */

#define TRUNK_NAME_BYTES    32
#define TRUNK_CALL_ID_BYTES 24
#define TRUNK_REASON_BYTES  96

/** Counted and immutable once it is in use. Texts are owned; NULL: not given. */
struct trunk_terms {
    char *name;         /**< by which scripts and operators know it */
    char *registrar;    /**< URI without user: Request-URI of REGISTER */
    char *proxy;        /**< URI that it is sent to; NULL: the registrar's */
    char *user;         /**< of the address of record */
    char *domain;       /**< of the address of record */
    char *auth_user;    /**< of credentials */
    char *password;     /**< NULL: challenges are not answered. Never printed */
    char *realm;        /**< the only one that credentials are for; NULL: any */
    char *contact_user; /**< of the Contact: what calls to us have in their Request-URI */
    char *interface;    /**< listen interface; NULL: the one that leads there */
    uint32_t expires_s; /**< asked for */
};

/** @return empty terms, returned owned; NULL without memory */
struct trunk_terms *trunk_terms_create(void);

/* enum name, text */
#define TRUNK_STATES(XX)                                                                           \
    XX(REGISTERING, "registering") /* nothing has been answered yet */                             \
    XX(UP, "up")                   /* the registrar knows us */                                    \
    XX(DOWN, "down")               /* the last attempt failed; there will be another */            \
    XX(DISABLED, "disabled")       /* by an operator, or the engine stops */

enum trunk_state {
#define XX(name, text) TRUNK_##name,
    TRUNK_STATES(XX)
#undef XX
};
/** @return "up" and so on */
const char *trunk_state_name(enum trunk_state state);

/** How a trunk stands, all of one moment. */
struct trunk_view {
    struct trunk_terms *terms; /**< owned reference */
    enum trunk_state state;
    unsigned status;                 /**< of the last final response; 0: there was none */
    char reason[TRUNK_REASON_BYTES]; /**< its phrase, or why there was none; "" at first */
    uint64_t expires_ms;             /**< wall clock: the binding ends; 0: there is none */
    uint64_t next_ms;                /**< wall clock: the next REGISTER; 0: none is planned */
    unsigned failures;               /**< attempts in a row that failed */
};
/** @param view  filled; trunk_view_release() */
void trunk_get_view(struct trunk *trunk, struct trunk_view *view);
void trunk_view_release(struct trunk_view *view);
/** @return a reference to the terms in force */
struct trunk_terms *trunk_terms_of(struct trunk *trunk);

/** @return 0 or ERROR_MEMORY */
int trunks_create(struct trunks **trunksp);

/** The trunks of a new configuration, ready to be put in force. */
struct trunks_change {
    struct trunk **v;           /**< owned, with a reference to each */
    struct trunk_terms **terms; /**< borrowed from the configuration */
    size_t count;
};
/**
 * Make the trunks of @p terms. One that was there before, at the same registrar for the same
 * address of record and contact, stays: its Call-ID, CSeq and binding are kept.
 * @param random  draws Call-IDs
 * @return 0 or ERROR_MEMORY; then there is nothing to release
 */
int trunks_prepare(struct trunks_change *change, struct trunks *trunks, struct trunk_terms **terms,
                   size_t count, struct random *random);
/** Put them in force; @p change is used up. Whoever works for trunks must be told (trunk_client_follow()). */
void trunks_commit(struct trunks *trunks, struct trunks_change *change);
/** They are not wanted. */
void trunks_discard(struct trunks_change *change);

/** @return a reference, or NULL */
struct trunk *trunks_find(struct trunks *trunks, struct text name);
/** How many there are. */
size_t trunks_count(struct trunks *trunks);
/** @return a reference to the one at @p i of the configuration's order; NULL: behind the last */
struct trunk *trunks_at(struct trunks *trunks, size_t i);
