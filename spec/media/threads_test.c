/*
 * Real sockets and threads: workers make and end calls on shared media threads while packets flow
 * and statistics are read. Made for the thread sanitizer; afterwards nothing is left.
 */
#include "base/error.h"
#include "base/memory.h"
#include "media/media.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WORKERS 4
#define CALLS   25

static struct io *io;
static struct media *media;
static struct settings settings;
static struct log quiet = {.level = -1};

static struct text sdp(char out[256], const char *host, unsigned port)
{
    int n = snprintf(out, 256,
                     "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
                     "m=audio %u RTP/AVP 0\r\n",
                     host, host, port);
    return (struct text){out, (size_t)n};
}

static struct address relay_port(struct text printed)
{
    struct address address = {0};
    const char *m = text_search(printed, TEXT("m=audio "));
    address_parse_host(&address, TEXT("127.0.0.1"));
    address_set_port(&address, (uint16_t)strtoul(m + 8, NULL, 10));
    return address;
}

static bool drop_event(void *arg, struct media_event *event)
{
    (void)arg;
    memory_release(event);
    return true;
}

static void say(struct udp *udp, const struct address *to, uint16_t sequence)
{
    char packet[32] = {(char)0x80, 0, (char)(sequence >> 8), (char)sequence, [8] = 7};
    udp_send(udp, to, (struct text){packet, sizeof packet});
}

/* One call: offer, answer, packets from a caller, a re-INVITE while they come, the end. */
static bool one_call(struct counters *counters, struct udp *phone)
{
    struct media_call *call;
    struct media_mailbox mailbox = {drop_event, NULL, counters};
    struct media_stream_statistics statistics;
    char text[256];
    unsigned port = address_port(udp_local(phone));
    struct buffer out = {0};
    if (media_call_create(&call, media, TEXT("x"), &mailbox))
        return false;
    struct media_sdp_request offer = {.sdp = sdp(text, "127.0.0.1", port), .from_caller = true};
    char other[256];
    struct media_sdp_request answer = {.sdp = sdp(other, "127.0.0.1", port),
                                       .callee_tag = TEXT("b")};
    bool ok = media_call_offer(call, &offer, &out) == 0;
    buffer_clear(&out);
    ok = ok && media_call_answer(call, &answer, &out) == 0;
    for (uint16_t i = 0; ok && i < 20; i++) {
        struct address to = relay_port(buffer_text(&out));
        say(phone, &to, i);
        media_call_statistics(call, &statistics, 1);
        if (i == 10) {
            offer.callee_tag = TEXT("b");
            buffer_clear(&out);
            ok = media_call_offer(call, &offer, &out) == 0;
            buffer_clear(&out);
            ok = ok && media_call_answer(call, &answer, &out) == 0;
        }
    }
    ok = ok && media_call_confirm(call, TEXT("b")) == 0;
    media_call_close(call);
    memory_release(call);
    buffer_release(&out);
    return ok;
}

static void *work(void *arg)
{
    struct counters counters = {0};
    struct address any;
    struct udp *phone;
    struct udp_options options = {0};
    (void)arg;
    address_parse(&any, TEXT("127.0.0.1:0"), 0);
    if (udp_open(&phone, io, &any, &options))
        return NULL;
    bool ok = true;
    for (int i = 0; i < CALLS; i++)
        ok &= one_call(&counters, phone);
    udp_close(phone);
    return ok ? io : NULL;
}

static void workers_share_media_threads(void **state)
{
    (void)state;
    uint64_t live_before = memory_live();
    pthread_t threads[WORKERS];
    struct media_interface interface = {.name = "a"};
    address_parse_host(&interface.v4.local, TEXT("127.0.0.1"));
    settings_default(&settings);
    struct media_options options = {&interface, 1, 42000, 42999, 2, &settings, &quiet};
    assert_int_equal(io_uv_create(&io), 0);
    assert_int_equal(media_create(&media, io, &options), 0);
    assert_int_equal(media_start(media), 0);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (int i = 0; i < WORKERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, io);
    }
    struct media_counts counts;
    do { /* the threads close what is left; this ends, or the test hangs */
        sched_yield();
        media_counts(media, &counts);
    } while (counts.ports);
    assert_int_equal(counts.calls, 0);
    media_stop(media);
    memory_release(media);
    memory_release(io);
    assert_int_equal(memory_live(), live_before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_share_media_threads),
    };
    return cmocka_run_group_tests_name("media threads", tests, NULL, NULL);
}
