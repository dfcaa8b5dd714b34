/* The lab's name server: a table of records, asked when the answer is due. */
#include "io/lab_world.h"

#include "base/error.h"
#include "base/memory.h"

/** The records of one name and type. */
struct lab_name {
    struct link link;
    enum resolve_type type;
    char name[256];
    size_t count;
    struct resolve_record *v; /**< owned */
};

/** A question under way. */
struct lab_answer {
    struct lab_event event;
    struct link link; /**< in loop->answers */
    struct lab_loop *loop;
    enum resolve_type type;
    bool is_too_late; /**< the delay is longer than the asker waits */
    resolve_handler *handler;
    void *arg;
    char name[256];
};

/* A final dot says only that the name is complete. */
static struct text without_dot(struct text name)
{
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    return name;
}

static struct lab_name *find_name(const struct lab *lab, struct text name, enum resolve_type type)
{
    LIST_FOR_EACH (link, &lab->names) {
        struct lab_name *found = CONTAINER_OF(link, struct lab_name, link);
        if (found->type == type && text_equal_nocase(text_of(found->name), name))
            return found;
    }
    return NULL;
}

static void name_destructor(void *object)
{
    struct lab_name *name = object;
    list_remove(&name->link);
    memory_free_raw(name->v);
}

void lab_names_release(struct lab *lab)
{
    for (struct link *link; (link = list_pop(&lab->names));)
        memory_release(CONTAINER_OF(link, struct lab_name, link));
}

static struct lab_name *make_name(struct lab *lab, struct text text, enum resolve_type type)
{
    struct lab_name *name = memory_alloc(sizeof *name, name_destructor);
    if (!name)
        return NULL;
    name->type = type;
    text_to_array(text, name->name, sizeof name->name);
    list_append(&lab->names, &name->link);
    return name;
}

int lab_add_record(struct io *io, struct text text, const struct resolve_record *record)
{
    struct lab *lab = lab_of(io);
    text = without_dot(text);
    struct lab_name *name = find_name(lab, text, record->type);
    if (!name)
        name = make_name(lab, text, record->type);
    if (!name)
        return ERROR_MEMORY;
    struct resolve_record *v = memory_raw_resize(name->v, (name->count + 1) * sizeof *v);
    if (!v)
        return ERROR_MEMORY;
    name->v = v;
    v[name->count++] = *record;
    return 0;
}

void lab_remove_name(struct io *io, struct text text)
{
    text = without_dot(text);
    LIST_FOR_EACH_SAFE (link, &lab_of(io)->names) {
        struct lab_name *name = CONTAINER_OF(link, struct lab_name, link);
        if (text_equal_nocase(text_of(name->name), text))
            memory_release(name);
    }
}

void lab_set_resolve_delay(struct io *io, uint32_t delay_ms)
{
    lab_of(io)->resolve_delay_ms = delay_ms;
}

/* ---- questions ---- */

static void release_answer(struct lab_answer *answer)
{
    list_remove(&answer->link);
    memory_free_raw(answer);
}

static void drop_answer(struct lab_event *event)
{
    release_answer(CONTAINER_OF(event, struct lab_answer, event));
}

static void run_answer(struct lab_event *event)
{
    struct lab_answer *answer = CONTAINER_OF(event, struct lab_answer, event);
    struct lab_loop *loop = answer->loop;
    if (loop->is_running) {
        struct lab_name *name =
            find_name(lab_of(loop->base.io), text_of(answer->name), answer->type);
        lab_loop_enter(loop);
        if (answer->is_too_late)
            answer->handler(answer->arg, ERROR_TIMEOUT, NULL, 0);
        else if (!name || !name->count)
            answer->handler(answer->arg, ERROR_NOT_FOUND, NULL, 0);
        else
            answer->handler(answer->arg, 0, name->v, name->count);
        lab_loop_leave(loop);
    }
    release_answer(answer);
}

int lab_loop_resolve(struct loop *base, struct text name, enum resolve_type type,
                     uint32_t timeout_ms, resolve_handler *handler, void *arg)
{
    struct lab *lab = lab_of(base->io);
    struct lab_answer *answer;
    name = without_dot(name);
    if (name.n >= sizeof answer->name)
        return ERROR_LIMIT;
    answer = memory_raw(sizeof *answer);
    if (!answer)
        return ERROR_MEMORY;
    *answer = (struct lab_answer){
        .event = {.run = run_answer, .drop = drop_answer},
        .loop = (struct lab_loop *)base,
        .type = type,
        .is_too_late = lab->resolve_delay_ms > timeout_ms,
        .handler = handler,
        .arg = arg,
    };
    text_to_array(name, answer->name, sizeof answer->name);
    list_append(&answer->loop->answers, &answer->link);
    uint64_t wait_ms = answer->is_too_late ? timeout_ms : lab->resolve_delay_ms;
    lab_queue_push(&lab->queue, &answer->event, lab->now_us + wait_ms * 1000);
    return 0;
}

void lab_answers_release(struct lab_loop *loop)
{
    while (loop->answers.first) {
        struct lab_answer *answer = CONTAINER_OF(loop->answers.first, struct lab_answer, link);
        lab_queue_remove(&lab_of(loop->base.io)->queue, &answer->event);
        release_answer(answer);
    }
}
