/*
 * Private to this folder: what a transport protocol implements, and what it calls.
 *
 * A protocol has one state per listener and worker (a UDP socket; a TCP listening socket with its
 * connections). Flows of a stream protocol are numbered by that state; destination.flow_id carries
 * the number back to send().
 */
#pragma once

#include "base/hash.h"
#include "transport/transport.h"

/** One protocol; tables are static, one per file. */
struct transport_operations {
    enum transport_kind kind;
    /** Bind; any thread. @return 0, ERROR_IN_USE ...; *statep returned owned, ended by close() */
    int (*open)(void **statep, struct transport *transport, const struct listener *listener);
    /** Begin to receive; on the loop's thread. */
    int (*start)(void *state, struct loop *loop);
    /**
     * Queue one message; stream protocols connect when flow_id is 0. What could not be sent is
     * counted here (COUNTER_SIP_SEND_FAILED).
     * @param bytes  in transport->print, where they stay until flush()
     * @return 0, ERROR_TRANSPORT, ERROR_LIMIT
     */
    int (*send)(void *state, const struct destination *destination, struct text bytes);
    /** Send what is queued. */
    void (*flush)(void *state);
    /** Stop and free; on the loop's thread once started. */
    void (*close)(void *state);
    /** Try to bind without sharing. @return as open() */
    int (*probe)(struct io *io, const struct listener *listener);
};
extern const struct transport_operations transport_udp;

/** One listener of this worker. */
struct endpoint {
    const struct transport_operations *operations;
    void *state;            /**< owned, NULL when not open */
    bool has_queued;        /**< something was sent since the last flush */
    bool is_advertised;     /**< under another host than the local one */
    struct text local_host; /**< local address as in a URI; lies in the next field */
    char local_host_bytes[ADDRESS_TEXT_BYTES];
    struct buffer texts; /**< what every message that leaves has of us, printed once; owned */
    struct text via;     /**< in texts: "Via: SIP/2.0/UDP host:port;branch=" */
    struct text record_route[2]; /**< in texts, the lines: single, and one of two */
    struct text route[2];        /**< in texts, what comes back of them: their values */
};

#define ROUTES_REMEMBERED 256 /* per worker; a power of two */

/** Which listener leads to a host, as the kernel's routing said a while ago. */
struct remembered_route {
    struct address host; /**< not set: the place is free */
    enum transport_kind kind;
    const struct listener *listener;
    uint64_t until_ms;
};

struct transport {
    struct transport_options options;
    struct hash_key tag_key; /**< of To tags in stateless responses */
    struct buffer print;     /**< what leaves at the end of the batch, then what is being printed */
    size_t queued_bytes;     /**< of it, what leaves */
    struct endpoint *endpoints; /**< one per listener, same index; owned */
    /** By hash of the host, one place each: what collides is asked again. Owned; NULL until used. */
    struct remembered_route *routes;
};

/** Is @p listener named so (local or advertised)? port 0: the default of its kind. */
bool transport_listener_is(const struct transport *transport, const struct listener *listener,
                           struct text host, uint16_t port);

/** A message's bytes arrived on a socket of @p listener: keepalive, owner check, then the rest. */
void transport_arrived(struct transport *transport, const struct listener *listener,
                       const struct address *peer, uint64_t flow_id, struct text bytes,
                       uint64_t received_us);
