/* Flows by instance and reg-id (RFC 5626 s6), others by the mode of location.match. */
#include "location/match.h"

bool match_uri(const struct uri *uri, struct text other)
{
    struct uri parsed;
    if (text_equal(uri->whole, other))
        return true;
    return uri_parse(&parsed, other) == 0 && uri_equal(uri, &parsed);
}

static bool is_same_flow(const struct location_binding *binding, const struct contact *contact)
{
    return binding->reg_id == contact->reg_id &&
           text_equal_nocase(binding->instance, contact->instance);
}

static bool is_same_contact(const struct location_binding *binding,
                            const struct location_request *request, const struct contact *contact,
                            unsigned match)
{
    bool is_same_call = text_equal(binding->call_id, request->call_id);
    switch ((enum location_match)match) {
    case MATCH_CALL_ID: return is_same_call;
    case MATCH_URI_CALL_ID:
        if (!is_same_call)
            return false;
        break;
    case MATCH_URI_PATH:
        if (!text_equal(binding->path, request->path))
            return false;
        break;
    case MATCH_URI: break;
    }
    return match_uri(&contact->address.uri, binding->contact);
}

struct draft_slot *match_contact(const struct draft *draft, const struct location_request *request,
                                 const struct contact *contact, unsigned match)
{
    /* A reg-id without an instance means nothing (RFC 5626 s6). */
    bool is_flow = contact->reg_id && text_is_set(contact->instance);
    for (size_t i = 0; i < draft->count; i++) {
        const struct location_binding *binding = draft->slots[i].binding;
        if (binding && (is_flow ? is_same_flow(binding, contact)
                                : is_same_contact(binding, request, contact, match)))
            return &draft->slots[i];
    }
    return NULL;
}
