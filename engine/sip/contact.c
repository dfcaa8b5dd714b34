/* contact-params of RFC 3261 s25.1 and RFC 5626 s11. */
#include "sip/contact.h"

#include "base/error.h"
#include "sip/method_set.h"
#include "sip/scan.h"

/* qvalue: "0" or "1" with up to three decimals. */
static int parse_q(struct text t, int *q)
{
    if (!t.n || t.n > 5 || (t.p[0] != '0' && t.p[0] != '1') || (t.n > 1 && t.p[1] != '.'))
        return ERROR_SYNTAX;
    int value = t.p[0] - '0';
    for (size_t i = 2; i < 5; i++) {
        if (i < t.n && !char_is_in(CHARS_DIGIT, t.p[i]))
            return ERROR_SYNTAX;
        value = value * 10 + (i < t.n ? t.p[i] - '0' : 0);
    }
    *q = value;
    return value <= CONTACT_Q_MAX ? 0 : ERROR_SYNTAX;
}

static struct text without_quotes(struct text t)
{
    bool is_quoted = t.n >= 2 && t.p[0] == '"' && t.p[t.n - 1] == '"';
    return is_quoted ? (struct text){t.p + 1, t.n - 2} : t;
}

int contact_parse(struct contact *contact, struct text element)
{
    *contact = (struct contact){.q = CONTACT_Q_NONE};
    int error = name_addr_parse(&contact->address, element);
    if (error)
        return error;
    struct text params = contact->address.params;
    struct text q = param_find(params, TEXT("q"));
    if (text_is_set(q))
        error = parse_q(q, &contact->q);
    struct text expires = param_find(params, TEXT("expires"));
    contact->has_expires = text_is_set(expires);
    if (contact->has_expires && text_to_u32(expires, &contact->expires_s))
        contact->expires_s = CONTACT_EXPIRES_MALFORMED_S;
    contact->instance = without_quotes(param_find(params, TEXT("+sip.instance")));
    if (!contact->instance.n)
        contact->instance = TEXT_NONE;
    struct text reg_id = param_find(params, TEXT("reg-id"));
    if (text_is_set(reg_id) && text_to_u32(reg_id, &contact->reg_id))
        contact->reg_id = 0;
    contact->methods = method_set_parse(without_quotes(param_find(params, TEXT("methods"))));
    return error;
}

/* Elements of all Contact lines, from the first. */
struct walk {
    const struct message *message;
    const struct header *header;
    struct text rest;
};

static struct walk walk_begin(const struct message *message)
{
    const struct header *header = message_header(message, HEADER_CONTACT);
    return (struct walk){message, header, header ? header->value : TEXT_NONE};
}

/* Absent at the end. */
static struct text walk_next(struct walk *walk)
{
    while (walk->header) {
        struct text element = name_addr_split(&walk->rest);
        if (text_is_set(element))
            return element;
        walk->header = message_header_next(walk->message, walk->header);
        walk->rest = walk->header ? walk->header->value : TEXT_NONE;
    }
    return TEXT_NONE;
}

int contact_list(struct contact **contacts, size_t *count, bool *is_star,
                 const struct message *message, struct arena *arena)
{
    size_t room = 0;
    struct walk walk = walk_begin(message);
    *contacts = NULL;
    *count = 0;
    *is_star = false;
    while (text_is_set(walk_next(&walk)))
        room++;
    if (!room)
        return 0;
    *contacts = arena_alloc(arena, room * sizeof **contacts);
    if (!*contacts)
        return ERROR_MEMORY;
    walk = walk_begin(message);
    for (struct text element; text_is_set(element = walk_next(&walk));) {
        if (text_equal(element, TEXT("*"))) {
            *is_star = true;
            continue;
        }
        int error = contact_parse(&(*contacts)[*count], element);
        if (error)
            return error;
        (*count)++;
    }
    return 0;
}
