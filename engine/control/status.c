/* Gathering: each worker is asked in turn, on its own thread. */
#include "control/status.h"

#include "base/error.h"
#include "base/memory.h"
#include "control/commands.h"

#include <stdlib.h>

/* One generation, over the workers. */
struct generation_total {
    unsigned id;
    size_t calls, memory_bytes;
};

/* Sums over the workers. */
struct totals {
    size_t transactions, dialogs, waiting;
    struct generation_total *generations; /* owned */
    size_t generation_count;
    uint64_t counters[COUNTER_COUNT];
};

static void set_number(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* The entry of a generation, made when it is not there. @return NULL without memory */
static struct generation_total *find_total(struct totals *totals, unsigned id)
{
    for (size_t i = totals->generation_count; i > 0; i--)
        if (totals->generations[i - 1].id == id)
            return &totals->generations[i - 1];
    struct generation_total *v = memory_raw_resize(
        totals->generations, (totals->generation_count + 1) * sizeof *totals->generations);
    if (!v)
        return NULL;
    totals->generations = v;
    v[totals->generation_count] = (struct generation_total){.id = id};
    return &v[totals->generation_count++];
}

static void count_dialog(void *arg, struct dialog *dialog)
{
    struct generation *generation = dialog_attachment(dialog, DIALOG_GENERATION);
    struct generation_total *total =
        generation ? find_total(arg, generation_number(generation)) : NULL;
    if (total)
        total->calls++;
}

static void count_generation(void *arg, const struct generation *generation)
{
    struct generation_total *total = find_total(arg, generation_number(generation));
    if (total)
        total->memory_bytes += generation_memory_bytes(generation);
}

static void add_counters(struct totals *totals, const struct counters *counters)
{
    for (int i = 0; i < COUNTER_COUNT; i++)
        totals->counters[i] += counter_read(counters, (enum counter)i);
}

static void gather(struct worker *worker, void *arg)
{
    struct totals *totals = arg;
    struct proxy *proxy = worker_proxy(worker);
    totals->transactions += transactions_count(proxy_transactions(proxy));
    totals->dialogs += dialogs_count(proxy_dialogs(proxy));
    totals->waiting += script_waiting(worker_script(worker));
    add_counters(totals, worker_counters(worker));
    script_for_each(worker_script(worker), count_generation, totals);
    dialogs_for_each(proxy_dialogs(proxy), count_dialog, totals);
}

static void add_held(struct worker *worker, void *arg)
{
    struct status_held *held = arg;
    held->transactions += transactions_count(proxy_transactions(worker_proxy(worker)));
    held->dialogs += dialogs_count(proxy_dialogs(worker_proxy(worker)));
}

void status_held(struct engine *engine, struct status_held *held)
{
    struct media_counts counts = {0};
    *held = (struct status_held){0};
    for (unsigned i = 0; i < engine_worker_count(engine); i++)
        worker_ask(engine_worker(engine, i), add_held, held);
    if (engine_media(engine))
        media_counts(engine_media(engine), &counts);
    held->media_calls = counts.calls;
    held->ports = counts.ports;
    held->ports_astray = counts.ports ? 0 : counts.ports_total - counts.ports_free;
}

static int by_id(const void *a, const void *b)
{
    const struct generation_total *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Oldest first. */
static json_t *generations_json(struct engine *engine, struct totals *totals)
{
    json_t *list = json_array();
    if (totals->generation_count)
        qsort(totals->generations, totals->generation_count, sizeof *totals->generations, by_id);
    for (size_t i = 0; i < totals->generation_count; i++) {
        const struct generation_total *total = &totals->generations[i];
        json_t *entry = json_object();
        set_number(entry, "id", total->id);
        set_number(entry, "age_s", engine_generation_age_s(engine, total->id));
        set_number(entry, "calls", total->calls);
        set_number(entry, "memory_bytes", total->memory_bytes);
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *media_json(struct engine *engine)
{
    struct media_counts counts = {0};
    json_t *media = json_object();
    if (engine_media(engine))
        media_counts(engine_media(engine), &counts);
    set_number(media, "calls", counts.calls);
    set_number(media, "ports", counts.ports);
    set_number(media, "ports_total", counts.ports_total);
    set_number(media, "packets", counts.packets);
    set_number(media, "bytes", counts.bytes);
    return media;
}

static json_t *registrations_json(struct engine *engine)
{
    struct location_state state;
    json_t *registrations = json_object();
    location_get_state(engine_location(engine), &state);
    set_number(registrations, "aors", state.aors);
    set_number(registrations, "bindings", state.bindings);
    if (engine_keeper(engine))
        set_number(registrations, "unwritten", keeper_waiting(engine_keeper(engine)));
    return registrations;
}

static void add_database(void *arg, struct database *database)
{
    struct database_state state;
    json_t *entry = json_object();
    database_get_state(database, &state);
    json_object_set_new(entry, "name", command_json_text(text_of(database_name(database))));
    json_object_set_new(entry, "connected", json_boolean(state.is_connected));
    set_number(entry, "waiting", state.waiting);
    set_number(entry, "asked", state.asked);
    set_number(entry, "failed", state.failed);
    set_number(entry, "late", state.late);
    json_array_append_new(arg, entry);
}

static json_t *databases_json(struct engine *engine)
{
    json_t *list = json_array();
    databases_for_each(engine_databases(engine), add_database, list);
    return list;
}

json_t *status_json(struct engine *engine)
{
    struct totals totals = {0};
    json_t *status = json_object(), *counters = json_object();
    for (unsigned i = 0; i < engine_worker_count(engine); i++)
        worker_ask(engine_worker(engine, i), gather, &totals);
    struct media *media = engine_media(engine);
    for (size_t i = 0; media && i < media_thread_count(media); i++)
        add_counters(&totals, media_counters(media, i));
    add_counters(&totals, databases_counters(engine_databases(engine)));
    if (engine_keeper(engine))
        add_counters(&totals, keeper_counters(engine_keeper(engine)));
    add_counters(&totals, engine_http_counters(engine));
    if (engine_records(engine))
        add_counters(&totals, records_counters(engine_records(engine)));
    add_counters(&totals, engine_control_counters(engine));
    json_object_set_new(status, "version", json_string(LUNASIP_VERSION));
    json_object_set_new(status, "intake",
                        json_string(engine_intake_name(engine_get_intake(engine))));
    set_number(status, "uptime_s", engine_uptime_s(engine));
    set_number(status, "workers", engine_worker_count(engine));
    set_number(status, "transactions", totals.transactions);
    set_number(status, "dialogs", totals.dialogs);
    set_number(status, "waiting", totals.waiting);
    json_object_set_new(status, "media", media_json(engine));
    json_object_set_new(status, "registrations", registrations_json(engine));
    json_object_set_new(status, "databases", databases_json(engine));
    if (engine_records(engine))
        set_number(status, "records_waiting", records_waiting(engine_records(engine)));
    set_number(status, "http_requests", http_waiting(engine_http(engine)));
    json_object_set_new(status, "generations", generations_json(engine, &totals));
    for (int i = 0; i < COUNTER_COUNT; i++)
        set_number(counters, counter_name((enum counter)i), totals.counters[i]);
    json_object_set_new(status, "counters", counters);
    memory_free_raw(totals.generations);
    return status;
}

/* ---- calls ---- */

static void add_side(json_t *stream, const char *name, const struct media_side_statistics *side)
{
    char address[ADDRESS_TEXT_BYTES];
    json_t *entry = json_object();
    json_object_set_new(entry, "interface", json_string(side->interface));
    json_object_set_new(entry, "local", command_json_text(address_print(&side->local, address)));
    if (address_is_set(&side->peer))
        json_object_set_new(entry, "peer", command_json_text(address_print(&side->peer, address)));
    json_object_set_new(entry, "learned", json_boolean(side->is_learned));
    set_number(entry, "packets", side->packets);
    set_number(entry, "bytes", side->bytes);
    json_object_set_new(entry, "lost", json_integer(side->lost));
    set_number(entry, "out_of_order", side->out_of_order);
    set_number(entry, "strangers", side->strangers);
    set_number(entry, "jitter_us", side->jitter_us);
    set_number(entry, "rtcp_packets", side->rtcp_packets);
    json_object_set_new(entry, "reported_lost", json_integer(side->reported_lost));
    set_number(entry, "rtt_us", side->rtt_us);
    json_object_set_new(stream, name, entry);
}

#define STREAMS_SHOWN 16

static json_t *streams_json(const struct media_call *call)
{
    struct media_stream_statistics v[STREAMS_SHOWN];
    json_t *list = json_array();
    size_t count = call ? media_call_statistics(call, v, STREAMS_SHOWN) : 0;
    for (size_t i = 0; i < count; i++) {
        json_t *stream = json_object();
        json_object_set_new(stream, "type", json_string(v[i].type));
        add_side(stream, "caller", &v[i].caller);
        add_side(stream, "callee", &v[i].callee);
        json_array_append_new(list, stream);
    }
    return list;
}

/* The list that a visit appends to, and the worker's clock. */
struct call_list {
    json_t *list;
    uint64_t now_ms;
    bool only_media;
};

static void add_call(void *arg, struct dialog *dialog)
{
    struct call_list *calls = arg;
    struct media_call *media = dialog_attachment(dialog, DIALOG_MEDIA);
    struct generation *generation = dialog_attachment(dialog, DIALOG_GENERATION);
    if (calls->only_media && !media)
        return;
    json_t *call = json_object();
    json_object_set_new(call, "call_id", command_json_text(dialog_call_id(dialog)));
    json_object_set_new(call, "from", command_json_text(dialog_from_uri(dialog)));
    json_object_set_new(call, "to", command_json_text(dialog_to_uri(dialog)));
    json_object_set_new(call, "state",
                        json_string(dialog_state_name(dialog_current_state(dialog))));
    set_number(call, "age_s", (calls->now_ms - dialog_started_ms(dialog)) / 1000);
    if (generation)
        set_number(call, "generation", generation_number(generation));
    json_object_set_new(call, "streams", streams_json(media));
    json_array_append_new(calls->list, call);
}

static void list_calls(struct worker *worker, void *arg)
{
    struct call_list *calls = arg;
    calls->now_ms = loop_now_ms(worker_loop(worker));
    dialogs_for_each(proxy_dialogs(worker_proxy(worker)), add_call, calls);
}

static json_t *all_calls(struct engine *engine, bool only_media)
{
    struct call_list calls = {.list = json_array(), .only_media = only_media};
    for (unsigned i = 0; i < engine_worker_count(engine); i++)
        worker_ask(engine_worker(engine, i), list_calls, &calls);
    return calls.list;
}

json_t *status_calls(struct engine *engine)
{
    return all_calls(engine, false);
}

static void add_profile(void *arg, struct text profile, struct text value, uint64_t calls)
{
    json_t *entry = json_object();
    json_object_set_new(entry, "profile", command_json_text(profile));
    json_object_set_new(entry, "value",
                        text_is_set(value) ? command_json_text(value) : json_null());
    set_number(entry, "calls", calls);
    json_array_append_new(arg, entry);
}

json_t *status_profiles(struct engine *engine)
{
    json_t *list = json_array();
    profiles_for_each(engine_profiles(engine), add_profile, list);
    return list;
}

json_t *status_media(struct engine *engine)
{
    json_t *media = media_json(engine);
    json_object_set_new(media, "list", all_calls(engine, true));
    return media;
}

static void count_transactions(struct worker *worker, void *arg)
{
    json_t *entry = json_object();
    set_number(entry, "worker", worker_get_options(worker)->index);
    set_number(entry, "transactions", transactions_count(proxy_transactions(worker_proxy(worker))));
    json_array_append_new(arg, entry);
}

json_t *status_transactions(struct engine *engine)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < engine_worker_count(engine); i++)
        worker_ask(engine_worker(engine, i), count_transactions, list);
    return list;
}

/* ---- dispatcher ---- */

static void add_destination(void *arg, struct dispatcher_destination *destination)
{
    bool is_probing;
    enum dispatcher_state state = dispatcher_destination_state(destination, &is_probing);
    json_t *entry = json_object();
    set_number(entry, "set", dispatcher_destination_set(destination));
    json_object_set_new(entry, "uri", command_json_text(dispatcher_destination_uri(destination)));
    json_object_set_new(entry, "state", json_string(dispatcher_state_letters(state, is_probing)));
    json_object_set_new(entry, "priority",
                        json_integer(dispatcher_destination_priority(destination)));
    json_object_set_new(entry, "attrs",
                        command_json_text(dispatcher_destination_attrs(destination)));
    set_number(entry, "calls", dispatcher_destination_calls(destination));
    struct dispatcher_latency latency = dispatcher_destination_latency(destination);
    set_number(entry, "pings_answered", latency.answers);
    set_number(entry, "pings_unanswered", latency.timeouts);
    set_number(entry, "ping_average_us", latency.average_us);
    json_array_append_new(arg, entry);
}

json_t *status_dispatcher(struct engine *engine)
{
    json_t *list = json_array();
    if (engine_dispatcher(engine))
        dispatcher_for_each(engine_dispatcher(engine), add_destination, list);
    return list;
}
