/* REGISTER by RFC 3261 s10.3, steps 6 to 8. */
#include "base/error.h"
#include "base/memory.h"
#include "location/match.h"

#define BRIEF_MAX_S 3600 /* a longer wish is never "too brief" (RFC 3261 s10.3 step 7) */

/** One save, from the request to the verdict. */
struct save {
    struct location *location;
    const struct location_request *request;
    struct location_rules rules;
    struct location_result *result;
};

void location_rules_default(struct location_rules *rules, const struct settings *settings)
{
    *rules = (struct location_rules){
        .expires_default_s = (uint32_t)settings->location_expires_default_s,
        .expires_least_s = (uint32_t)settings->location_expires_least_s,
        .expires_most_s = (uint32_t)settings->location_expires_most_s,
        .refuses_brief = settings->location_expires_refuse,
        .contacts_max = (uint32_t)settings->location_contacts_per_aor,
        .match = (unsigned)settings->location_match,
    };
}

static int refuse(struct save *save, int error, unsigned status, const char *reason)
{
    save->result->status = status;
    save->result->reason = reason;
    return error;
}

static int refuse_counted(struct save *save, int error, unsigned status, const char *reason,
                          enum counter counter)
{
    if (save->request->counters)
        counter_count(save->request->counters, counter);
    return refuse(save, error, status, reason);
}

static int refuse_memory(struct save *save)
{
    return refuse(save, ERROR_MEMORY, 500, "Server Internal Error");
}

/* What the UA asks for, before any bound. */
static uint32_t wanted_s(const struct save *save, const struct contact *contact)
{
    if (contact->has_expires)
        return contact->expires_s;
    return save->request->has_expires ? save->request->expires_s : save->rules.expires_default_s;
}

static bool is_removal(const struct save *save, const struct contact *contact)
{
    return !save->request->is_command && wanted_s(save, contact) == 0;
}

static bool is_too_brief(const struct save *save, const struct contact *contact)
{
    uint32_t s = wanted_s(save, contact);
    return save->rules.refuses_brief && !save->request->is_command && s > 0 && s < BRIEF_MAX_S &&
           s < save->rules.expires_least_s;
}

static uint64_t expires_ms(const struct save *save, const struct contact *contact)
{
    uint32_t s = wanted_s(save, contact);
    if (save->request->is_command && s == 0)
        return LOCATION_NEVER;
    if (s < save->rules.expires_least_s)
        s = save->rules.expires_least_s;
    if (save->rules.expires_most_s && s > save->rules.expires_most_s)
        s = save->rules.expires_most_s;
    return save->request->now_ms + (uint64_t)s * 1000;
}

/* Is it right as a whole, whatever is bound already? */
static int check_star(struct save *save)
{
    const struct location_request *request = save->request;
    if (request->contact_count || !request->has_expires || request->expires_s != 0)
        return refuse(save, ERROR_SYNTAX, 400, "Invalid Star Contact");
    return 0;
}

static int check_contacts(struct save *save)
{
    const struct location_request *request = save->request;
    unsigned flows = 0;
    if (request->contact_count > save->location->settings->location_request_contacts)
        return refuse_counted(save, ERROR_LIMIT, 503, "Too Many Contacts",
                              COUNTER_LOCATION_CONTACT_LIMIT);
    for (size_t i = 0; i < request->contact_count; i++) {
        const struct contact *contact = &request->contacts[i];
        if (is_too_brief(save, contact)) {
            save->result->least_s = save->rules.expires_least_s;
            return refuse_counted(save, ERROR_TIMEOUT, 423, "Interval Too Brief",
                                  COUNTER_LOCATION_BRIEF);
        }
        flows += contact->reg_id && text_is_set(contact->instance) && !is_removal(save, contact);
    }
    return flows > 1 ? refuse(save, ERROR_SYNTAX, 400, "More Than One reg-id") : 0;
}

static int check(struct save *save)
{
    const struct location_request *request = save->request;
    uint64_t longest = save->location->settings->location_text_bytes;
    if (!request->aor.n)
        return refuse(save, ERROR_SYNTAX, 400, "No Address Of Record");
    if (request->aor.n > longest || request->call_id.n > longest)
        return refuse_counted(save, ERROR_SYNTAX, 400, "Text Too Long", COUNTER_LOCATION_TOO_LONG);
    return request->is_star ? check_star(save) : check_contacts(save);
}

/*
 * Step 7: a lower or equal CSeq of the same Call-ID came late. What this request made is not older.
 */
static bool is_out_of_order(const struct save *save, const struct draft_slot *slot)
{
    return slot->binding == slot->before && !save->request->is_command &&
           text_equal(slot->binding->call_id, save->request->call_id) &&
           save->request->cseq <= slot->binding->cseq;
}

static int refuse_out_of_order(struct save *save)
{
    return refuse_counted(save, ERROR_STATE, 500, "CSeq Out Of Order",
                          COUNTER_LOCATION_OUT_OF_ORDER);
}

static int remove_all(struct save *save, struct draft *draft)
{
    for (size_t i = 0; i < draft->count; i++) {
        struct draft_slot *slot = &draft->slots[i];
        if (!slot->binding)
            continue;
        if (is_out_of_order(save, slot))
            return refuse_out_of_order(save);
        draft_remove(slot);
    }
    return 0;
}

/* The binding as it shall be; its ruid goes on from @p old. Texts are borrowed. */
static struct location_binding describe(const struct save *save, const struct contact *contact,
                                        const struct location_binding *old)
{
    const struct location_request *request = save->request;
    uint64_t longest = save->location->settings->location_text_bytes;
    struct text user_agent = request->user_agent;
    if (user_agent.n > longest)
        user_agent.n = longest;
    uint32_t methods = contact->methods ? contact->methods : request->methods;
    return (struct location_binding){
        .contact = contact->address.uri_text,
        .call_id = request->call_id,
        .user_agent = user_agent,
        .path = request->path,
        .received = request->received,
        .socket = request->socket,
        .instance = contact->instance,
        .ruid = old ? old->ruid : TEXT_NONE,
        .expires_ms = expires_ms(save, contact),
        .modified_ms = request->now_ms,
        .flow_id = request->flow_id,
        .cseq = request->cseq,
        .methods = methods ? methods : METHOD_SET_ALL,
        .flags = request->flags,
        .contact_flags = request->contact_flags,
        .reg_id = text_is_set(contact->instance) ? contact->reg_id : 0,
        .q = (int16_t)contact->q,
    };
}

static int bind_contact(struct save *save, struct draft *draft, const struct contact *contact,
                        struct draft_slot *slot)
{
    char ruid[RUID_BYTES];
    struct location_binding described = describe(save, contact, slot ? slot->binding : NULL);
    if (!described.ruid.n)
        described.ruid = binding_new_ruid(save->location, ruid);
    if (binding_check(&described, save->location->settings))
        return refuse_counted(save, ERROR_SYNTAX, 400, "Contact Too Long",
                              COUNTER_LOCATION_TOO_LONG);
    struct location_binding *binding = binding_copy(&described);
    if (!binding)
        return refuse_memory(save);
    draft_put(draft, slot, binding);
    return 0;
}

static int apply(struct save *save, struct draft *draft)
{
    const struct location_request *request = save->request;
    if (request->is_star)
        return remove_all(save, draft);
    for (size_t i = 0; i < request->contact_count; i++) {
        const struct contact *contact = &request->contacts[i];
        struct draft_slot *slot = match_contact(draft, request, contact, save->rules.match);
        if (slot && is_out_of_order(save, slot))
            return refuse_out_of_order(save);
        if (!is_removal(save, contact)) {
            int error = bind_contact(save, draft, contact, slot);
            if (error)
                return error;
        } else if (slot) {
            draft_remove(slot);
        }
    }
    return 0;
}

/* Lowering the limit takes nothing away from who is over it already. */
static bool is_over_limit(const struct save *save, const struct draft *draft)
{
    size_t live = draft_live(draft), before = 0;
    for (size_t i = 0; i < draft->count; i++)
        before += draft->slots[i].before && !draft->slots[i].is_expired;
    return live > save->rules.contacts_max && live > before;
}

static void count_expired(const struct save *save, const struct draft *draft)
{
    for (size_t i = 0; i < draft->count && save->request->counters; i++)
        if (draft->slots[i].is_expired)
            counter_count(save->request->counters, COUNTER_LOCATION_EXPIRED);
}

/* Swap the draft in. */
static int commit(struct save *save, struct draft *draft)
{
    int error = draft_commit(draft, false, save->request->by, &save->result->record);
    if (error == ERROR_LIMIT)
        return refuse_counted(save, error, 503, "Too Many Registrations",
                              COUNTER_LOCATION_AOR_LIMIT);
    if (error == ERROR_MEMORY)
        return refuse_memory(save);
    if (!error)
        count_expired(save, draft);
    return error;
}

/* @return DRAFT_STALE: again */
static int try_save(struct save *save)
{
    struct draft draft;
    const struct location_request *request = save->request;
    int error =
        draft_open(&draft, save->location, request->aor, request->now_ms, request->contact_count);
    if (error)
        refuse_memory(save);
    else
        error = apply(save, &draft);
    if (!error && is_over_limit(save, &draft))
        error = refuse_counted(save, ERROR_LIMIT, 503, "Too Many Contacts",
                               COUNTER_LOCATION_CONTACT_LIMIT);
    if (!error)
        error = commit(save, &draft);
    draft_close(&draft);
    return error;
}

int location_save(struct location *location, const struct location_request *request,
                  struct location_result *result)
{
    struct save save = {.location = location, .request = request, .result = result};
    *result = (struct location_result){.status = 200, .reason = "OK"};
    if (request->rules)
        save.rules = *request->rules;
    else
        location_rules_default(&save.rules, location->settings);
    int error = check(&save);
    if (error)
        return error;
    do
        error = try_save(&save);
    while (error == DRAFT_STALE);
    if (!error && request->counters && (request->contact_count || request->is_star))
        counter_count(request->counters, COUNTER_LOCATION_SAVED);
    return error;
}
