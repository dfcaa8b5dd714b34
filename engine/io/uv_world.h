/* The real world's structs, shared by its files. Private to engine/io/uv*.c. */
#pragma once

#include "io/world.h"

#include "base/list.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <uv.h>

#define UDP_BATCH_MAX    64 /* datagrams per recvmmsg or sendmmsg */
#define UDP_BATCH_ROUNDS 4  /* batches per wake-up of one socket, then the others have their turn */

/** The real world. */
struct real_io {
    struct io base;
    pthread_mutex_t lock;
    struct list shared_ports; /**< addresses that sockets of ours share; under lock */
};

/** One address bound with SO_REUSEPORT by @p count sockets of ours. */
struct shared_port {
    struct link link;
    struct address address;
    unsigned count;
    struct real_io *io; /**< borrowed */
};

/** Where datagrams land; one per loop, as large as its hungriest socket needs. */
struct receive_area {
    struct receive_area *older; /**< outgrown, kept to the end of the batch; owned */
    size_t size_bytes;
    unsigned slots;      /**< laid out now */
    size_t stride_bytes; /**< from slot to slot now */
    struct mmsghdr messages[UDP_BATCH_MAX];
    struct iovec vectors[UDP_BATCH_MAX];
    struct address sources[UDP_BATCH_MAX];
    struct datagram datagrams[UDP_BATCH_MAX];
    char bytes[];
};

struct resolver;

#define NO_ALARM    UINT64_MAX /* the timerfd is not set */
#define LOOP_EVENTS 64         /* ready sockets taken from the kernel at once */

/** One epoll set, the libuv loop of its name look-ups, and its thread. */
struct real_loop {
    struct loop base;
    uv_loop_t uv;        /**< for names; its own epoll set is a member of ours */
    int epoll_fd;        /**< -1 until it is open */
    int wake_fd;         /**< eventfd that ends a sleep */
    int timer_fd;        /**< timerfd that does so at alarm_ms */
    uint64_t alarm_ms;   /**< as the loop's clock; NO_ALARM again once the loop heard it */
    bool is_open;        /**< uv is initialised */
    bool is_threaded;    /**< started and not joined yet */
    bool clock_is_stale; /**< the next event begins a batch */
    _Atomic bool wake_is_pending;
    _Atomic bool may_sleep; /**< a wake-up needs the eventfd */
    _Atomic bool is_stopping;
    pthread_t thread;
    char name[16];             /**< as the kernel takes it */
    struct receive_area *area; /**< owned, NULL until a socket starts */
    struct resolver *resolver; /**< owned, NULL until a name is asked for */
    struct epoll_event events[LOOP_EVENTS];
    int event_count;         /**< in events, while they are worked off */
    uint32_t poll;           /**< how often the kernel was asked for events; comes round */
    struct real_udp *closed; /**< owned: freed when the batch ends, since a handler may be inside */
};

struct send_queue;

/** One datagram socket. Thousands exist: keep it small. */
struct real_udp {
    struct udp base;
    int fd; /**< -1 once closed */
    uint32_t datagram_bytes;
    uint16_t batch;
    bool reports_errors;
    bool is_crowded;            /**< several datagrams are likely to wait: there were, last time */
    uint32_t ready_poll;        /**< loop's poll that found it ready last */
    uint32_t ready_in_a_row;    /**< polls up to that one that did */
    struct shared_port *shared; /**< counted in, or NULL */
    struct send_queue *queue;   /**< owned, NULL until something is queued */
    struct real_udp *next_closed; /**< in the loop's list of closed sockets */
    uint64_t send_failures;
    uint64_t kernel_drops; /**< as far as the kernel was asked */
};
_Static_assert(sizeof(struct real_udp) <= 160, "four of these per call");

extern const struct world real_world;

/** Begin a batch, if none is under way: read the clock, run timers that are due. */
void real_loop_enter(struct real_loop *loop);
/** Have slots for @p slots datagrams of @p bytes. @return 0 or ERROR_MEMORY */
int receive_area_reserve(struct receive_area **areap, unsigned slots, uint32_t bytes);
/** Free areas that were outgrown during the batch. */
void receive_area_trim(struct receive_area *area);
/** Accepts NULL. */
void receive_area_release(struct receive_area *area);
/** epoll has something for this socket. @param events  EPOLLIN, EPOLLERR */
void real_udp_ready(struct real_udp *udp, uint32_t events);
/** Read what @p udp has and give it to its handler. @param poll  the loop's, that found it ready */
void real_udp_receive(struct real_udp *udp, struct receive_area *area, uint32_t poll);
/** Read the socket's ICMP errors and give them to its handler. */
void real_udp_read_errors(struct real_udp *udp, struct receive_area *area);

int real_udp_open(struct udp **udpp, struct io *io, const struct address *local,
                  const struct udp_options *options);
int real_udp_start(struct udp *udp, struct loop *loop);
int real_udp_send(struct udp *udp, const struct address *destination, struct text bytes);
int real_udp_queue(struct udp *udp, const struct address *destination, struct text bytes,
                   const struct buffer *in);
void real_udp_flush(struct udp *udp);
uint64_t real_udp_kernel_drops(struct udp *udp);
uint64_t real_udp_send_failures(const struct udp *udp);
void real_udp_close(struct udp *udp);
/** Forget what is queued. Accepts NULL. */
void send_queue_release(struct send_queue *queue);

/** io_route() of the real world. */
int real_route(const struct address *to, struct address *local);

int real_loop_resolve(struct loop *loop, struct text name, enum resolve_type type,
                      uint32_t timeout_ms, resolve_handler *handler, void *arg);
/**
 * Ask these servers instead of those of /etc/resolv.conf.
 * @param servers  "host:port,host:port". @return 0 or ERROR_SYNTAX, ERROR_MEMORY, ERROR_LIMIT
 */
int real_loop_set_name_servers(struct loop *loop, const char *servers);
/** The number of @p type in a DNS message. */
int resolve_wire_type(enum resolve_type type);
/**
 * Read the records of @p type out of a DNS answer; malformed ones are left out.
 * @param bytes  the message, from the network. @return records written to @p v
 */
size_t resolve_parse(struct resolve_record *v, size_t room, enum resolve_type type,
                     struct text bytes);
/** Drop all questions without an answer and close the resolver's sockets. Accepts NULL. */
void resolver_release(struct resolver *resolver);
