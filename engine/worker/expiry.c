/* The tick of the location service. */
#include "worker/expiry.h"

#include "base/error.h"
#include "base/memory.h"
#include "worker/worker.h"

#define TICK_MS      1000
#define TICK_SOON_MS 1 /* more is due: calls come in between */

struct expiry {
    struct worker *worker; /* borrowed: its holder */
    struct timer timer;
};

int expiry_create(struct expiry **expiryp, struct worker *worker)
{
    struct expiry *expiry = memory_alloc(sizeof *expiry, NULL);
    if (!expiry)
        return ERROR_MEMORY;
    expiry->worker = worker;
    *expiryp = expiry;
    return 0;
}

static void on_tick(void *arg)
{
    struct expiry *expiry = arg;
    struct worker *worker = expiry->worker;
    const struct worker_options *options = worker_get_options(worker);
    bool is_more = location_tick(options->location, io_wall_us(options->io) / 1000,
                                 worker_counters(worker), worker_script(worker));
    timer_start(loop_timers(worker_loop(worker)), &expiry->timer, is_more ? TICK_SOON_MS : TICK_MS,
                on_tick, expiry);
}

void expiry_start(struct expiry *expiry)
{
    timer_start(loop_timers(worker_loop(expiry->worker)), &expiry->timer, TICK_MS, on_tick, expiry);
}

void expiry_stop(struct expiry *expiry)
{
    timer_stop(loop_timers(worker_loop(expiry->worker)), &expiry->timer);
}
