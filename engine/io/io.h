/*
 * The seam. Clock, timers, sockets, threads, name resolution and randomness are reached only
 * through this header. Two worlds implement it: uv.c (libuv, real sockets, real threads) and lab.c
 * (virtual network and clock, seeded, every loop on the caller's thread). The engine above cannot
 * tell which one it runs in.
 *
 * GLOSSARY
 *   io      one world: makes loops and sockets. One per engine.
 *   loop    what a worker, a media thread or the control thread runs: timers, sockets, a wake-up.
 *           In the uv world a loop is a thread; in the lab all loops are stepped on one thread.
 *   udp     one bound datagram socket. Opened by any thread, then started on one loop; from then
 *           on only that loop's thread touches it.
 */
#pragma once

#include "base/address.h"
#include "base/buffer.h"
#include "base/random.h"
#include "base/text.h"
#include "base/timer.h"

struct io;
struct loop;
struct udp;

/* ---- worlds ---- */

/** The real world. @return 0 or ERROR_MEMORY; release with memory_release() after its loops */
int io_uv_create(struct io **iop);
/** A virtual world that depends on @p seed alone. @return 0 or ERROR_MEMORY */
int io_lab_create(struct io **iop, uint64_t seed);
/** Is it the lab's? Then its loops run on the caller's thread, in lab_step(). */
bool io_is_virtual(const struct io *io);
/** Wall clock. @return microseconds since the epoch; virtual in the lab */
uint64_t io_wall_us(const struct io *io);
/**
 * Which of this machine's addresses would a datagram to @p to leave from? The kernel is asked: two
 * system calls and a socket's life, so remember the answer. Any thread.
 * @param local  filled on success, with no meaningful port
 * @return 0; ERROR_NOT_FOUND (no way there); ERROR_UNSUPPORTED (the lab has no routing table);
 *         ERROR_LIMIT (descriptors), ERROR_TRANSPORT
 */
int io_route(struct io *io, const struct address *to, struct address *local);
/**
 * Seed a thread's random source: secret in the real world. In the lab all sources of a world draw from
 * one, so that what is drawn does not depend on how many there are.
 */
void io_seed_random(struct io *io, struct random *random);

/* ---- loops ---- */

typedef void loop_handler(void *arg);

/** What a loop calls on its own thread. */
struct loop_handlers {
    loop_handler *wake; /**< after loop_wake(); several wake-ups may come as one */
    loop_handler *idle; /**< after each batch of events, before the loop may sleep: flush here */
    void *arg;
};

/** @param name  shown as thread name. @return 0 or ERROR_MEMORY, ERROR_TRANSPORT */
int loop_create(struct loop **loopp, struct io *io, const char *name);
void loop_set_handlers(struct loop *loop, const struct loop_handlers *handlers);
/** Start the loop on a thread of its own; lab_step() steps it in the lab. @return 0 or ERROR_MEMORY */
int loop_start(struct loop *loop);
/** Run the loop on the calling thread until loop_stop(); in the lab an error. @return 0 or ERROR_STATE */
int loop_run(struct loop *loop);
/** Make loop_run() return, or the loop's thread end, soon; any thread. */
void loop_stop(struct loop *loop);
/** Wait until the loop's thread has ended; at once in the lab. */
void loop_join(struct loop *loop);
/** Have the wake handler called soon; any thread. Cheap when a wake-up is already pending. */
void loop_wake(struct loop *loop);
/**
 * May a wake-up of this loop take the processor from another program that is running? It may unless it is
 * told @p is_patient: then the loop runs when that one pauses, with all that came meanwhile (SCHED_BATCH).
 * On a processor that is free it makes no difference. On the loop's thread; nothing in the lab.
 */
void loop_set_patient(struct loop *loop, bool is_patient);
/** The loop's wheel; only on its thread. */
struct timers *loop_timers(struct loop *loop);
/** Monotonic time of the current batch of events. */
uint64_t loop_now_ms(const struct loop *loop);
uint64_t loop_now_us(const struct loop *loop);
/** Monotonic time now, not of the batch: for budgets and lag. */
uint64_t loop_clock_us(const struct loop *loop);
/* Release with memory_release() after loop_join(), its udp sockets closed. */

/**
 * Say what makes this loop send from now on: "timer A", "route.lua:12". The lab's tap is told it
 * beside each datagram, and it is forgotten when the loop's event ends. Only on the loop's thread.
 * @param cause  borrowed until it is taken back; NULL: nothing in particular
 * @return what was said before, to be said again
 */
const char *loop_set_cause(struct loop *loop, const char *cause);
/** What loop_set_cause() was told; NULL: nothing. */
const char *loop_cause(const struct loop *loop);
/** Does anybody hear causes? Then one may cost something to find out. Always false outside the lab. */
bool loop_is_traced(const struct loop *loop);

/* ---- datagram sockets ---- */

/** A received datagram; everything borrowed during the call. */
struct datagram {
    struct text bytes;
    const struct address *source;
};

/** One batch: @p count >= 1. */
typedef void udp_receive_handler(void *arg, struct udp *udp, const struct datagram *v,
                                 size_t count);
/**
 * A datagram sent earlier met an ICMP error.
 * @param destination  where it was sent
 * @param bytes        as much of it as came back, may be empty
 */
typedef void udp_error_handler(void *arg, struct udp *udp, const struct address *destination,
                               struct text bytes);

struct udp_options {
    bool share_port;         /**< SO_REUSEPORT: several sockets of ours on one address */
    bool report_errors;      /**< ICMP errors of RFC 3261 s18.4 reach the error handler */
    unsigned dscp;           /**< 0-63 */
    unsigned receive_bytes;  /**< SO_RCVBUF, 0 leaves the kernel's default */
    unsigned datagram_bytes; /**< longest datagram to expect; longer ones are cut. 0: 65535 */
    unsigned batch;          /**< datagrams read per system call, 0: 1 */
};

/**
 * Bind a socket; any thread.
 * @param local  address; port 0 lets the kernel (or the lab) choose
 * @return 0, ERROR_IN_USE, ERROR_ARGUMENT (not an address of this machine), ERROR_LIMIT
 *         (descriptors), ERROR_MEMORY, ERROR_TRANSPORT
 */
int udp_open(struct udp **udpp, struct io *io, const struct address *local,
             const struct udp_options *options);
/** Start receiving on @p loop; on its thread. @return 0 or an error */
int udp_start(struct udp *udp, struct loop *loop, udp_receive_handler *receive,
              udp_error_handler *error, void *arg);
/**
 * Send one datagram; on the loop's thread once started.
 * @return 0 or ERROR_TRANSPORT (the kernel refused)
 */
int udp_send(struct udp *udp, const struct address *destination, struct text bytes);
/**
 * Like udp_send(), but it may leave with others in one system call at udp_flush(). Order to one socket is
 * kept, udp_send() included.
 * @param bytes  one datagram; not copied: borrowed until udp_flush(), udp_send() or udp_close()
 * @param in     the buffer that they lie in. It may grow meanwhile, what it has stays
 * @return 0 or ERROR_TRANSPORT
 */
int udp_queue(struct udp *udp, const struct address *destination, struct text bytes,
              const struct buffer *in);
void udp_flush(struct udp *udp);
/** Where it is bound, port filled in; borrowed. */
const struct address *udp_local(const struct udp *udp);
/** Datagrams that the kernel dropped because the socket's buffer was full. */
uint64_t udp_kernel_drops(struct udp *udp);
/** Datagrams that the kernel refused to send, queued ones included; on the loop's thread. */
uint64_t udp_send_failures(const struct udp *udp);
/**
 * Stop and close, from inside its own handlers too; on the loop's thread once started, or after
 * loop_join(). Its address is free when this returns. Accepts NULL.
 */
void udp_close(struct udp *udp);

/* ---- names ---- */

/** One target of a name (RFC 3263). */
struct resolve_target {
    struct address address; /**< with port */
    uint8_t transport;      /**< enum transport_kind of transport/transport.h; 0 is UDP */
    uint32_t ttl_s;
};
enum resolve_type { RESOLVE_A, RESOLVE_AAAA, RESOLVE_SRV, RESOLVE_NAPTR };
/** One record as it came. */
struct resolve_record {
    enum resolve_type type;
    uint32_t ttl_s;
    uint16_t priority, weight, port; /**< SRV; NAPTR: order, preference, - */
    struct address address;          /**< A, AAAA (without port) */
    char name[256];                  /**< SRV target; NAPTR replacement; "." is the root: none */
    char service[32];                /**< NAPTR service, "SIP+D2U" */
    char flags[8];                   /**< NAPTR flags */
};
/**
 * @param error  0, ERROR_NOT_FOUND (there is no such name or record) or ERROR_TIMEOUT (no server
 *               answered, or it had trouble: later it may)
 * @param v      records, borrowed
 */
typedef void resolve_handler(void *arg, int error, const struct resolve_record *v, size_t count);
/**
 * Ask for one name and type; the answer comes later on the loop's thread, never during the call.
 * Caching and RFC 3263 order are transport/resolve.c's work. A loop that is released drops its open
 * questions: their handlers are not called.
 * @return 0 or ERROR_MEMORY, ERROR_LIMIT; the handler is then not called
 */
int loop_resolve(struct loop *loop, struct text name, enum resolve_type type, uint32_t timeout_ms,
                 resolve_handler *handler, void *arg);

/* ---- the lab's own controls; only for worlds of io_lab_create() ---- */

/** What happens to datagrams between two virtual hosts; probabilities in 1/1000. */
struct lab_impairment {
    uint32_t loss_per_mille, duplicate_per_mille, reorder_per_mille;
    uint32_t delay_us, jitter_us;
};
/** One datagram as it crossed the virtual network; strings borrowed during the call. */
struct lab_packet {
    uint64_t time_us;
    struct address source, destination;
    struct text bytes;
    bool lost;              /**< an impairment or an unbound port took it */
    uint64_t arrival_us[2]; /**< when it will be there; UINT64_MAX: not, or no duplicate */
    const char *cause;      /**< of loop_set_cause() when it was sent; "": none was said */
};
typedef void lab_tap(void *arg, const struct lab_packet *packet);

void lab_set_impairment(struct io *io, const struct lab_impairment *impairment);
/**
 * Between the hosts of @p a and @p b this counts instead, in both directions; of several that fit, the
 * youngest. What is on its way arrives.
 * @param b  NULL: everybody
 * @return 0 or ERROR_MEMORY
 */
int lab_impair_link(struct io *io, const struct address *a, const struct address *b,
                    const struct lab_impairment *impairment);
/** Forget what lab_impair_link() said. */
void lab_heal_links(struct io *io);
/** See every datagram at the moment it is sent. */
void lab_set_tap(struct io *io, lab_tap *tap, void *arg);
/** Answer of the virtual name server. @return 0 or ERROR_MEMORY */
int lab_add_record(struct io *io, struct text name, const struct resolve_record *record);
/** From now on there is no such name; answers that the engine remembers are not touched. */
void lab_remove_name(struct io *io, struct text name);
/** Names are answered so much later. */
void lab_set_resolve_delay(struct io *io, uint32_t delay_ms);
/** Virtual monotonic time. */
uint64_t lab_now_us(const struct io *io);
/**
 * Run the next event (a delivery, a timer, a wake-up) if it is due at or before @p until_us, moving
 * the clock to it. @return true when one ran; false: nothing left until then, clock at until_us
 * (UINT64_MAX: nothing left at all, clock stays). Not from inside a handler.
 */
bool lab_step(struct io *io, uint64_t until_us);
/** Sockets open now: the lab's leak check. */
size_t lab_open_sockets(const struct io *io);
