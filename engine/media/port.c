/* Port pairs: a circular queue of free ones, taken at its head and given back at its tail. */
#include "media/port.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <stddef.h>

#define OPEN_TRIES 64 /* pairs held by other programs that one call passes over */

#define PAIRS_MOST 32768 /* even ports that there are */

struct port_pool {
    struct address local;
    pthread_mutex_t lock; /* the fields below it */
    struct random random;
    uint32_t first;     /* of the range, even */
    size_t size;        /* pairs in the range */
    size_t head, count; /* free ones: count from head on, around the end */
    size_t taken;       /* of this range and of earlier ones */
    uint64_t is_taken[PAIRS_MOST / 64];
    uint16_t queue[PAIRS_MOST]; /* even ports */
};

static void destroy(void *object)
{
    struct port_pool *pool = object;
    pthread_mutex_destroy(&pool->lock);
}

static bool is_taken(const struct port_pool *pool, uint32_t port)
{
    return pool->is_taken[port / 128] >> (port / 2) % 64 & 1;
}

static void mark(struct port_pool *pool, uint32_t port, bool is_now_taken)
{
    uint64_t bit = UINT64_C(1) << (port / 2) % 64;
    if (is_now_taken)
        pool->is_taken[port / 128] |= bit;
    else
        pool->is_taken[port / 128] &= ~bit;
}

/* The free pairs of the range, shuffled as they come. */
static void fill(struct port_pool *pool)
{
    pool->head = pool->count = 0;
    for (size_t i = 0; i < pool->size; i++) {
        uint32_t port = pool->first + 2 * (uint32_t)i;
        if (is_taken(pool, port))
            continue;
        size_t j = random_below(&pool->random, (uint32_t)pool->count + 1);
        pool->queue[pool->count++] = pool->queue[j];
        pool->queue[j] = (uint16_t)port;
    }
}

int port_pool_set_range(struct port_pool *pool, uint16_t least, uint16_t most)
{
    uint32_t first = (least + 1u) & ~1u;
    if (first == 0 || first + 1 > most)
        return ERROR_ARGUMENT;
    pthread_mutex_lock(&pool->lock);
    size_t size = (most + 1u - first) / 2;
    if (pool->first != first || pool->size != size) {
        pool->first = first;
        pool->size = size;
        fill(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

int port_pool_create(struct port_pool **poolp, const struct address *local, uint16_t least,
                     uint16_t most, struct random *random)
{
    /* Not zeroed: of the queue only what fill() wrote is read. */
    size_t head_bytes = offsetof(struct port_pool, queue);
    struct port_pool *pool = memory_alloc_room(head_bytes, sizeof *pool - head_bytes, destroy);
    if (!pool)
        return ERROR_MEMORY;
    pthread_mutex_init(&pool->lock, NULL);
    pool->local = *local;
    random_seed(&pool->random, random_u64(random));
    int error = port_pool_set_range(pool, least, most);
    if (error)
        memory_release(pool);
    else
        *poolp = pool;
    return error;
}

const struct address *port_pool_local(const struct port_pool *pool)
{
    return &pool->local;
}

static size_t read_locked(const struct port_pool *pool, const size_t *field)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&pool->lock;
    pthread_mutex_lock(lock);
    size_t value = *field;
    pthread_mutex_unlock(lock);
    return value;
}

size_t port_pool_total(const struct port_pool *pool)
{
    return read_locked(pool, &pool->size);
}

size_t port_pool_taken(const struct port_pool *pool)
{
    return read_locked(pool, &pool->taken);
}

size_t port_pool_free(const struct port_pool *pool)
{
    return read_locked(pool, &pool->count);
}

/* @return the pair that has been free for longest, 0: none */
static uint16_t take(struct port_pool *pool)
{
    uint16_t port = 0;
    pthread_mutex_lock(&pool->lock);
    if (pool->count) {
        port = pool->queue[pool->head];
        pool->head = (pool->head + 1) % PAIRS_MOST;
        pool->count--;
        pool->taken++;
        mark(pool, port, true);
    }
    pthread_mutex_unlock(&pool->lock);
    return port;
}

void port_pool_give(struct port_pool *pool, uint16_t port)
{
    pthread_mutex_lock(&pool->lock);
    if (engine_check(is_taken(pool, port))) {
        mark(pool, port, false);
        pool->taken--;
        bool is_in_range = port >= pool->first && port < pool->first + 2 * pool->size;
        if (is_in_range)
            pool->queue[(pool->head + pool->count++) % PAIRS_MOST] = port;
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Bind both ports of one pair, or none. */
static int bind_pair(const struct port_pool *pool, struct io *io, const struct udp_options *options,
                     struct udp **rtpp, struct udp **rtcpp, uint16_t port)
{
    struct address local = pool->local;
    address_set_port(&local, port);
    int error = udp_open(rtpp, io, &local, options);
    if (error)
        return error;
    address_set_port(&local, (uint16_t)(port + 1));
    error = udp_open(rtcpp, io, &local, options);
    if (error) {
        udp_close(*rtpp);
        *rtpp = NULL;
    }
    return error;
}

int port_pool_open(struct port_pool *pool, struct io *io, const struct udp_options *options,
                   struct udp **rtpp, struct udp **rtcpp, uint16_t *port)
{
    for (int i = 0; i < OPEN_TRIES; i++) {
        *port = take(pool);
        if (*port == 0)
            return ERROR_LIMIT;
        int error = bind_pair(pool, io, options, rtpp, rtcpp, *port);
        if (!error)
            return 0;
        port_pool_give(pool, *port);
        if (error != ERROR_IN_USE)
            return error;
    }
    return ERROR_LIMIT;
}
