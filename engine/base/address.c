/* Parsing, printing and comparing addresses. */
#include "base/address.h"

#include "base/error.h"

#include <arpa/inet.h>

/*
 * Four decimal numbers without leading zeros. inet_pton() does the same and costs five times as
 * much, and every message is asked for the addresses in it.
 */
static bool parse_ipv4(struct text host, in_addr_t *out)
{
    const char *at = host.p, *end = at + host.n;
    uint32_t octets = 0;
    for (unsigned count = 0; count < 4; count++) {
        if (count && (at == end || *at++ != '.'))
            return false;
        const char *first = at;
        unsigned value = 0, digit;
        for (; at < end && (digit = (unsigned)(unsigned char)*at - '0') <= 9; at++)
            value = value * 10 + digit;
        size_t digits = (size_t)(at - first);
        if (!digits || digits > 3 || value > 255 || (digits > 1 && *first == '0'))
            return false;
        octets = octets << 8 | value;
    }
    *out = htonl(octets);
    return at == end;
}

static __attribute__((noinline)) int parse_ipv6(struct address *address, struct text host)
{
    char array[INET6_ADDRSTRLEN + 1];
    *address = (struct address){0};
    if (!text_find(host, ':') || text_find(host, 0) || !text_to_array(host, array, sizeof array))
        return ERROR_SYNTAX; /* inet_pton() would stop at a NUL */
    if (inet_pton(AF_INET6, array, &address->in6.sin6_addr) == 1) {
        address->in6.sin6_family = AF_INET6;
        return 0;
    }
    *address = (struct address){0};
    return ERROR_SYNTAX;
}

int address_parse_host(struct address *address, struct text host)
{
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (struct text){host.p + 1, host.n - 2};
    *address = (struct address){0};
    if (!host.n || !parse_ipv4(host, &address->in.sin_addr.s_addr))
        return parse_ipv6(address, host);
    address->in.sin_family = AF_INET;
    return 0;
}

int address_parse(struct address *address, struct text host_port, uint16_t default_port)
{
    struct text host = host_port, port = TEXT_NONE;
    const char *end = host_port.p + host_port.n;
    if (host_port.n && host_port.p[0] == '[') {
        const char *close = text_find(host_port, ']');
        if (!close)
            return ERROR_SYNTAX;
        host = text_span(host_port.p, close + 1);
        if (close + 1 < end && close[1] != ':')
            return ERROR_SYNTAX;
        if (close + 1 < end)
            port = text_span(close + 2, end);
    } else {
        const char *colon = text_find(host_port, ':');
        if (colon && !memchr(colon + 1, ':', (size_t)(end - colon - 1))) {
            host = text_span(host_port.p, colon);
            port = text_span(colon + 1, end);
        }
    }
    uint32_t number = default_port;
    if (text_is_set(port) && (text_to_u32(port, &number) || number > 65535))
        return ERROR_SYNTAX;
    int error = address_parse_host(address, host);
    if (!error)
        address_set_port(address, (uint16_t)number);
    return error;
}

socklen_t address_size(const struct address *address)
{
    return address_is_ipv6(address) ? sizeof address->in6 : sizeof address->in;
}

uint16_t address_port(const struct address *address)
{
    return ntohs(address_is_ipv6(address) ? address->in6.sin6_port : address->in.sin_port);
}

void address_set_port(struct address *address, uint16_t port)
{
    if (address_is_ipv6(address))
        address->in6.sin6_port = htons(port);
    else
        address->in.sin_port = htons(port);
}

static struct text host_bytes(const struct address *a)
{
    if (address_is_ipv6(a))
        return (struct text){(const char *)&a->in6.sin6_addr, sizeof a->in6.sin6_addr};
    return (struct text){(const char *)&a->in.sin_addr, sizeof a->in.sin_addr};
}

bool address_is_wildcard(const struct address *address)
{
    static const char zero[16];
    struct text bytes = host_bytes(address);
    return memcmp(bytes.p, zero, bytes.n) == 0;
}

bool address_equal_host(const struct address *a, const struct address *b)
{
    return a->sa.sa_family == b->sa.sa_family && text_equal(host_bytes(a), host_bytes(b));
}

bool address_equal(const struct address *a, const struct address *b)
{
    return address_equal_host(a, b) && address_port(a) == address_port(b);
}

struct text address_key(const struct address *address, char scratch[18])
{
    struct text bytes = host_bytes(address);
    uint16_t port = address_port(address);
    memcpy(scratch, bytes.p, bytes.n);
    memcpy(scratch + bytes.n, &port, sizeof port);
    return (struct text){scratch, bytes.n + sizeof port};
}

/* One to five digits. @return behind them */
static char *print_number(char *at, unsigned value)
{
    char digits[5];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n)
        *at++ = digits[--n];
    return at;
}

static struct text print_ipv4(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
    const unsigned char *octets = (const unsigned char *)&address->in.sin_addr;
    char *at = out;
    for (int i = 0; i < 4; i++) {
        if (i)
            *at++ = '.';
        at = print_number(at, octets[i]);
    }
    *at = 0;
    return text_span(out, at);
}

struct text address_print_host(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
    out[0] = 0;
    if (address->sa.sa_family == AF_INET)
        return print_ipv4(address, out);
    if (address_is_ipv6(address))
        inet_ntop(AF_INET6, host_bytes(address).p, out, ADDRESS_TEXT_BYTES);
    return text_of(out);
}

struct text address_print_uri_host(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
    if (!address_is_ipv6(address))
        return address_print_host(address, out);
    struct text host = address_print_host(address, out);
    memmove(out + 1, out, host.n);
    out[0] = '[';
    out[host.n + 1] = ']';
    out[host.n + 2] = 0;
    return (struct text){out, host.n + 2};
}

struct text address_print(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
    char *at = out + address_print_uri_host(address, out).n;
    *at++ = ':';
    at = print_number(at, address_port(address));
    *at = 0;
    return text_span(out, at);
}

int network_parse(struct network *network, struct text cidr)
{
    struct text prefix = cidr;
    struct text host = text_split(&prefix, '/');
    int error = address_parse_host(&network->base, host);
    if (error)
        return error;
    unsigned most = address_is_ipv6(&network->base) ? 128 : 32;
    uint32_t bits = most;
    if (text_is_set(prefix) && (text_to_u32(prefix, &bits) || bits > most))
        return ERROR_SYNTAX;
    network->prefix_bits = bits;
    return 0;
}

bool network_contains(const struct network *network, const struct address *address)
{
    if (network->base.sa.sa_family != address->sa.sa_family)
        return false;
    const unsigned char *a = (const unsigned char *)host_bytes(&network->base).p;
    const unsigned char *b = (const unsigned char *)host_bytes(address).p;
    unsigned whole = network->prefix_bits / 8, rest = network->prefix_bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    unsigned mask = rest ? 0xffu << (8 - rest) & 0xffu : 0;
    return rest == 0 || (a[whole] & mask) == (b[whole] & mask);
}
