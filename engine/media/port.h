/*
 * The free port pairs of one local address: even for RTP, the next one for RTCP (RFC 3550 s11).
 * First an unpredictable order, then the pair that has been free for longest, so that a late packet
 * of one call does not meet the next. Taking and giving back are O(1); any thread may.
 */
#pragma once

#include "base/random.h"
#include "io/io.h"

struct port_pool;

/**
 * @param local  without port; copied
 * @return 0, ERROR_MEMORY, or ERROR_ARGUMENT (no even port with its odd one in the range).
 *         Release with memory_release()
 */
int port_pool_create(struct port_pool **poolp, const struct address *local, uint16_t least,
                     uint16_t most, struct random *random);
/**
 * Another range: what is taken stays taken, and comes back only if it is in the range.
 * @return 0, or ERROR_ARGUMENT as port_pool_create(): nothing has changed then
 */
int port_pool_set_range(struct port_pool *pool, uint16_t least, uint16_t most);
const struct address *port_pool_local(const struct port_pool *pool);
size_t port_pool_total(const struct port_pool *pool);
/** Pairs taken now, those of an earlier range included. */
size_t port_pool_taken(const struct port_pool *pool);
/** Pairs of the range that wait to be taken. */
size_t port_pool_free(const struct port_pool *pool);
/**
 * Take a pair and bind it. A pair that another program holds is passed over, a bounded number of
 * times.
 * @return 0, ERROR_LIMIT (none free), ERROR_MEMORY, ERROR_TRANSPORT, ERROR_ARGUMENT (the address
 *         is not of this machine)
 */
int port_pool_open(struct port_pool *pool, struct io *io, const struct udp_options *options,
                   struct udp **rtpp, struct udp **rtcpp, uint16_t *port);
/** Give a pair back, its sockets closed. */
void port_pool_give(struct port_pool *pool, uint16_t port);
