/*
 * Line by line through a received SDP. Removed, because an inside address would leak or media would
 * pass us by: candidates and other ICE attributes (RFC 8839), a=rtcp of the sender (ours takes its
 * place), a=source-filter (RFC 4570), further c= lines, BUNDLE groups (RFC 9143: all streams would
 * share one of our ports).
 *
 * Deviation: o= gets our address unless told otherwise, though a proxy has no need to change it;
 * an inside address would leak.
 */
#include "media/sdp_rewrite.h"

#include "media/codec.h"

/* Work on one m= line, or on the session part. */
struct section {
    const struct sdp *sdp;
    const struct sdp_plan *plan;
    struct buffer *out;
    const struct sdp_media *media; /* NULL: session */
    const struct sdp_media_plan *media_plan;
    struct codec_choice choice;
    bool has_connection, has_rtcp, has_mux; /* printed already */
};

static void end_line(const struct section *s)
{
    buffer_append(s->out, s->sdp->line_end);
}

/* ---- connection ---- */

struct connection_text {
    struct text address;
    bool is_ipv6;
};

static bool connection_equal(const struct connection_text *a, const struct connection_text *b)
{
    return a->is_ipv6 == b->is_ipv6 && text_equal(a->address, b->address);
}

/* What c= says for an m= line whose effective connection came as @p received. */
static struct connection_text connection_for(const struct sdp_plan *plan,
                                             const struct sdp_media_plan *media_plan,
                                             const struct sdp_connection *received)
{
    struct connection_text c = {media_plan->address, media_plan->is_ipv6};
    if (plan->prints_zero && received->is_zero)
        c.address = c.is_ipv6 ? TEXT("::") : TEXT("0.0.0.0");
    return c;
}

/* The session's c= takes what the first m= line needs. */
static struct connection_text session_connection(const struct sdp *sdp, const struct sdp_plan *plan)
{
    return connection_for(plan, &plan->media[0], &sdp->connection);
}

static void print_connection(const struct section *s, const struct connection_text *c)
{
    buffer_append(s->out, c->is_ipv6 ? TEXT("c=IN IP6 ") : TEXT("c=IN IP4 "));
    buffer_append(s->out, c->address);
    end_line(s);
}

/* After m= and i=: the place of c= (RFC 8866 s9), when the section has none that serves. */
static void ensure_connection(struct section *s)
{
    if (s->has_connection || !s->media)
        return;
    s->has_connection = true;
    const struct sdp *sdp = s->sdp;
    struct connection_text ours =
        connection_for(s->plan, s->media_plan, sdp_connection_of(sdp, s->media));
    if (!s->media->connection.is_present && sdp->connection.is_present) {
        struct connection_text session = session_connection(sdp, s->plan);
        if (connection_equal(&ours, &session))
            return;
    }
    print_connection(s, &ours);
}

static void on_connection(struct section *s)
{
    if (s->media) {
        ensure_connection(s);
    } else if (!s->has_connection && s->sdp->media_count) {
        struct connection_text c = session_connection(s->sdp, s->plan);
        print_connection(s, &c);
        s->has_connection = true;
    }
}

/* ---- origin ---- */

/* "alice 2890844526 2890844526 IN IP4 10.47.16.5" (RFC 8866 s5.2) */
static void on_origin(const struct section *s, const struct sdp_line *line)
{
    struct text rest = line->value;
    for (int i = 0; i < 3; i++)
        if (!text_is_set(text_word(&rest))) {
            buffer_append(s->out, line->whole);
            return;
        }
    buffer_append(s->out, text_span(line->whole.p, rest.p));
    buffer_append(s->out, s->plan->origin_is_ipv6 ? TEXT(" IN IP6 ") : TEXT(" IN IP4 "));
    buffer_append(s->out, s->plan->origin);
    end_line(s);
}

/* ---- the m= line ---- */

static void print_formats(const struct section *s)
{
    if (!s->choice.is_changed) {
        buffer_append_char(s->out, ' ');
        buffer_append(s->out, s->media->formats);
        return;
    }
    for (size_t i = 0; i < s->choice.count; i++) {
        buffer_append_char(s->out, ' ');
        buffer_append_u64(s->out, s->choice.order[i]);
    }
}

static void on_media(struct section *s)
{
    const struct sdp_media_plan *plan = s->media_plan;
    buffer_append(s->out, TEXT("m="));
    buffer_append(s->out, s->media->type);
    buffer_append_char(s->out, ' ');
    buffer_append_u64(s->out, plan->is_rejected ? 0 : plan->port);
    buffer_append_char(s->out, ' ');
    buffer_append(s->out, text_is_set(plan->protocol) ? plan->protocol : s->media->protocol_text);
    print_formats(s);
    end_line(s);
}

/* ---- attributes ---- */

static void print_rtcp(struct section *s, bool full)
{
    const struct sdp_media_plan *plan = s->media_plan;
    s->has_rtcp = true;
    buffer_append(s->out, TEXT("a=rtcp:"));
    buffer_append_u64(s->out, plan->rtcp_port);
    if (full) {
        buffer_append(s->out, plan->is_ipv6 ? TEXT(" IN IP6 ") : TEXT(" IN IP4 "));
        buffer_append(s->out, plan->address);
    }
    end_line(s);
}

static void print_mux(struct section *s)
{
    s->has_mux = true;
    buffer_append(s->out, TEXT("a=rtcp-mux"));
    end_line(s);
}

static void on_rtcp(struct section *s)
{
    if (s->has_rtcp || s->plan->no_rtcp_attribute || s->media_plan->is_rejected)
        return;
    print_rtcp(s, s->plan->full_rtcp_attribute || s->media->rtcp.is_present);
}

static bool is_removed(const struct sdp_line *line)
{
    static const char *const names[] = {
        "candidate",  "remote-candidates", "end-of-candidates", "ice-ufrag",
        "ice-pwd",    "ice-options",       "ice-lite",          "ice-mismatch",
        "ice-pacing", "source-filter",     "rtcp-mux-only",     "bundle-only",
    };
    struct text value;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (sdp_is_attribute(line, text_of(names[i]), &value))
            return true;
    return sdp_is_attribute(line, TEXT("group"), &value) &&
           text_equal_nocase(text_word(&value), TEXT("BUNDLE"));
}

/* An attribute of a payload type that was taken out. */
static bool is_of_removed_codec(const struct section *s, const struct sdp_line *line)
{
    struct text value;
    if (!s->media || !s->choice.is_changed ||
        (!sdp_is_attribute(line, TEXT("rtpmap"), &value) &&
         !sdp_is_attribute(line, TEXT("fmtp"), &value) &&
         !sdp_is_attribute(line, TEXT("rtcp-fb"), &value)))
        return false;
    int payload = codec_payload_type(text_word(&value));
    return payload >= 0 && !s->choice.keeps[payload];
}

static void on_attribute(struct section *s, const struct sdp_line *line)
{
    struct text value;
    if (is_removed(line) || is_of_removed_codec(s, line) ||
        (s->media && s->media_plan->drops_attributes))
        return;
    if (s->media && sdp_is_attribute(line, TEXT("rtcp-mux"), &value)) {
        if (s->media_plan->rtcp_mux && !s->has_mux)
            print_mux(s);
    } else if (s->media && sdp_is_attribute(line, TEXT("rtcp"), &value)) {
        on_rtcp(s);
    } else if (!s->media || !s->media_plan->drops_feedback ||
               !sdp_is_attribute(line, TEXT("rtcp-fb"), &value)) {
        buffer_append(s->out, line->whole);
    }
}

/* ---- the whole ---- */

static void on_line(struct section *s, const struct sdp_line *line)
{
    if (s->media && line->type != 'm' && line->type != 'i')
        ensure_connection(s);
    switch (line->type) {
    case 'm': on_media(s); return;
    case 'c': on_connection(s); return;
    case 'a': on_attribute(s, line); return;
    case 'o':
        if (!s->media && text_is_set(s->plan->origin)) {
            on_origin(s, line);
            return;
        }
        break;
    default: break;
    }
    buffer_append(s->out, line->whole);
}

/* A last line without line end gets one, so that what follows is a line of its own. */
static void close_line(const struct section *s)
{
    char end = s->sdp->line_end.p[s->sdp->line_end.n - 1];
    if (s->out->n && !s->out->error && s->out->p[s->out->n - 1] != end)
        end_line(s);
}

static void rewrite_media(struct section *s)
{
    if (s->plan->codecs && s->plan->codecs->codec_count) {
        struct codec_map map;
        codec_map_read(&map, s->sdp, s->media);
        codec_choose(&s->choice, &map, s->media, s->plan->codecs);
    }
    for (size_t i = s->media->first; i < s->media->end; i++)
        on_line(s, &s->sdp->lines[i]);
    close_line(s);
    ensure_connection(s);
    if (s->plan->full_rtcp_attribute)
        on_rtcp(s);
    if (s->media_plan->rtcp_mux && !s->has_mux && !s->media_plan->is_rejected)
        print_mux(s);
}

void sdp_rewrite(const struct sdp *sdp, const struct sdp_plan *plan, struct buffer *out)
{
    struct section s = {.sdp = sdp, .plan = plan, .out = out};
    for (size_t i = 0; i < sdp->session_end; i++)
        on_line(&s, &sdp->lines[i]);
    for (size_t i = 0; i < sdp->media_count; i++) {
        s = (struct section){.sdp = sdp, .plan = plan, .out = out};
        s.media = &sdp->media[i];
        s.media_plan = &plan->media[i];
        rewrite_media(&s);
    }
}
