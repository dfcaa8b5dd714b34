/*
 * An SDP answer that takes the streams of an offer and leads nowhere (RFC 3725 s5): what the first party
 * of a call that begins here gets until there is somebody to talk to. Its address is 0.0.0.0, so that
 * it sends nothing; not a=inactive, since phones open no loudspeaker for a stream that begins so, and
 * some never do afterwards.
 */
#include "route/bridge_parts.h"

/* "m=audio 4000 RTP/AVP 0 8". */
struct stream_line {
    struct text type, port, protocol, formats;
};

static struct stream_line read_stream(struct text value)
{
    struct stream_line line = {.type = text_word(&value)};
    line.port = text_word(&value);
    line.protocol = text_word(&value);
    line.formats = text_trim(value);
    return line;
}

/* Keys of SRTP would have to be made: such a stream is refused (s6). */
static bool can_hold(const struct stream_line *line)
{
    bool is_plain = text_equal_nocase(line->protocol, TEXT("RTP/AVP")) ||
                    text_equal_nocase(line->protocol, TEXT("RTP/AVPF"));
    return is_plain && line->formats.n && !text_equal(line->port, TEXT("0"));
}

/* What says which codec a payload type is. */
static bool is_of_format(struct text attribute)
{
    return text_starts_with(attribute, TEXT("rtpmap:")) ||
           text_starts_with(attribute, TEXT("fmtp:"));
}

static void print_stream(struct buffer *out, const struct stream_line *line, bool is_held)
{
    buffer_printf(out, "m=%.*s %u %.*s %.*s\r\n", TEXT_ARG(line->type), is_held ? 9u : 0u,
                  TEXT_ARG(line->protocol), TEXT_ARG(line->formats));
}

int bridge_print_hold(struct text offer, struct text host, struct buffer *out)
{
    bool is_ipv6 = text_starts_with(host, TEXT("[")), is_held = false;
    unsigned held = 0;
    if (is_ipv6)
        host = (struct text){host.p + 1, host.n - 2};
    const char *family = is_ipv6 ? "IP6" : "IP4";
    buffer_printf(out, "v=0\r\no=- 1 1 IN %s %.*s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", family,
                  TEXT_ARG(host), family, is_ipv6 ? "::" : "0.0.0.0");
    while (offer.n) {
        struct text line = text_trim(text_split(&offer, '\n'));
        if (line.n < 2 || line.p[1] != '=')
            continue;
        struct text value = {line.p + 2, line.n - 2};
        if (line.p[0] == 'm') {
            struct stream_line stream = read_stream(value);
            is_held = can_hold(&stream);
            held += is_held;
            print_stream(out, &stream, is_held);
        } else if (line.p[0] == 'a' && is_held && is_of_format(value)) {
            buffer_printf(out, "a=%.*s\r\n", TEXT_ARG(value));
        }
    }
    if (out->error)
        return out->error;
    return held ? 0 : ERROR_SYNTAX;
}
