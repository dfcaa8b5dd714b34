/* One question at a time: the answer is posted here by a thread of the database, and delivered by the one that waits. */
#include "control/stored_bindings.h"

#include "base/error.h"
#include "database/database.h"
#include "location_store/keeper.h"

#include <pthread.h>

/** One question. */
struct asking {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    struct database_answer *answer; /**< owned, under the lock; NULL: not there yet */
    int error;                      /**< what it said */
};

static bool post(void *arg, struct database_answer *answer)
{
    struct asking *asking = arg;
    pthread_mutex_lock(&asking->lock);
    asking->answer = answer;
    pthread_cond_signal(&asking->answered);
    pthread_mutex_unlock(&asking->lock);
    return true;
}

static void asking_begin(struct asking *asking, struct database_home *home)
{
    *asking = (struct asking){.error = 0};
    pthread_mutex_init(&asking->lock, NULL);
    pthread_cond_init(&asking->answered, NULL);
    *home = (struct database_home){post, asking};
}

/** @param error  of the call that asked; the answer is waited for when there is none */
static int asking_end(struct asking *asking, int error)
{
    pthread_mutex_lock(&asking->lock);
    while (!error && !asking->answer)
        pthread_cond_wait(&asking->answered, &asking->lock);
    pthread_mutex_unlock(&asking->lock);
    if (!error) {
        database_answer_deliver(asking->answer);
        error = asking->error;
    }
    pthread_cond_destroy(&asking->answered);
    pthread_mutex_destroy(&asking->lock);
    return error;
}

bool stored_bindings_count(const struct engine *engine)
{
    const struct keeper *keeper = engine_keeper(engine);
    return keeper && keeper_reads_through(keeper) && !io_is_virtual(engine_io(engine));
}

static void on_brought(void *arg, const struct database_answer *answer)
{
    struct asking *asking = arg;
    asking->error = answer->error;
}

int stored_bindings_bring(struct engine *engine, struct text aor)
{
    struct asking asking;
    struct database_home home;
    asking_begin(&asking, &home);
    int error =
        asking_end(&asking, keeper_fetch(engine_keeper(engine), aor, &home, on_brought, &asking));
    return error == ERROR_STATE ? 0 : error; /* the service knows better */
}

struct page {
    struct asking asking;
    location_row_handler *row;
    void *arg;
};

static bool on_row(void *arg, struct text aor, const struct location_binding *row)
{
    const struct page *page = arg;
    return page->row(page->arg, aor, row);
}

static void on_page(void *arg, int error)
{
    struct page *page = arg;
    page->asking.error = error;
}

int stored_bindings_page(struct engine *engine, struct text after, uint32_t most,
                         location_row_handler *row, void *arg)
{
    struct page page = {.row = row, .arg = arg};
    struct database_home home;
    asking_begin(&page.asking, &home);
    const struct location_reply reply = {on_row, on_page, &page, &home};
    return asking_end(&page.asking, keeper_page(engine_keeper(engine), after, most, &reply));
}
