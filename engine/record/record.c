/* A record and the line that it becomes. */
#include "record/record.h"

#include "base/error.h"
#include "base/memory.h"
#include "record/writer.h"

const char *record_outcome_name(enum record_outcome outcome)
{
    static const char *const names[] = {"answered", "failed", "cancelled"};
    return (unsigned)outcome < sizeof names / sizeof *names ? names[outcome] : "unknown";
}

static void destroy(void *object)
{
    struct call_record *record = object;
    arena_reset(&record->arena);
}

int call_record_create(struct call_record **recordp)
{
    *recordp = memory_alloc(sizeof **recordp, destroy);
    return *recordp ? 0 : ERROR_MEMORY;
}

static uint64_t between(uint64_t from_ms, uint64_t to_ms)
{
    return from_ms && to_ms > from_ms ? to_ms - from_ms : 0;
}

uint64_t call_record_pdd_ms(const struct call_record *record)
{
    uint64_t until_ms = record->progress_ms ? record->progress_ms
                        : record->answer_ms ? record->answer_ms
                                            : record->end_ms;
    return between(record->invite_ms, until_ms);
}

uint64_t call_record_ringing_ms(const struct call_record *record)
{
    return between(record->progress_ms, record->answer_ms ? record->answer_ms : record->end_ms);
}

uint64_t call_record_duration_ms(const struct call_record *record)
{
    return between(record->answer_ms, record->end_ms);
}

unsigned record_q850(struct text reason_header)
{
    struct text rest = reason_header;
    while (rest.n) { /* values are separated by commas; a comma in a text is none of a cause */
        struct text value = text_split(&rest, ',');
        struct text protocol = text_trim(text_split(&value, ';'));
        while (value.n && text_equal_nocase(protocol, TEXT("Q.850"))) {
            struct text parameter = text_trim(text_split(&value, ';'));
            struct text name = text_trim(text_split(&parameter, '='));
            uint32_t cause;
            if (text_equal_nocase(name, TEXT("cause")) && parameter.n &&
                text_to_u32(text_trim(parameter), &cause) == 0 && cause <= 127)
                return cause;
        }
    }
    return 0;
}

/* ---- JSON ---- */

static void put_text(struct writer *w, const char *name, struct text t)
{
    if (text_is_set(t))
        writer_text(w, name, t);
}

static void put_word(struct writer *w, const char *name, const char *word)
{
    if (word && word[0])
        writer_text(w, name, text_of(word));
}

static void put_count(struct writer *w, const char *name, uint64_t value)
{
    writer_integer(w, name, (int64_t)value);
}

/* Something that did not happen has no time. */
static void put_time(struct writer *w, const char *name, uint64_t ms)
{
    if (ms)
        put_count(w, name, ms);
}

static void put_party(struct writer *w, const char *name, const struct record_party *party)
{
    writer_open(w, name, '{');
    put_text(w, "uri", party->uri);
    put_text(w, "user", party->user);
    put_text(w, "call_id", party->call_id);
    put_text(w, "tag", party->tag);
    put_text(w, "source", party->source);
    put_text(w, "interface", party->interface);
    writer_close(w, '}');
}

static void put_side(struct writer *w, const char *name, const struct record_side *side)
{
    writer_open(w, name, '{');
    put_word(w, "codec", side->codec);
    put_count(w, "packets", side->packets);
    put_count(w, "bytes", side->bytes);
    writer_integer(w, "lost", side->lost);
    writer_integer(w, "reported_lost", side->reported_lost);
    writer_hundredths(w, "jitter_ms", side->jitter_ms);
    if (side->rtt_ms > 0)
        writer_hundredths(w, "rtt_ms", side->rtt_ms);
    if (side->mos > 0)
        writer_hundredths(w, "mos", side->mos);
    writer_close(w, '}');
}

static void put_media(struct writer *w, const struct record_stream *streams, size_t count)
{
    writer_open(w, "media", '[');
    for (size_t i = 0; i < count; i++) {
        const struct record_stream *stream = &streams[i];
        writer_open(w, NULL, '{');
        put_count(w, "index", stream->index);
        put_word(w, "type", stream->type);
        put_side(w, "caller", &stream->caller);
        put_side(w, "callee", &stream->callee);
        writer_close(w, '}');
    }
    writer_close(w, ']');
}

static void put_tries(struct writer *w, const struct call_record *record)
{
    writer_open(w, "tries", '[');
    for (const struct record_try *one = record->tries; one; one = one->next) {
        writer_open(w, NULL, '{');
        put_text(w, "uri", one->uri);
        put_text(w, "destination", one->destination);
        if (one->set)
            put_count(w, "set", one->set);
        if (one->status)
            put_count(w, "status", one->status);
        put_count(w, "at_ms", one->at_ms);
        writer_close(w, '}');
    }
    writer_close(w, ']');
}

static void put_transfers(struct writer *w, const struct call_record *record)
{
    if (!record->transfers)
        return;
    writer_open(w, "transfers", '[');
    for (const struct record_transfer *one = record->transfers; one; one = one->next) {
        writer_open(w, NULL, '{');
        put_word(w, "of", one->of);
        put_text(w, "uri", one->uri);
        put_count(w, "status", one->status);
        put_count(w, "at_ms", one->at_ms);
        if (one->stream_count)
            put_media(w, one->streams, one->stream_count);
        writer_close(w, '}');
    }
    writer_close(w, ']');
}

static void put_value(struct writer *w, const char *name, const struct value *value)
{
    switch (value->type) {
    case VALUE_BOOLEAN: writer_literal(w, name, value->boolean ? "true" : "false"); break;
    case VALUE_NUMBER: writer_number(w, name, value->number); break;
    case VALUE_TEXT: writer_text(w, name, value->text); break;
    case VALUE_NONE: writer_literal(w, name, "null"); break;
    }
}

static void put_fields(struct writer *w, const struct call_record *record)
{
    writer_open(w, "fields", '{');
    for (const struct record_field *field = record->fields; field; field = field->next) {
        char name[64];
        if (text_to_array(field->name, name, sizeof name))
            put_value(w, name, &field->value);
    }
    writer_close(w, '}');
}

static void put_times(struct writer *w, const struct call_record *record)
{
    writer_open(w, "times_ms", '{');
    put_time(w, "invite", record->invite_ms);
    put_time(w, "progress", record->progress_ms);
    put_time(w, "answer", record->answer_ms);
    put_time(w, "end", record->end_ms);
    writer_close(w, '}');
    put_count(w, "pdd_ms", call_record_pdd_ms(record));
    put_count(w, "ringing_ms", call_record_ringing_ms(record));
    put_count(w, "duration_ms", call_record_duration_ms(record));
}

static void put_end(struct writer *w, const struct call_record *record)
{
    unsigned q850 = record_q850(record->reason_header);
    put_word(w, "outcome", record_outcome_name(record->outcome));
    put_count(w, "status", record->status);
    put_text(w, "reason", record->reason);
    put_word(w, "end", record->end);
    put_word(w, "ended_by", record->ended_by);
    put_text(w, "reason_header", record->reason_header);
    if (q850)
        put_count(w, "q850", q850);
}

int call_record_print(const struct call_record *record, struct buffer *out)
{
    struct writer w = {.out = out};
    size_t before = out->n;
    writer_open(&w, NULL, '{');
    put_count(&w, "version", RECORD_VERSION);
    put_text(&w, "call_id", record->caller.call_id);
    put_party(&w, "caller", &record->caller);
    put_party(&w, "callee", &record->callee);
    put_text(&w, "to_uri", record->to_uri);
    put_text(&w, "to_user", record->to_user);
    put_text(&w, "ruri", record->ruri);
    put_text(&w, "ruri_user", record->ruri_user);
    put_times(&w, record);
    put_end(&w, record);
    put_media(&w, record->streams, record->stream_count);
    if (record->has_media_timeout)
        writer_literal(&w, "media_timeout", "true");
    put_text(&w, "trunk", record->trunk);
    put_tries(&w, record);
    put_transfers(&w, record);
    put_fields(&w, record);
    put_count(&w, "generation", record->generation);
    writer_close(&w, '}');
    buffer_append_char(out, '\n');
    if (out->error)
        out->n = before;
    return out->error;
}
