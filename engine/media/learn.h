/*
 * Who may send to a port, and where its packets go back to: peer learning.
 *
 * A party behind a NAT sends from elsewhere than its SDP says, so the relay follows the source of
 * its packets. So that nobody else can take a stream over (RTPBleed), only two hosts are ever
 * followed: the one in the SDP and the one that the SIP message came from. Everybody else is a
 * stranger, whose packets are dropped, unless the mode is `immediate` or strict-source is off.
 */
#pragma once

#include "base/address.h"

#define LEARN_MODES(XX)                                                                            \
    XX(HEURISTIC, "heuristic") /* best source of the window; the SDP's own wins at once */         \
    XX(DELAYED, "delayed")     /* follow within the window, keep the last */                       \
    XX(IMMEDIATE, "immediate") /* the first packet decides, whoever sent it */                     \
    XX(OFF, "off")             /* only the SDP's address */

enum learn_mode {
#define XX(name, text) LEARN_##name,
    LEARN_MODES(XX)
#undef XX
};
/** @return "heuristic" and so on */
const char *learn_mode_name(enum learn_mode mode);

/** What one port knows of its peer. Zero-initialised expects nobody. */
struct learn {
    struct address expected; /**< SDP; AF_UNSPEC: none */
    struct address source;   /**< followed now; AF_UNSPEC: nobody yet */
    uint64_t window_end_ms;  /**< until then a better source wins */
    uint8_t mode;            /**< enum learn_mode */
    uint8_t rank;            /**< of source, smaller is better */
    bool is_locked;          /**< source is final until the next signalling */
    bool is_strict;          /**< strangers are dropped */
};

enum learn_verdict {
    LEARN_DROP,  /**< a stranger */
    LEARN_PASS,  /**< from the peer */
    LEARN_MOVED, /**< from the peer, whose address is this one from now on */
};

/**
 * Signalling named the peer: learning starts anew. What was learned stays in use until packets say
 * otherwise, unless @p expected is not what it was.
 * @return true when @p expected is new: the old source is forgotten
 */
bool learn_start(struct learn *learn, const struct address *expected, enum learn_mode mode,
                 bool is_strict, uint64_t window_end_ms);
/**
 * Judge a packet.
 * @param host  where the party's SIP comes from, AF_UNSPEC: unknown
 */
enum learn_verdict learn_packet(struct learn *learn, const struct address *source,
                                const struct address *host, uint64_t now_ms);
/** Whether @p source is the peer as it is known now; learns nothing. */
bool learn_is_peer(const struct learn *learn, const struct address *source);
