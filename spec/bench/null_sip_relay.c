/*
 * The floor under every SIP proxy: one thread, epoll, one recvfrom and one sendto per message, two sockets, no
 * parsing. What arrives on one side leaves on the other. A datagram that begins with INVITE is answered with a 100 made
 * of its own header lines, so that a call costs 6 messages in and 7 out, as it does for a stateful proxy.
 *
 * usage: null_sip_relay PUBLIC:PORT PRIVATE:PORT GATEWAY:PORT
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

#define BUFFER_BYTES   65536
#define RECEIVE_BUFFER (4 * 1024 * 1024)

struct side {
    int fd;
    struct sockaddr_in peer; /* where the other side's messages go */
    bool has_peer;
};

static bool parse_address(const char *text, struct sockaddr_in *address)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof(host))
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    memset(address, 0, sizeof(*address));
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)atoi(colon + 1));
    return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

static bool side_open(struct side *side, const char *text, int epoll, uint32_t number)
{
    struct sockaddr_in local;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    int size = RECEIVE_BUFFER;
    if (!parse_address(text, &local))
        return false;
    side->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setsockopt(side->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return side->fd >= 0 && bind(side->fd, (struct sockaddr *)&local, sizeof(local)) == 0 &&
           epoll_ctl(epoll, EPOLL_CTL_ADD, side->fd, &event) == 0;
}

/* 100 with the INVITE's own header lines: nothing is parsed but the first line's end and the empty line. */
static void answer_trying(const struct side *side, const char *bytes, size_t size,
                          const struct sockaddr_in *to)
{
    static const char status[] = "SIP/2.0 100 Trying";
    static char answer[BUFFER_BYTES];
    const char *line = memmem(bytes, size, "\r\n", 2);
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (!line || !end || (size_t)(end + 4 - line) > sizeof(answer) - sizeof(status))
        return;
    memcpy(answer, status, sizeof(status) - 1);
    memcpy(answer + sizeof(status) - 1, line, (size_t)(end + 4 - line));
    sendto(side->fd, answer, sizeof(status) - 1 + (size_t)(end + 4 - line), 0,
           (const struct sockaddr *)to, sizeof(*to));
}

static void drain(struct side *from, struct side *to)
{
    static char buffer[BUFFER_BYTES];
    struct sockaddr_in source;
    for (;;) {
        socklen_t length = sizeof(source);
        ssize_t n =
            recvfrom(from->fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&source, &length);
        if (n < 0)
            return;
        if (!from->has_peer) {
            from->peer = source;
            from->has_peer = true;
        }
        if (n > 6 && memcmp(buffer, "INVITE", 6) == 0)
            answer_trying(from, buffer, (size_t)n, &source);
        if (to->has_peer)
            sendto(to->fd, buffer, (size_t)n, 0, (struct sockaddr *)&to->peer, sizeof(to->peer));
    }
}

int main(int argc, char **argv)
{
    struct side sides[2] = {{.fd = -1}, {.fd = -1}};
    int epoll = epoll_create1(0);
    if (argc != 4 || !side_open(&sides[0], argv[1], epoll, 0) ||
        !side_open(&sides[1], argv[2], epoll, 1) || !parse_address(argv[3], &sides[1].peer)) {
        fprintf(stderr, "usage: null_sip_relay PUBLIC:PORT PRIVATE:PORT GATEWAY:PORT\n");
        return 2;
    }
    sides[1].has_peer = true;
    for (;;) {
        struct epoll_event events[2];
        int n = epoll_wait(epoll, events, 2, -1);
        for (int i = 0; i < n; i++)
            drain(&sides[events[i].data.u32], &sides[1 - events[i].data.u32]);
    }
}
