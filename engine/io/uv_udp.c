/*
 * Datagram sockets of the real world: made, bound and set up by our own system calls, then members
 * of the loop's epoll set, which forgets them when they are closed.
 *
 * Sharing: with SO_REUSEPORT the kernel lets a second process of the same user bind beside us
 * without a word. So the first of our sockets on an address is bound without it once, as a probe;
 * the address then stays on a list, and further sockets of ours are let in.
 */
#include "io/uv_world.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <unistd.h>

/* ---- closing ---- */

static void leave_shared_port(struct shared_port *shared)
{
    struct real_io *io = shared->io;
    pthread_mutex_lock(&io->lock);
    if (--shared->count == 0) {
        list_remove(&shared->link);
        memory_release(shared);
    }
    pthread_mutex_unlock(&io->lock);
}

static void close_socket(struct real_udp *udp)
{
    if (udp->fd >= 0)
        close(udp->fd);
    udp->fd = -1;
    if (udp->shared)
        leave_shared_port(udp->shared);
    udp->shared = NULL;
}

static void udp_destructor(void *object)
{
    struct real_udp *udp = object;
    close_socket(udp);
    send_queue_release(udp->queue);
}

/* The object stays until the batch ends: the caller may be a handler of this very socket. */
void real_udp_close(struct udp *base)
{
    struct real_udp *udp = (struct real_udp *)base;
    struct real_loop *loop = (struct real_loop *)base->loop;
    if (!loop) {
        memory_release(udp);
        return;
    }
    if (udp->fd < 0)
        return;
    real_udp_flush(base);
    close_socket(udp);
    for (int i = 0; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == udp)
            loop->events[i].data.ptr = NULL;
    udp->next_closed = loop->closed;
    loop->closed = udp;
}

/* ---- opening ---- */

static int error_of(int number)
{
    switch (number) {
    case EADDRINUSE: return ERROR_IN_USE;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EINVAL: return ERROR_ARGUMENT;
    case EMFILE:
    case ENFILE: return ERROR_LIMIT;
    case ENOMEM:
    case ENOBUFS: return ERROR_MEMORY;
    default: return ERROR_TRANSPORT;
    }
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : error_of(errno);
}

/* @return descriptor, or an error */
static int bind_socket(const struct address *local, bool share_port)
{
    int fd = socket(local->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_of(errno);
    int error = 0;
    if (address_is_ipv6(local))
        error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!error && share_port)
        error = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!error && bind(fd, &local->sa, address_size(local)) != 0)
        error = error_of(errno);
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

static struct shared_port *find_shared_port(struct real_io *io, const struct address *address)
{
    LIST_FOR_EACH (link, &io->shared_ports) {
        struct shared_port *shared = CONTAINER_OF(link, struct shared_port, link);
        if (address_equal(&shared->address, address))
            return shared;
    }
    return NULL;
}

/* The kernel is asked only for a port that it has chosen. */
static int read_local(struct real_udp *udp, const struct address *bound)
{
    udp->base.local = *bound;
    if (address_port(bound))
        return 0;
    socklen_t size = sizeof udp->base.local;
    return getsockname(udp->fd, &udp->base.local.sa, &size) == 0 ? 0 : error_of(errno);
}

/* Under the world's lock. */
static int bind_shared(struct real_udp *udp, struct real_io *io, const struct address *local)
{
    struct shared_port *shared = find_shared_port(io, local);
    if (!shared) {
        int probe = bind_socket(local, false);
        if (probe < 0)
            return probe;
        close(probe);
    }
    udp->fd = bind_socket(local, true);
    if (udp->fd < 0)
        return udp->fd;
    int error = read_local(udp, local);
    if (error)
        return error;
    if (!shared) {
        shared = memory_alloc(sizeof *shared, NULL);
        if (!shared)
            return ERROR_MEMORY;
        shared->address = udp->base.local;
        shared->io = io;
        list_append(&io->shared_ports, &shared->link);
    }
    shared->count++;
    udp->shared = shared;
    return 0;
}

static int bind_alone(struct real_udp *udp, const struct address *local)
{
    udp->fd = bind_socket(local, false);
    return udp->fd < 0 ? udp->fd : read_local(udp, local);
}

static int set_up(struct real_udp *udp, const struct udp_options *options)
{
    bool is_ipv6 = address_is_ipv6(&udp->base.local);
    int error = 0;
    if (options->report_errors)
        error = is_ipv6 ? set_option(udp->fd, IPPROTO_IPV6, IPV6_RECVERR, 1)
                        : set_option(udp->fd, IPPROTO_IP, IP_RECVERR, 1);
    int traffic_class = (int)(options->dscp & 63) << 2; /* RFC 2474 s3 */
    if (!error && traffic_class)
        error = is_ipv6 ? set_option(udp->fd, IPPROTO_IPV6, IPV6_TCLASS, traffic_class)
                        : set_option(udp->fd, IPPROTO_IP, IP_TOS, traffic_class);
    int size = (int)options->receive_bytes;
    if (!error && size && set_option(udp->fd, SOL_SOCKET, SO_RCVBUFFORCE, size) != 0)
        error = set_option(udp->fd, SOL_SOCKET, SO_RCVBUF, size); /* not root: within rmem_max */
    return error;
}

int real_udp_open(struct udp **udpp, struct io *base, const struct address *local,
                  const struct udp_options *options)
{
    struct real_io *io = (struct real_io *)base;
    struct real_udp *udp = memory_alloc(sizeof *udp, udp_destructor);
    if (!udp)
        return ERROR_MEMORY;
    udp->base.world = &real_world;
    udp->fd = -1;
    udp->datagram_bytes = options->datagram_bytes && options->datagram_bytes < UDP_DATAGRAM_MAX
                              ? options->datagram_bytes
                              : UDP_DATAGRAM_MAX;
    udp->batch = (uint16_t)(options->batch > UDP_BATCH_MAX ? UDP_BATCH_MAX : options->batch);
    udp->reports_errors = options->report_errors;
    int error;
    if (options->share_port) {
        pthread_mutex_lock(&io->lock);
        error = bind_shared(udp, io, local);
        pthread_mutex_unlock(&io->lock);
    } else {
        error = bind_alone(udp, local);
    }
    if (!error)
        error = set_up(udp, options);
    if (error) {
        memory_release(udp);
        return error;
    }
    *udpp = &udp->base;
    return 0;
}

/* ---- running ---- */

void real_udp_ready(struct real_udp *udp, uint32_t events)
{
    struct real_loop *loop = (struct real_loop *)udp->base.loop;
    if (events & EPOLLERR) /* an ICMP error is waiting */
        real_udp_read_errors(udp, loop->area);
    if ((events & EPOLLIN) && udp->fd >= 0)
        real_udp_receive(udp, loop->area, loop->poll);
}

int real_udp_start(struct udp *base, struct loop *loop_base)
{
    struct real_udp *udp = (struct real_udp *)base;
    struct real_loop *loop = (struct real_loop *)loop_base;
    unsigned slots = udp->batch ? udp->batch : 1;
    int error = receive_area_reserve(&loop->area, slots, udp->datagram_bytes);
    if (error)
        return error;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = udp};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, udp->fd, &event) != 0)
        return ERROR_TRANSPORT;
    base->loop = loop_base; /* from here on closing goes through the loop */
    return 0;
}

/*
 * SO_MEMINFO holds the same count as SO_RXQ_OVFL, and costs nothing per packet. The kernel's number
 * has 32 bits and comes round: what it grew by is what counts.
 */
uint64_t real_udp_kernel_drops(struct udp *base)
{
    struct real_udp *udp = (struct real_udp *)base;
    uint32_t values[SK_MEMINFO_VARS];
    socklen_t size = sizeof values;
    if (getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, values, &size) == 0 && size >= sizeof values)
        udp->kernel_drops += (uint32_t)(values[SK_MEMINFO_DROPS] - (uint32_t)udp->kernel_drops);
    return udp->kernel_drops;
}
