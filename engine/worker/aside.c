/* A thread for one piece of work. */
#include "worker/aside.h"

#include "base/memory.h"
#include "io/io.h"

#include <pthread.h>
#include <sys/resource.h>

/* Above that of the process: a worker that wakes up takes the core at once, and on a machine without
 * a free one a reload still gets a tenth of a core. */
#define ASIDE_NICE 10

struct aside {
    void (*work)(void *arg);
    void *arg;
    unsigned place; /* of the caller's memory */
};

static void *begin(void *arg)
{
    struct aside *aside = arg;
    /* Linux: of this thread alone. Nobody is refused to be less urgent. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + ASIDE_NICE);
    memory_use_place(aside->place);
    aside->work(aside->arg);
    return NULL;
}

void aside_run(const struct io *io, void (*work)(void *arg), void *arg)
{
    struct aside aside = {work, arg, memory_place()};
    pthread_t thread;
    if (io_is_virtual(io) || pthread_create(&thread, NULL, begin, &aside)) {
        work(arg);
        return;
    }
    pthread_join(thread, NULL);
}
