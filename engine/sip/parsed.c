/* Headers parsed when somebody asks, once, and kept in the message's arena. */
#include "base/error.h"
#include "sip/message.h"
#include "sip/parse_osip.h"
#include "sip/scan.h"

/* What became of a header. */
enum parsed_state { PARSED_NOT_YET, PARSED_GOOD, PARSED_BAD };

/** The cache; one state for each value. */
struct message_parsed {
    uint8_t via_state, second_state, from_state, to_state, contact_state, uri_state, source_state;
    struct via via, second;
    struct name_addr from, to, contact;
    struct uri uri;
    struct text via_with_source; /* value of the first Via line */
};

static struct message_parsed *parsed_of(struct message *message)
{
    if (!message->parsed)
        message->parsed = arena_zalloc(&message->arena, sizeof *message->parsed);
    return message->parsed;
}

/*
 * Ordinary values are not asked about: the scanners know all that can be wrong with them, and
 * osipparser2 would double the cost of a message.
 */
static uint8_t second_opinion(enum osip_grammar grammar, struct text t)
{
    switch (scan_is_all(t, CHARS_ORDINARY) ? 0 : osip_check(grammar, t)) {
    case 0: return PARSED_GOOD;
    case ERROR_MEMORY: return PARSED_NOT_YET;
    default: return PARSED_BAD;
    }
}

static uint8_t parse_via(struct via *via, struct text element)
{
    if (!element.n || via_parse(via, element))
        return PARSED_BAD;
    return second_opinion(OSIP_VIA, via->whole);
}

/* A quoted display name is the usual one, and without escapes nothing about it can be wrong. */
static struct text without_plain_name(const struct name_addr *name_addr)
{
    struct text whole = name_addr->whole, name = name_addr->display_name;
    if (!name.n)
        return whole;
    if (name.p[0] == '"') {
        struct text inside = {name.p + 1, name.n - 2};
        if (!scan_is_all(inside, CHARS_QUOTED))
            return whole;
    }
    /* An unquoted one is ours to judge: osipparser2 knows tokens only, people do not. */
    return text_span(name_addr->uri_text.p - 1, whole.p + whole.n);
}

static uint8_t parse_address(struct name_addr *name_addr, const struct header *header, bool is_list)
{
    struct text rest = header ? header->value : TEXT_NONE;
    struct text element = is_list ? name_addr_split(&rest) : rest;
    if (!element.n || name_addr_parse(name_addr, element))
        return PARSED_BAD;
    return second_opinion(OSIP_ADDRESS, without_plain_name(name_addr));
}

/* The element after the first, in the same line or in the next. */
static struct text second_element(const struct message *message)
{
    const struct header *header = message_header(message, HEADER_VIA);
    struct text rest = header ? header->value : TEXT_NONE;
    name_addr_split(&rest);
    struct text element = name_addr_split(&rest);
    if (text_is_set(element) || !header)
        return element;
    header = message_header_next(message, header);
    rest = header ? header->value : TEXT_NONE;
    return name_addr_split(&rest);
}

const struct via *message_via(struct message *message)
{
    struct message_parsed *parsed = parsed_of(message);
    if (!parsed)
        return NULL;
    if (parsed->via_state == PARSED_NOT_YET) {
        const struct header *header = message_header(message, HEADER_VIA);
        struct text rest = header ? header->value : TEXT_NONE;
        parsed->via_state = parse_via(&parsed->via, name_addr_split(&rest));
    }
    return parsed->via_state == PARSED_GOOD ? &parsed->via : NULL;
}

const struct via *message_via_second(struct message *message)
{
    struct message_parsed *parsed = parsed_of(message);
    if (!parsed)
        return NULL;
    if (parsed->second_state == PARSED_NOT_YET)
        parsed->second_state = parse_via(&parsed->second, second_element(message));
    return parsed->second_state == PARSED_GOOD ? &parsed->second : NULL;
}

/* The first Via line with its first element replaced. */
static struct text print_with_source(struct message *message, const struct via *via)
{
    const struct header *header = message_header(message, HEADER_VIA);
    struct text element = via_with_source(&message->arena, via, &message->source.peer);
    struct text behind = text_span(via->whole.p + via->whole.n, header->value.p + header->value.n);
    if (!text_is_set(element) || !behind.n)
        return element;
    char *line = arena_alloc(&message->arena, element.n + behind.n);
    if (!line)
        return TEXT_NONE;
    memcpy(line, element.p, element.n);
    memcpy(line + element.n, behind.p, behind.n);
    return (struct text){line, element.n + behind.n};
}

struct text message_via_with_source(struct message *message)
{
    const struct via *via = message_via(message);
    if (!via)
        return TEXT_NONE;
    struct message_parsed *parsed = message->parsed;
    if (parsed->source_state == PARSED_NOT_YET) {
        parsed->via_with_source = print_with_source(message, via);
        parsed->source_state = PARSED_GOOD;
    }
    return parsed->via_with_source;
}

const struct name_addr *message_from(struct message *message)
{
    struct message_parsed *parsed = parsed_of(message);
    if (!parsed)
        return NULL;
    if (parsed->from_state == PARSED_NOT_YET)
        parsed->from_state =
            parse_address(&parsed->from, message_header(message, HEADER_FROM), false);
    return parsed->from_state == PARSED_GOOD ? &parsed->from : NULL;
}

const struct name_addr *message_to(struct message *message)
{
    struct message_parsed *parsed = parsed_of(message);
    if (!parsed)
        return NULL;
    if (parsed->to_state == PARSED_NOT_YET)
        parsed->to_state = parse_address(&parsed->to, message_header(message, HEADER_TO), false);
    return parsed->to_state == PARSED_GOOD ? &parsed->to : NULL;
}

const struct name_addr *message_contact(struct message *message)
{
    struct message_parsed *parsed = parsed_of(message);
    if (!parsed)
        return NULL;
    if (parsed->contact_state == PARSED_NOT_YET)
        parsed->contact_state =
            parse_address(&parsed->contact, message_header(message, HEADER_CONTACT), true);
    return parsed->contact_state == PARSED_GOOD ? &parsed->contact : NULL;
}

static uint8_t parse_uri(struct uri *uri, struct text t)
{
    if (!t.n || uri_parse(uri, t))
        return PARSED_BAD;
    return second_opinion(OSIP_URI, t);
}

const struct uri *message_request_uri(struct message *message)
{
    struct message_parsed *parsed = parsed_of(message);
    if (!parsed)
        return NULL;
    if (parsed->uri_state == PARSED_NOT_YET)
        parsed->uri_state = parse_uri(&parsed->uri, message->request_uri);
    return parsed->uri_state == PARSED_GOOD ? &parsed->uri : NULL;
}

struct text message_from_tag(struct message *message)
{
    const struct name_addr *from = message_from(message);
    return from ? from->tag : TEXT_NONE;
}

struct text message_to_tag(struct message *message)
{
    const struct name_addr *to = message_to(message);
    return to ? to->tag : TEXT_NONE;
}

uint64_t message_caller_hash(struct message *message, const struct hash_key *key)
{
    if (!message->caller_hash) {
        const struct text v[] = {message->call_id, message_from_tag(message)};
        message->caller_hash = hash_index(key, v, 2);
    }
    return message->caller_hash;
}
