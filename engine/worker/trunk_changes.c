/* Whatever is done to a trunk is done on its owner's thread: each worker looks what of it is its own. */
#include "worker/trunk_changes.h"

#include "trunk/client.h"
#include "worker/internal.h"

int trunk_changes_prepare(struct engine *engine, const struct configuration *configuration,
                          struct trunks_change *change)
{
    struct random random;
    io_seed_random(engine->io, &random);
    return trunks_prepare(change, engine->trunks, configuration->trunks, configuration->trunk_count,
                          &random);
}

static void follow(struct worker *worker, void *arg)
{
    (void)arg;
    trunk_client_follow(worker_trunk_client(worker));
}

void trunk_changes_commit(struct engine *engine, struct trunks_change *change)
{
    trunks_commit(engine->trunks, change);
    for (unsigned i = 0; i < engine->worker_count; i++)
        worker_ask(engine->workers[i], follow, NULL);
}
