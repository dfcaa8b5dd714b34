/* REGISTER in, Contact lines out. */
#include "location/registrar.h"

#include "base/error.h"
#include "sip/list_header.h"

static struct text value_of(const struct message *message, enum header_kind kind)
{
    const struct header *header = message_header(message, kind);
    return header ? header->value : TEXT_NONE;
}

static bool wants_flow(const struct location_request *request)
{
    for (size_t i = 0; i < request->contact_count; i++)
        if (request->contacts[i].reg_id && text_is_set(request->contacts[i].instance))
            return true;
    return false;
}

/* Did the UA itself send it to us? */
static bool is_first_hop(const struct message *message)
{
    const struct header *via = message_header(message, HEADER_VIA);
    struct text rest = via ? via->value : TEXT_NONE;
    name_addr_split(&rest);
    return via && !text_is_set(name_addr_split(&rest)) && !message_header_next(message, via);
}

/* Has the Path value that lies nearest to the UA an ob parameter? */
static bool edge_knows_outbound(struct text path)
{
    struct text element, last = TEXT_NONE;
    struct name_addr address;
    while (text_is_set(element = name_addr_split(&path)))
        last = element;
    return text_is_set(last) && !name_addr_parse(&address, last) &&
           text_is_set(uri_param(&address.uri, TEXT("ob")));
}

static bool first_hop_knows(const struct message *message, const struct location_request *request)
{
    return is_first_hop(message) || edge_knows_outbound(request->path);
}

static bool wants_outbound(const struct message *message)
{
    return list_header_has(message, HEADER_SUPPORTED, TEXT("outbound"));
}

int location_request_parse(struct location_request *request, struct message *message,
                           struct arena *arena)
{
    struct contact *contacts;
    int error = contact_list(&contacts, &request->contact_count, &request->is_star, message, arena);
    if (error)
        return error;
    request->contacts = contacts;
    error = list_header_join(&request->path, message, HEADER_PATH, arena);
    if (error)
        return error;
    if (text_is_set(request->path) && !list_header_is_route(request->path))
        return ERROR_SYNTAX;
    request->call_id = message->call_id;
    request->cseq = message->cseq_number;
    request->user_agent = value_of(message, HEADER_USER_AGENT);
    request->methods = method_set_allowed(message);
    request->has_expires = header_expires(message, &request->expires_s);
    if (wants_flow(request) && !first_hop_knows(message, request) && !wants_outbound(message))
        for (size_t i = 0; i < request->contact_count; i++)
            contacts[i].reg_id = 0;
    return 0;
}

enum location_outbound location_outbound(const struct message *message,
                                         const struct location_request *request)
{
    if (!wants_flow(request) || !wants_outbound(message))
        return OUTBOUND_NONE;
    return first_hop_knows(message, request) ? OUTBOUND_GRANTED : OUTBOUND_LACKING;
}

static struct text host_of(struct text uri)
{
    struct uri parsed;
    return uri_parse(&parsed, uri) ? TEXT_NONE : parsed.host;
}

static void print_gruus(struct buffer *out, const struct location *location, struct text aor,
                        const struct location_binding *binding,
                        const struct location_answer *answer)
{
    struct text host = host_of(answer->uri);
    if (!host.n)
        return;
    struct text uri = answer->uri;
    buffer_append(out, TEXT(";pub-gruu=\""));
    /* Each GRUU is there as sip and as sips; a UA is told the one of its own scheme (RFC 5630). */
    if (text_starts_with_nocase(binding->contact, TEXT("sips:")) &&
        text_starts_with(uri, TEXT("sip:"))) {
        buffer_append(out, TEXT("sips:"));
        uri = (struct text){uri.p + 4, uri.n - 4};
    }
    location_print_public_gruu(out, uri, binding->instance);
    buffer_append(out, TEXT("\";temp-gruu=\""));
    location_print_temporary_gruu(out, location, aor, binding, host);
    buffer_append_char(out, '"');
}

static void print_contact(struct buffer *out, const struct location *location, struct text aor,
                          const struct location_binding *binding,
                          const struct location_answer *answer)
{
    buffer_append(out, TEXT("Contact: <"));
    buffer_append(out, binding->contact);
    buffer_append_char(out, '>');
    if (binding->q == CONTACT_Q_MAX)
        buffer_append(out, TEXT(";q=1"));
    else if (binding->q != CONTACT_Q_NONE)
        buffer_printf(out, ";q=0.%03d", binding->q);
    buffer_append(out, TEXT(";expires="));
    buffer_append_u64(out, location_binding_expires_s(binding, answer->now_ms));
    if (binding->received.n)
        buffer_printf(out, ";received=\"%.*s\"", TEXT_ARG(binding->received));
    if (binding->instance.n) {
        buffer_printf(out, ";+sip.instance=\"%.*s\"", TEXT_ARG(binding->instance));
        if (binding->reg_id)
            buffer_printf(out, ";reg-id=%u", binding->reg_id);
        if (answer->prints_gruu)
            print_gruus(out, location, aor, binding, answer);
    }
    buffer_append(out, TEXT("\r\n"));
}

void location_print_contacts(struct buffer *out, const struct location *location,
                             const struct location_record *record,
                             const struct location_answer *answer)
{
    size_t count = record ? location_record_count(record) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct location_binding *binding = location_record_at(record, i);
        if (!location_binding_is_expired(binding, answer->now_ms))
            print_contact(out, location, location_record_aor(record), binding, answer);
    }
}
