/* The record of a call that has ended: what was noted, what its dialog knows, what its media measured. */
#include "record/mos.h"
#include "record/records.h"
#include "route/bridge.h"
#include "route/notes.h"
#include "route/topology.h"

#include "base/memory.h"

/* A record that is being filled in. */
struct filling {
    struct proxy *proxy;
    const struct dialog *dialog;
    const struct notes *notes;
    struct call_record *record;
    uint64_t wall_ms, now_ms;
    int error;
};

static struct text keep(struct filling *f, struct text t)
{
    struct text copy = arena_copy(&f->record->arena, t);
    if (text_is_set(t) && !text_is_set(copy))
        f->error = ERROR_MEMORY;
    return copy;
}

static void *make(struct filling *f, size_t size_bytes)
{
    void *block = arena_zalloc(&f->record->arena, size_bytes);
    if (!block)
        f->error = ERROR_MEMORY;
    return block;
}

/* Since the epoch; 0: it did not happen. */
static uint64_t epoch_ms(const struct filling *f, uint64_t loop_ms)
{
    return loop_ms ? f->wall_ms - (f->now_ms - loop_ms) : 0;
}

static struct text user_of(struct filling *f, struct text uri_text)
{
    struct uri uri;
    if (!uri_text.n || uri_parse(&uri, uri_text) || !uri.user.n)
        return TEXT_NONE;
    return keep(f, uri.user);
}

static struct text keep_address(struct filling *f, const struct address *address)
{
    char text[ADDRESS_TEXT_BYTES];
    return address_is_set(address) ? keep(f, address_print(address, text)) : TEXT_NONE;
}

static void fill_source(struct filling *f, struct record_party *party,
                        const struct note_source *source)
{
    party->source = keep_address(f, &source->peer);
    if (source->listener)
        party->interface = keep(f, text_of(source->listener->interface));
}

/* The leg that has the call, else the last one that was heard of. */
static void find_callee_tag(void *arg, struct text tag, enum dialog_state state)
{
    struct text *found = arg;
    if (!text_is_set(*found) || state == DIALOG_CONFIRMED)
        *found = tag;
}

/* Our socket towards whoever has answered, else was tried last: by it the Call-ID may be hidden. */
static const struct listener *towards_callee(const struct filling *f)
{
    const struct listener *listener = f->notes->callee.listener;
    const struct note_try *last = NULL;
    for (const struct note_try *one = f->notes->tries; one; one = one->next)
        last = one;
    if (listener || !last || last->destination.sa.sa_family == AF_UNSPEC)
        return listener;
    return transport_listener_towards(f->proxy->options.transport, &last->destination,
                                      TRANSPORT_UDP);
}

static void fill_parties(struct filling *f)
{
    struct call_record *record = f->record;
    const struct dialog *dialog = f->dialog;
    struct text from = dialog_from_uri(dialog), to = dialog_to_uri(dialog), tag = TEXT_NONE;
    struct text ruri = {f->notes->ruri, f->notes->ruri_bytes};
    const struct bridge *bridge = dialog_attachment(dialog, DIALOG_BRIDGE);
    dialog_for_each_leg(dialog, find_callee_tag, &tag);
    record->caller.call_id = keep(f, dialog_call_id(dialog));
    record->caller.tag = keep(f, dialog_caller_tag(dialog));
    record->caller.uri = keep(f, from);
    record->caller.user = user_of(f, from);
    fill_source(f, &record->caller, &f->notes->caller);
    record->callee.call_id = keep(f, bridge ? bridge_call_id(bridge)
                                            : topology_call_id(dialog, false, towards_callee(f)));
    record->callee.tag = keep(f, tag);
    fill_source(f, &record->callee, &f->notes->callee);
    record->to_uri = keep(f, to);
    record->to_user = user_of(f, to);
    record->ruri = keep(f, ruri);
    record->ruri_user = user_of(f, ruri);
}

/* Whose BYE it was knows when it came; how long its answer took is nobody's bill. */
static uint64_t end_of(const struct filling *f)
{
    bool is_bye = dialog_end_reason(f->dialog) == DIALOG_END_BYE;
    return is_bye && f->notes->bye_ms ? f->notes->bye_ms : f->now_ms;
}

static void fill_times(struct filling *f)
{
    struct call_record *record = f->record;
    uint64_t end_ms = end_of(f), answered_ms = dialog_answered_ms(f->dialog);
    uint64_t started_ms = dialog_started_ms(f->dialog);
    record->invite_ms = epoch_ms(f, started_ms ? started_ms : 1);
    record->progress_ms = epoch_ms(f, f->notes->progress_ms);
    record->answer_ms = epoch_ms(f, answered_ms);
    record->end_ms = epoch_ms(f, end_ms > answered_ms ? end_ms : answered_ms);
}

static const char *who_failed(const struct filling *f)
{
    if (!f->notes->status)
        return NULL;
    return dialog_ender_name(f->notes->is_local ? DIALOG_ENDER_ENGINE : DIALOG_ENDER_CALLEE);
}

static void fill_end(struct filling *f)
{
    struct call_record *record = f->record;
    enum dialog_end end = dialog_end_reason(f->dialog);
    unsigned failure = dialog_failure_status(f->dialog);
    bool is_answered = dialog_answered_ms(f->dialog) != 0;
    record->outcome = is_answered                   ? RECORD_ANSWERED
                      : end == DIALOG_END_CANCELLED ? RECORD_CANCELLED
                                                    : RECORD_FAILED;
    record->status = f->notes->status ? f->notes->status : failure;
    record->reason = keep(f, f->notes->phrase.n ? f->notes->phrase
                             : record->status   ? text_of(status_reason(record->status))
                                                : TEXT_NONE);
    record->end = dialog_end_name(end);
    record->ended_by = dialog_ender_name(dialog_ended_by(f->dialog));
    if (!record->ended_by && end == DIALOG_END_FAILED)
        record->ended_by = who_failed(f);
    record->reason_header = keep(f, f->notes->reason);
}

/* ---- media ---- */

static double heard(const struct media_side_statistics *sent,
                    const struct media_side_statistics *by)
{
    return mos_of_stream(text_of(sent->codec), sent->packets, sent->lost, by->reported_lost,
                         sent->jitter_us / 1000.0, (sent->rtt_us + by->rtt_us) / 1000.0);
}

static void fill_side(struct record_side *to, const struct media_side_statistics *from,
                      const struct media_side_statistics *other)
{
    *to = (struct record_side){
        .packets = from->packets,
        .bytes = from->bytes,
        .lost = from->lost,
        .reported_lost = from->reported_lost,
        .jitter_ms = from->jitter_us / 1000.0,
        .rtt_ms = from->rtt_us / 1000.0,
        .mos = heard(from, other),
    };
    memcpy(to->codec, from->codec, sizeof to->codec);
}

static void fill_streams(struct record_stream *streams, const struct media_stream_statistics *v,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        streams[i].index = v[i].index;
        memcpy(streams[i].type, v[i].type, sizeof streams[i].type);
        fill_side(&streams[i].caller, &v[i].caller, &v[i].callee);
        fill_side(&streams[i].callee, &v[i].callee, &v[i].caller);
    }
}

static void fill_media(struct filling *f)
{
    struct media_stream_statistics v[RECORD_STREAMS];
    const struct media_call *call = dialog_attachment(f->dialog, DIALOG_MEDIA);
    if (!call)
        return;
    f->record->has_media_timeout = media_call_is_closed(call);
    f->record->stream_count = media_call_statistics(call, v, RECORD_STREAMS);
    fill_streams(f->record->streams, v, f->record->stream_count);
}

/* ---- lists ---- */

static void fill_tries(struct filling *f)
{
    struct record_try **last = &f->record->tries;
    for (const struct note_try *from = f->notes->tries; from; from = from->next) {
        struct record_try *to = make(f, sizeof *to);
        if (!to)
            return;
        to->uri = keep(f, (struct text){from->uri, from->uri_bytes});
        to->destination = keep_address(f, &from->destination);
        to->set = from->set;
        to->status = from->status;
        to->at_ms = epoch_ms(f, from->at_ms);
        *last = to;
        last = &to->next;
    }
}

static void fill_replaced(struct filling *f, struct record_transfer *to,
                          const struct note_transfer *from)
{
    struct record_stream *streams =
        from->stream_count ? make(f, from->stream_count * sizeof *streams) : NULL;
    if (!streams)
        return;
    fill_streams(streams, from->streams, from->stream_count);
    to->streams = streams;
    to->stream_count = from->stream_count;
}

static void fill_transfers(struct filling *f)
{
    struct record_transfer **last = &f->record->transfers;
    for (const struct note_transfer *from = f->notes->transfers; from; from = from->next) {
        struct record_transfer *to = make(f, sizeof *to);
        if (!to)
            return;
        to->of = dialog_ender_name(from->is_of_callee ? DIALOG_ENDER_CALLEE : DIALOG_ENDER_CALLER);
        to->uri = keep(f, (struct text){from->uri, from->uri_bytes});
        to->status = from->status;
        to->at_ms = epoch_ms(f, from->at_ms);
        fill_replaced(f, to, from);
        *last = to;
        last = &to->next;
    }
}

static void fill_field(void *arg, struct text name, const struct value *value)
{
    struct filling *f = arg;
    struct record_field *to = make(f, sizeof *to), **last = &f->record->fields;
    if (!to)
        return;
    while (*last)
        last = &(*last)->next;
    *last = to;
    to->name = keep(f, name);
    to->value = *value;
    if (value->type == VALUE_TEXT)
        to->value.text = keep(f, value->text);
}

/* ---- the whole ---- */

static int fill(struct filling *f)
{
    const struct route_handlers *handlers = &f->proxy->options.handlers;
    void *generation = dialog_attachment(f->dialog, DIALOG_GENERATION);
    fill_parties(f);
    fill_times(f);
    fill_end(f);
    fill_media(f);
    f->record->trunk = keep(f, f->notes->trunk);
    fill_tries(f);
    fill_transfers(f);
    variables_for_each(&f->notes->fields, fill_field, f);
    if (generation && handlers->generation_number)
        f->record->generation = handlers->generation_number(generation);
    return f->error;
}

void notes_end(struct proxy *proxy, struct dialog *dialog)
{
    const struct proxy_options *options = &proxy->options;
    struct filling f = {
        .proxy = proxy,
        .dialog = dialog,
        .notes = notes_of(dialog),
        .wall_ms = io_wall_us(options->io) / 1000,
        .now_ms = loop_now_ms(options->loop),
    };
    if (!f.notes || (!options->settings->records_failed && !dialog_answered_ms(dialog)))
        return;
    int error = call_record_create(&f.record);
    if (!error)
        error = fill(&f);
    if (!error)
        error = records_put(options->records, f.record);
    counter_count(options->counters, error ? COUNTER_RECORDS_DROPPED : COUNTER_RECORDS_MADE);
    if (error) {
        log_error(options->log, LOG_RECORD, dialog_call_id(dialog),
                  "the record of a call is lost: %s", error_text(error));
        memory_release(f.record);
    }
}
