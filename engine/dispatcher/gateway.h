/*
 * What is alive about a gateway: state, calls, latency, addresses. One object for each (set, URI),
 * shared by all snapshots of the list that name it, so that a reload forgets nothing. Workers read
 * and change it at the same time: everything below is atomic, or says who guards it.
 */
#pragma once

#include "base/address.h"
#include "base/hash.h"
#include "dispatcher/dispatcher.h"

#include <stdatomic.h>

#define GATEWAY_PING_UNPLANNED UINT64_MAX

struct gateway {
    struct hash_link link;         /**< in the dispatcher's table; guarded by its list mutex */
    uint64_t generation;           /**< last load of the list that named it; the same guard */
    unsigned file_flags;           /**< flags column of that load; the same guard */
    struct address *addresses;     /**< what its name resolves to, owned; the same guard */
    size_t address_count;          /**< the same guard */
    _Atomic uint32_t word;         /**< state, probing bit, count of results: see gateway.c */
    _Atomic uint32_t calls;        /**< load tokens alive */
    _Atomic uint64_t next_ping_ms; /**< or GATEWAY_PING_UNPLANNED */
    /* Latency: written by whoever reports a ping, under the dispatcher's mutex. */
    double mean_ms, squares_ms; /**< Welford's running mean and sum of squared deviations */
    _Atomic uint32_t ping_count, timeouts, average_us, deviation_us, estimate_us, max_us;
    unsigned set;
    uint32_t uri_bytes;
    char uri[];
};

/** @return NULL without memory; returned owned */
struct gateway *gateway_create(unsigned set, struct text uri);
static inline struct text gateway_uri(const struct gateway *gateway)
{
    return (struct text){gateway->uri, gateway->uri_bytes};
}

/** Thresholds and mode of probing, Kamailio's meaning; thresholds at least 1. */
struct gateway_rules {
    unsigned probing_threshold;  /**< so many failures in a row make it inactive */
    unsigned inactive_threshold; /**< so many good answers in a row make it active again */
    unsigned probing_mode;       /**< 0-3 */
    bool is_pinged;              /**< pings are on at all */
};

enum dispatcher_state gateway_state(const struct gateway *gateway, bool *is_probing);
/** Active or trying. */
bool gateway_is_usable(const struct gateway *gateway);
/** Set from the flags column. */
void gateway_set_flags(struct gateway *gateway, unsigned flags);
/** One failure. @return true when the state changed */
bool gateway_fail(struct gateway *gateway, const struct gateway_rules *rules);
/** One good answer. @return true when the state changed */
bool gateway_succeed(struct gateway *gateway, const struct gateway_rules *rules);
/** dispatcher_mark() for one. @return 0, ERROR_SYNTAX, ERROR_STATE, ERROR_UNSUPPORTED */
int gateway_mark(struct gateway *gateway, struct text state, const struct gateway_rules *rules);
/** May it be pinged in this state and mode? */
bool gateway_wants_ping(const struct gateway *gateway, const struct gateway_rules *rules);

/** Count one answer's round trip; callers hold the dispatcher's mutex. */
void gateway_measure(struct gateway *gateway, uint32_t latency_ms);
/** Begin with a known latency (attribute latency=), as if it had long been measured. */
void gateway_set_latency(struct gateway *gateway, uint32_t latency_ms);
/** What the gateway is above its usual latency, never below 0. */
uint32_t gateway_congestion_us(const struct gateway *gateway);

/** A counted object that is one call on @p gateway. */
void *gateway_load_token(struct gateway *gateway);
