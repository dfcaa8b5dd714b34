/* Finding one of our listeners: by interface, socket name, host and port, or nearness. */
#include "base/error.h"
#include "base/memory.h"
#include "transport/operations.h"

#define ROUTE_MEMORY_MS 10000 /* a changed route of the machine is seen after this */

static const struct listener *listeners(const struct transport *transport, size_t *count)
{
    *count = transport->options.listener_count;
    return transport->options.listeners;
}

const struct listener *transport_listener(const struct transport *transport, struct text interface,
                                          enum transport_kind kind, int family)
{
    size_t count;
    const struct listener *v = listeners(transport, &count);
    for (size_t i = 0; i < count; i++)
        if (v[i].kind == kind && v[i].local.sa.sa_family == family &&
            (!text_is_set(interface) || text_equal(interface, text_of(v[i].interface))))
            return &v[i];
    return NULL;
}

/* Local or advertised host; IPv6 may be written in many ways, so it is compared as an address. */
static bool has_host(const struct transport *transport, const struct listener *listener,
                     struct text host)
{
    const struct endpoint *endpoint = &transport->endpoints[listener->id];
    struct address address;
    if (text_equal(host, endpoint->local_host))
        return true;
    if (endpoint->is_advertised && text_equal_nocase(host, text_of(listener->host)))
        return true;
    return address_is_ipv6(&listener->local) && text_find(host, ':') &&
           !address_parse_host(&address, host) && address_equal_host(&address, &listener->local);
}

static bool has_port(const struct listener *listener, uint16_t port)
{
    if (!port)
        port = transport_kind_port(listener->kind);
    return port == listener->port || port == address_port(&listener->local);
}

bool transport_listener_is(const struct transport *transport, const struct listener *listener,
                           struct text host, uint16_t port)
{
    return has_port(listener, port) && has_host(transport, listener, host);
}

const struct listener *transport_own(const struct transport *transport, struct text host,
                                     uint16_t port)
{
    size_t count;
    const struct listener *v = listeners(transport, &count);
    for (size_t i = 0; i < count; i++)
        if (transport_listener_is(transport, &v[i], host, port))
            return &v[i];
    return NULL;
}

/* Cut ":port" off the end of "host:port" or "[v6]:port". @return 0 or ERROR_SYNTAX */
static int split_port(struct text *host, uint16_t *port)
{
    size_t i = host->n;
    while (i && host->p[i - 1] >= '0' && host->p[i - 1] <= '9')
        i--;
    *port = 0;
    if (!i || host->p[i - 1] != ':')
        return 0;
    uint32_t number;
    if (text_to_u32((struct text){host->p + i, host->n - i}, &number) || number > 65535)
        return ERROR_SYNTAX;
    host->n = i - 1;
    *port = (uint16_t)number;
    return 0;
}

const struct listener *transport_listener_by_socket(const struct transport *transport,
                                                    struct text socket)
{
    struct text host = socket;
    enum transport_kind kind;
    uint16_t port;
    if (transport_kind_parse(&kind, text_split(&host, ':')) || split_port(&host, &port))
        return NULL;
    size_t count;
    const struct listener *v = listeners(transport, &count);
    for (size_t i = 0; i < count; i++)
        if (v[i].kind == kind && transport_listener_is(transport, &v[i], host, port))
            return &v[i];
    return NULL;
}

static struct text raw_host(const struct address *address)
{
    if (address_is_ipv6(address))
        return (struct text){(const char *)&address->in6.sin6_addr, sizeof(struct in6_addr)};
    return (struct text){(const char *)&address->in.sin_addr, sizeof(struct in_addr)};
}

static unsigned common_bits(const struct address *a, const struct address *b)
{
    struct text x = raw_host(a), y = raw_host(b);
    unsigned bits = 0;
    for (size_t i = 0; i < x.n; i++) {
        unsigned char difference = (unsigned char)(x.p[i] ^ y.p[i]);
        if (difference)
            return bits + (unsigned)__builtin_clz(difference) - 24;
        bits += 8;
    }
    return bits;
}

static bool can_reach(const struct listener *listener, const struct address *address,
                      enum transport_kind kind)
{
    return listener->kind == kind && listener->local.sa.sa_family == address->sa.sa_family;
}

static const struct listener *nearest(const struct transport *transport,
                                      const struct address *address, enum transport_kind kind)
{
    const struct listener *best = NULL;
    unsigned best_bits = 0;
    size_t count;
    const struct listener *v = listeners(transport, &count);
    for (size_t i = 0; i < count; i++) {
        if (!can_reach(&v[i], address, kind))
            continue;
        unsigned bits = common_bits(&v[i].local, address);
        if (!best || bits > best_bits) {
            best = &v[i];
            best_bits = bits;
        }
    }
    return best;
}

/* Is there nothing to choose? @return whether, and in *only the one, or NULL when there is none */
static bool has_no_choice(const struct transport *transport, const struct address *address,
                          enum transport_kind kind, const struct listener **only)
{
    size_t count;
    const struct listener *v = listeners(transport, &count);
    *only = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!can_reach(&v[i], address, kind))
            continue;
        if (*only)
            return false;
        *only = &v[i];
    }
    return true;
}

static const struct listener *ask_kernel(const struct transport *transport,
                                         const struct address *address, enum transport_kind kind)
{
    struct address local;
    size_t count;
    const struct listener *v = listeners(transport, &count);
    if (io_route(transport->options.io, address, &local))
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (can_reach(&v[i], address, kind) && address_equal_host(&v[i].local, &local))
            return &v[i];
    return NULL;
}

/* Where a route to this host is remembered, or would be; NULL without memory. */
static struct remembered_route *place_of(struct transport *transport, const struct address *address)
{
    size_t size_bytes = ROUTES_REMEMBERED * sizeof *transport->routes;
    if (!transport->routes) {
        transport->routes = memory_raw(size_bytes);
        if (!transport->routes)
            return NULL;
        memset(transport->routes, 0, size_bytes);
    }
    uint64_t hash = hash_text(&transport->tag_key, raw_host(address));
    return &transport->routes[hash & (ROUTES_REMEMBERED - 1)];
}

const struct listener *transport_listener_towards(struct transport *transport,
                                                  const struct address *address,
                                                  enum transport_kind kind)
{
    const struct listener *listener;
    if (has_no_choice(transport, address, kind, &listener))
        return listener;
    if (io_is_virtual(transport->options.io))
        return nearest(transport, address, kind);
    uint64_t now_ms = loop_now_ms(transport->options.loop);
    struct remembered_route *route = place_of(transport, address);
    if (route && now_ms < route->until_ms && route->kind == kind &&
        address_equal_host(&route->host, address))
        return route->listener;
    listener = ask_kernel(transport, address, kind);
    if (!listener)
        listener = nearest(transport, address, kind);
    if (route)
        *route = (struct remembered_route){*address, kind, listener, now_ms + ROUTE_MEMORY_MS};
    return listener;
}
