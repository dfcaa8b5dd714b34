/*
 * What the two worlds share: every struct io, loop and udp begins with one of these, and the public
 * functions of io.h reach the world behind it through its table. Private to engine/io.
 */
#pragma once

#include "io/io.h"

/** One world's operations; the functions of io.h with the same names say what each does. */
struct world {
    bool is_virtual; /**< the lab: loops have no threads */
    uint64_t (*wall_us)(const struct io *io);
    void (*seed_random)(struct io *io, struct random *random);
    int (*route)(const struct address *to, struct address *local); /**< NULL: unsupported */
    int (*loop_create)(struct loop **loopp, struct io *io, const char *name);
    int (*loop_start)(struct loop *loop);
    int (*loop_run)(struct loop *loop);
    void (*loop_stop)(struct loop *loop);
    void (*loop_join)(struct loop *loop);
    void (*loop_wake)(struct loop *loop);
    void (*loop_set_patient)(struct loop *loop, bool is_patient); /**< NULL: nothing to do */
    uint64_t (*loop_clock_us)(const struct loop *loop);
    int (*loop_resolve)(struct loop *loop, struct text name, enum resolve_type type,
                        uint32_t timeout_ms, resolve_handler *handler, void *arg);
    int (*udp_open)(struct udp **udpp, struct io *io, const struct address *local,
                    const struct udp_options *options);
    int (*udp_start)(struct udp *udp, struct loop *loop);
    int (*udp_send)(struct udp *udp, const struct address *destination, struct text bytes);
    int (*udp_queue)(struct udp *udp, const struct address *destination, struct text bytes,
                     const struct buffer *in);
    void (*udp_flush)(struct udp *udp);
    uint64_t (*udp_kernel_drops)(struct udp *udp);
    uint64_t (*udp_send_failures)(const struct udp *udp);
    void (*udp_close)(struct udp *udp);
};

/** Head of every world. */
struct io {
    const struct world *world;
};

/** Head of every loop. */
struct loop {
    const struct world *world;
    struct io *io; /**< borrowed: a world outlives its loops */
    struct loop_handlers handlers;
    struct timers timers;
    uint64_t now_us;   /**< time of the current batch */
    const char *cause; /**< what makes it send; NULL: not said */
};

/** Head of every datagram socket. */
struct udp {
    const struct world *world;
    struct address local;
    struct loop *loop; /**< borrowed, NULL until started */
    udp_receive_handler *receive;
    udp_error_handler *error;
    void *arg;
};

#define UDP_DATAGRAM_MAX 65535u /* bytes that a datagram cannot exceed */

static inline void loop_call(const struct loop *loop, loop_handler *handler)
{
    if (handler)
        handler(loop->handlers.arg);
}
