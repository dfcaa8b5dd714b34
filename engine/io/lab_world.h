/* The lab's structs, shared by its files. Private to engine/io/lab*.c. */
#pragma once

#include "io/world.h"

#include "base/hash.h"
#include "base/list.h"

/* ---- events (lab_queue.c) ---- */

/** Something that happens at a time; embedded in what it happens to. */
struct lab_event {
    uint64_t time_us;
    uint64_t sequence; /**< order among events of one time: first in, first out */
    void (*run)(struct lab_event *event);
    void (*drop)(struct lab_event *event); /**< instead of run, when the world ends */
    struct lab_event *child, *sibling, *previous;
    bool is_queued;
    bool is_wake; /**< before all else of its time */
};

/** Events ordered by time, wake-ups first, and sequence: a pairing heap, which needs no memory of its own. */
struct lab_queue {
    struct lab_event *root;
    uint64_t next_sequence;
};

void lab_queue_push(struct lab_queue *queue, struct lab_event *event, uint64_t time_us);
/** @return the next event, taken out; NULL when empty */
struct lab_event *lab_queue_pop(struct lab_queue *queue);
/** Take one out; nothing happens when it is not queued. */
void lab_queue_remove(struct lab_queue *queue, struct lab_event *event);

/* ---- worlds, loops, sockets ---- */

/** A virtual world. */
struct lab {
    struct io base;
    uint64_t now_us;
    struct lab_queue queue;
    struct random network;            /**< what impairments draw from */
    struct random source;             /**< what io_seed_random() gives: one for the whole world */
    uint64_t drawn;                   /**< numbers drawn from it */
    uint32_t timer_order;             /**< timers started, over all loops */
    struct hash_key key;              /**< of the tables, and of the choice among shared sockets */
    struct lab_impairment impairment; /**< where no link says otherwise */
    struct list links;                /**< struct lab_link, oldest first; owned */
    lab_tap *tap;
    void *tap_arg;
    struct list loops;       /**< struct lab_loop, oldest first */
    struct list sockets;     /**< struct lab_udp, oldest first */
    struct hash_table ports; /**< struct lab_port by address */
    uint16_t next_port;      /**< where the search for a free port begins */
    struct list names;       /**< struct lab_name; owned */
    uint32_t resolve_delay_ms;
    struct lab_loop *running; /**< whose event runs now, or NULL */
};

/** A loop; its thread is whoever calls lab_step(). */
struct lab_loop {
    struct loop base;
    struct link link;
    struct lab_event wake; /**< queued at most once */
    struct lab_event idle; /**< a round without cause, for what was queued from outside */
    bool is_running;
    bool wake_is_pending;
    unsigned sockets;    /**< started on it */
    struct list answers; /**< struct lab_answer under way; owned */
};

/** An address with at least one socket. */
struct lab_port {
    struct hash_link link;
    struct address address;
    struct list sockets;  /**< struct lab_udp, oldest first */
    uint64_t last_due_us; /**< jitter alone does not reorder what leaves here */
};

/** What counts between two hosts, in both directions (lab_link.c). */
struct lab_link {
    struct link link;
    struct address a, b; /**< b is not set: everybody */
    struct lab_impairment impairment;
    uint64_t last_due_us[2]; /**< a to b, b to a: jitter alone does not reorder */
};

/** How a datagram goes from one host to another. */
struct lab_way {
    const struct lab_impairment *impairment;
    uint64_t *last_due_us; /**< NULL: the sending port's own */
};

/** A socket. */
struct lab_udp {
    struct udp base;
    struct link link;      /**< in lab.sockets */
    struct link port_link; /**< in port->sockets */
    struct lab *lab;
    struct lab_port *port;
    struct list inbox; /**< flights that arrived before udp_start(); owned */
    struct list queue; /**< flights of udp_queue(); owned */
    uint64_t drops, send_failures;
    uint32_t datagram_bytes;
    bool shares_port, reports_errors;
};

extern const struct world lab_world;

static inline struct lab *lab_of(const struct io *io)
{
    return (struct lab *)io;
}

/** An event of @p loop begins: handlers may be called until lab_loop_leave(). */
void lab_loop_enter(struct lab_loop *loop);
/** The event is over: the loop's idle handler runs. */
void lab_loop_leave(struct lab_loop *loop);
/** Have the idle handler run soon, if no event of this loop is under way. */
void lab_loop_want_idle(struct lab_loop *loop);
/** Deliver again what arrived at @p udp before it, or its loop, was started. */
void lab_udp_empty_inbox(struct lab_udp *udp);

int lab_udp_open(struct udp **udpp, struct io *io, const struct address *local,
                 const struct udp_options *options);
int lab_udp_start(struct udp *udp, struct loop *loop);
int lab_udp_send(struct udp *udp, const struct address *destination, struct text bytes);
int lab_udp_queue(struct udp *udp, const struct address *destination, struct text bytes,
                  const struct buffer *in);
void lab_udp_flush(struct udp *udp);
uint64_t lab_udp_kernel_drops(struct udp *udp);
uint64_t lab_udp_send_failures(const struct udp *udp);
void lab_udp_close(struct udp *udp);

/** @return the youngest link that fits, else the network's own impairment; borrowed until either changes */
struct lab_way lab_way_between(struct lab *lab, const struct address *source,
                               const struct address *destination);

/** @return the port at @p address, returned borrowed, or NULL when nothing is bound there */
struct lab_port *lab_port_find(const struct lab *lab, const struct address *address);
/** @return the port at @p address, made when there is none, returned borrowed; NULL without memory */
struct lab_port *lab_port_make(struct lab *lab, const struct address *address);
/** Free @p port when its last socket has gone. */
void lab_port_trim(struct lab_port *port);
/** Fill in a port that nobody uses at this host. @return 0 or ERROR_LIMIT */
int lab_port_choose(struct lab *lab, struct address *address);

int lab_loop_resolve(struct loop *loop, struct text name, enum resolve_type type,
                     uint32_t timeout_ms, resolve_handler *handler, void *arg);
/** Forget the questions of @p loop. */
void lab_answers_release(struct lab_loop *loop);
/** Forget all records. */
void lab_names_release(struct lab *lab);
