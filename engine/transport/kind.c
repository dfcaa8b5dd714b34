/* Names and properties of the transport protocols. */
#include "base/error.h"
#include "transport/transport.h"

static const struct {
    const char *name, *via;
    bool is_reliable;
    uint16_t port;
} kinds[] = {
    [TRANSPORT_UDP] = {"udp", "UDP", false, 5060}, [TRANSPORT_TCP] = {"tcp", "TCP", true, 5060},
    [TRANSPORT_TLS] = {"tls", "TLS", true, 5061},  [TRANSPORT_WS] = {"ws", "WS", true, 5060},
    [TRANSPORT_WSS] = {"wss", "WSS", true, 5061},
};
#define KIND_COUNT (sizeof kinds / sizeof *kinds)

const char *transport_kind_name(enum transport_kind kind)
{
    return (unsigned)kind < KIND_COUNT ? kinds[kind].name : "unknown";
}

const char *transport_kind_via(enum transport_kind kind)
{
    return (unsigned)kind < KIND_COUNT ? kinds[kind].via : "UNKNOWN";
}

int transport_kind_parse(enum transport_kind *kind, struct text name)
{
    for (unsigned i = 0; i < KIND_COUNT; i++)
        if (text_equal_nocase(name, text_of(kinds[i].name))) {
            *kind = (enum transport_kind)i;
            return 0;
        }
    return ERROR_SYNTAX;
}

bool transport_kind_is_reliable(enum transport_kind kind)
{
    return (unsigned)kind < KIND_COUNT && kinds[kind].is_reliable;
}

uint16_t transport_kind_port(enum transport_kind kind)
{
    return (unsigned)kind < KIND_COUNT ? kinds[kind].port : 5060;
}
