/* An IP address with port, and CIDR networks. */
#pragma once

#include "base/text.h"

#include <netinet/in.h>
#include <sys/socket.h>

/** IPv4 or IPv6 address and port; family AF_UNSPEC is "none". */
struct address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
};

#define ADDRESS_TEXT_BYTES 64 /* "[IPv6]:65535" with NUL fits */

/** "10.0.0.1", "[::1]" or "::1", without port. @return 0 or ERROR_SYNTAX */
int address_parse_host(struct address *address, struct text host);
/** "10.0.0.1:5060", "[::1]:5060"; the port may be left out: @p default_port. @return 0 or ERROR_SYNTAX */
int address_parse(struct address *address, struct text host_port, uint16_t default_port);
socklen_t address_size(const struct address *address);
uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);
static inline bool address_is_set(const struct address *address)
{
    return address->sa.sa_family != AF_UNSPEC;
}
static inline bool address_is_ipv6(const struct address *address)
{
    return address->sa.sa_family == AF_INET6;
}
/** 0.0.0.0 or :: */
bool address_is_wildcard(const struct address *address);
bool address_equal(const struct address *a, const struct address *b);
bool address_equal_host(const struct address *a, const struct address *b);
/** The raw bytes that identify host and port, for hashing; borrowed into @p scratch of 18 bytes. */
struct text address_key(const struct address *address, char scratch[18]);
/** Host without brackets. @return text in @p out */
struct text address_print_host(const struct address *address, char out[ADDRESS_TEXT_BYTES]);
/** Host as SIP and SDP URIs want it: IPv6 in brackets. */
struct text address_print_uri_host(const struct address *address, char out[ADDRESS_TEXT_BYTES]);
/** "host:port", IPv6 in brackets. */
struct text address_print(const struct address *address, char out[ADDRESS_TEXT_BYTES]);

/** A network in CIDR notation. */
struct network {
    struct address base;
    unsigned prefix_bits;
};

/** "10.0.0.0/8", "2001:db8::/32"; no prefix means one host. @return 0 or ERROR_SYNTAX */
int network_parse(struct network *network, struct text cidr);
bool network_contains(const struct network *network, const struct address *address);
