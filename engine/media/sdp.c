/* SDP parser: lines, then one pass that gives each line to the session or to its m= line. */
#include "media/sdp.h"

#include "base/error.h"

const char *sdp_protocol_name(enum sdp_protocol protocol)
{
    static const char *const names[] = {
#define XX(name, text) text,
        SDP_PROTOCOLS(XX)
#undef XX
    };
    return names[protocol];
}

static enum sdp_protocol protocol_of(struct text t)
{
    for (int i = SDP_AVP; i <= SDP_TLS_SAVPF; i++)
        if (text_equal_nocase(t, text_of(sdp_protocol_name((enum sdp_protocol)i))))
            return (enum sdp_protocol)i;
    return SDP_OTHER;
}

bool sdp_is_attribute(const struct sdp_line *line, struct text name, struct text *value)
{
    if (line->type != 'a' || !text_starts_with_nocase(line->value, name))
        return false;
    struct text rest = {line->value.p + name.n, line->value.n - name.n};
    if (rest.n && rest.p[0] != ':' && rest.p[0] != ' ' && rest.p[0] != '\t')
        return false;
    *value = rest.n ? text_trim((struct text){rest.p + 1, rest.n - 1}) : rest;
    return true;
}

/* ---- lines ---- */

/*
 * Up to the end of the first line, that included: CRLF or LF (RFC 8866 s5). CRs alone end one as
 * well, as some endpoints read them: an m= line that we overlook would be one that passes us by.
 */
static size_t line_size(struct text bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        size_t end = i;
        while (end < bytes.n && bytes.p[end] == '\r')
            end++;
        if (end < bytes.n && bytes.p[end] == '\n')
            return end + 1;
        if (end > i)
            return end;
    }
    return bytes.n;
}

/* Cut the next line off *rest. */
static struct sdp_line next_line(struct text *rest)
{
    size_t n = line_size(*rest);
    struct sdp_line line = {.whole = {rest->p, n}};
    rest->p += n;
    rest->n -= n;
    struct text body = line.whole;
    while (body.n && (body.p[body.n - 1] == '\n' || body.p[body.n - 1] == '\r'))
        body.n--;
    if (body.n >= 2 && body.p[1] == '=') {
        line.type = body.p[0];
        line.value = (struct text){body.p + 2, body.n - 2};
    }
    return line;
}

static int split_lines(struct sdp *sdp, struct arena *arena, struct text bytes)
{
    size_t lines = 1, media = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        bool is_end = i > 0 && (bytes.p[i - 1] == '\n' || bytes.p[i - 1] == '\r');
        lines += is_end;
        media += bytes.p[i] == 'm' && (i == 0 || is_end);
    }
    sdp->lines = arena_alloc(arena, lines * sizeof *sdp->lines);
    sdp->media = arena_zalloc(arena, (media + 1) * sizeof *sdp->media);
    if (!sdp->lines || !sdp->media)
        return ERROR_MEMORY;
    while (bytes.n)
        sdp->lines[sdp->line_count++] = next_line(&bytes);
    if (sdp->line_count == 0 || sdp->lines[0].type != 'v')
        return ERROR_SYNTAX;
    const struct sdp_line *first = &sdp->lines[0];
    sdp->line_end = text_span(first->value.p + first->value.n, first->whole.p + first->whole.n);
    if (sdp->line_end.n == 0)
        sdp->line_end = TEXT("\r\n");
    return 0;
}

/* ---- values ---- */

/* "IN IP4 192.0.2.1/127" (RFC 8866 s5.7). What cannot be read is a connection without address. */
static void parse_connection(struct sdp_connection *connection, struct text value)
{
    *connection = (struct sdp_connection){.is_present = true, .family = AF_INET};
    text_word(&value);
    if (text_equal_nocase(text_word(&value), TEXT("IP6")))
        connection->family = AF_INET6;
    struct text host = text_word(&value);
    if (!text_is_set(host) || address_parse_host(&connection->address, text_split(&host, '/')))
        connection->address = (struct address){0};
    if (!address_is_set(&connection->address))
        return;
    connection->family = connection->address.sa.sa_family;
    connection->is_zero = address_is_wildcard(&connection->address);
}

static int parse_port(struct text t, uint16_t *port)
{
    uint32_t number;
    if (text_to_u32(t, &number) || number > 65535)
        return ERROR_SYNTAX;
    *port = (uint16_t)number;
    return 0;
}

/* What we can carry: RTP, and anything else that is written as running on UDP. */
static bool is_relayable(enum sdp_protocol protocol, struct text t)
{
    return protocol != SDP_OTHER || text_starts_with_nocase(t, TEXT("udp")) ||
           text_starts_with_nocase(t, TEXT("DTLS/"));
}

/* "audio 49170/2 RTP/AVP 0 8" (RFC 8866 s5.14). */
static int parse_media(struct sdp_media *media, struct text value)
{
    media->type = text_word(&value);
    struct text port = text_word(&value);
    media->protocol_text = text_word(&value);
    if (!text_is_set(media->protocol_text) || parse_port(text_split(&port, '/'), &media->port))
        return ERROR_SYNTAX;
    media->formats = text_is_set(value) ? text_trim(value) : TEXT("");
    media->protocol = protocol_of(media->protocol_text);
    media->is_relayable = is_relayable(media->protocol, media->protocol_text);
    return 0;
}

/* "53020 IN IP4 126.16.64.4" (RFC 3605 s2.1); what cannot be read counts as absent. */
static void parse_rtcp(struct sdp_media *media, struct text value)
{
    struct text port = text_word(&value);
    if (!text_is_set(port) || parse_port(port, &media->rtcp_port) || media->rtcp_port == 0)
        return;
    media->has_rtcp = true;
    if (text_is_set(value) && text_trim(value).n)
        parse_connection(&media->rtcp, value);
}

static void parse_attribute(const struct sdp_line *line, struct sdp_media *media,
                            enum sdp_direction *direction)
{
    struct text value;
    if (sdp_is_attribute(line, TEXT("sendrecv"), &value))
        *direction = SDP_SENDRECV;
    else if (sdp_is_attribute(line, TEXT("sendonly"), &value))
        *direction = SDP_SENDONLY;
    else if (sdp_is_attribute(line, TEXT("recvonly"), &value))
        *direction = SDP_RECVONLY;
    else if (sdp_is_attribute(line, TEXT("inactive"), &value))
        *direction = SDP_INACTIVE;
    else if (media && sdp_is_attribute(line, TEXT("rtcp-mux"), &value))
        media->rtcp_mux = true;
    else if (media && sdp_is_attribute(line, TEXT("rtcp"), &value))
        parse_rtcp(media, value);
}

/* ---- the whole ---- */

int sdp_parse(struct sdp *sdp, struct arena *arena, struct text bytes, size_t media_most)
{
    *sdp = (struct sdp){0};
    int error = split_lines(sdp, arena, bytes);
    if (error)
        return error;
    enum sdp_direction session_direction = SDP_SENDRECV;
    struct sdp_media *media = NULL;
    sdp->session_end = sdp->line_count;
    for (size_t i = 0; i < sdp->line_count; i++) {
        const struct sdp_line *line = &sdp->lines[i];
        if (line->type == 'm') {
            if (sdp->media_count == media_most)
                return ERROR_LIMIT;
            if (!media)
                sdp->session_end = i;
            media = &sdp->media[sdp->media_count++];
            media->first = i;
            media->direction = session_direction;
            if (parse_media(media, line->value))
                return ERROR_SYNTAX;
        } else if (line->type == 'c') {
            struct sdp_connection *at = media ? &media->connection : &sdp->connection;
            if (!at->is_present)
                parse_connection(at, line->value);
        } else if (line->type == 'a') {
            parse_attribute(line, media, media ? &media->direction : &session_direction);
        }
        if (media)
            media->end = i + 1;
    }
    return 0;
}

const struct sdp_connection *sdp_connection_of(const struct sdp *sdp, const struct sdp_media *media)
{
    return media->connection.is_present ? &media->connection : &sdp->connection;
}
