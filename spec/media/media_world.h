/*
 * A lab with a relay and phones, for the specs of this folder. Interfaces: "public" 10.0.0.10 and
 * 2001:db8::10, "private" 10.1.0.20 (IPv4 only), "six" fd00::30 (IPv6 only), "cloud" 10.2.0.40
 * advertised as 203.0.113.7.
 */
#pragma once

#include "base/error.h"
#include "base/memory.h"
#include "media/media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND_US  1000000u
#define HEARD_MOST 64

/** A phone's RTP port, or a stranger's. */
struct phone {
    struct udp *udp;
    unsigned heard;      /**< datagrams received */
    struct address from; /**< source of the last */
    char last[256];      /**< its bytes */
    size_t last_bytes;
};

struct world {
    uint64_t live_before;
    struct io *io;
    struct loop *loop;
    struct media *media;
    struct settings settings;
    struct log log;
    struct counters counters;
    struct media_mailbox mailbox;
    struct media_event *events[16];
    unsigned event_count;
    struct media_call *call;
    struct buffer out;
};

static inline struct address addr(const char *text)
{
    struct address address = {0};
    assert_int_equal(address_parse(&address, text_of(text), 0), 0);
    return address;
}

static inline void quiet_log(void *arg, enum log_level level, enum log_group group,
                             struct text call_id, struct text line)
{
    (void)arg, (void)level, (void)group, (void)call_id, (void)line;
}

static inline bool take_event(void *arg, struct media_event *event)
{
    struct world *world = arg;
    if (world->event_count == 16)
        return false;
    world->events[world->event_count++] = event;
    return true;
}

static inline void world_open_with(struct world *world, uint16_t least, uint16_t most,
                                   unsigned threads)
{
    struct media_interface interfaces[] = {
        {.name = "public", .v4.local = addr("10.0.0.10"), .v6.local = addr("[2001:db8::10]")},
        {.name = "private", .v4.local = addr("10.1.0.20")},
        {.name = "six", .v6.local = addr("[fd00::30]")},
        {.name = "cloud", .v4 = {addr("10.2.0.40"), "203.0.113.7"}},
    };
    assert_int_equal(io_lab_create(&world->io, 7), 0);
    assert_int_equal(loop_create(&world->loop, world->io, "phones"), 0);
    assert_int_equal(loop_start(world->loop), 0);
    world->log = (struct log){.level = LOG_DEBUG, .sink = quiet_log};
    struct media_options options = {
        .interfaces = interfaces,
        .interface_count = sizeof interfaces / sizeof *interfaces,
        .port_least = least,
        .port_most = most,
        .threads = threads,
        .settings = &world->settings,
        .log = &world->log,
    };
    assert_int_equal(media_create(&world->media, world->io, &options), 0);
    assert_int_equal(media_start(world->media), 0);
    world->mailbox = (struct media_mailbox){take_event, world, &world->counters};
}

static inline void world_init(struct world *world)
{
    *world = (struct world){.live_before = memory_live()};
    settings_default(&world->settings);
}

static inline void world_open(struct world *world)
{
    world_init(world);
    world_open_with(world, 30000, 30999, 1);
}

/** Let @p us of virtual time pass. */
static inline void run_us(struct world *world, uint64_t us)
{
    uint64_t until = lab_now_us(world->io) + us;
    while (lab_step(world->io, until))
        ;
}

static inline void run_ms(struct world *world, uint64_t ms)
{
    run_us(world, ms * 1000);
}

static inline uint64_t ports_in_use(const struct world *world)
{
    struct media_counts counts;
    media_counts(world->media, &counts);
    return counts.ports;
}

static inline uint64_t counted(const struct world *world, enum counter counter)
{
    uint64_t sum = counter_read(&world->counters, counter);
    for (size_t i = 0; i < media_thread_count(world->media); i++)
        sum += counter_read(media_counters(world->media, i), counter);
    return sum;
}

static inline void end_call(struct world *world)
{
    if (!world->call)
        return;
    media_call_close(world->call);
    world->call = memory_release(world->call);
    run_ms(world, 10);
}

/** Ends everything and looks for what is left. */
static inline void world_close(struct world *world)
{
    end_call(world);
    for (unsigned i = 0; i < world->event_count; i++)
        memory_release(world->events[i]);
    struct media_counts counts;
    media_counts(world->media, &counts);
    assert_int_equal(counts.calls, 0);
    assert_int_equal(counts.ports, 0);
    media_stop(world->media);
    memory_release(world->media);
    assert_int_equal(lab_open_sockets(world->io), 0);
    loop_stop(world->loop);
    memory_release(world->loop);
    memory_release(world->io);
    buffer_release(&world->out);
    assert_int_equal(memory_live(), world->live_before);
}

/* ---- phones ---- */

static inline void phone_receive(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct phone *phone = arg;
    (void)udp;
    for (size_t i = 0; i < count; i++) {
        phone->heard++;
        phone->from = *v[i].source;
        phone->last_bytes = v[i].bytes.n < sizeof phone->last ? v[i].bytes.n : sizeof phone->last;
        memcpy(phone->last, v[i].bytes.p, phone->last_bytes);
    }
}

static inline void phone_open(struct world *world, struct phone *phone, const char *local)
{
    struct address address = addr(local);
    struct udp_options options = {0};
    *phone = (struct phone){0};
    assert_int_equal(udp_open(&phone->udp, world->io, &address, &options), 0);
    assert_int_equal(udp_start(phone->udp, world->loop, phone_receive, NULL, phone), 0);
}

static inline void phone_close(struct phone *phone)
{
    udp_close(phone->udp);
    phone->udp = NULL;
}

static inline void phone_send(struct phone *phone, const struct address *to, const char *bytes,
                              size_t n)
{
    assert_int_equal(udp_send(phone->udp, to, (struct text){bytes, n}), 0);
}

/** Fill @p out with an RTP packet of 20 payload bytes. @return its size */
static inline size_t make_rtp(char out[64], uint16_t sequence, uint32_t timestamp, uint32_t ssrc)
{
    memset(out, 0x55, 32);
    out[0] = (char)0x80;
    out[1] = 0;
    out[2] = (char)(sequence >> 8);
    out[3] = (char)sequence;
    for (int i = 0; i < 4; i++) {
        out[4 + i] = (char)(timestamp >> (24 - 8 * i));
        out[8 + i] = (char)(ssrc >> (24 - 8 * i));
    }
    return 32;
}

static inline void phone_send_rtp(struct phone *phone, const struct address *to, uint16_t sequence)
{
    char packet[64];
    phone_send(phone, to, packet, make_rtp(packet, sequence, sequence * 160u, 0x1234));
}

/* ---- SDP ---- */

/** The address of m= number @p index in the SDP @p sdp says, by c= and m=. */
static inline struct address sdp_address(struct text sdp, unsigned index)
{
    struct address address = {0}, session = {0};
    int at = -1;
    uint32_t port = 0;
    while (text_is_set(sdp)) {
        struct text line = text_trim(text_split(&sdp, '\n'));
        if (text_starts_with(line, TEXT("m="))) {
            if (++at > (int)index)
                break;
            struct text rest = line;
            text_word(&rest);
            text_to_u32(text_word(&rest), &port);
            address = session;
        } else if (text_starts_with(line, TEXT("c=IN IP")) && at <= (int)index) {
            struct text host = {line.p + 9, line.n - 9};
            host = text_split(&host, '/');
            assert_int_equal(address_parse_host(at < 0 ? &session : &address, host), 0);
        }
    }
    if (address_is_set(&address))
        address_set_port(&address, (uint16_t)port);
    return address;
}

/** An SDP with one audio line, in a buffer of the caller. */
static inline struct text audio_sdp(char out[512], const char *host_port, const char *more)
{
    struct address address = addr(host_port);
    char host[ADDRESS_TEXT_BYTES];
    struct text h = address_print_host(&address, host);
    int family = address_is_ipv6(&address) ? 6 : 4;
    int n = snprintf(out, 512,
                     "v=0\r\no=- 1 1 IN IP%d %.*s\r\ns=-\r\nc=IN IP%d %.*s\r\nt=0 0\r\n"
                     "m=audio %u RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n%s",
                     family, TEXT_ARG(h), family, TEXT_ARG(h), address_port(&address), more);
    return (struct text){out, (size_t)n};
}

static inline struct media_flags *make_flags(const char *string)
{
    struct media_flags *flags;
    struct text bad;
    assert_int_equal(media_flags_create(&flags), 0);
    assert_int_equal(media_flags_parse(flags, text_of(string), &bad), 0);
    return flags;
}

static inline void begin_call(struct world *world)
{
    assert_int_equal(
        media_call_create(&world->call, world->media, TEXT("call@spec"), &world->mailbox), 0);
}

static inline int pass_sdp(struct world *world, bool is_offer, bool from_caller, const char *tag,
                           uint32_t branch, struct text sdp, const char *flag_string)
{
    struct media_flags *flags = flag_string ? make_flags(flag_string) : NULL;
    struct media_sdp_request request = {
        .sdp = sdp,
        .from_caller = from_caller,
        .callee_tag = text_of(tag),
        .branch = branch,
        .received_from = sdp_address(sdp, 0),
        .flags = flags,
    };
    buffer_clear(&world->out);
    int error = is_offer ? media_call_offer(world->call, &request, &world->out)
                         : media_call_answer(world->call, &request, &world->out);
    memory_release(flags);
    return error;
}

/** The caller's offer passes. @return where the callee is told to send */
static inline struct address offer(struct world *world, const char *host_port, const char *more,
                                   const char *flags)
{
    char sdp[512];
    assert_int_equal(pass_sdp(world, true, true, "", 0, audio_sdp(sdp, host_port, more), flags), 0);
    return sdp_address(buffer_text(&world->out), 0);
}

/** The callee's answer passes. @return where the caller is told to send */
static inline struct address answer(struct world *world, const char *tag, const char *host_port,
                                    const char *more)
{
    char sdp[512];
    assert_int_equal(pass_sdp(world, false, false, tag, 0, audio_sdp(sdp, host_port, more), NULL),
                     0);
    struct address address = sdp_address(buffer_text(&world->out), 0);
    run_ms(world, 1);
    return address;
}

static inline bool is_on(const struct address *address, const char *host)
{
    struct address wanted = addr(host);
    return address_equal_host(address, &wanted);
}
