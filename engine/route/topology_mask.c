/*
 * What stays in a message that leaves on a hidden side, and would show an address of the other one.
 *
 *   - Contact becomes one at our socket: the dialog knows whose it was (lost_route.c).
 *   - Warning names its writer: that becomes our host (RFC 3261 s20.43).
 *   - Who is asserted, diverted, referred to or by: an address in the place of the host becomes ours.
 *     Somebody named by a domain is the same on every side, and stays.
 *   - A message/sipfrag body (RFC 3420) keeps its status line, which is what a transferor waits for
 *     (RFC 3515 s2.4.5): headers of a message of the other side are behind it.
 *
 * Headers that we do not know belong to the script; the Call-ID in a Replaces is replaces.c's.
 */
#include "route/topology.h"

#include "base/address.h"

/* A part goes on unless an address could be in it. */
static bool is_plain(struct text part)
{
    for (size_t i = 0; i < part.n; i++)
        if (memchr(".:[]%", part.p[i], 5))
            return false;
    return part.n > 0;
}

static void print_our_uri(struct buffer *out, const struct uri *uri,
                          const struct listener *listener)
{
    buffer_append(out, TEXT("<sip:"));
    if (is_plain(uri->user)) {
        buffer_append(out, uri->user);
        buffer_append_char(out, '@');
    }
    buffer_printf(out, "%s:%u", listener->host, listener->port);
    if (listener->kind != TRANSPORT_UDP)
        buffer_printf(out, ";transport=%s", transport_kind_name(listener->kind));
}

/* One Contact at our socket: user and header parameters stay, those of the URI go. */
static void print_contact(struct buffer *out, const struct name_addr *contact,
                          const struct listener *listener)
{
    print_our_uri(out, &contact->uri, listener);
    buffer_append_char(out, '>');
    if (contact->params.n)
        buffer_printf(out, ";%.*s", TEXT_ARG(contact->params));
}

/* The same, but that parameters which say what the user is (user=phone, RFC 4458 cause) and headers stay. */
static void print_party(struct buffer *out, const struct name_addr *party,
                        const struct listener *listener)
{
    struct text params = party->uri.params;
    if (party->display_name.n)
        buffer_printf(out, "%.*s ", TEXT_ARG(party->display_name));
    print_our_uri(out, &party->uri, listener);
    while (params.n) {
        struct text param = text_split(&params, ';');
        if (is_plain(param) && !text_starts_with_nocase(param, TEXT("transport=")))
            buffer_printf(out, ";%.*s", TEXT_ARG(param));
    }
    if (party->uri.headers.n)
        buffer_printf(out, "?%.*s", TEXT_ARG(party->uri.headers));
    buffer_append_char(out, '>');
    if (party->params.n)
        buffer_printf(out, ";%.*s", TEXT_ARG(party->params));
}

static bool names_address(const struct name_addr *party)
{
    struct address address;
    return text_is_set(party->uri.host) && address_parse_host(&address, party->uri.host) == 0;
}

/* A warning's second word is who wrote it. */
static void print_warning(struct buffer *out, struct text warning, const struct listener *listener)
{
    struct text code = text_word(&warning);
    text_word(&warning);
    buffer_printf(out, "%.*s %s %.*s", TEXT_ARG(code), listener->host,
                  TEXT_ARG(text_trim(warning)));
}

/* @return whether it is another text now */
static bool print_element(struct buffer *out, enum header_kind kind, struct text element,
                          const struct listener *listener)
{
    struct name_addr party;
    bool is_read = kind != HEADER_WARNING && name_addr_parse(&party, element) == 0;
    if (kind == HEADER_CONTACT && !is_read) /* what is no address shows nobody anything */
        return true;
    if (out->n)
        buffer_append(out, TEXT(", "));
    if (kind == HEADER_WARNING)
        print_warning(out, element, listener);
    else if (kind == HEADER_CONTACT)
        print_contact(out, &party, listener);
    else if (is_read && names_address(&party))
        print_party(out, &party, listener);
    else {
        buffer_append(out, element);
        return false;
    }
    return true;
}

/* Every header of that kind, element for element. */
static int mask_headers(struct edits *edits, enum header_kind kind, struct text name,
                        const struct listener *listener)
{
    struct buffer out = {0};
    struct header_view view = {0};
    int error = 0;
    bool is_found = edits_header(edits, kind, name, &view);
    for (; is_found && !error; is_found = edits_header_next(edits, &view, &view)) {
        struct text rest = view.value, element;
        bool is_changed = false;
        buffer_clear(&out);
        while ((element = name_addr_split(&rest)).n)
            is_changed |= print_element(&out, kind, element, listener);
        for (size_t i = 0; i < out.n; i++) /* folds */
            if (out.p[i] == '\r' || out.p[i] == '\n')
                out.p[i] = ' ';
        if (out.error || is_changed)
            error = out.error ? out.error
                    : out.n   ? edits_replace(edits, &view, buffer_text(&out))
                              : edits_remove(edits, &view);
    }
    buffer_release(&out);
    return error;
}

static int mask_sipfrag(struct edits *edits)
{
    struct header_view type = {0};
    struct text body = edits_body(edits), line = body;
    if (!body.n || !edits_header(edits, HEADER_CONTENT_TYPE, TEXT_NONE, &type) ||
        !text_starts_with_nocase(type.value, TEXT("message/sipfrag")))
        return 0;
    line = text_trim(text_split(&line, '\n'));
    if (!text_starts_with_nocase(line, TEXT("SIP/")))
        return edits_set_body(edits, TEXT_NONE, TEXT_NONE);
    struct buffer out = {0};
    buffer_append(&out, line);
    buffer_append(&out, TEXT("\r\n"));
    int error = out.error ? out.error : edits_set_body(edits, buffer_text(&out), TEXT_NONE);
    buffer_release(&out);
    return error;
}

int topology_mask(struct edits *edits, const struct listener *listener)
{
    static const enum header_kind kinds[] = {
        HEADER_CONTACT,
        HEADER_WARNING,
        HEADER_P_ASSERTED_IDENTITY,
        HEADER_P_PREFERRED_IDENTITY,
        HEADER_REMOTE_PARTY_ID,
        HEADER_DIVERSION,
        HEADER_REFER_TO,
        HEADER_REFERRED_BY,
    };
    int error = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !error; i++)
        error = mask_headers(edits, kinds[i], TEXT_NONE, listener);
    if (!error)
        error = mask_headers(edits, HEADER_OTHER, TEXT("History-Info"), listener);
    return error ? error : mask_sipfrag(edits);
}
