/* Contacts are edited like messages: what is not changed is copied as it came, folds unfolded. */
#include "sip/nat.h"

#include "base/error.h"
#include "sip/scan.h"

#define ALIAS TEXT("alias=")

/* ---- tests ---- */

bool nat_is_private(const struct address *address)
{
    if (address->sa.sa_family != AF_INET)
        return false;
    uint32_t host = ntohl(address->in.sin_addr.s_addr);
    return host >> 24 == 10 ||              /* 10.0.0.0/8 */
           host >> 20 == 0xac1 ||           /* 172.16.0.0/12 */
           host >> 16 == 0xc0a8 ||          /* 192.168.0.0/16 */
           host >> 22 == 0x64400000u >> 22; /* 100.64.0.0/10 */
}

static bool is_private_text(struct text host)
{
    struct address address;
    return address_parse_host(&address, host) == 0 && nat_is_private(&address);
}

static uint16_t port_of(const struct uri *uri)
{
    return uri->port ? uri->port : uri->scheme == URI_SIPS ? 5061 : 5060;
}

static unsigned test_contact(struct message *message)
{
    const struct name_addr *contact = message_contact(message);
    if (!contact || !text_is_set(contact->uri.host))
        return 0;
    unsigned found = is_private_text(contact->uri.host) ? NAT_CONTACT_PRIVATE : 0;
    if (port_of(&contact->uri) != address_port(&message->source.peer))
        found |= NAT_CONTACT_PORT_DIFFERS;
    return found;
}

static unsigned test_via(struct message *message)
{
    const struct via *via = message_via(message);
    struct address address;
    if (!via)
        return 0;
    bool is_address = address_parse_host(&address, via->host) == 0;
    unsigned found = is_address && nat_is_private(&address) ? NAT_VIA_PRIVATE : 0;
    if (!is_address || !address_equal_host(&address, &message->source.peer))
        found |= NAT_VIA_DIFFERS;
    if ((via->port ? via->port : 5060) != address_port(&message->source.peer))
        found |= NAT_VIA_PORT_DIFFERS;
    return found;
}

/** One "c=IN IP4 host" line. */
static unsigned test_connection(struct text line, const struct address *source)
{
    struct address address;
    if (!text_starts_with(line, TEXT("c=IN IP")))
        return 0;
    text_word(&line);
    text_word(&line);
    struct text host = text_word(&line);
    if (!text_is_set(host) || address_parse_host(&address, text_split(&host, '/')))
        return 0;
    unsigned found = nat_is_private(&address) ? NAT_SDP_PRIVATE : 0;
    if (!address_is_wildcard(&address) && !address_equal_host(&address, source))
        found |= NAT_SDP_DIFFERS;
    return found;
}

/** Every c= line of a body that is an SDP or may hold one. */
static unsigned test_sdp(const struct message *message)
{
    const struct header *type = message_header(message, HEADER_CONTENT_TYPE);
    struct text rest = message->body;
    unsigned found = 0;
    if (!type || !(text_starts_with_nocase(type->value, TEXT("application/sdp")) ||
                   text_starts_with_nocase(type->value, TEXT("multipart/"))))
        return 0;
    while (text_is_set(rest))
        found |= test_connection(text_trim(text_split(&rest, '\n')), &message->source.peer);
    return found;
}

unsigned nat_test(struct message *message, unsigned tests, bool is_websocket)
{
    unsigned found = is_websocket ? NAT_WEBSOCKET : 0;
    if (nat_is_private(&message->source.peer))
        found |= NAT_SOURCE_PRIVATE;
    if (tests & (NAT_CONTACT_PRIVATE | NAT_CONTACT_PORT_DIFFERS))
        found |= test_contact(message);
    if (tests & (NAT_VIA_DIFFERS | NAT_VIA_PRIVATE | NAT_VIA_PORT_DIFFERS))
        found |= test_via(message);
    if (tests & (NAT_SDP_PRIVATE | NAT_SDP_DIFFERS))
        found |= test_sdp(message);
    return found & tests;
}

/* ---- Contact ---- */

/** In one line (RFC 3261 s7.3.1). */
static void append_unfolded(struct buffer *out, const char *begin, const char *end)
{
    for (; begin < end; begin++)
        buffer_append_char(out, *begin == '\r' || *begin == '\n' ? ' ' : *begin);
}

/** Behind host and port. */
static const char *end_of_host(const struct name_addr *contact)
{
    const char *at = contact->uri.host.p + contact->uri.host.n;
    const char *end = contact->uri_text.p + contact->uri_text.n;
    if (at < end && *at == ':')
        for (at++; at < end && char_is_in(CHARS_DIGIT, *at); at++) {
        }
    return at;
}

/** What becomes of one address. @param at  what was copied so far; moved on */
typedef void contact_printer(struct buffer *out, const char **at, const struct name_addr *contact,
                             const struct nat_alias *source);

static int print_each(struct buffer *out, struct text value, const struct nat_alias *source,
                      contact_printer *print)
{
    struct text rest = value, element;
    const char *at = value.p;
    if (text_equal(text_trim(value), TEXT("*")))
        return ERROR_NOT_FOUND;
    while (text_is_set(element = name_addr_split(&rest))) {
        struct name_addr contact;
        if (name_addr_parse(&contact, element))
            return ERROR_SYNTAX;
        if (contact.uri.scheme == URI_SIP || contact.uri.scheme == URI_SIPS)
            print(out, &at, &contact, source);
    }
    append_unfolded(out, at, value.p + value.n);
    return out->error;
}

static void print_source(struct buffer *out, const char **at, const struct name_addr *contact,
                         const struct nat_alias *source)
{
    char host[ADDRESS_TEXT_BYTES];
    append_unfolded(out, *at, contact->uri.host.p);
    buffer_append(out, address_print(&source->address, host));
    *at = end_of_host(contact);
}

int nat_print_contact(struct buffer *out, struct text value, const struct address *source)
{
    struct nat_alias to = {.address = *source};
    return print_each(out, value, &to, print_source);
}

/* ---- aliases ---- */

/** The last alias among a URI's parameters, name included; absent when there is none. */
static struct text last_alias(const struct uri *uri)
{
    struct text rest = uri->params, found = TEXT_NONE;
    while (text_is_set(rest)) {
        struct text param = text_split(&rest, ';');
        if (text_starts_with_nocase(param, ALIAS))
            found = param;
    }
    return found;
}

static int parse_alias(struct text value, struct nat_alias *alias)
{
    struct text host = text_split(&value, '~'), port = text_split(&value, '~');
    uint32_t number, proto;
    if (!text_is_set(value) || address_parse_host(&alias->address, host) ||
        text_to_u32(port, &number) || number == 0 || number > 65535 || text_to_u32(value, &proto) ||
        proto < 1 || proto > 6)
        return ERROR_SYNTAX;
    address_set_port(&alias->address, (uint16_t)number);
    alias->proto = proto;
    return 0;
}

static struct text alias_value(struct text param)
{
    return (struct text){param.p + ALIAS.n, param.n - ALIAS.n};
}

/** Does the URI lead there, by itself or by its last alias? */
static bool leads_to(const struct uri *uri, const struct nat_alias *source)
{
    struct nat_alias alias;
    struct text param = last_alias(uri);
    if (text_is_set(param))
        return parse_alias(alias_value(param), &alias) == 0 && alias.proto == source->proto &&
               address_equal(&alias.address, &source->address);
    return source->proto == 1 && port_of(uri) == address_port(&source->address) &&
           address_parse_host(&alias.address, uri->host) == 0 &&
           address_equal_host(&alias.address, &source->address);
}

static void print_alias(struct buffer *out, const char **at, const struct name_addr *contact,
                        const struct nat_alias *source)
{
    char host[ADDRESS_TEXT_BYTES];
    const struct uri *uri = &contact->uri;
    const char *end =
        text_is_set(uri->params) ? uri->params.p + uri->params.n : end_of_host(contact);
    bool is_bare = contact->uri_text.p == *at || contact->uri_text.p[-1] != '<';
    if (leads_to(uri, source))
        return;
    append_unfolded(out, *at, contact->uri_text.p);
    buffer_append(out, is_bare ? TEXT("<") : TEXT(""));
    append_unfolded(out, contact->uri_text.p, end);
    buffer_printf(out, ";alias=%s~%u~%u", address_print_uri_host(&source->address, host).p,
                  address_port(&source->address), source->proto);
    *at = end;
    if (is_bare) {
        const char *behind = contact->uri_text.p + contact->uri_text.n;
        append_unfolded(out, end, behind);
        buffer_append_char(out, '>');
        *at = behind;
    }
}

int nat_print_alias(struct buffer *out, struct text value, const struct address *source,
                    unsigned proto)
{
    struct nat_alias to = {*source, proto};
    return print_each(out, value, &to, print_alias);
}

int nat_take_alias(struct buffer *out, struct text text, struct nat_alias *alias)
{
    struct uri uri;
    if (uri_parse(&uri, text))
        return ERROR_SYNTAX;
    struct text param = last_alias(&uri);
    if (!text_is_set(param))
        return ERROR_NOT_FOUND;
    if (parse_alias(alias_value(param), alias))
        return ERROR_SYNTAX;
    buffer_append(out, text_span(text.p, param.p - 1));
    buffer_append(out, text_span(param.p + param.n, text.p + text.n));
    return out->error;
}
