/*
 * Many RTP streams at once: 160 bytes of G.711 every 20 ms from each socket to its relay port, spread evenly over the
 * 20 ms; counts what comes back on the same sockets and how long it was on its way.
 *
 * usage: rtp_generator SECONDS < list     one line per stream: LOCAL_HOST LOCAL_PORT REMOTE_HOST REMOTE_PORT
 * Prints one line: sent N received N misordered N p50_us N p99_us N
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define HEADER_BYTES   12
#define PACKET_BYTES   172
#define PERIOD_MS      20
#define STREAMS_MAX    8192
#define LATENCY_MAX_US 50000
#define EVENTS         64

struct stream {
    int fd;
    struct sockaddr_in remote;
    uint16_t sequence;
    uint16_t seen; /* last sequence number that came back */
    bool has_seen;
};

static struct stream streams[STREAMS_MAX];
static unsigned latency_us[LATENCY_MAX_US + 1];
static unsigned long sent, received, misordered;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool stream_open(struct stream *stream, const char *line, int epoll)
{
    char local_host[64], remote_host[64];
    unsigned local_port, remote_port;
    struct sockaddr_in local = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};
    if (sscanf(line, "%63s %u %63s %u", local_host, &local_port, remote_host, &remote_port) != 4)
        return false;
    local.sin_port = htons((uint16_t)local_port);
    stream->remote.sin_family = AF_INET;
    stream->remote.sin_port = htons((uint16_t)remote_port);
    stream->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    return inet_pton(AF_INET, local_host, &local.sin_addr) == 1 &&
           inet_pton(AF_INET, remote_host, &stream->remote.sin_addr) == 1 && stream->fd >= 0 &&
           bind(stream->fd, (struct sockaddr *)&local, sizeof(local)) == 0 &&
           epoll_ctl(epoll, EPOLL_CTL_ADD, stream->fd, &event) == 0;
}

static void stream_send(struct stream *stream, uint32_t number)
{
    unsigned char packet[PACKET_BYTES];
    uint64_t now = now_ns();
    uint32_t timestamp = htonl((uint32_t)stream->sequence * 160u);
    uint32_t ssrc = htonl(0x1a000000u + number);
    memset(packet, 0xd5, sizeof(packet));
    packet[0] = 0x80;
    packet[1] = 8;
    packet[2] = (unsigned char)(stream->sequence >> 8);
    packet[3] = (unsigned char)stream->sequence;
    memcpy(packet + 4, &timestamp, 4);
    memcpy(packet + 8, &ssrc, 4);
    memcpy(packet + HEADER_BYTES, &now, sizeof(now));
    stream->sequence++;
    if (sendto(stream->fd, packet, sizeof(packet), 0, (struct sockaddr *)&stream->remote,
               sizeof(stream->remote)) == PACKET_BYTES)
        sent++;
}

static void stream_receive(struct stream *stream)
{
    unsigned char packet[2048];
    while (recv(stream->fd, packet, sizeof(packet), 0) == PACKET_BYTES) {
        uint64_t began, late;
        uint16_t sequence = (uint16_t)(packet[2] << 8 | packet[3]);
        memcpy(&began, packet + HEADER_BYTES, sizeof(began));
        late = (now_ns() - began) / 1000;
        latency_us[late < LATENCY_MAX_US ? late : LATENCY_MAX_US]++;
        if (stream->has_seen && (int16_t)(sequence - stream->seen) <= 0)
            misordered++;
        stream->seen = sequence;
        stream->has_seen = true;
        received++;
    }
}

static unsigned percentile(double share)
{
    unsigned long wanted = (unsigned long)((double)received * share), count = 0;
    for (unsigned i = 0; i <= LATENCY_MAX_US; i++) {
        count += latency_us[i];
        if (count > wanted)
            return i;
    }
    return LATENCY_MAX_US;
}

#define GRACE_MS 5000 /* at the end, for the last packets to come back */

/* Every millisecond a twentieth of the streams sends. */
static void run(int epoll, int timer, uint32_t count, uint64_t slots)
{
    uint64_t slot = 0;
    while (slot < slots || (received < sent && slot < slots + GRACE_MS)) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, 1000);
        for (int i = 0; i < n; i++) {
            uint64_t ticks;
            if (events[i].data.ptr) {
                stream_receive(events[i].data.ptr);
                continue;
            }
            if (read(timer, &ticks, sizeof(ticks)) != sizeof(ticks))
                continue;
            for (; ticks > 0; ticks--, slot++)
                for (uint32_t s = (uint32_t)(slot % PERIOD_MS); slot < slots && s < count;
                     s += PERIOD_MS)
                    stream_send(&streams[s], s);
        }
    }
}

int main(int argc, char **argv)
{
    char line[256];
    uint32_t count = 0;
    int epoll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every_ms = {{0, 1000000}, {0, 1000000}};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct rlimit files;
    if (argc != 2 || atoi(argv[1]) <= 0) {
        fprintf(stderr, "usage: rtp_generator SECONDS < list of streams\n");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    while (count < STREAMS_MAX && fgets(line, sizeof(line), stdin)) {
        if (!stream_open(&streams[count], line, epoll)) {
            fprintf(stderr, "cannot open: %s", line);
            return 1;
        }
        count++;
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    timerfd_settime(timer, 0, &every_ms, NULL);
    run(epoll, timer, count, (uint64_t)atoi(argv[1]) * 1000);
    printf("sent %lu received %lu misordered %lu p50_us %u p99_us %u\n", sent, received, misordered,
           percentile(0.5), percentile(0.99));
    return 0;
}
