/*
 * Peers behind a NAT: tests with the bits of Kamailio's nat_uac_test(), Contacts that lead back to
 * where a message came from, and aliases, which carry that place in a Contact that stays as it is.
 */
#pragma once

#include "base/buffer.h"
#include "sip/message.h"

/* enum name, bit, word in scripts, what is true then */
#define NAT_TESTS(XX)                                                                              \
    XX(CONTACT_PRIVATE, 1, "contact_private", "Contact has a private address")                     \
    XX(VIA_DIFFERS, 2, "via_differs", "the top Via names another host than the source")            \
    XX(VIA_PRIVATE, 4, "via_private", "the top Via has a private address")                         \
    XX(SDP_PRIVATE, 8, "sdp_private", "a c= line has a private address")                           \
    XX(VIA_PORT_DIFFERS, 16, "via_port_differs", "the source port is not that of the top Via")     \
    XX(SOURCE_PRIVATE, 32, "source_private", "the source address is private")                      \
    XX(WEBSOCKET, 64, "websocket", "it came over a WebSocket")                                     \
    XX(CONTACT_PORT_DIFFERS, 128, "contact_port_differs", "the source port is not Contact's")      \
    XX(SDP_DIFFERS, 256, "sdp_differs", "a c= line names another address than the source")

enum nat_test {
#define XX(name, bit, word, help) NAT_##name = bit,
    NAT_TESTS(XX)
#undef XX
};
#define NAT_TEST_ALL 511u

/** Of the networks of RFC 1918, or the shared ones of carriers (RFC 6598)? */
bool nat_is_private(const struct address *address);
/**
 * Look at a message as it came. Parts that are not there or hold names, not addresses, are nothing;
 * but a Via with a name differs from its source (RFC 3261 s18.2.1).
 * Deviation: 0.0.0.0 in an SDP is a stream on hold (RFC 3264 s8.4), and differs from nothing.
 * @param tests  enum nat_test, added up
 * @return those that are true
 */
unsigned nat_test(struct message *message, unsigned tests, bool is_websocket);

/**
 * Append a Contact value with @p source as host and port of every SIP URI in it.
 * @return 0; ERROR_NOT_FOUND: "*"; ERROR_SYNTAX; errors of memory stay in @p out
 */
int nat_print_contact(struct buffer *out, struct text value, const struct address *source);

/**
 * Append a Contact value whose URIs have ";alias=HOST~PORT~PROTO" behind what parameters they had;
 * those that lead to the source anyway, or have this alias last, stay as they are.
 * @param proto  1 UDP, 2 TCP, 3 TLS, 4 SCTP, 5 WS, 6 WSS
 * @return as nat_print_contact()
 */
int nat_print_alias(struct buffer *out, struct text value, const struct address *source,
                    unsigned proto);
/** Where an alias leads. */
struct nat_alias {
    struct address address;
    unsigned proto;
};
/**
 * Take the last alias off a URI.
 * @param out  the URI without it is appended
 * @return 0, ERROR_NOT_FOUND (there is none; nothing is appended) or ERROR_SYNTAX
 */
int nat_take_alias(struct buffer *out, struct text uri, struct nat_alias *alias);
