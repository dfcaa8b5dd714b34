/*
 * Sending. udp_send() is one sendto. udp_queue() notes in the socket's queue where the bytes lie; it
 * leaves with one sendmmsg at udp_flush(), when it is full, or before a udp_send(), so that order is kept.
 *
 * A socket with IP_RECVERR fails the next send with the error of an earlier one, whatever its
 * destination; trying again once tells whose error it was.
 */
#include "io/uv_world.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>

/** One queued datagram. */
struct queued {
    struct address destination;
    uint32_t size_bytes;
    const struct buffer *in; /* borrowed */
    size_t offset;           /* in it: it may grow, and so move */
};

/** Datagrams waiting for one system call; counted object. */
struct send_queue {
    unsigned count;
    struct queued v[UDP_BATCH_MAX];
};

static struct text bytes_of(const struct queued *queued)
{
    return (struct text){queued->in->p + queued->offset, queued->size_bytes};
}

void send_queue_release(struct send_queue *queue)
{
    memory_release(queue);
}

static bool may_be_older_error(const struct real_udp *udp, int number)
{
    return udp->reports_errors && number != EAGAIN && number != ENOBUFS;
}

static int send_now(struct real_udp *udp, const struct address *destination, struct text bytes)
{
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        ssize_t n = sendto(udp->fd, bytes.p, bytes.n, MSG_NOSIGNAL, &destination->sa,
                           address_size(destination));
        if (n >= 0)
            return 0;
        if (!may_be_older_error(udp, errno))
            break;
    }
    udp->send_failures++;
    return ERROR_TRANSPORT;
}

int real_udp_send(struct udp *base, const struct address *destination, struct text bytes)
{
    struct real_udp *udp = (struct real_udp *)base;
    if (udp->queue && udp->queue->count)
        real_udp_flush(base);
    return send_now(udp, destination, bytes);
}

static void send_all(struct real_udp *udp, struct mmsghdr *messages, unsigned count)
{
    bool is_second = false;
    for (unsigned sent = 0; sent < count;) {
        int n = sendmmsg(udp->fd, messages + sent, count - sent, MSG_NOSIGNAL);
        if (n > 0) {
            sent += (unsigned)n;
            is_second = false;
        } else if (!is_second && may_be_older_error(udp, errno)) {
            is_second = true;
        } else { /* this one cannot go; the rest may */
            udp->send_failures++;
            sent++;
            is_second = false;
        }
    }
}

void real_udp_flush(struct udp *base)
{
    struct real_udp *udp = (struct real_udp *)base;
    struct send_queue *queue = udp->queue;
    if (!queue || !queue->count)
        return;
    if (queue->count == 1) { /* the usual case below the highest rates; sendto costs less */
        queue->count = 0;
        send_now(udp, &queue->v[0].destination, bytes_of(&queue->v[0]));
        return;
    }
    struct mmsghdr messages[UDP_BATCH_MAX];
    struct iovec vectors[UDP_BATCH_MAX];
    for (unsigned i = 0; i < queue->count; i++) {
        struct queued *queued = &queue->v[i];
        vectors[i] = (struct iovec){(void *)bytes_of(queued).p, queued->size_bytes};
        messages[i] = (struct mmsghdr){
            .msg_hdr = {.msg_name = &queued->destination.sa,
                        .msg_namelen = address_size(&queued->destination),
                        .msg_iov = &vectors[i],
                        .msg_iovlen = 1},
        };
    }
    send_all(udp, messages, queue->count);
    queue->count = 0;
}

int real_udp_queue(struct udp *base, const struct address *destination, struct text bytes,
                   const struct buffer *in)
{
    struct real_udp *udp = (struct real_udp *)base;
    if (bytes.n > UDP_DATAGRAM_MAX) {
        udp->send_failures++;
        return ERROR_TRANSPORT;
    }
    if (!udp->queue)
        udp->queue = memory_alloc(sizeof *udp->queue, NULL);
    struct send_queue *queue = udp->queue;
    if (!queue)
        return send_now(udp, destination, bytes); /* no memory: it goes alone */
    if (queue->count == UDP_BATCH_MAX)
        real_udp_flush(base);
    struct queued *queued = &queue->v[queue->count++];
    queued->destination = *destination;
    queued->size_bytes = (uint32_t)bytes.n;
    queued->in = in;
    queued->offset = (size_t)(bytes.p - in->p);
    return 0;
}

uint64_t real_udp_send_failures(const struct udp *base)
{
    const struct real_udp *udp = (const struct real_udp *)base;
    return udp->send_failures;
}
