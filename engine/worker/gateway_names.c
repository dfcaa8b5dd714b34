/*
 * Gateways given by name are looked up, pinged or not, so that the dispatcher knows their requests by
 * the source address. The resolver remembers names for their time to live: looking often costs
 * nothing.
 */
#include "worker/gateway_names.h"

#include "base/error.h"
#include "base/memory.h"
#include "dispatcher/list_file.h"
#include "worker/worker.h"

#define LOOK_MS 10000 /* between two looks: how long a reloaded list waits for its names */

struct gateway_names {
    struct worker *worker; /* borrowed: holds this */
    struct timer timer;
    struct list lookups;
};

/* The name of one gateway, being asked. */
struct lookup {
    struct link link;
    struct gateway_names *names;                /* borrowed */
    struct dispatcher_destination *destination; /* owned reference */
    struct resolve_query *query;
};

static void lookup_destroy(void *arg)
{
    struct lookup *lookup = arg;
    list_remove(&lookup->link);
    resolve_cancel(lookup->query);
    memory_release(lookup->destination);
}

/* Who cannot be found now keeps the addresses that it had: it may still call us from there. */
static void finish(struct lookup *lookup, const struct resolve_target *v, size_t count)
{
    struct address addresses[RESOLVE_TARGETS_MAX];
    for (size_t i = 0; i < count; i++)
        addresses[i] = v[i].address;
    if (count)
        dispatcher_destination_set_addresses(worker_get_options(lookup->names->worker)->dispatcher,
                                             lookup->destination, addresses, count);
    memory_release(lookup);
}

static void on_resolved(void *arg, int error, const struct resolve_target *v, size_t count)
{
    struct lookup *lookup = arg;
    lookup->query = NULL;
    finish(lookup, v, error ? 0 : count);
}

static bool is_being_asked(const struct gateway_names *names,
                           const struct dispatcher_destination *destination)
{
    LIST_FOR_EACH (link, &names->lookups)
        if (CONTAINER_OF(link, struct lookup, link)->destination == destination)
            return true;
    return false;
}

static void look_up(void *arg, struct dispatcher_destination *destination)
{
    struct gateway_names *names = arg;
    struct resolve_targets now = {0};
    struct uri uri;
    if (!dispatcher_destination_is_name(destination) ||
        (dispatcher_destination_flags(destination) & DISPATCHER_FLAG_NO_DNS) ||
        uri_parse(&uri, dispatcher_destination_uri(destination)) ||
        is_being_asked(names, destination))
        return;
    struct lookup *lookup = memory_alloc(sizeof *lookup, lookup_destroy);
    if (!lookup)
        return;
    lookup->names = names;
    lookup->destination = memory_ref(destination);
    list_append(&names->lookups, &lookup->link);
    int error = resolve_uri(worker_resolver(names->worker), &uri, &now, on_resolved, lookup,
                            &lookup->query);
    if (error || now.count)
        finish(lookup, now.v, error ? 0 : now.count);
}

static void on_tick(void *arg)
{
    gateway_names_start(arg);
}

static void destroy(void *arg)
{
    gateway_names_stop(arg);
}

int gateway_names_create(struct gateway_names **namesp, struct worker *worker)
{
    struct gateway_names *names = memory_alloc(sizeof *names, destroy);
    if (!names)
        return ERROR_MEMORY;
    names->worker = worker;
    *namesp = names;
    return 0;
}

void gateway_names_start(struct gateway_names *names)
{
    struct timers *timers = loop_timers(worker_loop(names->worker));
    dispatcher_for_each(worker_get_options(names->worker)->dispatcher, look_up, names);
    timer_start(timers, &names->timer, LOOK_MS, on_tick, names);
}

void gateway_names_stop(struct gateway_names *names)
{
    timer_stop(loop_timers(worker_loop(names->worker)), &names->timer);
    LIST_FOR_EACH_SAFE (link, &names->lookups)
        memory_release(CONTAINER_OF(link, struct lookup, link));
}
