/* Each worker is asked in turn: one of them has the call. */
#include "control/story.h"

#include "control/commands.h"
#include "worker/recorder.h"

#include <stdio.h>
#include <time.h>

#define TIME_BYTES    40
#define CALL_ID_BYTES 257
#define NAMES_MOST    16 /* Call-IDs of one call: of its legs, and of those that were replaced */

struct story {
    char names[NAMES_MOST][CALL_ID_BYTES];
    struct text call_ids[NAMES_MOST]; /* the same */
    size_t name_count;
    json_t *list;
    uint64_t first_ms, now_ms, wall_ms; /* of the worker that is asked */
};

/* Value of CSeq, which a message that was cut may have lost: absent then. */
static struct text cseq_of(struct text bytes)
{
    struct text line;
    while ((line = text_trim(text_split(&bytes, '\n'))).n)
        if (text_starts_with_nocase(line, TEXT("CSeq")) && text_find(line, ':'))
            return text_trim(text_span(text_find(line, ':') + 1, line.p + line.n));
    return TEXT_NONE;
}

static json_t *time_json(uint64_t wall_ms)
{
    char text[TIME_BYTES];
    struct tm utc;
    time_t seconds = (time_t)(wall_ms / 1000);
    gmtime_r(&seconds, &utc);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + n, sizeof text - n, ".%03uZ", (unsigned)(wall_ms % 1000));
    return json_string(text);
}

static void add_name(struct story *story, struct text name)
{
    for (size_t i = 0; i < story->name_count; i++)
        if (text_equal(story->call_ids[i], name))
            return;
    size_t at = story->name_count;
    if (at == NAMES_MOST || !text_to_array(name, story->names[at], CALL_ID_BYTES))
        return;
    story->call_ids[at] = text_of(story->names[at]);
    story->name_count++;
}

/* A call of two legs, or whose Call-ID is masked, has several; each tells of another. */
static void find_other(void *arg, const struct recorded *recorded)
{
    struct text other = recorder_other_call_id(recorded);
    if (other.n)
        add_name(arg, other);
}

static void tell_note(json_t *entry, struct text what)
{
    json_object_set_new(entry, "direction", json_string("--"));
    json_object_set_new(entry, "interface", json_string(""));
    json_object_set_new(entry, "peer", json_string(""));
    json_object_set_new(entry, "line", command_json_text(what));
    json_object_set_new(entry, "cseq", json_string(""));
}

static void tell_message(json_t *entry, const struct recorded *recorded)
{
    struct text rest = recorded->bytes, line = text_trim(text_split(&rest, '\n'));
    char peer[ADDRESS_TEXT_BYTES];
    json_object_set_new(entry, "direction", json_string(recorded->is_sent ? "out" : "in"));
    json_object_set_new(entry, "interface", json_string(recorded->listener->interface));
    json_object_set_new(entry, "peer", command_json_text(address_print(recorded->peer, peer)));
    json_object_set_new(entry, "line", command_json_text(line));
    json_object_set_new(entry, "cseq", command_json_text(cseq_of(rest)));
}

static void tell(void *arg, const struct recorded *recorded)
{
    struct story *story = arg;
    json_t *entry = json_object();
    if (json_array_size(story->list) == 0)
        story->first_ms = recorded->at_ms;
    uint64_t ago_ms = story->now_ms - recorded->at_ms;
    json_object_set_new(entry, "time", time_json(story->wall_ms - ago_ms));
    json_object_set_new(entry, "ms", json_integer((json_int_t)(recorded->at_ms - story->first_ms)));
    if (recorded->is_note)
        tell_note(entry, recorded->bytes);
    else
        tell_message(entry, recorded);
    json_array_append_new(story->list, entry);
}

static void ask(struct worker *worker, void *arg)
{
    struct story *story = arg;
    const struct recorder *recorder = worker_recorder(worker);
    story->now_ms = loop_now_ms(worker_loop(worker));
    if (!recorder)
        return;
    for (size_t i = 0; i < story->name_count; i++)
        recorder_visit(recorder, &story->call_ids[i], 1, find_other, story);
    recorder_visit(recorder, story->call_ids, story->name_count, tell, story);
}

json_t *story_of_call(struct engine *engine, struct text call_id)
{
    struct story story = {
        .list = json_array(),
        .wall_ms = io_wall_us(engine_io(engine)) / 1000,
    };
    add_name(&story, call_id);
    for (unsigned i = 0; i < engine_worker_count(engine); i++)
        worker_ask(engine_worker(engine, i), ask, &story);
    return story.list;
}
