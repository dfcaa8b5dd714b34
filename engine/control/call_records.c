/* Where records go, and the file opened again for who has moved it. */
#include "control/call_records.h"

#include "base/error.h"

static json_t *state_json(struct records *records)
{
    struct records_state state;
    records_get_state(records, &state);
    const struct counters *counters = records_counters(records);
    json_t *json = json_object();
    if (state.file) {
        json_object_set_new(json, "file", command_json_text(text_of(state.file)));
        json_object_set_new(json, "file_bytes", json_integer((json_int_t)state.file_bytes));
        json_object_set_new(json, "file_is_refused", json_boolean(state.is_refused));
    }
    if (state.has_database)
        json_object_set_new(json, "spool_bytes", json_integer((json_int_t)state.spool_bytes));
    json_object_set_new(json, "waiting", json_integer((json_int_t)records_waiting(records)));
    for (int i = COUNTER_RECORDS_WRITTEN; i <= COUNTER_RECORDS_ROTATED; i++)
        json_object_set_new(json, counter_name((enum counter)i) + sizeof "records." - 1,
                            json_integer((json_int_t)counter_read(counters, (enum counter)i)));
    return json;
}

static void order(struct records *records, enum records_order order, struct command_answer *answer)
{
    int error = records_order_file(records, order);
    switch (error) {
    case 0:
        command_say(answer, 0, "%s",
                    order == RECORDS_ROTATE ? "the file was put aside"
                                            : "the file was opened again");
        break;
    case ERROR_NOT_FOUND: command_say(answer, 1, "records go to no file"); break;
    case ERROR_STATE:
        command_say(answer, 1, "half a line waits for a disk that is full; the file stays");
        break;
    default: command_say(answer, 1, "the file of records: %s", error_text(error)); break;
    }
}

void call_records_command(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    struct records *records = engine_records(engine);
    struct text verb = text_of(command_word(words, 1));
    if (!records)
        command_say(answer, 1, "the configuration has no block records");
    else if (!verb.n || text_equal(verb, TEXT("list")))
        answer->data = state_json(records);
    else if (text_equal(verb, TEXT("reopen")))
        order(records, RECORDS_REOPEN, answer);
    else if (text_equal(verb, TEXT("rotate")))
        order(records, RECORDS_ROTATE, answer);
    else
        command_say(answer, 2, "usage: ctl records [list], ctl records reopen|rotate");
}
