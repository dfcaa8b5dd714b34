/* Via (RFC 3261 s20.42, RFC 3581). */
#pragma once

#include "base/text.h"

/** One Via element; all borrowed from what was parsed. */
struct via {
    struct text whole;     /**< the element, one of a comma-joined list */
    struct text transport; /**< "UDP" */
    struct text host;      /**< sent-by host, IPv6 with brackets */
    uint16_t port;         /**< 0: not written */
    struct text params;    /**< without leading ';'; absent when none */
    struct text branch;    /**< absent when none */
    struct text received;  /**< absent when none */
    bool has_rport;        /**< rport parameter present */
    uint16_t rport;        /**< its value, 0 without */
};

/** RFC 3261 branch, not one of RFC 2543. */
#define VIA_MAGIC_COOKIE TEXT("z9hG4bK")

/** Parse one element. @return 0 or ERROR_SYNTAX */
int via_parse(struct via *via, struct text t);
