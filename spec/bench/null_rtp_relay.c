/*
 * The floor under every RTP relay: one thread, epoll, one recvfrom and one sendto per packet. Socket i of one side
 * hands its packets to whoever last sent to socket i of the other side.
 *
 * usage: null_rtp_relay PUBLIC PRIVATE FIRST_PORT COUNT
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PACKET_BYTES 2048
#define EVENTS       64

struct port {
    int fd;
    struct port *other;
    struct sockaddr_in peer;
    bool has_peer;
};

static bool port_open(struct port *port, const char *host, uint16_t number, int epoll)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(number)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};
    port->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    return inet_pton(AF_INET, host, &local.sin_addr) == 1 && port->fd >= 0 &&
           bind(port->fd, (struct sockaddr *)&local, sizeof(local)) == 0 &&
           epoll_ctl(epoll, EPOLL_CTL_ADD, port->fd, &event) == 0;
}

/* One packet per wake-up of a socket is what 20 ms audio gives; the loop is for a queue behind a stall. */
static void relay(struct port *from)
{
    char packet[PACKET_BYTES];
    struct sockaddr_in source;
    socklen_t length = sizeof(source);
    ssize_t n = recvfrom(from->fd, packet, sizeof(packet), 0, (struct sockaddr *)&source, &length);
    if (n < 0)
        return;
    from->peer = source;
    from->has_peer = true;
    if (from->other->has_peer)
        sendto(from->other->fd, packet, (size_t)n, 0, (struct sockaddr *)&from->other->peer,
               sizeof(from->other->peer));
}

int main(int argc, char **argv)
{
    int epoll = epoll_create1(0);
    int count = argc == 5 ? atoi(argv[4]) : 0;
    struct port *ports = count > 0 ? calloc(2 * (size_t)count, sizeof(*ports)) : NULL;
    if (!ports) {
        fprintf(stderr, "usage: null_rtp_relay PUBLIC PRIVATE FIRST_PORT COUNT\n");
        return 2;
    }
    for (int i = 0; i < count; i++) {
        uint16_t number = (uint16_t)(atoi(argv[3]) + 2 * i);
        struct port *pair = &ports[2 * i];
        if (!port_open(&pair[0], argv[1], number, epoll) ||
            !port_open(&pair[1], argv[2], number, epoll)) {
            perror("bind");
            return 1;
        }
        pair[0].other = &pair[1];
        pair[1].other = &pair[0];
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++)
            relay(events[i].data.ptr);
    }
}
