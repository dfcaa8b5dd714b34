/* Via (RFC 3261 s20.42, RFC 3581). */
#pragma once

#include "base/address.h"
#include "base/arena.h"

/** One Via element; all borrowed from what was parsed. */
struct via {
    struct text whole;     /**< the element, one of a comma-joined list */
    struct text transport; /**< "UDP" */
    struct text host;      /**< sent-by host, IPv6 with brackets */
    uint16_t port;         /**< 0: not written */
    struct text params;    /**< without leading ';'; absent when none */
    struct text branch;    /**< absent when none */
    struct text received;  /**< absent when none */
    struct text maddr;     /**< absent when none */
    bool has_rport;        /**< rport parameter present */
    uint16_t rport;        /**< its value, 0 without */
};

/** RFC 3261 branch, not one of RFC 2543. */
#define VIA_MAGIC_COOKIE TEXT("z9hG4bK")

/** Parse one element. @return 0 or ERROR_SYNTAX */
int via_parse(struct via *via, struct text t);
/**
 * The top Via of a request as a server passes it on: received (RFC 3261 s18.2.1) when the sender
 * is not who sent-by names, received and rport (RFC 3581 s4) when rport is there. What the sender
 * wrote into either is replaced.
 * @param via   of via_parse()
 * @param peer  where the request came from
 * @return new element in @p arena; absent when the element stays as it is, or without memory
 */
struct text via_with_source(struct arena *arena, const struct via *via, const struct address *peer);
