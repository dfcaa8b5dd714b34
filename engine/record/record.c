/* A record and the line that it becomes. */
#include "record/record.h"

#include "base/error.h"
#include "base/memory.h"

#include <jansson.h>

#define WHOLE_MOST     9007199254740992.0 /* 2^53: up to it a number of Lua's may be a whole one */
#define REAL_PRECISION 12                 /* digits of a number that is none */

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

/* An object that is being filled; remembers that something is missing. */
struct fill {
    json_t *object;
    bool has_failed;
};

/* @param value  given; NULL: no memory */
static void set(struct fill *fill, const char *name, json_t *value)
{
    if (!value || json_object_set_new(fill->object, name, value))
        fill->has_failed = true;
}

/* JSON is UTF-8; what a network sends need not be. */
static json_t *text_json(struct text t)
{
    struct buffer plain = {0};
    json_t *json = json_stringn(t.p, t.n);
    if (json)
        return json;
    buffer_append(&plain, t);
    for (size_t i = 0; i < plain.n; i++)
        if ((unsigned char)plain.p[i] > 127)
            plain.p[i] = '?';
    if (!plain.error)
        json = json_stringn(buffer_text(&plain).p, plain.n);
    buffer_release(&plain);
    return json;
}

static void set_text(struct fill *fill, const char *name, struct text t)
{
    if (text_is_set(t))
        set(fill, name, text_json(t));
}

static void set_word(struct fill *fill, const char *name, const char *word)
{
    if (word && word[0])
        set(fill, name, json_string(word));
}

static void set_number(struct fill *fill, const char *name, uint64_t value)
{
    set(fill, name, json_integer((json_int_t)value));
}

/* Something that did not happen has no time. */
static void set_time(struct fill *fill, const char *name, uint64_t ms)
{
    if (ms)
        set_number(fill, name, ms);
}

/* Begin an object within another. */
static struct fill open_object(void)
{
    struct fill fill = {.object = json_object()};
    fill.has_failed = !fill.object;
    return fill;
}

static void close_object(struct fill *outer, const char *name, struct fill *inner)
{
    outer->has_failed |= inner->has_failed;
    set(outer, name, inner->object);
}

static void append(struct fill *outer, json_t *array, struct fill *inner)
{
    outer->has_failed |= inner->has_failed;
    if (!inner->object || json_array_append_new(array, inner->object))
        outer->has_failed = true;
}

static void set_party(struct fill *fill, const char *name, const struct record_party *party)
{
    struct fill entry = open_object();
    set_text(&entry, "uri", party->uri);
    set_text(&entry, "user", party->user);
    set_text(&entry, "call_id", party->call_id);
    set_text(&entry, "tag", party->tag);
    set_text(&entry, "source", party->source);
    set_text(&entry, "interface", party->interface);
    close_object(fill, name, &entry);
}

/* Two digits behind the point are more than anybody measures. */
static json_t *real(double value)
{
    return json_real((double)(int64_t)(value * 100 + (value < 0 ? -0.5 : 0.5)) / 100);
}

static void set_side(struct fill *stream, const char *name, const struct record_side *side)
{
    struct fill entry = open_object();
    set_word(&entry, "codec", side->codec);
    set_number(&entry, "packets", side->packets);
    set_number(&entry, "bytes", side->bytes);
    set(&entry, "lost", json_integer(side->lost));
    set(&entry, "reported_lost", json_integer(side->reported_lost));
    set(&entry, "jitter_ms", real(side->jitter_ms));
    if (side->rtt_ms > 0)
        set(&entry, "rtt_ms", real(side->rtt_ms));
    if (side->mos > 0)
        set(&entry, "mos", real(side->mos));
    close_object(stream, name, &entry);
}

static void set_media(struct fill *fill, const struct call_record *record)
{
    json_t *list = json_array();
    for (size_t i = 0; i < record->stream_count; i++) {
        const struct record_stream *stream = &record->streams[i];
        struct fill entry = open_object();
        set_number(&entry, "index", stream->index);
        set_word(&entry, "type", stream->type);
        set_side(&entry, "caller", &stream->caller);
        set_side(&entry, "callee", &stream->callee);
        append(fill, list, &entry);
    }
    set(fill, "media", list);
    if (record->has_media_timeout)
        set(fill, "media_timeout", json_true());
}

static void set_tries(struct fill *fill, const struct call_record *record)
{
    json_t *list = json_array();
    for (const struct record_try *one = record->tries; one; one = one->next) {
        struct fill entry = open_object();
        set_text(&entry, "uri", one->uri);
        set_text(&entry, "destination", one->destination);
        if (one->set)
            set_number(&entry, "set", one->set);
        if (one->status)
            set_number(&entry, "status", one->status);
        set_number(&entry, "at_ms", one->at_ms);
        append(fill, list, &entry);
    }
    set(fill, "tries", list);
}

static json_t *value_json(const struct value *value)
{
    switch (value->type) {
    case VALUE_BOOLEAN: return json_boolean(value->boolean);
    case VALUE_NUMBER: {
        bool fits = value->number >= -WHOLE_MOST && value->number <= WHOLE_MOST;
        json_int_t whole = fits ? (json_int_t)value->number : 0;
        bool is_whole = fits && (double)whole == value->number;
        return is_whole ? json_integer(whole) : json_real(value->number);
    }
    case VALUE_TEXT: return text_json(value->text);
    case VALUE_NONE: break;
    }
    return json_null();
}

static void set_fields(struct fill *fill, const struct call_record *record)
{
    struct fill entry = open_object();
    for (const struct record_field *field = record->fields; field; field = field->next) {
        char name[64];
        if (text_to_array(field->name, name, sizeof name))
            set(&entry, name, value_json(&field->value));
    }
    close_object(fill, "fields", &entry);
}

static void set_times(struct fill *fill, const struct call_record *record)
{
    struct fill times = open_object();
    set_time(&times, "invite", record->invite_ms);
    set_time(&times, "progress", record->progress_ms);
    set_time(&times, "answer", record->answer_ms);
    set_time(&times, "end", record->end_ms);
    close_object(fill, "times_ms", &times);
    set_number(fill, "pdd_ms", call_record_pdd_ms(record));
    set_number(fill, "ringing_ms", call_record_ringing_ms(record));
    set_number(fill, "duration_ms", call_record_duration_ms(record));
}

static void set_end(struct fill *fill, const struct call_record *record)
{
    unsigned q850 = record_q850(record->reason_header);
    set_word(fill, "outcome", record_outcome_name(record->outcome));
    set_number(fill, "status", record->status);
    set_text(fill, "reason", record->reason);
    set_word(fill, "end", record->end);
    set_word(fill, "ended_by", record->ended_by);
    set_text(fill, "reason_header", record->reason_header);
    if (q850)
        set_number(fill, "q850", q850);
}

static int append_bytes(const char *bytes, size_t size_bytes, void *arg)
{
    struct buffer *out = arg;
    buffer_append(out, (struct text){bytes, size_bytes});
    return out->error ? -1 : 0;
}

int call_record_print(const struct call_record *record, struct buffer *out)
{
    struct fill fill = open_object();
    if (fill.has_failed)
        return ERROR_MEMORY;
    set_number(&fill, "version", RECORD_VERSION);
    set_text(&fill, "call_id", record->caller.call_id);
    set_party(&fill, "caller", &record->caller);
    set_party(&fill, "callee", &record->callee);
    set_text(&fill, "to_uri", record->to_uri);
    set_text(&fill, "to_user", record->to_user);
    set_text(&fill, "ruri", record->ruri);
    set_text(&fill, "ruri_user", record->ruri_user);
    set_times(&fill, record);
    set_end(&fill, record);
    set_media(&fill, record);
    set_tries(&fill, record);
    set_fields(&fill, record);
    set_number(&fill, "generation", record->generation);
    size_t before = out->n;
    int error = fill.has_failed ? ERROR_MEMORY : 0;
    if (!error && json_dump_callback(fill.object, append_bytes, out,
                                     JSON_COMPACT | JSON_REAL_PRECISION(REAL_PRECISION)))
        error = ERROR_MEMORY;
    buffer_append_char(out, '\n');
    json_decref(fill.object);
    if (error || out->error)
        out->n = before;
    return error ? error : out->error;
}
