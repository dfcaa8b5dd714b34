/*
 * Receiving. A socket with batch 1 (the RTP path) costs one recvfrom per packet: epoll is
 * level-triggered and calls again when more is waiting, so nothing is read in vain. A socket with a
 * larger batch (SIP) does so, too, while its datagrams come one by one. When it was ready twice in a
 * row it reads with recvmmsg, a bounded number of times per wake-up, and goes on so until one of
 * these brings a single datagram: recvmmsg looks for a second one, which costs 0.4 us in vain.
 *
 * ICMP errors come from the socket's error queue (IP_RECVERR).
 */
#include "io/uv_world.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#define ERRORS_PER_WAKE 32 /* ICMP errors read before other sockets have their turn */
#define CROWDED_POLLS   2  /* ready that many times in a row: more than one may be waiting */
#define CACHE_LINE      64

/* ---- area ---- */

/* One cache line more than needed: slots at a power of two would share cache sets. */
static size_t stride_of(uint32_t bytes)
{
    return ((size_t)bytes + 2 * CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

int receive_area_reserve(struct receive_area **areap, unsigned slots, uint32_t bytes)
{
    size_t size_bytes = stride_of(bytes) * slots;
    if (*areap && (*areap)->size_bytes >= size_bytes)
        return 0;
    struct receive_area *area = memory_raw(sizeof *area + size_bytes);
    if (!area)
        return ERROR_MEMORY;
    area->older = *areap;
    area->size_bytes = size_bytes;
    area->slots = 0;
    area->stride_bytes = 0;
    *areap = area;
    return 0;
}

void receive_area_trim(struct receive_area *area)
{
    if (!area->older)
        return;
    receive_area_release(area->older);
    area->older = NULL;
}

void receive_area_release(struct receive_area *area)
{
    while (area) {
        struct receive_area *older = area->older;
        memory_free_raw(area);
        area = older;
    }
}

/* Point the message headers at the slots; kept as it is from call to call of like sockets. */
static void lay_out(struct receive_area *area, unsigned slots, uint32_t bytes)
{
    size_t stride_bytes = stride_of(bytes);
    if (area->stride_bytes == stride_bytes && area->slots >= slots &&
        area->vectors[0].iov_len == bytes)
        return;
    for (unsigned i = 0; i < slots; i++) {
        area->vectors[i] = (struct iovec){area->bytes + i * stride_bytes, bytes};
        area->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &area->sources[i],
            .msg_namelen = sizeof area->sources[i],
            .msg_iov = &area->vectors[i],
            .msg_iovlen = 1,
        };
    }
    area->slots = slots;
    area->stride_bytes = stride_bytes;
}

/* ---- datagrams ---- */

static void receive_one(struct real_udp *udp, struct receive_area *area)
{
    struct address source;
    socklen_t source_size = sizeof source;
    ssize_t n = recvfrom(udp->fd, area->bytes, udp->datagram_bytes, 0, &source.sa, &source_size);
    if (n < 0)
        return; /* nothing there, or an ICMP error that the error queue tells better */
    struct datagram datagram = {{area->bytes, (size_t)n}, &source};
    udp->base.receive(udp->base.arg, &udp->base, &datagram, 1);
}

/* Are several datagrams likely? */
static bool is_crowded(struct real_udp *udp, uint32_t poll)
{
    if (udp->is_crowded)
        return true;
    udp->ready_in_a_row = udp->ready_poll + 1 == poll ? udp->ready_in_a_row + 1 : 1;
    udp->ready_poll = poll;
    udp->is_crowded = udp->ready_in_a_row >= CROWDED_POLLS;
    return udp->is_crowded;
}

/* @return false when the socket is empty, for now */
static bool receive_batch(struct real_udp *udp, struct receive_area *area)
{
    lay_out(area, udp->batch, udp->datagram_bytes);
    int n = recvmmsg(udp->fd, area->messages, udp->batch, MSG_DONTWAIT, NULL);
    udp->is_crowded = n > 1;
    if (n <= 1)
        udp->ready_in_a_row = 0;
    if (n <= 0)
        return false;
    for (int i = 0; i < n; i++) {
        area->datagrams[i].bytes.p = area->vectors[i].iov_base;
        area->datagrams[i].bytes.n = area->messages[i].msg_len;
        area->datagrams[i].source = &area->sources[i];
        area->messages[i].msg_hdr.msg_namelen = sizeof area->sources[i];
    }
    udp->base.receive(udp->base.arg, &udp->base, area->datagrams, (size_t)n);
    return n == udp->batch;
}

void real_udp_receive(struct real_udp *udp, struct receive_area *area, uint32_t poll)
{
    if (udp->batch <= 1 || !is_crowded(udp, poll)) {
        receive_one(udp, area);
        return;
    }
    /* The handler may close the socket, and may make the loop's area grow: this one lives on. */
    for (unsigned round = 0; round < UDP_BATCH_ROUNDS && udp->fd >= 0; round++)
        if (!receive_batch(udp, area))
            return;
}

/* ---- errors ---- */

/* RFC 3261 s18.4: unreachable and parameter problem are failures; TTL exceeded, "fragmentation
 * needed" and source quench are not. */
static bool is_failure(const struct sock_extended_err *error)
{
    if (error->ee_origin == SO_EE_ORIGIN_ICMP)
        return (error->ee_type == ICMP_DEST_UNREACH && error->ee_code != ICMP_FRAG_NEEDED) ||
               error->ee_type == ICMP_PARAMETERPROB;
    if (error->ee_origin == SO_EE_ORIGIN_ICMP6)
        return error->ee_type == ICMP6_DST_UNREACH || error->ee_type == ICMP6_PARAM_PROB;
    return false;
}

static bool message_is_failure(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            struct sock_extended_err error;
            memcpy(&error, CMSG_DATA(c), sizeof error);
            return is_failure(&error);
        }
    }
    return false;
}

/* @return false when the error queue is empty */
static bool read_error(struct real_udp *udp, struct receive_area *area)
{
    struct address destination = {0};
    union {
        struct cmsghdr align;
        char bytes[512];
    } control;
    struct iovec vector = {area->bytes, udp->datagram_bytes};
    struct msghdr message = {
        .msg_name = &destination,
        .msg_namelen = sizeof destination,
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t n = recvmsg(udp->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (n < 0)
        return false;
    if (udp->base.error && message.msg_namelen > 0 && message_is_failure(&message))
        udp->base.error(udp->base.arg, &udp->base, &destination,
                        (struct text){area->bytes, (size_t)n});
    return true;
}

void real_udp_read_errors(struct real_udp *udp, struct receive_area *area)
{
    for (unsigned i = 0; i < ERRORS_PER_WAKE && udp->fd >= 0; i++)
        if (!read_error(udp, area))
            break;
    if (udp->fd < 0)
        return;
    int error;
    socklen_t size = sizeof error;
    getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &error, &size); /* also clears it */
}
