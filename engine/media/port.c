/* Port pairs: a circular queue of free ones, taken at its head and given back at its tail. */
#include "media/port.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>

#define OPEN_TRIES 64 /* pairs held by other programs that one call passes over */

struct port_pool {
    pthread_mutex_t lock; /* the fields below it */
    uint16_t *queue;      /* even ports; owned */
    size_t size;          /* pairs that there are */
    size_t head, count;   /* free ones: count from head on, around the end */
    struct address local;
};

static void destroy(void *object)
{
    struct port_pool *pool = object;
    pthread_mutex_destroy(&pool->lock);
    memory_free_raw(pool->queue);
}

int port_pool_create(struct port_pool **poolp, const struct address *local, uint16_t least,
                     uint16_t most, struct random *random)
{
    uint32_t first = (least + 1u) & ~1u;
    if (first == 0 || first + 1 > most)
        return ERROR_ARGUMENT;
    struct port_pool *pool = memory_alloc(sizeof *pool, destroy);
    if (!pool)
        return ERROR_MEMORY;
    pthread_mutex_init(&pool->lock, NULL);
    pool->local = *local;
    pool->size = (most + 1u - first) / 2;
    pool->count = pool->size;
    pool->queue = memory_raw(pool->size * sizeof *pool->queue);
    if (!pool->queue) {
        memory_release(pool);
        return ERROR_MEMORY;
    }
    for (size_t i = 0; i < pool->size; i++) { /* shuffled as it is filled */
        size_t j = random_below(random, (uint32_t)i + 1);
        pool->queue[i] = pool->queue[j];
        pool->queue[j] = (uint16_t)(first + 2 * i);
    }
    *poolp = pool;
    return 0;
}

const struct address *port_pool_local(const struct port_pool *pool)
{
    return &pool->local;
}

size_t port_pool_total(const struct port_pool *pool)
{
    return pool->size;
}

size_t port_pool_taken(const struct port_pool *pool)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&pool->lock;
    pthread_mutex_lock(lock);
    size_t taken = pool->size - pool->count;
    pthread_mutex_unlock(lock);
    return taken;
}

/* @return the pair that has been free for longest, 0: none */
static uint16_t take(struct port_pool *pool)
{
    uint16_t port = 0;
    pthread_mutex_lock(&pool->lock);
    if (pool->count) {
        port = pool->queue[pool->head];
        pool->head = (pool->head + 1) % pool->size;
        pool->count--;
    }
    pthread_mutex_unlock(&pool->lock);
    return port;
}

void port_pool_give(struct port_pool *pool, uint16_t port)
{
    pthread_mutex_lock(&pool->lock);
    if (engine_check(pool->count < pool->size))
        pool->queue[(pool->head + pool->count++) % pool->size] = port;
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
