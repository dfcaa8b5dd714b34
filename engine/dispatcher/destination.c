/* Making a destination of a line, and the readers of both its halves. */
#include "dispatcher/destination.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/rows.h"
#include "sip/uri.h"

/* Not secret on purpose: after a restart, and on the machine next to us, a key meets the same gateway. */
static const struct hash_key public_key = {0x6469737061746368u, 0x6765722e6c697374u};

uint64_t destination_hash(struct text t)
{
    return hash_text(&public_key, t);
}

static void destroy(void *object)
{
    struct dispatcher_destination *destination = object;
    memory_release(destination->gateway);
}

/* Where a fault is. */
struct place {
    const char *name;
    unsigned line;
    char **fault;
};

static int parse_number(const struct place *place, const struct dispatcher_destination *destination,
                        const char *attribute, unsigned most, unsigned *value)
{
    struct text t = param_find(destination->attrs, text_of(attribute));
    uint32_t number;
    if (!text_is_set(t))
        return 0;
    if (text_to_u32(t, &number) || number > most)
        return rows_fault(place->fault, ERROR_SYNTAX,
                          "%s:%u: attribute %s is \"%.*s\"; write a number from 0 to %u",
                          place->name, place->line, attribute, TEXT_ARG(t), most);
    *value = number;
    return 0;
}

static int parse_uri(const struct place *place, struct text text, struct uri *uri)
{
    if (uri_parse(uri, text) || (uri->scheme != URI_SIP && uri->scheme != URI_SIPS) || !uri->host.n)
        return rows_fault(place->fault, ERROR_SYNTAX,
                          "%s:%u: \"%.*s\" is not a SIP URI; write sip:HOST or sip:HOST:PORT",
                          place->name, place->line, TEXT_ARG(text));
    return 0;
}

/* What pings are sent with, read when one is due. */
static int check_uri(const struct place *place, const struct dispatcher_destination *destination,
                     const char *attribute)
{
    struct uri uri;
    struct text t = param_find(destination->attrs, text_of(attribute));
    return text_is_set(t) ? parse_uri(place, t, &uri) : 0;
}

static int parse_attributes(const struct place *place, struct dispatcher_destination *destination)
{
    unsigned cc = 0;
    int error = parse_number(place, destination, "weight", 100, &destination->weight);
    if (!error)
        error = parse_number(place, destination, "rweight", 100, &destination->rweight);
    if (!error)
        error = parse_number(place, destination, "maxload", 1000000, &destination->maxload);
    if (!error)
        error = parse_number(place, destination, "latency", 60000, &destination->latency_ms);
    if (!error)
        error = parse_number(place, destination, "cc", 1, &cc);
    if (!error)
        error = check_uri(place, destination, "ping_from");
    if (!error)
        error = check_uri(place, destination, "obproxy");
    destination->has_congestion_control = cc != 0;
    return error;
}

static int parse_own_uri(const struct place *place, struct dispatcher_destination *destination)
{
    struct uri uri;
    int error = parse_uri(place, destination->uri, &uri);
    if (error)
        return error;
    destination->port = uri.port;
    if (address_parse_host(&destination->address, uri.host) == 0)
        address_set_port(&destination->address, uri.port);
    return 0;
}

int destination_create(struct dispatcher_destination **destinationp,
                       const struct dispatcher_line *line, const char *name, char **fault)
{
    const struct place place = {name, line->number, fault};
    struct dispatcher_destination *destination =
        memory_alloc(sizeof *destination + line->uri.n + line->attrs.n, destroy);
    if (!destination)
        return ERROR_MEMORY;
    char *at = destination->texts;
    memcpy(at, line->uri.p, line->uri.n);
    destination->uri = (struct text){at, line->uri.n};
    if (text_is_set(line->attrs)) {
        at += line->uri.n;
        memcpy(at, line->attrs.p, line->attrs.n);
        destination->attrs = (struct text){at, line->attrs.n};
    }
    destination->set = line->set;
    destination->flags = line->flags;
    destination->priority = line->priority;
    destination->hash = destination_hash(destination->uri);
    int error = parse_own_uri(&place, destination);
    if (!error)
        error = parse_attributes(&place, destination);
    if (error) {
        memory_release(destination);
        return error;
    }
    *destinationp = destination;
    return 0;
}

struct text dispatcher_destination_uri(const struct dispatcher_destination *destination)
{
    return destination->uri;
}

unsigned dispatcher_destination_set(const struct dispatcher_destination *destination)
{
    return destination->set;
}

struct text dispatcher_destination_attrs(const struct dispatcher_destination *destination)
{
    return destination->attrs;
}

struct text dispatcher_destination_attr(const struct dispatcher_destination *destination,
                                        struct text name)
{
    return param_find(destination->attrs, name);
}

int dispatcher_destination_priority(const struct dispatcher_destination *destination)
{
    return destination->priority;
}

unsigned dispatcher_destination_flags(const struct dispatcher_destination *destination)
{
    return destination->flags;
}

enum dispatcher_state dispatcher_destination_state(const struct dispatcher_destination *destination,
                                                   bool *is_probing)
{
    return gateway_state(destination->gateway, is_probing);
}

unsigned dispatcher_destination_calls(const struct dispatcher_destination *destination)
{
    return atomic_load_explicit(&destination->gateway->calls, memory_order_relaxed);
}

bool dispatcher_destination_is_name(const struct dispatcher_destination *destination)
{
    return !address_is_set(&destination->address);
}

struct dispatcher_latency
dispatcher_destination_latency(const struct dispatcher_destination *destination)
{
    const struct gateway *gateway = destination->gateway;
    return (struct dispatcher_latency){
        .answers = atomic_load_explicit(&gateway->ping_count, memory_order_relaxed),
        .timeouts = atomic_load_explicit(&gateway->timeouts, memory_order_relaxed),
        .average_us = atomic_load_explicit(&gateway->average_us, memory_order_relaxed),
        .deviation_us = atomic_load_explicit(&gateway->deviation_us, memory_order_relaxed),
        .estimate_us = atomic_load_explicit(&gateway->estimate_us, memory_order_relaxed),
        .max_us = atomic_load_explicit(&gateway->max_us, memory_order_relaxed),
    };
}

void *dispatcher_load_token(struct dispatcher_destination *destination)
{
    return gateway_load_token(destination->gateway);
}
