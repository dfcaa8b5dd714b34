/*
 * A virtual network for tests: one loop with a transport on 10.0.0.1:5060 ("public") and
 * 10.1.0.1:5060 ("private"), and a peer's socket on 10.0.0.2:5060 that remembers what it gets.
 */
#pragma once

#include "base/error.h"
#include "base/memory.h"
#include "transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NET_INBOX      64
#define NET_TEXT_BYTES 4096

struct net_datagram {
    uint64_t at_ms;
    char text[NET_TEXT_BYTES];
};

struct net {
    struct io *io;
    struct loop *loop;
    struct settings settings;
    struct counters counters;
    struct log log;
    struct listener listeners[3];
    struct transport *transport;
    struct udp *peer;
    struct address peer_address, our_address;
    struct net_datagram *inbox; /* what the peer got */
    size_t count;               /* of them; later ones are only counted */
};

static inline struct address net_address(const char *host_port)
{
    struct address address;
    assert_int_equal(address_parse(&address, text_of(host_port), 5060), 0);
    return address;
}

static inline void net_peer_receive(void *arg, struct udp *udp, const struct datagram *v,
                                    size_t count)
{
    struct net *net = arg;
    (void)udp;
    for (size_t i = 0; i < count; i++, net->count++) {
        if (net->count >= NET_INBOX)
            continue;
        net->inbox[net->count].at_ms = lab_now_us(net->io) / 1000;
        text_to_array(v[i].bytes, net->inbox[net->count].text, NET_TEXT_BYTES);
    }
}

static inline void net_idle(void *arg)
{
    struct net *net = arg;
    if (net->transport)
        transport_flush(net->transport);
}

static inline void net_quiet(void *arg, enum log_level level, enum log_group group,
                             struct text call_id, struct text line)
{
    (void)arg, (void)level, (void)group, (void)call_id, (void)line;
}

static inline void net_listener(struct net *net, unsigned i, const char *interface,
                                const char *host_port, const char *host, uint16_t port)
{
    struct listener *listener = &net->listeners[i];
    *listener = (struct listener){.id = (uint16_t)i, .kind = TRANSPORT_UDP, .port = port};
    listener->local = net_address(host_port);
    snprintf(listener->interface, sizeof listener->interface, "%s", interface);
    snprintf(listener->host, sizeof listener->host, "%s", host);
}

/** Everything but the transport. */
static inline void net_begin(struct net *net)
{
    *net = (struct net){.log = {.level = LOG_DEBUG, .sink = net_quiet}};
    settings_default(&net->settings);
    net_listener(net, 0, "public", "10.0.0.1:5060", "10.0.0.1", 5060);
    net_listener(net, 1, "private", "10.1.0.1:5060", "sbc.example.net", 5080);
    net_listener(net, 2, "public", "[2001:db8::1]:5060", "[2001:db8::1]", 5060);
    net->our_address = net->listeners[0].local;
    net->peer_address = net_address("10.0.0.2:5060");
    net->inbox = calloc(NET_INBOX, sizeof *net->inbox);
    assert_non_null(net->inbox);
    assert_int_equal(io_lab_create(&net->io, 7), 0);
    assert_int_equal(loop_create(&net->loop, net->io, "worker"), 0);
    loop_set_handlers(net->loop, &(struct loop_handlers){.idle = net_idle, .arg = net});
    assert_int_equal(loop_start(net->loop), 0);
    assert_int_equal(udp_open(&net->peer, net->io, &net->peer_address, &(struct udp_options){0}),
                     0);
    assert_int_equal(udp_start(net->peer, net->loop, net_peer_receive, NULL, net), 0);
}

/** @return as transport_create() */
static inline int net_make_transport(struct net *net, const struct transport_handlers *handlers)
{
    const struct listener *failed;
    return transport_create(&net->transport,
                            &(struct transport_options){
                                .io = net->io,
                                .loop = net->loop,
                                .listeners = net->listeners,
                                .listener_count = 3,
                                .settings = &net->settings,
                                .counters = &net->counters,
                                .log = &net->log,
                                .handlers = *handlers,
                            },
                            &failed);
}

static inline void net_end(struct net *net)
{
    udp_close(net->peer);
    if (net->transport)
        transport_stop(net->transport);
    net->transport = memory_release(net->transport);
    assert_int_equal(lab_open_sockets(net->io), 0);
    loop_stop(net->loop);
    loop_join(net->loop);
    memory_release(net->loop);
    memory_release(net->io);
    free(net->inbox);
}

/** Let virtual time pass. */
static inline void net_run(struct net *net, uint64_t ms)
{
    uint64_t until_us = lab_now_us(net->io) + ms * 1000;
    while (lab_step(net->io, until_us))
        ;
}

/** The peer sends text to our public listener; delivered at once. */
static inline void net_send(struct net *net, const char *text)
{
    udp_send(net->peer, &net->our_address, text_of(text));
    net_run(net, 0);
}

static inline uint64_t net_counter(const struct net *net, enum counter counter)
{
    return counter_read(&net->counters, counter);
}

/** The peer's newest datagram, "" without one. */
static inline const char *net_last(const struct net *net)
{
    return net->count && net->count <= NET_INBOX ? net->inbox[net->count - 1].text : "";
}

/** Forget what the peer got. */
static inline void net_clear(struct net *net)
{
    net->count = 0;
}
