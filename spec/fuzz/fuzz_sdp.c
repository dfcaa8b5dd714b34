/* Any bytes as an SDP: through the parser, and as offer and answer of a call in the lab. */
#include "base/error.h"
#include "base/memory.h"
#include "media/media.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct io *io;
static struct media *media;
static struct media_flags *flags[2];
static struct log quiet = {.level = -1};

static void start(void)
{
    static struct settings settings;
    struct media_interface interfaces[] = {{.name = "a"},
                                           {.name = "b", .v4.advertise = "192.0.2.9"}};
    struct text bad;
    address_parse_host(&interfaces[0].v4.local, TEXT("10.0.0.1"));
    address_parse_host(&interfaces[0].v6.local, TEXT("fd00::1"));
    address_parse_host(&interfaces[1].v4.local, TEXT("10.0.0.2"));
    settings_default(&settings);
    struct media_options options = {interfaces, 2, 30000, 30999, 1, &settings, &quiet};
    engine_require(io_lab_create(&io, 1) == 0);
    engine_require(media_create(&media, io, &options) == 0 && media_start(media) == 0);
    static const char *const strings[] = {
        "direction=a direction=b RTP/AVP rtcp-mux-demux codec-strip=PCMA,opus codec-offer=G729",
        "direction=b direction=a SIP-source-address full-rtcp-attribute zero-address "
        "codec-mask=all,!H264",
    };
    for (int i = 0; i < 2; i++)
        engine_require(media_flags_create(&flags[i]) == 0 &&
                       media_flags_parse(flags[i], text_of(strings[i]), &bad) == 0);
}

static void run(void)
{
    while (lab_step(io, lab_now_us(io) + 1000))
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (!io)
        start();
    if (n < 2)
        return 0;
    /* The first byte chooses flags and roles, the second where offer and answer part. */
    size_t cut = 2 + (n - 2) * bytes[1] / 255;
    struct text first = {(const char *)bytes + 2, cut - 2};
    struct text second = {(const char *)bytes + cut, n - cut};
    bool from_caller = bytes[0] & 1;
    struct media_call *call;
    struct media_mailbox mailbox = {NULL, NULL, NULL};
    struct buffer out = {0}, again = {0};
    engine_require(media_call_create(&call, media, TEXT("fuzz"), &mailbox) == 0);
    struct media_sdp_request request = {
        .sdp = first,
        .from_caller = from_caller,
        .callee_tag = TEXT("b"),
        .flags = flags[bytes[0] >> 1 & 1],
    };
    address_parse(&request.received_from, TEXT("192.0.2.1:5060"), 0);
    int error = media_call_offer(call, &request, &out);
    engine_require(!error || out.n == 0);
    /* What we print, we can read. */
    request.sdp = error || second.n == 0 ? buffer_text(&out) : second;
    request.from_caller = !from_caller;
    request.flags = bytes[0] & 4 ? flags[0] : NULL;
    int answer_error = media_call_answer(call, &request, &again);
    if (!error && second.n == 0)
        engine_require(answer_error != ERROR_SYNTAX);
    media_call_confirm(call, TEXT("b"));
    run();
    media_call_close(call);
    memory_release(call);
    run();
    struct media_counts counts;
    media_counts(media, &counts);
    engine_require(counts.ports == 0 && counts.calls == 0);
    buffer_release(&out);
    buffer_release(&again);
    return 0;
}
