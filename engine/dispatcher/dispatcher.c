/* The dispatcher: made, asked, marked. How its list comes in is in load.c. */
#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"
#include "dispatcher/internal.h"

#define THRESHOLD_MOST 60000 /* results in a row that are counted; see gateway.c */

void dispatcher_forget_gateway(struct hash_link *link, void *arg)
{
    (void)arg;
    hash_remove(link);
    memory_release(CONTAINER_OF(link, struct gateway, link));
}

static void destroy_terms(void *object)
{
    struct dispatcher_options *options = &((struct dispatcher_terms *)object)->options;
    for (size_t i = 0; i < options->file_count; i++)
        memory_free_raw((void *)options->files[i]);
    memory_free_raw((void *)options->files);
    memory_free_raw((void *)options->inline_list.p);
}

static void destroy(void *object)
{
    struct dispatcher *dispatcher = object;
    memory_release(dispatcher->snapshot);
    memory_release(dispatcher->sources);
    hash_for_each(&dispatcher->gateways, dispatcher_forget_gateway, NULL);
    hash_table_release(&dispatcher->gateways);
    memory_release(dispatcher->terms);
    pthread_mutex_destroy(&dispatcher->list_mutex);
    pthread_mutex_destroy(&dispatcher->mutex);
}

/* @return a copy with a NUL behind it, returned owned; absent without memory */
static struct text copy(struct text t)
{
    char *p = memory_raw(t.n + 1);
    if (!p)
        return TEXT_NONE;
    if (t.n)
        memcpy(p, t.p, t.n);
    p[t.n] = 0;
    return (struct text){p, t.n};
}

static int copy_options(struct dispatcher_options *to, const struct dispatcher_options *from)
{
    *to = *from;
    to->files = NULL;
    to->file_count = 0;
    to->inline_list = TEXT_NONE;
    if (text_is_set(from->inline_list)) {
        to->inline_list = copy(from->inline_list);
        if (!text_is_set(to->inline_list))
            return ERROR_MEMORY;
    }
    const char **files = memory_raw(from->file_count * sizeof *files);
    if (!files)
        return ERROR_MEMORY;
    to->files = files;
    for (; to->file_count < from->file_count; to->file_count++) {
        files[to->file_count] = copy(text_of(from->files[to->file_count])).p;
        if (!files[to->file_count])
            return ERROR_MEMORY;
    }
    return 0;
}

static unsigned threshold_of(unsigned written)
{
    return written < 1 ? 1 : written > THRESHOLD_MOST ? THRESHOLD_MOST : written;
}

int dispatcher_terms_create(struct dispatcher_terms **termsp,
                            const struct dispatcher_options *options, char **fault)
{
    struct dispatcher_terms *terms = memory_alloc(sizeof *terms, destroy_terms);
    if (!terms)
        return ERROR_MEMORY;
    terms->rules = (struct gateway_rules){
        .probing_threshold = threshold_of(options->probing_threshold),
        .inactive_threshold = threshold_of(options->inactive_threshold),
        .probing_mode = options->probing_mode,
        .is_pinged = options->ping_interval_s > 0,
    };
    int error = copy_options(&terms->options, options);
    if (!error)
        error = dispatcher_parse_reply_codes(terms, fault);
    if (error)
        memory_release(terms);
    else
        *termsp = terms;
    return error;
}

int dispatcher_create(struct dispatcher **dispatcherp, const struct dispatcher_options *options,
                      char **fault)
{
    struct dispatcher *dispatcher = memory_alloc(sizeof *dispatcher, destroy);
    if (fault)
        *fault = NULL;
    if (!dispatcher)
        return ERROR_MEMORY;
    dispatcher->log = options->log;
    pthread_mutex_init(&dispatcher->list_mutex, NULL);
    pthread_mutex_init(&dispatcher->mutex, NULL);
    int error = dispatcher_reload(dispatcher, options, fault);
    if (error) {
        memory_release(dispatcher);
        return error;
    }
    *dispatcherp = dispatcher;
    return 0;
}

struct dispatcher_terms *dispatcher_terms(struct dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->mutex);
    struct dispatcher_terms *terms = memory_ref(dispatcher->terms);
    pthread_mutex_unlock(&dispatcher->mutex);
    return terms;
}

void dispatcher_get_options(struct dispatcher *dispatcher, struct dispatcher_options *options)
{
    struct dispatcher_terms *terms = dispatcher_terms(dispatcher);
    *options = terms->options;
    options->files = NULL;
    options->file_count = 0;
    options->inline_list = TEXT_NONE;
    memory_release(terms);
}

struct snapshot *dispatcher_snapshot(struct dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->mutex);
    struct snapshot *snapshot = memory_ref(dispatcher->snapshot);
    pthread_mutex_unlock(&dispatcher->mutex);
    return snapshot;
}

bool dispatcher_has_set(const struct dispatcher *dispatcher, unsigned set)
{
    struct snapshot *snapshot = dispatcher_snapshot((struct dispatcher *)dispatcher);
    bool has_set = snapshot_set(snapshot, set) != NULL;
    memory_release(snapshot);
    return has_set;
}

bool dispatcher_is_from(const struct dispatcher *dispatcher, unsigned set,
                        const struct address *source)
{
    struct dispatcher *unlocked = (struct dispatcher *)dispatcher;
    pthread_mutex_lock(&unlocked->mutex);
    struct sources *sources = memory_ref(unlocked->sources);
    pthread_mutex_unlock(&unlocked->mutex);
    bool is_from = sources_have(sources, set, source);
    memory_release(sources);
    return is_from;
}

void dispatcher_for_each(struct dispatcher *dispatcher, dispatcher_visit_handler *visit, void *arg)
{
    struct snapshot *snapshot = dispatcher_snapshot(dispatcher);
    for (size_t i = 0; i < snapshot->count; i++)
        visit(arg, snapshot->destinations[i]);
    memory_release(snapshot);
}

static bool is_named(const struct dispatcher_destination *destination, struct text name)
{
    struct text duid = dispatcher_destination_attr(destination, TEXT("duid"));
    return text_equal_nocase(destination->uri, name) || (duid.n && text_equal_nocase(duid, name));
}

struct dispatcher_destination *dispatcher_find(struct dispatcher *dispatcher, unsigned set,
                                               struct text uri)
{
    struct snapshot *snapshot = dispatcher_snapshot(dispatcher);
    const struct dispatcher_set *members = snapshot_set(snapshot, set);
    struct dispatcher_destination *found = NULL;
    for (size_t i = 0; members && i < members->count && !found; i++)
        if (is_named(members->v[i], uri))
            found = memory_ref(members->v[i]);
    memory_release(snapshot);
    return found;
}

int dispatcher_mark(struct dispatcher *dispatcher, unsigned set, struct text uri, struct text state)
{
    int error = ERROR_NOT_FOUND;
    bool is_all = text_equal_nocase(uri, TEXT("all"));
    struct dispatcher_terms *terms = dispatcher_terms(dispatcher);
    struct snapshot *snapshot = dispatcher_snapshot(dispatcher);
    const struct dispatcher_set *members = snapshot_set(snapshot, set);
    for (size_t i = 0; members && i < members->count; i++) {
        struct dispatcher_destination *destination = members->v[i];
        if (!is_all && !is_named(destination, uri))
            continue;
        enum dispatcher_state before = gateway_state(destination->gateway, NULL);
        struct gateway_rules rules = terms->rules;
        rules.is_pinged &=
            !(destination->flags & (DISPATCHER_FLAG_NO_PING | DISPATCHER_FLAG_NO_DNS));
        error = gateway_mark(destination->gateway, state, &rules);
        if (error == ERROR_SYNTAX)
            break;
        if (gateway_state(destination->gateway, NULL) != before)
            dispatcher_log_state(dispatcher, destination, "it was marked");
    }
    memory_release(snapshot);
    memory_release(terms);
    return error;
}
