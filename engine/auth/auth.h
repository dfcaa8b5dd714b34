/*
 * The server's side of digest authentication (RFC 3261 s22, RFC 7616, RFC 8760): nonces, replays, and
 * whether credentials are right. One for all workers of an engine.
 *
 * A nonce says when it was made and carries a keyed hash over that, realm, algorithm and, where
 * auth.bind_source says so, the source: every worker can tell its own without having kept it. Only
 * a nonce that a right answer came for is remembered, for the counts (nc) that were used with it; so
 * who does not know a password cannot make memory grow. When auth.nonces are remembered the first
 * goes, and from then on no older one is taken as new: its client is told stale=true.
 *
 * Answers without qop have no count: their nonce is good once.
 * Deviation: the digest's uri is not compared with the Request-URI, which proxies on the way may have
 * changed (RFC 3261 s22.4 allows this).
 */
#pragma once

#include "base/counter.h"
#include "base/random.h"
#include "sip/digest.h"
#include "sip/message.h"

struct auth; /* counted */

/**
 * @param authp   returned owned
 * @param secret  what nonces are signed with, shared by servers that take each other's; absent: drawn
 *                from @p random. @return 0, ERROR_UNSUPPORTED (no SHA-256) or ERROR_MEMORY
 */
int auth_create(struct auth **authp, struct text secret, struct random *random);

/** Where and when a challenge is made or credentials are judged; all borrowed. */
struct auth_scope {
    struct text realm;
    uint64_t now_ms; /**< wall clock */
    const struct settings *settings;
    struct counters *counters;
    const struct address *source; /**< of the request */
};

/* ---- challenges ---- */

/** What is asked for. */
struct auth_challenge {
    bool is_proxy; /**< Proxy-Authenticate, for 407 */
    bool is_stale; /**< only the nonce was wrong */
    unsigned qops; /**< enum digest_qop; 0: none */
    enum digest_algorithm
        algorithms[DIGEST_ALGORITHM_COUNT]; /**< preferred first (RFC 8760 s2.3) */
    size_t algorithm_count;
};
/** Append a header line for each algorithm, each with a nonce of its own. Errors stay in @p out. */
void auth_print_challenge(struct auth *auth, const struct auth_scope *scope,
                          const struct auth_challenge *challenge, struct buffer *out);

/* ---- credentials ---- */

/* name, the word that scripts get */
#define AUTH_VERDICTS(XX)                                                                          \
    XX(GOOD, "good")                                                                               \
    XX(NONE, "no credentials")             /* none for this realm */                               \
    XX(MALFORMED, "malformed")             /* they cannot be read */                               \
    XX(UNSUPPORTED, "not supported")       /* userhash, or an algorithm nobody has */              \
    XX(FOREIGN, "foreign nonce")           /* not ours, or not for this realm or source */         \
    XX(WRONG, "wrong")                     /* password or user: nobody is told which */            \
    XX(STALE, "stale")                     /* right, but the nonce is too old or used up */        \
    XX(REPLAYED, "replayed")               /* right, but this count was used with the nonce */     \
    XX(NO_HA1, "no HA1 for the algorithm") /* what the script gave is of another length */         \
    XX(FAILED, "out of memory")

enum auth_verdict {
#define XX(name, text) AUTH_##name,
    AUTH_VERDICTS(XX)
#undef XX
        AUTH_VERDICT_COUNT
};
/** @return "no credentials" and so on */
const char *auth_verdict_text(enum auth_verdict verdict);

/** Which headers are looked at. */
enum auth_headers { AUTH_ANY, AUTH_WWW, AUTH_PROXY };

/** The credentials that were found; texts are of the message. */
struct auth_credentials {
    struct digest digest;
    uint64_t made_ms; /**< when the nonce was made */
    bool is_old;      /**< it has expired */
};
/**
 * The credentials of a request that are for this realm and carry a nonce of ours.
 * @return AUTH_GOOD: there are some, not judged yet; NONE, MALFORMED, UNSUPPORTED, FOREIGN, FAILED
 */
enum auth_verdict auth_find(struct auth *auth, const struct auth_scope *scope,
                            struct message *message, enum auth_headers headers,
                            struct auth_credentials *credentials);

/** What the server knows of a user; absent: there is no such user, which takes as long to say. */
struct auth_secret {
    struct text text;
    bool is_password; /**< else an HA1 in hexadecimal digits */
};
/**
 * Are they right? When they are, their count is used up.
 * @param message  that they were found in
 * @return any verdict but NONE, MALFORMED, UNSUPPORTED and FOREIGN; nothing is counted here
 */
enum auth_verdict auth_verify(struct auth *auth, const struct auth_scope *scope,
                              const struct message *message,
                              const struct auth_credentials *credentials,
                              const struct auth_secret *secret);
/** Count a final verdict. */
void auth_count(const struct auth_scope *scope, enum auth_verdict verdict);

/* ---- HA1s that were looked up ---- */

/** Keep the HA1 that was right for these credentials for @p ttl_ms; bounded by auth.credentials. */
void auth_remember(struct auth *auth, const struct auth_scope *scope,
                   const struct auth_credentials *credentials, const struct auth_secret *secret,
                   uint64_t ttl_ms);
/** @return 0 or ERROR_NOT_FOUND */
int auth_recall(struct auth *auth, const struct auth_scope *scope,
                const struct auth_credentials *credentials, struct digest_hex *ha1);
/** The user's password has changed: forget what was kept, for every algorithm. */
void auth_forget(struct auth *auth, struct text username, struct text realm);
