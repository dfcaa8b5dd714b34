/* The relay as a whole: interfaces, ports, threads. */
#include "media/internal.h"

#include "base/error.h"
#include "base/memory.h"
#include "media/call.h"

static void destroy(void *object)
{
    struct media *media = object;
    for (unsigned i = 0; media->threads && i < media->thread_count; i++)
        media_thread_release(&media->threads[i]);
    memory_release(media->threads);
    for (size_t i = 0; media->pools && i < 2 * media->interface_count; i++)
        memory_release(media->pools[i]);
    memory_release(media->pools);
    memory_release(media->interfaces);
}

/* ---- ports ---- */

/* Two interfaces on one address (with different advertised names) share its ports. */
static int make_pool(struct media *media, size_t at, const struct address *local,
                     const struct media_options *options, struct random *random)
{
    if (!address_is_set(local))
        return 0;
    for (size_t i = 0; i < at; i++) {
        struct port_pool *pool = media->pools[i];
        if (pool && address_equal_host(port_pool_local(pool), local)) {
            media->pools[at] = memory_ref(pool);
            return 0;
        }
    }
    return port_pool_create(&media->pools[at], local, options->port_least, options->port_most,
                            random);
}

static int make_interfaces(struct media *media, const struct media_options *options)
{
    struct random random;
    io_seed_random(media->io, &random);
    size_t count = options->interface_count;
    media->interfaces = memory_alloc(count * sizeof *media->interfaces, NULL);
    media->pools = memory_alloc(2 * count * sizeof(struct port_pool *), NULL);
    if (!media->interfaces || !media->pools)
        return ERROR_MEMORY;
    media->interface_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct media_interface *interface = &options->interfaces[i];
        media->interfaces[i] = *interface;
        if (!address_is_set(&interface->v4.local) && !address_is_set(&interface->v6.local))
            return ERROR_ARGUMENT;
        int error = make_pool(media, 2 * i, &interface->v4.local, options, &random);
        if (!error)
            error = make_pool(media, 2 * i + 1, &interface->v6.local, options, &random);
        if (error)
            return error;
    }
    return 0;
}

struct port_pool *media_pool(const struct media *media, const struct media_interface *interface,
                             int family)
{
    struct port_pool **pools = &media->pools[2 * (interface - media->interfaces)];
    struct port_pool *wanted = pools[family == AF_INET6];
    return wanted ? wanted : pools[family != AF_INET6];
}

struct text media_advertised(const struct media_interface *interface, const struct address *local,
                             char scratch[ADDRESS_TEXT_BYTES])
{
    const char *advertise =
        address_is_ipv6(local) ? interface->v6.advertise : interface->v4.advertise;
    return advertise[0] ? text_of(advertise) : address_print_host(local, scratch);
}

/* ---- life ---- */

static int make_threads(struct media *media, struct io *io, unsigned count)
{
    media->threads = memory_alloc(count * sizeof *media->threads, NULL);
    if (!media->threads)
        return ERROR_MEMORY;
    media->thread_count = count;
    for (unsigned i = 0; i < count; i++) {
        int error = media_thread_init(&media->threads[i], media, io, i);
        if (error)
            return error;
    }
    return 0;
}

int media_create(struct media **mediap, struct io *io, const struct media_options *options)
{
    if (options->interface_count == 0)
        return ERROR_ARGUMENT;
    struct media *media = memory_alloc(sizeof *media, destroy);
    if (!media)
        return ERROR_MEMORY;
    media->io = io;
    media->log = options->log;
    media->settings = *options->settings;
    int error = make_interfaces(media, options);
    if (!error)
        error = make_threads(media, io, options->threads ? options->threads : 1);
    if (error) {
        memory_release(media);
        return error;
    }
    *mediap = media;
    return 0;
}

void media_change(struct media *media, const struct settings *settings, uint16_t port_least,
                  uint16_t port_most)
{
#define XX(block, name, value, least, most, help)                                                  \
    __atomic_store_n(&media->settings.block##_##name, settings->block##_##name, __ATOMIC_RELAXED);
    SETTINGS(XX)
#undef XX
    for (size_t i = 0; i < 2 * media->interface_count; i++)
        if (media->pools[i])
            engine_check(!port_pool_set_range(media->pools[i], port_least, port_most));
}

int media_start(struct media *media)
{
    for (unsigned i = 0; i < media->thread_count; i++) {
        int error = loop_start(media->threads[i].loop);
        if (error)
            return error;
    }
    return 0;
}

void media_stop(struct media *media)
{
    for (unsigned i = 0; i < media->thread_count; i++)
        loop_stop(media->threads[i].loop);
    for (unsigned i = 0; i < media->thread_count; i++)
        loop_join(media->threads[i].loop);
    media->is_stopped = true;
    for (unsigned i = 0; i < media->thread_count; i++) {
        media_thread_run(&media->threads[i]);
        LIST_FOR_EACH_SAFE (link, &media->threads[i].calls)
            media_call_shut(CONTAINER_OF(link, struct media_call, link));
    }
}

/* ---- questions ---- */

const struct media_interface *media_find_interface(const struct media *media, struct text name)
{
    for (size_t i = 0; i < media->interface_count; i++)
        if (text_equal(text_of(media->interfaces[i].name), name))
            return &media->interfaces[i];
    return NULL;
}

bool media_has_interface(const struct media *media, struct text name)
{
    return media_find_interface(media, name) != NULL;
}

size_t media_interface_count(const struct media *media)
{
    return media->interface_count;
}

const struct media_interface *media_interface_at(const struct media *media, size_t i)
{
    return &media->interfaces[i];
}

size_t media_thread_count(const struct media *media)
{
    return media->thread_count;
}

const struct counters *media_counters(const struct media *media, size_t i)
{
    return &media->threads[i].counters;
}

void media_counts(const struct media *media, struct media_counts *counts)
{
    *counts = (struct media_counts){
        .calls = atomic_load_explicit(&media->calls, memory_order_relaxed),
    };
    for (size_t i = 0; i < 2 * media->interface_count; i++) {
        const struct port_pool *pool = media->pools[i];
        bool is_shared = false;
        for (size_t j = 0; j < i && !is_shared; j++)
            is_shared = media->pools[j] == pool;
        if (!pool || is_shared)
            continue;
        counts->ports += port_pool_taken(pool);
        counts->ports_free += port_pool_free(pool);
        counts->ports_total += port_pool_total(pool);
    }
    for (unsigned i = 0; i < media->thread_count; i++) {
        const struct counters *counters = &media->threads[i].counters;
        counts->packets += counter_read(counters, COUNTER_MEDIA_FORWARDED);
        counts->bytes += counter_read(counters, COUNTER_MEDIA_FORWARDED_BYTES);
    }
}
