/*
 * Loading the list, swapping snapshots, marking, and finding.
 *
 * A load reads and checks everything aside, then joins each line to its gateway (by set and URI; a
 * gateway is kept while the list names it or calls hang on it), builds snapshot and source index,
 * and swaps both pointers at once. Whatever fails before the swap leaves the list as it was.
 */
#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/rows.h"
#include "dispatcher/internal.h"

#define INLINE_NAME "dispatcher sets" /* entries of the configuration, in faults */

struct gateway_key {
    unsigned set;
    struct text uri;
};

static bool gateway_matches(const struct hash_link *link, const void *key)
{
    const struct gateway *gateway = CONTAINER_OF(link, struct gateway, link);
    const struct gateway_key *wanted = key;
    return gateway->set == wanted->set && text_equal(gateway_uri(gateway), wanted->uri);
}

/* Destinations of one load, as its lines come. */
struct load {
    struct destination_list list;
    const char *name;
    char **fault;
};

static int take_line(void *arg, const struct dispatcher_line *line)
{
    struct load *load = arg;
    struct dispatcher_destination *destination;
    int error = destination_create(&destination, line, load->name, load->fault);
    return error ? error : destination_list_append(&load->list, destination);
}

static int read_lists(struct load *load, const struct dispatcher_options *options)
{
    int error = 0;
    for (size_t i = 0; i < options->file_count && !error; i++) {
        struct text bytes;
        load->name = options->files[i];
        error = rows_read_file(&bytes, load->name, load->fault);
        if (error)
            break;
        error = dispatcher_list_parse(bytes, load->name, take_line, load, load->fault);
        memory_free_raw((void *)bytes.p);
    }
    load->name = INLINE_NAME;
    if (!error && text_is_set(options->inline_list))
        error =
            dispatcher_list_parse(options->inline_list, load->name, take_line, load, load->fault);
    return error;
}

/* The gateway of a line, found or made; list_mutex is held. */
static int join_gateway(struct dispatcher *dispatcher, struct dispatcher_destination *destination)
{
    const struct gateway_key key = {destination->set, destination->uri};
    uint64_t hash = destination->hash + destination->set;
    struct hash_link *link = hash_find(&dispatcher->gateways, hash, gateway_matches, &key);
    if (link) {
        destination->gateway = memory_ref(CONTAINER_OF(link, struct gateway, link));
        return 0;
    }
    struct gateway *gateway = gateway_create(key.set, key.uri);
    if (!gateway)
        return ERROR_MEMORY;
    gateway_set_flags(gateway, destination->flags);
    gateway->file_flags = destination->flags;
    if (destination->latency_ms)
        gateway_set_latency(gateway, destination->latency_ms);
    if (hash_insert(&dispatcher->gateways, &gateway->link, hash)) {
        memory_release(gateway);
        return ERROR_MEMORY;
    }
    destination->gateway = memory_ref(gateway);
    return 0;
}

static int join_gateways(struct dispatcher *dispatcher, struct destination_list *list)
{
    int error = 0;
    for (size_t i = 0; i < list->count && !error; i++)
        error = join_gateway(dispatcher, list->v[i]);
    return error;
}

static void swap(struct dispatcher *dispatcher, struct snapshot *snapshot, struct sources *sources)
{
    pthread_mutex_lock(&dispatcher->mutex);
    struct snapshot *old_snapshot = dispatcher->snapshot;
    struct sources *old_sources = dispatcher->sources;
    if (snapshot)
        dispatcher->snapshot = snapshot;
    dispatcher->sources = sources;
    pthread_mutex_unlock(&dispatcher->mutex);
    if (snapshot)
        memory_release(old_snapshot);
    memory_release(old_sources);
}

static void purge(struct hash_link *link, void *arg)
{
    struct dispatcher *dispatcher = arg;
    struct gateway *gateway = CONTAINER_OF(link, struct gateway, link);
    if (gateway->generation != dispatcher->generation && !atomic_load(&gateway->calls))
        dispatcher_forget_gateway(link, NULL);
}

/*
 * The new list is in force. A gateway keeps its state, unless its flags were edited or it comes back
 * after having been out of the list: then the operator meant something by it. Of a URI that a set
 * names twice, the first line's flags count.
 */
static void settle(struct dispatcher *dispatcher)
{
    const struct snapshot *snapshot = dispatcher->snapshot;
    dispatcher->generation++;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct dispatcher_destination *destination = snapshot->destinations[i];
        struct gateway *gateway = destination->gateway;
        uint64_t seen = gateway->generation;
        if (seen == dispatcher->generation)
            continue;
        gateway->generation = dispatcher->generation;
        bool is_back = seen != 0 && seen + 1 != dispatcher->generation;
        if (gateway->file_flags == destination->flags && !is_back)
            continue;
        gateway->file_flags = destination->flags;
        gateway_set_flags(gateway, destination->flags);
        dispatcher_log_state(dispatcher, destination, "the list was changed");
    }
    hash_for_each(&dispatcher->gateways, purge, dispatcher);
}

static void warn_weights(struct dispatcher *dispatcher)
{
    const struct snapshot *snapshot = dispatcher->snapshot;
    for (size_t i = 0; i < snapshot->set_count && dispatcher->log; i++) {
        const struct dispatcher_set *set = &snapshot->sets[i];
        unsigned sum = 0;
        for (size_t k = 0; k < set->count; k++)
            sum += set->v[k]->weight;
        if (set->has_weights && sum != SNAPSHOT_SLOTS)
            log_warning(dispatcher->log, LOG_DISPATCHER, TEXT_NONE,
                        "set %u: weights add up to %u instead of 100; %s", set->id, sum,
                        sum < SNAPSHOT_SLOTS ? "the last destination gets the rest"
                                             : "what is beyond gets nothing");
    }
}

/* From now on the new terms hold; nobody waits for a lock while the old ones are freed. */
static void use_terms(struct dispatcher *dispatcher, struct dispatcher_terms *terms)
{
    pthread_mutex_lock(&dispatcher->mutex);
    struct dispatcher_terms *old = dispatcher->terms;
    dispatcher->terms = terms;
    pthread_mutex_unlock(&dispatcher->mutex);
    memory_release(old);
}

/* Build and put in force; list_mutex is held. @p list is given on success. */
static int publish(struct dispatcher *dispatcher, struct destination_list *list,
                   struct dispatcher_terms *terms)
{
    struct snapshot *snapshot;
    struct sources *sources;
    int error = join_gateways(dispatcher, list);
    if (!error)
        error = snapshot_create(&snapshot, list, dispatcher->snapshot);
    if (error)
        return error;
    error = sources_create(&sources, snapshot);
    if (error) {
        memory_release(snapshot);
        return error;
    }
    swap(dispatcher, snapshot, sources);
    use_terms(dispatcher, memory_ref(terms));
    settle(dispatcher);
    warn_weights(dispatcher);
    return 0;
}

int dispatcher_reload(struct dispatcher *dispatcher, const struct dispatcher_options *options,
                      char **fault)
{
    struct load load = {.fault = fault};
    struct dispatcher_terms *terms = NULL;
    if (fault)
        *fault = NULL;
    int error = 0;
    if (options)
        error = dispatcher_terms_create(&terms, options, fault);
    else
        terms = dispatcher_terms(dispatcher);
    if (!error)
        error = read_lists(&load, &terms->options);
    if (!error) {
        pthread_mutex_lock(&dispatcher->list_mutex);
        error = publish(dispatcher, &load.list, terms);
        pthread_mutex_unlock(&dispatcher->list_mutex);
    }
    destination_list_release(&load.list);
    memory_release(terms);
    if (error == ERROR_MEMORY && fault && !*fault)
        rows_fault(fault, error, "dispatcher: out of memory while loading the list");
    return error;
}

static bool has_addresses(const struct gateway *gateway, const struct address *v, size_t c)
{
    if (gateway->address_count != c)
        return false;
    for (size_t i = 0; i < c; i++)
        if (!address_equal_host(&gateway->addresses[i], &v[i]))
            return false;
    return true;
}

int dispatcher_destination_set_addresses(struct dispatcher *dispatcher,
                                         struct dispatcher_destination *destination,
                                         const struct address *v, size_t c)
{
    struct gateway *gateway = destination->gateway;
    struct sources *sources = NULL;
    struct address *addresses = memory_raw(c * sizeof *addresses);
    if (!addresses)
        return ERROR_MEMORY;
    if (c)
        memcpy(addresses, v, c * sizeof *addresses);
    pthread_mutex_lock(&dispatcher->list_mutex);
    int error = 0;
    if (!has_addresses(gateway, v, c)) {
        struct address *old = gateway->addresses;
        size_t old_count = gateway->address_count;
        gateway->addresses = addresses;
        gateway->address_count = c;
        error = sources_create(&sources, dispatcher->snapshot);
        if (error) {
            gateway->addresses = old;
            gateway->address_count = old_count;
        } else {
            addresses = old;
            swap(dispatcher, NULL, sources);
        }
    }
    pthread_mutex_unlock(&dispatcher->list_mutex);
    memory_free_raw(addresses);
    return error;
}
