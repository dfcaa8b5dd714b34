/* One allocation: an array of entries and a chained table of indices over it. */
#include "dispatcher/sources.h"

#include "base/error.h"
#include "base/memory.h"

#define NOBODY UINT32_MAX

struct source {
    struct address address; /**< port 0: any */
    unsigned set;
    uint32_t next; /**< in the bucket, or NOBODY */
};

struct sources {
    struct source *v;  /**< owned */
    uint32_t *buckets; /**< owned; a power of two of them */
    size_t count, mask;
};

static void destroy(void *object)
{
    struct sources *sources = object;
    memory_free_raw(sources->v);
    memory_free_raw(sources->buckets);
}

/* The operator fills the table, so its hash needs no secret. */
static uint64_t hash_of(const struct address *address)
{
    struct address host = *address;
    char scratch[18];
    address_set_port(&host, 0);
    return destination_hash(address_key(&host, scratch));
}

static void add(struct sources *sources, const struct dispatcher_destination *destination,
                const struct address *address)
{
    uint32_t *bucket = &sources->buckets[hash_of(address) & sources->mask];
    struct source *source = &sources->v[sources->count];
    *source = (struct source){.address = *address, .set = destination->set, .next = *bucket};
    address_set_port(&source->address, destination->port);
    *bucket = (uint32_t)sources->count++;
}

static size_t address_count(const struct dispatcher_destination *destination)
{
    return address_is_set(&destination->address) ? 1 : destination->gateway->address_count;
}

static int make_room(struct sources *sources, size_t count)
{
    size_t buckets = 16;
    while (buckets < count)
        buckets *= 2;
    sources->v = memory_raw(count * sizeof *sources->v);
    sources->buckets = memory_raw(buckets * sizeof *sources->buckets);
    if (!sources->v || !sources->buckets)
        return ERROR_MEMORY;
    memset(sources->buckets, 0xff, buckets * sizeof *sources->buckets); /* NOBODY */
    sources->mask = buckets - 1;
    return 0;
}

int sources_create(struct sources **sourcesp, const struct snapshot *snapshot)
{
    size_t count = 0;
    for (size_t i = 0; i < snapshot->count; i++)
        count += address_count(snapshot->destinations[i]);
    struct sources *sources = memory_alloc(sizeof *sources, destroy);
    if (!sources)
        return ERROR_MEMORY;
    if (make_room(sources, count)) {
        memory_release(sources);
        return ERROR_MEMORY;
    }
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct dispatcher_destination *destination = snapshot->destinations[i];
        if (address_is_set(&destination->address)) {
            add(sources, destination, &destination->address);
            continue;
        }
        for (size_t k = 0; k < destination->gateway->address_count; k++)
            add(sources, destination, &destination->gateway->addresses[k]);
    }
    *sourcesp = sources;
    return 0;
}

bool sources_have(const struct sources *sources, unsigned set, const struct address *source)
{
    if (!address_is_set(source))
        return false;
    uint32_t i = sources->buckets[hash_of(source) & sources->mask];
    for (; i != NOBODY; i = sources->v[i].next) {
        const struct source *ours = &sources->v[i];
        uint16_t port = address_port(&ours->address);
        if ((!set || ours->set == set) && (!port || port == address_port(source)) &&
            address_equal_host(&ours->address, source))
            return true;
    }
    return false;
}
