/*
 * One side of a stream: the port pair that one party sees. Made by the worker, which binds the
 * ports before the SDP leaves; from the moment it is handed over, the media thread alone touches
 * it, except for the fields that are said to be for statistics.
 */
#pragma once

#include "base/list.h"
#include "media/dtmf.h"
#include "media/learn.h"
#include "media/port.h"
#include "media/rtcp.h"
#include "media/rtp.h"
#include "media/thread.h"

struct media_call;
struct media_side;

/** One port of a side. */
struct component {
    struct media_side *side; /**< holder */
    struct udp *udp;         /**< owned, NULL: not open */
    struct learn learn;
    struct address peer; /**< packets go there, AF_UNSPEC: nowhere; under the thread's peers_lock */
    _Atomic bool is_learned; /**< packets from the peer have been seen */
    bool is_moved;           /**< learned elsewhere than expected, event not posted yet */
};

/** How a party's packets are treated; set by an answer. */
struct side_terms {
    struct address rtp, rtcp; /**< of its SDP, AF_UNSPEC: none */
    struct address host;      /**< where its SIP comes from */
    struct rtp_clocks clocks; /**< of what it sends */
    uint32_t events;          /**< payload types of it that are telephone-event */
    uint8_t learning;         /**< enum learn_mode */
    bool is_strict;
    bool is_asymmetric; /**< always send to the SDP's address */
    bool has_mux;       /**< RTP and RTCP on one port */
    bool is_opaque;     /**< not RTP: no checks, no statistics */
    bool is_secure;     /**< SRTP: RTCP reports cannot be read */
    bool has_dtls;      /**< DTLS-SRTP: handshakes pass */
};

/** Counted: one reference of the worker's branch, one of the media thread while it is open. */
struct media_side {
    struct link link;        /**< of the call's open sides */
    struct media_call *call; /**< borrowed: the thread keeps the call while a side is open */
    struct media_thread *thread;
    struct media_side *other; /**< packets go out there; NULL: they are dropped */
    struct component rtp, rtcp;
    struct port_pool *pool; /**< borrowed */
    uint16_t port;          /**< RTP port; constant */
    uint8_t index;          /**< position of the m= line */
    bool of_caller;
    bool is_agreed; /**< an answer has said who is expected here */
    bool has_mux, is_opaque, is_secure, has_dtls, is_asymmetric;
    struct address host;
    struct rtp_clocks clocks;
    uint32_t events; /**< payload types from 96 on that are telephone-event, a bit each */
    struct dtmf_source dtmf;
    uint64_t dtmf_quiet_ms;              /**< until then no other digit is told */
    struct rtp_source source;            /**< statistics */
    struct rtcp_source reports;          /**< statistics */
    _Atomic uint64_t strangers, dropped; /**< statistics */
};

/**
 * Bind a port pair; on the worker. Both ports even where there is no RTP: an m= line may turn from
 * audio to T.38 and back (RFC 3264 s8.3.3), and its ports stay.
 * @return as port_pool_open()
 */
int media_side_create(struct media_side **sidep, struct media_call *call, struct port_pool *pool,
                      unsigned index, bool of_caller);
/** Close its sockets and give the ports back; where it is: on the thread once handed over. */
void media_side_close(struct media_side *side);
/** Start receiving; on the thread. @return 0 or an error */
int media_side_start(struct media_side *side);
/** Apply what signalling agreed; on the thread. @param other  NULL: packets go nowhere */
void media_side_agree(struct media_side *side, struct media_side *other,
                      const struct side_terms *terms, uint64_t now_ms, uint64_t learn_ms);
/** Our address and port. */
const struct address *media_side_local(const struct media_side *side);
