/* Taking notes: one small block per call, one per target, a text or two at its end. */
#include "route/notes.h"

#include "base/memory.h"
#include "record/record.h"

static void forget_text(struct text *t)
{
    memory_free_raw((char *)t->p);
    *t = TEXT_NONE;
}

/* Without memory the record lacks it. */
static void keep_text(struct text *to, struct text from)
{
    char *copy = from.n ? text_strdup(from) : NULL;
    if (!copy)
        return;
    forget_text(to);
    *to = (struct text){copy, from.n};
}

static void destroy(void *object)
{
    struct notes *notes = object;
    while (notes->tries) {
        struct note_try *next = notes->tries->next;
        memory_free_raw(notes->tries);
        notes->tries = next;
    }
    while (notes->transfers) {
        struct note_transfer *next = notes->transfers->next;
        memory_free_raw(notes->transfers->streams);
        memory_free_raw(notes->transfers);
        notes->transfers = next;
    }
    variables_release(&notes->fields);
    forget_text(&notes->trunk);
    forget_text(&notes->phrase);
    forget_text(&notes->reason);
}

struct notes *notes_of(const struct dialog *dialog)
{
    return dialog ? dialog_attachment(dialog, DIALOG_NOTES) : NULL;
}

/* Of the request that made the call; NULL for those within it. */
static struct notes *notes_of_invite(const struct response_context *context)
{
    return context->is_dialog_making ? notes_of(context->dialog) : NULL;
}

/* 0 says: it did not happen. */
static uint64_t now_ms(const struct proxy *proxy)
{
    uint64_t now = loop_now_ms(proxy->options.loop);
    return now ? now : 1;
}

void notes_begin(struct proxy *proxy, struct dialog *dialog, const struct message *invite)
{
    if (!proxy->options.records || notes_of(dialog))
        return;
    struct text ruri = invite->request_uri;
    struct notes *notes = memory_alloc(sizeof *notes + ruri.n, destroy);
    if (!notes) {
        counter_count(proxy->options.counters, COUNTER_RECORDS_DROPPED);
        return;
    }
    notes->last = &notes->tries;
    notes->last_transfer = &notes->transfers;
    notes->caller = (struct note_source){invite->source.peer, invite->source.listener};
    notes->ruri_bytes = ruri.n;
    memcpy(notes->ruri, ruri.p, ruri.n);
    dialog_attach(dialog, DIALOG_NOTES, notes);
    memory_release(notes);
}

/* The set of the gateway that a target is; 0: it is none. */
static unsigned set_of(const struct response_context *context, struct text uri)
{
    const struct dispatcher_destination *gateway =
        context->choice ? dispatcher_choice_current(context->choice) : NULL;
    bool is_it = gateway && text_equal(dispatcher_destination_uri(gateway), uri);
    return is_it ? dispatcher_destination_set(gateway) : 0;
}

/* @return NULL: without memory, or nobody wants to know */
static struct note_try *add_try(struct proxy *proxy, struct notes *notes, uint32_t branch,
                                struct text uri)
{
    struct note_try *one = notes ? memory_raw(sizeof *one + uri.n) : NULL;
    if (!one)
        return NULL;
    *one = (struct note_try){
        .at_ms = now_ms(proxy),
        .branch = branch,
        .uri_bytes = uri.n,
    };
    if (uri.n)
        memcpy(one->uri, uri.p, uri.n);
    *notes->last = one;
    notes->last = &one->next;
    return one;
}

void notes_try(struct response_context *context, unsigned branch, struct text uri,
               const struct address *destination)
{
    struct note_try *one = add_try(context->proxy, notes_of_invite(context),
                                   context_branch_number(context, branch), uri);
    if (!one)
        return;
    one->set = set_of(context, uri);
    if (destination)
        one->destination = *destination;
}

static void tried(struct notes *notes, uint32_t branch, unsigned status)
{
    for (struct note_try *one = notes ? notes->tries : NULL; one; one = one->next)
        if (one->branch == branch && !one->status)
            one->status = (uint16_t)status;
}

void notes_tried(struct response_context *context, unsigned branch, unsigned status)
{
    tried(notes_of_invite(context), context_branch_number(context, branch), status);
}

void notes_call(struct proxy *proxy, const struct dialog *dialog, unsigned which, struct text uri)
{
    add_try(proxy, notes_of(dialog), which, uri);
}

void notes_called(const struct dialog *dialog, unsigned which, unsigned status)
{
    tried(notes_of(dialog), which, status);
}

static void set_outcome(struct proxy *proxy, struct notes *notes, unsigned status,
                        struct text phrase, struct text reason, bool is_local)
{
    if (!notes || status <= 100)
        return;
    bool is_late_answer = status / 100 == 2 && notes->status >= 300; /* of another INVITE of it */
    if (notes->status && !is_late_answer)
        return;
    if (status < 200) {
        if (!notes->progress_ms)
            notes->progress_ms = now_ms(proxy);
        return;
    }
    notes->status = (uint16_t)status;
    notes->is_local = is_local;
    if (is_late_answer)
        forget_text(&notes->reason);
    keep_text(&notes->phrase, phrase);
    keep_text(&notes->reason, reason);
}

void notes_response(struct response_context *context, unsigned status, struct text phrase,
                    struct text reason, bool is_local)
{
    set_outcome(context->proxy, notes_of_invite(context), status, phrase, reason, is_local);
}

void notes_outcome(struct proxy *proxy, const struct dialog *dialog, unsigned status,
                   struct text phrase, bool is_local)
{
    set_outcome(proxy, notes_of(dialog), status, phrase, TEXT_NONE, is_local);
}

void notes_caller_accepted(const struct dialog *dialog, const struct message *response)
{
    struct notes *notes = notes_of(dialog);
    if (notes)
        notes->caller = (struct note_source){response->source.peer, response->source.listener};
}

void notes_accepted(const struct dialog *dialog, const struct message *response)
{
    struct notes *notes = notes_of(dialog);
    if (notes && !address_is_set(&notes->callee.peer))
        notes->callee = (struct note_source){response->source.peer, response->source.listener};
}

void notes_request(struct proxy *proxy, const struct dialog *dialog, const struct message *request)
{
    struct notes *notes = request->method == METHOD_BYE ? notes_of(dialog) : NULL;
    if (!notes)
        return;
    const struct header *reason = message_header(request, HEADER_REASON);
    notes->bye_ms = now_ms(proxy);
    forget_text(&notes->reason);
    keep_text(&notes->reason, reason ? reason->value : TEXT_NONE);
}

void notes_trunk(const struct dialog *dialog, struct text name)
{
    struct notes *notes = notes_of(dialog);
    if (notes)
        keep_text(&notes->trunk, name);
}

/* What the relay measured of a callee whose ports go back now. Without memory the record lacks it. */
static void keep_streams(struct note_transfer *one, const struct dialog *dialog,
                         struct text media_tag)
{
    struct media_stream_statistics v[RECORD_STREAMS];
    const struct media_call *call = dialog_attachment(dialog, DIALOG_MEDIA);
    size_t count =
        call && media_tag.n ? media_call_tag_statistics(call, media_tag, v, RECORD_STREAMS) : 0;
    one->streams = count ? memory_raw(count * sizeof *v) : NULL;
    if (!one->streams)
        return;
    one->stream_count = count;
    memcpy(one->streams, v, count * sizeof *v);
}

void notes_transfer(struct proxy *proxy, const struct dialog *dialog, bool is_of_callee,
                    struct text uri, unsigned status, struct text media_tag)
{
    struct notes *notes = notes_of(dialog);
    struct note_transfer *one = notes ? memory_raw(sizeof *one + uri.n) : NULL;
    if (!one)
        return;
    *one = (struct note_transfer){
        .at_ms = now_ms(proxy),
        .is_of_callee = is_of_callee,
        .status = (uint16_t)status,
        .uri_bytes = uri.n,
    };
    memcpy(one->uri, uri.p, uri.n);
    keep_streams(one, dialog, media_tag);
    *notes->last_transfer = one;
    notes->last_transfer = &one->next;
}

void notes_reason(const struct dialog *dialog, struct text reason)
{
    struct notes *notes = notes_of(dialog);
    if (notes)
        keep_text(&notes->reason, reason);
}

/* ---- for scripts ---- */

bool proxy_makes_records(const struct proxy *proxy)
{
    return proxy->options.records != NULL;
}

int proxy_record_set(struct proxy *proxy, struct dialog *dialog, struct text name,
                     const struct value *value)
{
    struct notes *notes = notes_of(dialog);
    if (!proxy->options.records)
        return ERROR_UNSUPPORTED;
    if (!notes)
        return ERROR_STATE;
    int error =
        variables_set(&notes->fields, name, value, proxy->options.settings->records_fields_bytes);
    if (error == ERROR_LIMIT)
        counter_count(proxy->options.counters, COUNTER_RECORDS_FIELDS_LIMIT);
    return error;
}

struct value proxy_record_get(const struct dialog *dialog, struct text name)
{
    const struct notes *notes = notes_of(dialog);
    return notes ? variables_get(&notes->fields, name) : (struct value){0};
}
