#include "media/dtmf.h"

#include "media/rtp.h"

#define EVENT_BYTES   4
#define EVENT_END     0x80
#define HAS_EXTENSION 0x10

static const char digits[] = "0123456789*#ABCD";

/* Behind the header, its CSRCs and its extension (RFC 3550 s5.1, s5.3.1); absent: too short. */
static struct text payload_of(struct text bytes)
{
    size_t at = RTP_HEADER_BYTES + 4 * ((unsigned char)bytes.p[0] & 15u);
    if (bytes.p[0] & HAS_EXTENSION && bytes.n >= at + 4)
        at += 4 + 4 * (size_t)rtp_read_u16(bytes.p + at + 2);
    return bytes.n >= at ? (struct text){bytes.p + at, bytes.n - at} : TEXT_NONE;
}

bool dtmf_packet(struct dtmf_source *source, struct text bytes, struct dtmf_digit *digit)
{
    struct text payload = payload_of(bytes);
    if (payload.n < EVENT_BYTES || (unsigned char)payload.p[0] >= sizeof digits - 1)
        return false; /* events beyond DTMF: tones of modems and the like */
    uint32_t timestamp = rtp_read_u32(bytes.p + 4);
    const struct dtmf_source before = *source;
    bool is_new = !before.digit || timestamp != before.timestamp;
    if (is_new && before.digit && (int32_t)(timestamp - before.timestamp) < 0)
        return false; /* of an earlier one, late */
    *digit = (struct dtmf_digit){before.digit, before.duration};
    source->timestamp = timestamp;
    source->digit = digits[(unsigned char)payload.p[0]];
    source->duration = rtp_read_u16(payload.p + 2);
    source->is_told = !is_new && before.is_told;
    if (is_new && before.digit && !before.is_told)
        return true; /* its end was lost */
    if (!(payload.p[1] & EVENT_END) || source->is_told)
        return false;
    source->is_told = true;
    *digit = (struct dtmf_digit){source->digit, source->duration};
    return true;
}
