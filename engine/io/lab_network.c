/*
 * The virtual network. A datagram becomes a flight: at the moment of sending the tap sees it and
 * impairments decide its fate; at the moment of delivery it goes to the socket bound there, among
 * several that share the address to the one that a hash of the source chooses, as SO_REUSEPORT
 * does. A flight that finds nobody turns round and comes back as an ICMP error, which likewise
 * reaches the socket that would receive from there.
 */
#include "io/lab_world.h"

#include "base/error.h"
#include "base/memory.h"

#define DATAGRAM_MAX 65507 /* largest UDP payload over IPv4 */
#define INBOX_MAX    256   /* flights that wait for a socket to be started; more are dropped */
#define REORDER_US   20000 /* a reordered datagram is held back at most so long */
#define PER_MILLE    1000
#define CAUSE_BYTES  160 /* longer ones are cut */

/** A datagram, or an ICMP error, on its way. */
struct flight {
    struct lab_event event;
    struct link link; /**< in an inbox or a queue */
    struct lab *lab;
    struct address source, destination;
    bool is_error;           /**< source is the unreachable one, bytes are what was sent there */
    char cause[CAUSE_BYTES]; /**< why it was sent; "": not said */
    size_t size_bytes;
    char bytes[];
};

/* ---- flights ---- */

static void run_flight(struct lab_event *event);

static void drop_flight(struct lab_event *event)
{
    memory_free_raw(CONTAINER_OF(event, struct flight, event));
}

static struct flight *make_flight(struct lab *lab, const struct address *source,
                                  const struct address *destination, struct text bytes)
{
    struct flight *flight = memory_raw(sizeof *flight + bytes.n);
    if (!flight)
        return NULL;
    *flight = (struct flight){
        .event = {.run = run_flight, .drop = drop_flight},
        .lab = lab,
        .source = *source,
        .destination = *destination,
        .size_bytes = bytes.n,
    };
    if (bytes.n)
        memcpy(flight->bytes, bytes.p, bytes.n);
    return flight;
}

static struct text bytes_of(const struct flight *flight)
{
    return (struct text){flight->bytes, flight->size_bytes};
}

static void release_flights(struct list *list)
{
    for (struct link *link; (link = list_pop(list));)
        memory_free_raw(CONTAINER_OF(link, struct flight, link));
}

/* ---- arrival ---- */

static struct lab_udp *receiver_of(const struct flight *flight)
{
    struct lab_port *port = lab_port_find(flight->lab, &flight->destination);
    if (!port)
        return NULL;
    char scratch[18];
    uint64_t hash = hash_text(&flight->lab->key, address_key(&flight->source, scratch));
    struct link *link = port->sockets.first;
    for (uint64_t i = hash % port->sockets.count; i; i--)
        link = link->next;
    return CONTAINER_OF(link, struct lab_udp, port_link);
}

static bool is_receiving(const struct lab_udp *udp)
{
    return udp->base.loop && ((struct lab_loop *)udp->base.loop)->is_running;
}

/* Nobody is there: the flight goes back to its sender. */
static void turn_round(struct flight *flight)
{
    struct address unreachable = flight->destination;
    flight->destination = flight->source;
    flight->source = unreachable;
    flight->is_error = true;
    struct lab *lab = flight->lab;
    const struct lab_impairment *impairment =
        lab_way_between(lab, &flight->source, &flight->destination).impairment;
    lab_queue_push(&lab->queue, &flight->event, lab->now_us + impairment->delay_us);
}

static void hand_over(struct lab_udp *udp, const struct flight *flight)
{
    struct lab_loop *loop = (struct lab_loop *)udp->base.loop;
    struct datagram datagram = {bytes_of(flight), &flight->source};
    if (datagram.bytes.n > udp->datagram_bytes)
        datagram.bytes.n = udp->datagram_bytes;
    lab_loop_enter(loop);
    udp->base.receive(udp->base.arg, &udp->base, &datagram, 1); /* may close the socket */
    lab_loop_leave(loop);
}

static void hand_over_error(struct lab_udp *udp, const struct flight *flight)
{
    if (!udp || !udp->reports_errors || !udp->base.error || !is_receiving(udp))
        return;
    struct lab_loop *loop = (struct lab_loop *)udp->base.loop;
    lab_loop_enter(loop);
    udp->base.error(udp->base.arg, &udp->base, &flight->source, bytes_of(flight));
    lab_loop_leave(loop);
}

static void run_flight(struct lab_event *event)
{
    struct flight *flight = CONTAINER_OF(event, struct flight, event);
    struct lab_udp *udp = receiver_of(flight);
    if (flight->is_error) {
        hand_over_error(udp, flight);
    } else if (!udp) {
        turn_round(flight);
        return;
    } else if (is_receiving(udp)) {
        hand_over(udp, flight);
    } else if (udp->inbox.count < INBOX_MAX) {
        list_append(&udp->inbox, &flight->link);
        return;
    } else {
        udp->drops++;
    }
    memory_free_raw(flight);
}

void lab_udp_empty_inbox(struct lab_udp *udp)
{
    for (struct link *link; (link = list_pop(&udp->inbox));)
        lab_queue_push(&udp->lab->queue, &CONTAINER_OF(link, struct flight, link)->event,
                       udp->lab->now_us);
}

/* ---- departure ---- */

static bool draw(struct lab *lab, uint32_t per_mille)
{
    return per_mille && random_below(&lab->network, PER_MILLE) < per_mille;
}

/* Jitter stretches gaps but keeps the order of one sender; only a reordered flight is overtaken. */
static uint64_t arrival_us(struct lab *lab, const struct lab_way *way)
{
    const struct lab_impairment *impairment = way->impairment;
    uint64_t due_us = lab->now_us + impairment->delay_us;
    if (impairment->jitter_us)
        due_us += random_below(&lab->network, impairment->jitter_us);
    if (draw(lab, impairment->reorder_per_mille))
        return due_us + 1 + random_below(&lab->network, REORDER_US);
    if (due_us < *way->last_due_us)
        due_us = *way->last_due_us;
    return *way->last_due_us = due_us;
}

static void show(struct lab *lab, const struct flight *flight, const uint64_t arrivals_us[2])
{
    if (!lab->tap)
        return;
    struct lab_packet packet = {
        .time_us = lab->now_us,
        .source = flight->source,
        .destination = flight->destination,
        .bytes = bytes_of(flight),
        .lost = arrivals_us[0] == UINT64_MAX,
        .arrival_us = {arrivals_us[0], arrivals_us[1]},
        .cause = flight->cause,
    };
    lab->tap(lab->tap_arg, &packet);
}

static void depart(struct lab_udp *udp, struct flight *flight)
{
    struct lab *lab = udp->lab;
    uint64_t arrivals_us[2] = {UINT64_MAX, UINT64_MAX};
    struct lab_way way = lab_way_between(lab, &flight->source, &flight->destination);
    if (!way.last_due_us)
        way.last_due_us = &udp->port->last_due_us;
    bool is_reachable = lab_port_find(lab, &flight->destination) != NULL;
    bool is_lost = draw(lab, way.impairment->loss_per_mille);
    if (is_reachable && !is_lost) {
        arrivals_us[0] = arrival_us(lab, &way);
        if (draw(lab, way.impairment->duplicate_per_mille))
            arrivals_us[1] = arrival_us(lab, &way);
    }
    show(lab, flight, arrivals_us);
    if (is_lost) {
        memory_free_raw(flight);
        return;
    }
    if (!is_reachable) {
        turn_round(flight);
        return;
    }
    struct flight *twin = NULL;
    if (arrivals_us[1] != UINT64_MAX)
        twin = make_flight(lab, &flight->source, &flight->destination, bytes_of(flight));
    lab_queue_push(&lab->queue, &flight->event, arrivals_us[0]);
    if (twin)
        lab_queue_push(&lab->queue, &twin->event, arrivals_us[1]);
}

/* The tail of a path says more than its head. */
static void note_cause(const struct loop *loop, struct flight *flight)
{
    const char *cause = loop ? loop->cause : NULL;
    if (!cause)
        return;
    size_t n = strlen(cause);
    text_to_array(text_of(n < CAUSE_BYTES ? cause : cause + n - CAUSE_BYTES + 1), flight->cause,
                  CAUSE_BYTES);
}

/* What a kernel would refuse. */
static struct flight *check_in(struct lab_udp *udp, const struct address *destination,
                               struct text bytes)
{
    struct flight *flight = NULL;
    if (destination->sa.sa_family == udp->base.local.sa.sa_family && address_port(destination) &&
        bytes.n <= DATAGRAM_MAX)
        flight = make_flight(udp->lab, &udp->base.local, destination, bytes);
    if (flight)
        note_cause(udp->base.loop, flight);
    else
        udp->send_failures++;
    return flight;
}

int lab_udp_send(struct udp *base, const struct address *destination, struct text bytes)
{
    struct lab_udp *udp = (struct lab_udp *)base;
    lab_udp_flush(base);
    struct flight *flight = check_in(udp, destination, bytes);
    if (!flight)
        return ERROR_TRANSPORT;
    depart(udp, flight);
    return 0;
}

int lab_udp_queue(struct udp *base, const struct address *destination, struct text bytes,
                  const struct buffer *in)
{
    struct lab_udp *udp = (struct lab_udp *)base;
    (void)in; /* the flight has them */
    struct flight *flight = check_in(udp, destination, bytes);
    if (!flight)
        return ERROR_TRANSPORT;
    list_append(&udp->queue, &flight->link);
    if (base->loop)
        lab_loop_want_idle((struct lab_loop *)base->loop);
    return 0;
}

void lab_udp_flush(struct udp *base)
{
    struct lab_udp *udp = (struct lab_udp *)base;
    for (struct link *link; (link = list_pop(&udp->queue));)
        depart(udp, CONTAINER_OF(link, struct flight, link));
}

/* ---- sockets ---- */

static void udp_destructor(void *object)
{
    struct lab_udp *udp = object;
    release_flights(&udp->inbox);
    release_flights(&udp->queue);
    list_remove(&udp->link);
    list_remove(&udp->port_link);
    if (udp->port)
        lab_port_trim(udp->port);
}

/* @return whether every socket at @p port, and the new one, agree to share it */
static bool is_free(const struct lab_port *port, bool shares_port)
{
    if (!port)
        return true;
    struct lab_udp *first = CONTAINER_OF(port->sockets.first, struct lab_udp, port_link);
    return shares_port && first->shares_port;
}

int lab_udp_open(struct udp **udpp, struct io *io, const struct address *local,
                 const struct udp_options *options)
{
    struct lab *lab = lab_of(io);
    struct address address = *local;
    if (!address_is_set(local) || address_is_wildcard(local))
        return ERROR_ARGUMENT;
    if (address_port(local) == 0 && lab_port_choose(lab, &address) != 0)
        return ERROR_IN_USE;
    if (!is_free(lab_port_find(lab, &address), options->share_port))
        return ERROR_IN_USE;
    struct lab_udp *udp = memory_alloc(sizeof *udp, udp_destructor);
    if (!udp)
        return ERROR_MEMORY;
    udp->port = lab_port_make(lab, &address);
    if (!udp->port) {
        memory_release(udp);
        return ERROR_MEMORY;
    }
    udp->base.world = &lab_world;
    udp->base.local = address;
    udp->lab = lab;
    udp->datagram_bytes = options->datagram_bytes ? options->datagram_bytes : UDP_DATAGRAM_MAX;
    udp->shares_port = options->share_port;
    udp->reports_errors = options->report_errors;
    list_append(&lab->sockets, &udp->link);
    list_append(&udp->port->sockets, &udp->port_link);
    *udpp = &udp->base;
    return 0;
}

int lab_udp_start(struct udp *base, struct loop *loop_base)
{
    struct lab_udp *udp = (struct lab_udp *)base;
    struct lab_loop *loop = (struct lab_loop *)loop_base;
    base->loop = loop_base;
    loop->sockets++;
    if (loop->is_running)
        lab_udp_empty_inbox(udp);
    return 0;
}

void lab_udp_close(struct udp *base)
{
    if (base->loop) {
        lab_udp_flush(base);
        ((struct lab_loop *)base->loop)->sockets--;
    }
    memory_release(base);
}

uint64_t lab_udp_kernel_drops(struct udp *base)
{
    return ((const struct lab_udp *)base)->drops;
}

uint64_t lab_udp_send_failures(const struct udp *base)
{
    return ((const struct lab_udp *)base)->send_failures;
}
