/* The stage: what agents receive and engines log is queued until Lua asks for it. */
#include "stage/stage.h"

#include "base/error.h"
#include "base/memory.h"
#include "control/commands.h"
#include "control/status.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <stdlib.h>

/* Something that Lua will ask for: one datagram, packet or log line. */
struct item {
    struct link link;
    int number; /* socket or engine */
    int level;
    bool lost;
    uint64_t time_us, arrival_us[2];
    const char *group;
    char source[ADDRESS_TEXT_BYTES], destination[ADDRESS_TEXT_BYTES];
    struct text first,
        second; /* bytes or line, cause or Call-ID; NUL-terminated; in the same block */
};

struct agent_socket {
    struct stage *stage;
    struct udp *udp;
    int number;
};

/* ---- queues ---- */

static struct item *item_create(struct text first, struct text second)
{
    struct item *item = memory_raw(sizeof *item + first.n + second.n + 2);
    if (!item)
        return NULL;
    char *at = (char *)(item + 1);
    *item = (struct item){.first = {at, first.n}, .second = {at + first.n + 1, second.n}};
    if (first.n)
        memcpy(at, first.p, first.n);
    at[first.n] = 0;
    if (second.n)
        memcpy(at + first.n + 1, second.p, second.n);
    at[first.n + 1 + second.n] = 0;
    return item;
}

static struct item *next_item(struct stage *stage, struct list *list, int kind)
{
    struct link *link = list_pop(list);
    memory_free_raw(stage->shown[kind]);
    stage->shown[kind] = link ? CONTAINER_OF(link, struct item, link) : NULL;
    return stage->shown[kind];
}

static void drop_items(struct list *list)
{
    for (struct link *link = list_pop(list); link; link = list_pop(list))
        memory_free_raw(CONTAINER_OF(link, struct item, link));
}

static void on_line(void *arg, enum log_level level, enum log_group group, struct text call_id,
                    struct text line)
{
    struct engine_place *place = arg;
    struct item *item = item_create(line, call_id);
    if (!item)
        return;
    item->number = place->number;
    item->level = (int)level;
    item->group = log_group_name(group);
    item->time_us = stage_now_us(place->stage);
    pthread_mutex_lock(&place->stage->lines_mutex);
    list_append(&place->stage->lines, &item->link);
    pthread_mutex_unlock(&place->stage->lines_mutex);
}

static void on_record(void *arg, struct text line)
{
    struct engine_place *place = arg;
    struct item *item = place->stage->is_real ? NULL : item_create(line, TEXT_NONE);
    if (!item)
        return;
    item->number = place->number;
    pthread_mutex_lock(&place->stage->lines_mutex);
    list_append(&place->stage->records, &item->link);
    pthread_mutex_unlock(&place->stage->lines_mutex);
}

static void on_packet(void *arg, const struct lab_packet *packet)
{
    struct stage *stage = arg;
    struct item *item = item_create(packet->bytes, text_of(packet->cause));
    if (!item)
        return;
    item->time_us = packet->time_us;
    item->lost = packet->lost;
    memcpy(item->arrival_us, packet->arrival_us, sizeof item->arrival_us);
    address_print(&packet->source, item->source);
    address_print(&packet->destination, item->destination);
    list_append(&stage->packets, &item->link);
}

static void on_datagrams(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct agent_socket *agent = arg;
    struct stage *stage = agent->stage;
    (void)udp;
    for (size_t i = 0; i < count; i++) {
        struct item *item = item_create(v[i].bytes, TEXT_NONE);
        if (!item)
            continue;
        item->number = agent->number;
        item->time_us = stage_now_us(stage);
        address_print(v[i].source, item->source);
        list_append(&stage->received, &item->link);
    }
    if (stage->is_real)
        loop_stop(stage->loop);
}

/* ---- life ---- */

struct stage *stage_create(bool is_real, uint64_t seed)
{
    struct stage *stage = memory_raw(sizeof *stage);
    if (!stage)
        return NULL;
    *stage = (struct stage){.is_real = is_real};
    pthread_mutex_init(&stage->lines_mutex, NULL);
    int error = is_real ? io_uv_create(&stage->io) : io_lab_create(&stage->io, seed);
    if (!error)
        error = loop_create(&stage->loop, stage->io, "agents");
    if (!error && !is_real)
        error = loop_start(stage->loop);
    if (error) {
        stage_release(stage);
        return NULL;
    }
    if (!is_real)
        lab_set_tap(stage->io, on_packet, stage);
    return stage;
}

/* In the lab, let threads that do not exist finish what they were told. */
static void settle(struct stage *stage)
{
    if (!stage->is_real && stage->io)
        while (lab_step(stage->io, lab_now_us(stage->io)))
            ;
}

void stage_engine_stop(struct stage *stage, int engine)
{
    struct engine_place *place = &stage->engines[engine];
    if (!place->engine)
        return;
    engine_stop(place->engine);
    settle(stage);
    place->engine = memory_release(place->engine);
}

void stage_release(struct stage *stage)
{
    if (!stage)
        return;
    for (int i = 0; i < stage->engine_count; i++)
        stage_engine_stop(stage, i);
    for (int i = 1; i <= stage->socket_count; i++)
        stage_socket_close(stage, i);
    settle(stage);
    if (stage->loop && !stage->is_real) {
        loop_stop(stage->loop);
        loop_join(stage->loop);
    }
    stage_databases_release(stage);
    memory_release(stage->http);
    memory_release(stage->loop);
    memory_release(stage->io);
    memory_release(stage->coverage);
    drop_items(&stage->received);
    drop_items(&stage->packets);
    drop_items(&stage->lines);
    drop_items(&stage->records);
    for (int i = 0; i < 4; i++)
        memory_free_raw(stage->shown[i]);
    pthread_mutex_destroy(&stage->lines_mutex);
    free(stage->answer);
    memory_free_raw(stage);
}

/* ---- engines ---- */

static void show_fault(char *line, int error, char *fault, size_t fault_bytes)
{
    snprintf(fault, fault_bytes, "%s", line ? line : error_text(error));
    memory_free_raw(line);
}

int stage_engine(struct stage *stage, const char *conf_path, const char *lua_dir,
                 const char *route_path, unsigned workers, int log_level, char *fault,
                 size_t fault_bytes)
{
    char *line = NULL;
    if (stage->engine_count == STAGE_ENGINES)
        return ERROR_LIMIT;
    struct engine_place *place = &stage->engines[stage->engine_count];
    *place = (struct engine_place){.stage = stage, .number = stage->engine_count};
    int error = engine_create(&place->engine,
                              &(struct engine_options){
                                  .io = stage->io,
                                  .conf_path = conf_path,
                                  .lua_dir = lua_dir,
                                  .route_path = route_path,
                                  .workers = workers,
                                  .log_level = (enum log_level)log_level,
                                  .log_sink = on_line,
                                  .log_arg = place,
                                  .record_tap = on_record,
                                  .record_arg = place,
                                  .coverage = stage->coverage,
                              },
                              &line);
    if (!error) {
        stage_databases_impair(stage);
        if (stage->http)
            http_use_lab(engine_http(place->engine), stage->http);
        error = engine_start(place->engine);
    }
    if (error) {
        show_fault(line, error, fault, fault_bytes);
        place->engine = memory_release(place->engine);
        return error;
    }
    settle(stage);
    return stage->engine_count++;
}

int stage_reload(struct stage *stage, int engine, const char *route_path, char *fault,
                 size_t fault_bytes)
{
    char *line = NULL;
    int error = engine_reload(stage->engines[engine].engine, route_path, &line);
    if (error)
        show_fault(line, error, fault, fault_bytes);
    stage_databases_impair(stage);
    settle(stage);
    return error;
}

const char *stage_command(struct stage *stage, int engine, const char *words)
{
    struct command_answer answer;
    json_t *array = json_loads(words, 0, NULL);
    free(stage->answer);
    stage->answer = NULL;
    if (!stage->engines[engine].engine)
        return NULL;
    command_run(stage->engines[engine].engine, array, &answer);
    json_t *reply = command_answer_json(&answer);
    command_answer_release(&answer);
    stage->answer = json_dumps(reply, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(reply);
    json_decref(array);
    return stage->answer;
}

void stage_held(struct stage *stage, int engine, uint64_t counts[5])
{
    struct status_held held = {0};
    if (stage->engines[engine].engine)
        status_held(stage->engines[engine].engine, &held);
    counts[0] = held.transactions;
    counts[1] = held.dialogs;
    counts[2] = held.media_calls;
    counts[3] = held.ports;
    counts[4] = held.ports_astray;
}

/* ---- sockets ---- */

int stage_socket_open(struct stage *stage, const char *text)
{
    struct address address;
    if (stage->socket_count + 1 >= STAGE_SOCKETS)
        return ERROR_LIMIT;
    if (address_parse(&address, text_of(text), 0))
        return ERROR_SYNTAX;
    struct agent_socket *agent = memory_raw(sizeof *agent);
    if (!agent)
        return ERROR_MEMORY;
    *agent = (struct agent_socket){.stage = stage, .number = stage->socket_count + 1};
    int error = udp_open(&agent->udp, stage->io, &address, &(struct udp_options){.batch = 1});
    if (!error && (error = udp_start(agent->udp, stage->loop, on_datagrams, NULL, agent)))
        udp_close(agent->udp);
    if (error) {
        memory_free_raw(agent);
        return error;
    }
    stage->sockets[++stage->socket_count] = agent;
    return stage->socket_count;
}

void stage_socket_close(struct stage *stage, int socket)
{
    struct agent_socket *agent = stage->sockets[socket];
    if (!agent)
        return;
    udp_close(agent->udp);
    memory_free_raw(agent);
    stage->sockets[socket] = NULL;
}

const char *stage_socket_address(struct stage *stage, int socket)
{
    address_print(udp_local(stage->sockets[socket]->udp), stage->address);
    return stage->address;
}

int stage_socket_send(struct stage *stage, int socket, const char *text, const char *bytes,
                      size_t size_bytes)
{
    struct address address;
    if (!stage->sockets[socket])
        return ERROR_STATE;
    if (address_parse(&address, text_of(text), 5060))
        return ERROR_SYNTAX;
    return udp_send(stage->sockets[socket]->udp, &address, (struct text){bytes, size_bytes});
}

bool stage_receive(struct stage *stage, struct stage_datagram *datagram)
{
    struct item *item = next_item(stage, &stage->received, 0);
    if (!item)
        return false;
    *datagram = (struct stage_datagram){item->number, item->first.p, item->first.n, item->source,
                                        item->time_us};
    return true;
}

/* ---- time ---- */

uint64_t stage_now_us(const struct stage *stage)
{
    return stage->is_real ? loop_clock_us(stage->loop) : lab_now_us(stage->io);
}

static void on_until(void *arg)
{
    loop_stop(arg);
}

static void run_real(struct stage *stage, uint64_t until_us)
{
    uint64_t now_us = stage_now_us(stage);
    uint64_t wait_ms = until_us > now_us ? (until_us - now_us + 999) / 1000 : 0;
    timer_start(loop_timers(stage->loop), &stage->until, wait_ms, on_until, stage->loop);
    loop_run(stage->loop);
    timer_stop(loop_timers(stage->loop), &stage->until);
}

bool stage_run(struct stage *stage, uint64_t until_us)
{
    while (!stage->received.first && stage_now_us(stage) < until_us) {
        if (stage->is_real)
            run_real(stage, until_us);
        else if (!lab_step(stage->io, until_us))
            break;
    }
    return stage->received.first != NULL;
}

/* ---- what happened ---- */

bool stage_packet(struct stage *stage, struct stage_packet *packet)
{
    struct item *item = next_item(stage, &stage->packets, 1);
    if (!item)
        return false;
    *packet = (struct stage_packet){
        .time_us = item->time_us,
        .source = item->source,
        .destination = item->destination,
        .bytes = item->first.p,
        .size_bytes = item->first.n,
        .lost = item->lost,
        .arrival_us = {item->arrival_us[0], item->arrival_us[1]},
        .cause = item->second.p,
    };
    return true;
}

bool stage_log(struct stage *stage, struct stage_line *line)
{
    pthread_mutex_lock(&stage->lines_mutex);
    struct item *item = next_item(stage, &stage->lines, 2);
    pthread_mutex_unlock(&stage->lines_mutex);
    if (!item)
        return false;
    *line = (struct stage_line){item->number,   item->level,   item->group,
                                item->second.p, item->first.p, item->time_us};
    return true;
}

const char *stage_record(struct stage *stage, int *engine)
{
    settle(stage); /* the thread of the records has not run since the call ended */
    pthread_mutex_lock(&stage->lines_mutex);
    struct item *item = next_item(stage, &stage->records, 3);
    pthread_mutex_unlock(&stage->lines_mutex);
    if (item)
        *engine = item->number;
    return item ? item->first.p : NULL;
}

void stage_impair(struct stage *stage, uint32_t loss, uint32_t duplicate, uint32_t reorder,
                  uint32_t delay_us, uint32_t jitter_us)
{
    struct lab_impairment impairment = {loss, duplicate, reorder, delay_us, jitter_us};
    lab_set_impairment(stage->io, &impairment);
}

int stage_impair_link(struct stage *stage, const char *a, const char *b, uint32_t loss,
                      uint32_t duplicate, uint32_t reorder, uint32_t delay_us, uint32_t jitter_us)
{
    struct lab_impairment impairment = {loss, duplicate, reorder, delay_us, jitter_us};
    struct address from, to;
    if (address_parse_host(&from, text_of(a)) || (b && address_parse_host(&to, text_of(b))))
        return ERROR_SYNTAX;
    return lab_impair_link(stage->io, &from, b ? &to : NULL, &impairment);
}

void stage_heal_links(struct stage *stage)
{
    lab_heal_links(stage->io);
}

static int parse_srv(struct text value, struct resolve_record *record)
{
    uint32_t numbers[3];
    for (int i = 0; i < 3; i++)
        if (text_to_u32(text_word(&value), &numbers[i]) || numbers[i] > UINT16_MAX)
            return ERROR_SYNTAX;
    record->priority = (uint16_t)numbers[0];
    record->weight = (uint16_t)numbers[1];
    record->port = (uint16_t)numbers[2];
    return text_to_array(text_word(&value), record->name, sizeof record->name) ? 0 : ERROR_SYNTAX;
}

static int parse_naptr(struct text value, struct resolve_record *record)
{
    uint32_t numbers[2];
    for (int i = 0; i < 2; i++)
        if (text_to_u32(text_word(&value), &numbers[i]) || numbers[i] > UINT16_MAX)
            return ERROR_SYNTAX;
    record->priority = (uint16_t)numbers[0];
    record->weight = (uint16_t)numbers[1];
    bool fits = text_to_array(text_word(&value), record->flags, sizeof record->flags);
    fits = text_to_array(text_word(&value), record->service, sizeof record->service) && fits;
    fits = text_to_array(text_word(&value), record->name, sizeof record->name) && fits;
    return fits && record->name[0] ? 0 : ERROR_SYNTAX;
}

int stage_name(struct stage *stage, const char *name, const char *type, const char *value,
               uint32_t ttl_s)
{
    struct resolve_record record = {.ttl_s = ttl_s};
    struct text kind = text_of(type);
    int error;
    if (text_equal(kind, TEXT("SRV"))) {
        record.type = RESOLVE_SRV;
        error = parse_srv(text_of(value), &record);
    } else if (text_equal(kind, TEXT("NAPTR"))) {
        record.type = RESOLVE_NAPTR;
        error = parse_naptr(text_of(value), &record);
    } else {
        record.type = text_equal(kind, TEXT("AAAA")) ? RESOLVE_AAAA : RESOLVE_A;
        error = address_parse_host(&record.address, text_of(value));
    }
    return error ? error : lab_add_record(stage->io, text_of(name), &record);
}

void stage_name_remove(struct stage *stage, const char *name)
{
    lab_remove_name(stage->io, text_of(name));
}

void stage_name_delay(struct stage *stage, uint32_t delay_ms)
{
    lab_set_resolve_delay(stage->io, delay_ms);
}

int stage_cover(struct stage *stage)
{
    return stage->coverage || stage->is_real ? 0 : coverage_create(&stage->coverage);
}

bool stage_covered(const struct stage *stage, size_t i, struct stage_file *file)
{
    if (!stage->coverage || i >= coverage_files(stage->coverage))
        return false;
    struct coverage_file covered = coverage_file(stage->coverage, i);
    *file = (struct stage_file){covered.path, covered.count, covered.lines};
    return true;
}

uint64_t stage_live_objects(void)
{
    return memory_live();
}
