/* A watch, and the quiet after a change: editors and deployments write in several steps. */
#include "control/refresh.h"

#include "base/error.h"
#include "base/memory.h"
#include "io/watch.h"

#define NOT_DUE UINT64_MAX

struct refresh {
    struct engine *engine; /* borrowed */
    struct watch *watch;   /* owned; NULL: not wanted */
    uint64_t due_ms;
};

static void destroy(void *object)
{
    struct refresh *refresh = object;
    memory_release(refresh->watch);
}

int refresh_create(struct refresh **refreshp, struct engine *engine)
{
    struct refresh *refresh = memory_alloc(sizeof *refresh, destroy);
    if (!refresh)
        return ERROR_MEMORY;
    refresh->engine = engine;
    refresh->due_ms = NOT_DUE;
    refresh_follow(refresh, 0);
    *refreshp = refresh;
    return 0;
}

/* @return owned; NULL: not wanted, or not to be had */
static struct watch *watch_files(struct refresh *refresh)
{
    struct watch *watch = NULL;
    size_t count;
    char *const *files = engine_files(refresh->engine, &count);
    if (!engine_configuration(refresh->engine)->settings.reload_watch)
        return NULL;
    int error = watch_create(&watch);
    for (size_t i = 0; i < count && !error; i++)
        error = watch_add(watch, files[i]);
    if (error)
        log_warning(engine_log(refresh->engine), LOG_CONTROL, TEXT_NONE,
                    "files cannot all be watched (reload.watch): %s", error_text(error));
    return watch;
}

void refresh_follow(struct refresh *refresh, uint64_t now_ms)
{
    struct watch *watch = watch_files(refresh);
    if (watch)
        refresh_look(refresh, now_ms); /* what changed while it was loaded */
    else
        refresh->due_ms = NOT_DUE;
    memory_release(refresh->watch);
    refresh->watch = watch;
}

void refresh_widen(struct refresh *refresh)
{
    if (refresh->watch)
        watch_widen(refresh->watch, TEXT(".lua"));
}

int refresh_descriptor(const struct refresh *refresh)
{
    return refresh->watch ? watch_descriptor(refresh->watch) : -1;
}

void refresh_look(struct refresh *refresh, uint64_t now_ms)
{
    if (refresh->watch && watch_take(refresh->watch))
        refresh->due_ms = now_ms + engine_configuration(refresh->engine)->settings.reload_settle_ms;
}

bool refresh_take_due(struct refresh *refresh, uint64_t now_ms)
{
    bool is_due = now_ms >= refresh->due_ms;
    if (is_due)
        refresh->due_ms = NOT_DUE;
    return is_due;
}

int refresh_wait_ms(const struct refresh *refresh, uint64_t now_ms)
{
    if (refresh->due_ms == NOT_DUE)
        return -1;
    return refresh->due_ms > now_ms ? (int)(refresh->due_ms - now_ms) : 0;
}
