/*
 * ctl registrations. Reading walks the service from the control thread, or the database where it alone counts; whatever
 * changes it runs on worker 0, so that event_route["registration:..."] of a script hears of it.
 */
#include "control/registrations.h"

#include "base/error.h"
#include "base/memory.h"
#include "control/stored_bindings.h"

#include <stdio.h>

#define BATCH 64   /* records of one step of a walk */
#define PAGE  1000 /* records of one answer, at least; nobody waits long for the control thread */
#define ROWS  1001 /* rows of one query, at least: more than one AoR has */
#define USAGE                                                                                      \
    "usage: ctl registrations list, show AOR, add AOR CONTACT [EXPIRES_S], rm AOR [CONTACT], "     \
    "flush"

static void set_text(json_t *object, const char *name, struct text t)
{
    if (t.n)
        json_object_set_new(object, name, command_json_text(t));
}

static void add_binding(json_t *list, const struct location_binding *binding, uint64_t now_ms)
{
    json_t *entry = json_object();
    set_text(entry, "contact", binding->contact);
    if (binding->expires_ms == LOCATION_NEVER)
        json_object_set_new(entry, "permanent", json_true());
    else
        json_object_set_new(entry, "expires_s",
                            json_integer(location_binding_expires_s(binding, now_ms)));
    if (binding->q != CONTACT_Q_NONE)
        json_object_set_new(entry, "q", json_real(binding->q / 1000.0));
    set_text(entry, "received", binding->received);
    set_text(entry, "path", binding->path);
    set_text(entry, "socket", binding->socket);
    set_text(entry, "user_agent", binding->user_agent);
    set_text(entry, "call_id", binding->call_id);
    json_object_set_new(entry, "cseq", json_integer(binding->cseq));
    set_text(entry, "instance", binding->instance);
    set_text(entry, "ruid", binding->ruid);
    json_array_append_new(list, entry);
}

static json_t *record_json(const struct location_record *record, uint64_t now_ms)
{
    json_t *entry = json_object(), *contacts = json_array();
    set_text(entry, "aor", location_record_aor(record));
    for (size_t i = 0; i < location_record_count(record); i++) {
        const struct location_binding *binding = location_record_at(record, i);
        if (!location_binding_is_expired(binding, now_ms))
            add_binding(contacts, binding, now_ms);
    }
    json_object_set_new(entry, "contacts", contacts);
    return entry;
}

static uint64_t now_ms_of(const struct engine *engine)
{
    return io_wall_us(engine_io(engine)) / 1000;
}

/* Call @p visit with every record; it is released after. */
static void walk(struct engine *engine,
                 void (*visit)(struct engine *engine, void *arg, struct location_record *record),
                 void *arg)
{
    struct location_cursor cursor = {0};
    struct location_record *v[BATCH];
    size_t count;
    while ((count = location_walk(engine_location(engine), &cursor, v, BATCH)) > 0)
        for (size_t i = 0; i < count; i++) {
            visit(engine, arg, v[i]);
            memory_release(v[i]);
        }
}

static void list_record(struct engine *engine, void *arg, struct location_record *record)
{
    json_t *entry = record_json(record, now_ms_of(engine));
    if (json_array_size(json_object_get(entry, "contacts")))
        json_array_append(arg, entry);
    json_decref(entry);
}

/** "SHARD.BUCKET.SKIP", as set_next() prints it. @return false: it is none */
static bool read_cursor(struct location_cursor *cursor, struct text t)
{
    uint32_t numbers[3];
    for (size_t i = 0; i < 3; i++)
        if (text_to_u32(text_split(&t, '.'), &numbers[i]))
            return false;
    *cursor = (struct location_cursor){numbers[0], numbers[1], numbers[2]};
    return !t.n;
}

static void set_next(struct command_answer *answer, uint32_t page,
                     const struct location_cursor *cursor)
{
    char size[12], at[64];
    snprintf(size, sizeof size, "%u", page);
    snprintf(at, sizeof at, "%u.%zu.%zu", cursor->shard, cursor->bucket, cursor->skip);
    answer->next = json_pack("[s, s, s, s]", "registrations", "list", size, at);
}

/* One page, and the words for what follows. */
static void list_page(struct engine *engine, uint32_t page, struct location_cursor *cursor,
                      struct command_answer *answer)
{
    struct location_record *v[BATCH];
    size_t count = 1;
    answer->data = json_array();
    for (size_t seen = 0; count && seen < page; seen += count) {
        count = location_walk(engine_location(engine), cursor, v, BATCH);
        for (size_t i = 0; i < count; i++) {
            list_record(engine, answer->data, v[i]);
            memory_release(v[i]);
        }
    }
    if (count)
        set_next(answer, page, cursor);
}

/* ---- the database alone counts ---- */

/** Rows on their way into the list; those of one AoR come together. */
struct stored_list {
    json_t *array; /**< AoRs that are complete */
    json_t *entry; /**< owned: the one that rows come of; NULL: none */
    uint64_t now_ms;
    size_t rows;
};

/** No more rows of this one. */
static void end_entry(struct stored_list *list)
{
    if (list->entry && json_array_size(json_object_get(list->entry, "contacts")))
        json_array_append(list->array, list->entry);
    json_decref(list->entry);
    list->entry = NULL;
}

static bool is_of_entry(const struct stored_list *list, struct text aor)
{
    const char *known = json_string_value(json_object_get(list->entry, "aor"));
    return known && text_equal(text_of(known), aor);
}

static bool add_row(void *arg, struct text aor, const struct location_binding *row)
{
    struct stored_list *list = arg;
    list->rows++;
    if (!aor.n || !row->contact.n) /* no sense in it */
        return true;
    if (!is_of_entry(list, aor)) {
        end_entry(list);
        list->entry = json_pack("{s:o, s:[]}", "aor", command_json_text(aor), "contacts");
    }
    if (list->entry && !location_binding_is_expired(row, list->now_ms))
        add_binding(json_object_get(list->entry, "contacts"), row, list->now_ms);
    return true;
}

/**
 * AoRs with bindings behind one, in their order.
 * @param after  absent: from the beginning
 * @param array  takes them
 * @param next   written: the AoR behind which the next page begins, to be freed; NULL: these were all
 * @return 0; why the database cannot tell
 */
static int stored_page(struct engine *engine, struct text after, uint32_t page, json_t *array,
                       json_t **next)
{
    uint32_t most = page < ROWS ? ROWS : page;
    struct stored_list list = {array, NULL, now_ms_of(engine), 0};
    *next = NULL;
    int error = stored_bindings_page(engine, after, most, add_row, &list);
    bool is_full = !error && list.rows >= most;
    const json_t *last = json_array_get(array, json_array_size(array) - 1);
    if (is_full && list.entry && last) { /* it may lack rows: it comes again */
        *next = json_incref(json_object_get(last, "aor"));
        json_decref(list.entry);
        list.entry = NULL;
    } else if (is_full && list.entry) { /* more than an AoR may have: others are next */
        *next = json_incref(json_object_get(list.entry, "aor"));
    }
    end_entry(&list);
    return error;
}

static void say_stored_error(struct command_answer *answer, int error)
{
    command_say(answer, 1, "the database cannot tell: %s", error_text(error));
}

static void list_stored(struct engine *engine, uint32_t page, struct text after,
                        struct command_answer *answer)
{
    json_t *next;
    answer->data = json_array();
    int error = stored_page(engine, after, page, answer->data, &next);
    if (error) {
        json_decref(answer->data);
        answer->data = NULL;
        say_stored_error(answer, error);
    } else if (next) {
        char size[12];
        snprintf(size, sizeof size, "%u", page);
        answer->next = json_pack("[s, s, s, o]", "registrations", "list", size, next);
    }
}

/* ---- list ---- */

/* list [PAGE [CURSOR]] */
static void list(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    struct location_cursor cursor = {0};
    uint32_t page = PAGE;
    size_t count = json_array_size(words);
    bool is_right = count < 3 || (!text_to_u32(text_of(command_word(words, 2)), &page) && page);
    bool is_stored = stored_bindings_count(engine);
    if (is_right && is_stored && count <= 4) {
        list_stored(engine, page, count > 3 ? text_of(command_word(words, 3)) : TEXT_NONE, answer);
        return;
    }
    if (is_right && count > 3)
        is_right = count == 4 && read_cursor(&cursor, text_of(command_word(words, 3)));
    if (is_right)
        list_page(engine, page, &cursor, answer);
    else
        command_say(answer, 2, USAGE);
}

/* ---- commands that change something ---- */

/** One of them, on its way to worker 0 and back. */
struct change {
    struct engine *engine;
    struct text aor, contact;
    uint32_t expires_s;
    size_t count;       /**< bindings that ended */
    int error;          /**< of add */
    const char *reason; /**< why it was refused, static */
};

static void remove_some(struct worker *worker, void *arg)
{
    struct change *change = arg;
    int result = location_remove(engine_location(change->engine), change->aor, change->contact,
                                 now_ms_of(change->engine), worker_script(worker));
    if (result < 0)
        change->error = result;
    else
        change->count += (size_t)result;
}

static void flush_record(struct engine *engine, void *arg, struct location_record *record)
{
    struct change *change = arg;
    change->aor = location_record_aor(record);
    change->contact = TEXT_NONE;
    worker_ask(engine_worker(engine, 0), remove_some, change);
}

/** What the database has ends, too: page by page. @return 0; why it cannot tell */
static int flush_stored(struct engine *engine, struct change *change)
{
    json_t *after = NULL, *next = NULL;
    int error = 0;
    do {
        json_t *array = json_array(), *entry;
        size_t i;
        struct text from = after ? text_of(json_string_value(after)) : TEXT_NONE;
        error = array ? stored_page(engine, from, PAGE, array, &next) : ERROR_MEMORY;
        json_array_foreach(array, i, entry)
        {
            change->aor = text_of(json_string_value(json_object_get(entry, "aor")));
            change->contact = TEXT_NONE;
            if (!error)
                error = stored_bindings_bring(engine, change->aor);
            if (!error)
                worker_ask(engine_worker(engine, 0), remove_some, change);
        }
        json_decref(array);
        json_decref(after);
        after = next;
        next = NULL;
    } while (after && !error);
    json_decref(after);
    return error;
}

static void flush(struct engine *engine, struct command_answer *answer)
{
    struct change change = {.engine = engine};
    int error = stored_bindings_count(engine) ? flush_stored(engine, &change) : 0;
    if (error) {
        say_stored_error(answer, error);
        return;
    }
    walk(engine, flush_record, &change);
    command_say(answer, 0, "%zu bindings ended", change.count);
}

static void add(struct worker *worker, void *arg)
{
    struct change *change = arg;
    struct contact contact;
    struct location_result result = {0};
    struct location_request request = {
        .aor = change->aor,
        .call_id = TEXT("lunasip-ctl"),
        .contacts = &contact,
        .contact_count = 1,
        .has_expires = true,
        .expires_s = change->expires_s,
        .is_command = true,
        .now_ms = now_ms_of(change->engine),
        .counters = worker_counters(worker),
        .by = worker_script(worker),
    };
    change->error = contact_parse(&contact, change->contact);
    change->reason = "the contact is no URI";
    if (change->error)
        return;
    change->error = location_save(engine_location(change->engine), &request, &result);
    change->reason = result.reason;
    memory_release(result.record);
}

/* ---- the words ---- */

/** The AoR as it is kept, of "2001@example.com" or "sip:2001@example.com", in @p arena. */
static bool read_aor(struct engine *engine, const char *word, struct arena *arena, struct text *aor)
{
    struct uri uri;
    struct text t = text_of(word);
    if (!text_starts_with(t, TEXT("sip:")) && !text_starts_with(t, TEXT("sips:")) &&
        !text_starts_with(t, TEXT("tel:")))
        t = arena_printf(arena, text_find(t, '@') ? "sip:%s" : "sip:%s@localhost", word);
    return text_is_set(t) && !uri_parse(&uri, t) &&
           !location_aor(aor, &engine_configuration(engine)->settings, &uri, TEXT_NONE, arena);
}

static void show(struct engine *engine, struct text aor, struct command_answer *answer)
{
    struct location_record *record = location_find(engine_location(engine), aor);
    if (record)
        answer->data = record_json(record, now_ms_of(engine));
    else
        command_say(answer, 1, "nothing is bound to it");
    memory_release(record);
}

static void do_add(struct change *change, const char *expires, struct command_answer *answer)
{
    if (!change->contact.n || (expires[0] && text_to_u32(text_of(expires), &change->expires_s))) {
        command_say(answer, 2, USAGE);
        return;
    }
    worker_ask(engine_worker(change->engine, 0), add, change);
    if (change->error)
        command_say(answer, 1, "%s", change->reason ? change->reason : error_text(change->error));
    else
        command_say(answer, 0, "%s", change->expires_s ? "bound" : "bound for good");
}

static void do_remove(struct change *change, struct command_answer *answer)
{
    worker_ask(engine_worker(change->engine, 0), remove_some, change);
    if (change->error)
        command_say(answer, 1, "%s", error_text(change->error));
    else
        command_say(answer, !change->count, "%zu bindings ended", change->count);
}

/* Verbs with an AoR. */
static void run_of_aor(struct engine *engine, struct text verb, const json_t *words,
                       struct command_answer *answer)
{
    struct arena arena = {0};
    struct change change = {.engine = engine, .contact = text_of(command_word(words, 3))};
    size_t count = json_array_size(words);
    bool is_aor = read_aor(engine, command_word(words, 2), &arena, &change.aor);
    int error =
        is_aor && stored_bindings_count(engine) ? stored_bindings_bring(engine, change.aor) : 0;
    if (!is_aor)
        command_say(answer, 2, "an address of record is needed: 2001@example.com; " USAGE);
    else if (error)
        say_stored_error(answer, error);
    else if (text_equal(verb, TEXT("show")) && count == 3)
        show(engine, change.aor, answer);
    else if (text_equal(verb, TEXT("add")))
        do_add(&change, command_word(words, 4), answer);
    else if (text_equal(verb, TEXT("rm")) && count <= 4)
        do_remove(&change, answer);
    else
        command_say(answer, 2, USAGE);
    arena_reset(&arena);
}

void registrations_command(struct engine *engine, const json_t *words,
                           struct command_answer *answer)
{
    struct text verb = text_of(command_word(words, 1));
    size_t count = json_array_size(words);
    if (!verb.n || text_equal(verb, TEXT("list"))) {
        list(engine, words, answer);
    } else if (count == 2 && text_equal(verb, TEXT("flush"))) {
        flush(engine, answer);
    } else if (count > 2) {
        run_of_aor(engine, verb, words, answer);
    } else {
        command_say(answer, 2, USAGE);
    }
}
