/*
 * What the first party of a call that begins here sees of SDP, from its first answer to the end, is one
 * session (RFC 3264 s8): o= stays the same but for its version, and streams never become fewer. What
 * the others send is made to fit, since they know nothing of the answer that leads nowhere: streams
 * that they have not are refused in their offers, and taken out of the first party's answers.
 */
#include "route/bridge_parts.h"

/* The next line with its line end. */
static struct text next_line(struct text *rest)
{
    const char *end = text_find(*rest, '\n');
    size_t n = end ? (size_t)(end - rest->p) + 1 : rest->n;
    struct text line = {rest->p, n};
    *rest = (struct text){rest->p + n, rest->n - n};
    return line;
}

static bool is_stream(struct text line)
{
    return text_starts_with(line, TEXT("m="));
}

int bridge_description_begin(struct bridge *bridge, struct text offer, struct text host)
{
    struct bridge_origin *origin = bridge->origin;
    struct buffer refused = {0};
    while (offer.n) {
        struct text line = text_trim(next_line(&offer));
        if (!is_stream(line))
            continue;
        struct text type = text_word(&line);
        text_word(&line); /* its port */
        buffer_printf(&refused, "%.*s 0 %.*s\r\n", TEXT_ARG(type), TEXT_ARG(text_trim(line)));
    }
    bool is_ipv6 = text_starts_with(host, TEXT("["));
    if (is_ipv6)
        host = (struct text){host.p + 1, host.n - 2};
    origin->refused = arena_copy(&bridge->arena, buffer_text(&refused));
    origin->address =
        arena_printf(&bridge->arena, "IN %s %.*s", is_ipv6 ? "IP6" : "IP4", TEXT_ARG(host));
    int error = refused.error;
    if (!error && (!origin->refused.p || !text_is_set(origin->address)))
        error = ERROR_MEMORY;
    buffer_release(&refused);
    return error;
}

void bridge_description_forget(struct bridge *bridge)
{
    if (bridge->origin)
        bridge->origin->refused = TEXT_NONE;
}

struct text bridge_description_cut(const struct bridge *bridge, struct text answer)
{
    struct text rest = answer;
    unsigned left = bridge->origin->offered;
    while (rest.n) {
        struct text line = next_line(&rest);
        if (is_stream(line) && left-- == 0)
            return text_span(answer.p, line.p);
    }
    return answer;
}

/* Streams of its first offer behind those that this one has. */
static void refuse_others(const struct bridge_origin *origin, unsigned count, struct buffer *out)
{
    struct text rest = origin->refused;
    for (unsigned i = 0; rest.n; i++) {
        struct text line = next_line(&rest);
        if (i >= count)
            buffer_append(out, line);
    }
}

void bridge_description_append(struct bridge *bridge, bool is_offer, struct text sdp,
                               struct buffer *out)
{
    struct bridge_origin *origin = bridge->origin;
    unsigned count = 0;
    struct text line = TEXT_NONE;
    while (sdp.n) {
        line = next_line(&sdp);
        count += is_stream(line);
        if (text_starts_with(line, TEXT("o=")))
            buffer_printf(out, "o=- 1 %u %.*s\r\n", ++origin->version, TEXT_ARG(origin->address));
        else
            buffer_append(out, line);
    }
    if (!is_offer)
        return;
    if (line.n && line.p[line.n - 1] != '\n')
        buffer_append(out, TEXT("\r\n"));
    origin->offered = count;
    refuse_others(origin, count, out);
}
