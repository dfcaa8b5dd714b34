/* Private to this folder: the keeper, which keeper.c drives and fetch.c reads through. */
#pragma once

#include "location_store/keeper.h"
#include "location_store/queue.h"

#include <pthread.h>

struct keeper {
    struct keeper_options options;
    struct settings settings;
    struct counters counters;
    struct loop *loop; /* owned */
    struct mailbox answers;
    struct database_home home; /* the mailbox's */
    struct timer timer, purge_timer, gather_timer;
    struct location_loading loading;
    size_t writing;  /* entries; its thread's */
    bool is_loading; /* its thread's */
    bool is_behind;  /* more waited than may be written at once; its thread's */
    pthread_mutex_t lock;
    pthread_cond_t progress; /* load ended, or nothing is left to write */
    struct queue queue;
    bool has_loaded, has_tried; /* the load: it succeeded; it ended once */
    bool is_away;               /* the last write or load failed */
    bool has_missed;            /* a change was not remembered: all is to be written again */
    bool is_gathering;          /* the thread was told that there is something to write */
    bool is_stopping, has_started;
    struct location_cursor evicting; /* db_mode 3: where room was made last */
};

static inline void keeper_count(struct keeper *keeper, enum counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(&keeper->counters.value[counter], n, memory_order_relaxed);
}

static inline uint64_t keeper_wall_ms(const struct keeper *keeper)
{
    return io_wall_us(keeper->options.io) / 1000;
}
