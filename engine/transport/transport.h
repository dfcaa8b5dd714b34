/*
 * The transport layer (RFC 3261 s18) of one worker: receives on every listener, parses, fills in
 * where a message came from, and sends.
 *
 * GLOSSARY
 *   interface    name of a network side, "public"; one or more listeners
 *   listener     one configured local address; immutable, shared by all workers, each of which has
 *                its own socket on it (SO_REUSEPORT)
 *   flow         one connection of a stream transport; {worker, id}. Datagrams have flow_id 0
 *   destination  where a message is sent: listener, address, flow
 *
 * To add a transport protocol: implement struct transport_operations in a file of its own and list
 * it in transport.c; nothing above this folder changes.
 */
#pragma once

#include "base/buffer.h"
#include "base/counter.h"
#include "base/log.h"
#include "io/io.h"
#include "sip/message.h"

enum transport_kind { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS, TRANSPORT_WS, TRANSPORT_WSS };
/** @return "udp", lower case */
const char *transport_kind_name(enum transport_kind kind);
/** @return "UDP", as in Via */
const char *transport_kind_via(enum transport_kind kind);
/** Any case. @return 0 or ERROR_SYNTAX */
int transport_kind_parse(enum transport_kind *kind, struct text name);
bool transport_kind_is_reliable(enum transport_kind kind);
/** 5060, or 5061 for TLS and WSS. */
uint16_t transport_kind_port(enum transport_kind kind);

#define INTERFACE_NAME_BYTES 32

/** One `listen` entry. */
struct listener {
    uint16_t id;                          /**< index in the engine's list */
    char interface[INTERFACE_NAME_BYTES]; /**< "public" */
    enum transport_kind kind;
    struct address local; /**< bound address and port */
    char host
        [256]; /**< what we write into Via and Record-Route: advertised or local; IPv6 in brackets */
    uint16_t port; /**< the same */
};

/** Where a message goes. */
struct destination {
    const struct listener *listener; /**< our socket; borrowed from the engine's list */
    struct address address;
    uint64_t flow_id; /**< 0 for datagrams */
};

struct transport;

/** What the transport tells the floor above; all on the worker's thread. */
struct transport_handlers {
    /**
     * Raw bytes arrived on a socket: is it this worker's call? NULL: every call is.
     * @return true when they were handed over to the owner (or dropped); nothing else happens here
     */
    bool (*claim)(void *arg, const struct listener *listener, const struct address *peer,
                  struct text bytes);
    /** A parsed message of ours, source filled in; borrowed, take a reference to keep it. */
    void (*message)(void *arg, struct message *message);
    /** Something sent to @p address could not be delivered (ICMP); @p bytes as much as came back. */
    void (*undeliverable)(void *arg, const struct address *address, struct text bytes);
    void *arg;
    /** A message is about to leave; NULL: nobody wants to know. */
    void (*sent)(void *arg, const struct destination *destination, struct text bytes);
};

struct transport_options {
    struct io *io;
    struct loop *loop;
    const struct listener *listeners; /**< borrowed, outlives the transport */
    size_t listener_count;
    const struct settings *settings; /**< borrowed */
    struct counters *counters;       /**< borrowed */
    struct log *log;                 /**< borrowed */
    struct hash_key hash_key;        /**< the engine's */
    struct transport_handlers handlers;
};

/** Make it and bind every socket; nothing is received yet. @return 0, ERROR_IN_USE, ... ; *failed names the listener */
int transport_create(struct transport **transportp, const struct transport_options *options,
                     const struct listener **failed);
/**
 * Try each address without sharing it: SO_REUSEPORT would bind silently beside another process.
 * To be called once, before any worker binds.
 * @param failed  the listener that could not be bound
 * @return 0, ERROR_IN_USE, ERROR_ARGUMENT (not an address of this machine), ERROR_UNSUPPORTED ...
 */
int transport_probe(struct io *io, const struct listener *listeners, size_t count,
                    const struct listener **failed);
/** Start receiving; on the loop's thread, after every worker has bound. */
int transport_start(struct transport *transport);
/** Close all sockets; on the loop's thread. */
void transport_stop(struct transport *transport);

/**
 * Take bytes as if they had just arrived here: keepalives are answered, malformed messages dropped
 * or answered 400, good ones go to handlers.message. Used for handed-over bytes.
 */
void transport_receive(struct transport *transport, const struct listener *listener,
                       const struct address *peer, struct text bytes, uint64_t received_us);

/**
 * Begin to print a message, one at a time: what was printed before and not sent is forgotten. It leaves
 * from where it is printed.
 * @return borrowed, with what is already on its way in front: to append to, and to ask for an error
 */
struct buffer *transport_print(struct transport *transport);
/** What has been printed since; borrowed until the next is begun, or sent: copy it before to keep it. */
struct text transport_printed(const struct transport *transport);
/**
 * Send one message; leaves at the end of the batch, in order.
 * @param bytes  transport_printed(), or others, which are copied
 * @return 0, ERROR_TRANSPORT, ERROR_LIMIT (too long for a datagram), ERROR_MEMORY
 */
int transport_send(struct transport *transport, const struct destination *destination,
                   struct text bytes);
/** Send what is queued; the worker's idle handler calls it. */
void transport_flush(struct transport *transport);

/** First listener of @p interface with @p kind and address family; NULL. @p interface absent: any. */
const struct listener *transport_listener(const struct transport *transport, struct text interface,
                                          enum transport_kind kind, int family);
/** Listener by "udp:HOST:PORT" ($fs) or NULL. */
const struct listener *transport_listener_by_socket(const struct transport *transport,
                                                    struct text socket);
/** Is this host and port one of ours (local or advertised)? port 0: the default of each listener's kind. */
const struct listener *transport_own(const struct transport *transport, struct text host,
                                     uint16_t port);
/**
 * The listener that the kernel's routing would use towards @p address, remembered for 10 s. Where the
 * kernel would use an address that no listener has, and in the lab: the one that shares its leading
 * bits best. NULL without any of that kind and family.
 */
const struct listener *transport_listener_towards(struct transport *transport,
                                                  const struct address *address,
                                                  enum transport_kind kind);

/** Where a response with this top Via goes (RFC 3261 s18.2.2, RFC 3581). @return 0 or ERROR_SYNTAX (a name: resolve it first) */
int transport_response_destination(const struct via *via, const struct listener *listener,
                                   struct destination *destination);
/** Where responses to a request that we received go: by its top Via and where it came from. */
void transport_reply_destination(struct message *request, struct destination *destination);
/**
 * Answer a request statelessly (RFC 3261 s8.2.7): printed by response_print(), sent at once. A To
 * tag is derived from the request when the options have none, so that retransmissions get the same
 * and the ACK is known by transport_is_own_ack(). ACK itself is never answered.
 * @return 0, ERROR_STATE (ACK), ERROR_MEMORY, ERROR_TRANSPORT
 */
struct response_options;
int transport_reply(struct transport *transport, struct message *request,
                    const struct response_options *options);
/** Does this ACK answer a response of transport_reply()? It ends here then. */
bool transport_is_own_ack(const struct transport *transport, struct message *ack);

/** Append the line "Via: SIP/2.0/UDP host:port;branch=...;rport". */
void transport_print_via(struct buffer *out, const struct transport *transport,
                         const struct listener *listener, struct text branch);
/**
 * The line that brings requests back to one of our sockets, "Record-Route: <sip:host:port;lr>".
 * @param is_double  it is one of two of ours (RFC 5658 s6): ";r2=on" as well
 * @return returned borrowed, lives as long as the transport
 */
struct text transport_record_route(const struct transport *transport,
                                   const struct listener *listener, bool is_double);
/**
 * Whose transport_record_route() has this value, byte for byte?
 * @return NULL: nobody's; it may be written otherwise
 */
const struct listener *transport_recorded(const struct transport *transport, struct text route,
                                          bool *is_double);
