/*
 * Locating SIP servers (RFC 3263) of one worker: from a URI to addresses in the order in which to
 * try them. NAPTR, then SRV, then A and AAAA, over loop_resolve().
 *
 * Answers and failures are remembered for their time to live; who asks for a name that is being
 * asked waits for the same answer. A numeric host costs neither a question nor an allocation.
 */
#pragma once

#include "base/counter.h"
#include "base/random.h"
#include "base/settings.h"
#include "io/io.h"
#include "sip/uri.h"

struct resolver;
struct resolve_query;

#define RESOLVE_TARGETS_MAX 16 /* further addresses of one URI are left out */

/** Addresses of one URI, best first. */
struct resolve_targets {
    size_t count;
    struct resolve_target v[RESOLVE_TARGETS_MAX];
};

struct resolve_options {
    struct loop *loop;
    struct random *random;           /**< for SRV weights (RFC 2782); borrowed, the worker's */
    struct hash_key hash_key;        /**< the engine's */
    const struct settings *settings; /**< borrowed */
    struct counters *counters;       /**< borrowed */
    unsigned kinds;          /**< bit per enum transport_kind that we can send by; 0: UDP only */
    bool has_ipv4, has_ipv6; /**< families that we can send from; neither: both */
};

/** @return 0 or ERROR_MEMORY; release with memory_release() when the loop
 * no longer runs, before the loop itself */
int resolve_create(struct resolver **resolverp, const struct resolve_options *options);

/** @param v  targets, best first, borrowed; none with an error. @param error 0, ERROR_NOT_FOUND, ERROR_TIMEOUT, ERROR_LIMIT, ERROR_MEMORY */
typedef void resolve_uri_handler(void *arg, int error, const struct resolve_target *v,
                                 size_t count);
/**
 * Find where to send a request for @p next_hop (a sip or sips URI).
 * @param now      filled when the answer is known already: count > 0, the handler is not called
 * @param handler  called once, never during this call, when now->count is 0
 * @param queryp   what resolve_cancel() takes, NULL when the answer is known; borrowed, valid until
 *                 the handler runs. May be NULL itself
 * @return 0; ERROR_ARGUMENT (not a SIP URI), ERROR_UNSUPPORTED (transport), ERROR_NOT_FOUND or
 *         ERROR_TIMEOUT (known to fail), ERROR_LIMIT, ERROR_MEMORY; the handler is then not called
 */
int resolve_uri(struct resolver *resolver, const struct uri *next_hop, struct resolve_targets *now,
                resolve_uri_handler *handler, void *arg, struct resolve_query **queryp);
/** The handler will not be called. Accepts NULL. */
void resolve_cancel(struct resolve_query *query);
/** Names remembered or being asked. */
size_t resolve_count(const struct resolver *resolver);
