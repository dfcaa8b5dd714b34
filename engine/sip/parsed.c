/* Headers parsed when somebody asks, once, and kept in the message's arena. */
#include "base/error.h"
#include "sip/message.h"
#include "sip/parse_osip.h"
#include "sip/scan.h"

/* What became of a value. Of an address the parts may be known, and its URI not yet or malformed. */
enum parsed_state { PARSED_NOT_YET, PARSED_BAD, PARSED_CUT, PARSED_BAD_URI, PARSED_GOOD };

enum party { PARTY_FROM, PARTY_TO, PARTY_CONTACT, PARTY_COUNT };

/* The cache; of each value nothing but its state can be read before it was parsed. */
struct message_parsed {
    struct {
        uint8_t via, second, source, uri, parties[PARTY_COUNT];
    } states;
    struct via via, second;
    struct name_addr parties[PARTY_COUNT];
    struct uri uri;
    struct text via_with_source; /* value of the first Via line */
};

static struct message_parsed *parsed_of(struct message *message)
{
    if (!message->parsed) {
        message->parsed = arena_alloc(&message->arena, sizeof *message->parsed);
        if (message->parsed)
            memset(&message->parsed->states, 0, sizeof message->parsed->states);
    }
    return message->parsed;
}

/*
 * Ordinary values are not asked about: the scanners know all that can be wrong with them, and
 * osipparser2 would double the cost of a message.
 */
static uint8_t second_opinion(enum osip_grammar grammar, struct text t, enum parsed_state before)
{
    switch (scan_is_ordinary(t) ? 0 : osip_check(grammar, t)) {
    case 0: return PARSED_GOOD;
    case ERROR_MEMORY: return before; /* asked again */
    default: return before == PARSED_CUT ? PARSED_BAD_URI : PARSED_BAD;
    }
}

static uint8_t parse_via(struct via *via, struct text element)
{
    if (!element.n || via_parse(via, element))
        return PARSED_BAD;
    return second_opinion(OSIP_VIA, via->whole, PARSED_NOT_YET);
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

/* The parts of an address and, when they are asked for, those of its URI. */
static __attribute__((noinline)) void parse_party(struct message *message, enum party party,
                                                  bool with_uri)
{
    static const enum header_kind kinds[] = {HEADER_FROM, HEADER_TO, HEADER_CONTACT};
    uint8_t *state = &message->parsed->states.parties[party];
    struct name_addr *address = &message->parsed->parties[party];
    if (*state == PARSED_NOT_YET) {
        const struct header *header = message_header(message, kinds[party]);
        struct text rest = header ? header->value : TEXT_NONE;
        struct text element = party == PARTY_CONTACT ? name_addr_split(&rest) : rest;
        *state = element.n && !name_addr_cut(address, element) ? PARSED_CUT : PARSED_BAD;
    }
    if (!with_uri || *state != PARSED_CUT)
        return;
    if (uri_parse(&address->uri, address->uri_text))
        *state = PARSED_BAD_URI;
    else
        *state = second_opinion(OSIP_ADDRESS, without_plain_name(address), PARSED_CUT);
}

/* @return its address, whole or but for its URI; NULL when absent or malformed in what was asked for */
static const struct name_addr *party_of(struct message *message, enum party party, bool with_uri)
{
    struct message_parsed *parsed = parsed_of(message);
    const enum parsed_state least = with_uri ? PARSED_GOOD : PARSED_CUT;
    if (parsed && parsed->states.parties[party] < least)
        parse_party(message, party, with_uri);
    return parsed && parsed->states.parties[party] >= least ? &parsed->parties[party] : NULL;
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
    if (parsed->states.via == PARSED_NOT_YET) {
        const struct header *header = message_header(message, HEADER_VIA);
        struct text rest = header ? header->value : TEXT_NONE;
        parsed->states.via = parse_via(&parsed->via, name_addr_split(&rest));
    }
    return parsed->states.via == PARSED_GOOD ? &parsed->via : NULL;
}

bool message_has_one_via(struct message *message)
{
    const struct via *via = message_via(message);
    return via && via->whole.n == message_header(message, HEADER_VIA)->value.n &&
           !message_is_repeated(message, HEADER_VIA);
}

const struct via *message_via_second(struct message *message)
{
    struct message_parsed *parsed = parsed_of(message);
    if (!parsed)
        return NULL;
    if (parsed->states.second == PARSED_NOT_YET)
        parsed->states.second = parse_via(&parsed->second, second_element(message));
    return parsed->states.second == PARSED_GOOD ? &parsed->second : NULL;
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
    if (parsed->states.source == PARSED_NOT_YET) {
        parsed->via_with_source = print_with_source(message, via);
        parsed->states.source = PARSED_GOOD;
    }
    return parsed->via_with_source;
}

const struct name_addr *message_from(struct message *message)
{
    return party_of(message, PARTY_FROM, true);
}

const struct name_addr *message_to(struct message *message)
{
    return party_of(message, PARTY_TO, true);
}

const struct name_addr *message_contact(struct message *message)
{
    return party_of(message, PARTY_CONTACT, true);
}

static uint8_t parse_uri(struct uri *uri, struct text t)
{
    if (!t.n || uri_parse(uri, t))
        return PARSED_BAD;
    return second_opinion(OSIP_URI, t, PARSED_NOT_YET);
}

const struct uri *message_request_uri(struct message *message)
{
    struct message_parsed *parsed = parsed_of(message);
    if (!parsed)
        return NULL;
    if (parsed->states.uri == PARSED_NOT_YET)
        parsed->states.uri = parse_uri(&parsed->uri, message->request_uri);
    return parsed->states.uri == PARSED_GOOD ? &parsed->uri : NULL;
}

struct text message_from_tag(struct message *message)
{
    const struct name_addr *from = party_of(message, PARTY_FROM, false);
    return from ? from->tag : TEXT_NONE;
}

struct text message_to_tag(struct message *message)
{
    const struct name_addr *to = party_of(message, PARTY_TO, false);
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
