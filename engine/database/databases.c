/* Databases by URL. The lock guards the list; making one is quick, stopping one is done outside of it. */
#include "database/databases.h"

#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"

#include <pthread.h>
#include <string.h>

struct place {
    struct link link;
    char *url;                 /**< owned */
    struct database *database; /**< owned */
    size_t users;
};

struct databases {
    struct io *io;
    struct settings settings;
    struct log *log;
    struct counters counters;
    pthread_mutex_t lock; /**< guards all below */
    struct list places;
    bool has_started, has_stopped;
};

/* ---- places ---- */

static void place_release(struct place *place)
{
    memory_release(place->database);
    memory_free_raw(place->url);
    memory_free_raw(place);
}

static struct place *find_url(const struct databases *databases, const char *url)
{
    LIST_FOR_EACH (link, &databases->places) {
        struct place *place = CONTAINER_OF(link, struct place, link);
        if (strcmp(place->url, url) == 0)
            return place;
    }
    return NULL;
}

static int create_database(struct databases *databases, struct place *place, const char *url)
{
    place->url = text_strdup(text_of(url));
    if (!place->url)
        return ERROR_MEMORY;
    return database_create(&place->database, &(struct database_options){
                                                 .io = databases->io,
                                                 .url = url,
                                                 .settings = &databases->settings,
                                                 .counters = &databases->counters,
                                                 .log = databases->log,
                                                 .is_held = !databases->has_started,
                                             });
}

/** Under the lock. */
static int add_place(struct databases *databases, const char *url, struct place **placep)
{
    struct place *place = memory_raw(sizeof *place);
    if (!place)
        return ERROR_MEMORY;
    *place = (struct place){0};
    int error = create_database(databases, place, url);
    if (error) {
        place_release(place);
        return error;
    }
    list_append(&databases->places, &place->link);
    *placep = place;
    return 0;
}

/* ---- making and ending ---- */

static void databases_destructor(void *object)
{
    struct databases *databases = object;
    for (struct link *link; (link = list_pop(&databases->places));)
        place_release(CONTAINER_OF(link, struct place, link));
    pthread_mutex_destroy(&databases->lock);
}

int databases_create(struct databases **databasesp, const struct databases_options *options)
{
    struct databases *databases = memory_alloc(sizeof *databases, databases_destructor);
    if (!databases)
        return ERROR_MEMORY;
    databases->io = options->io;
    databases->settings = *options->settings;
    databases->log = options->log;
    pthread_mutex_init(&databases->lock, NULL);
    *databasesp = databases;
    return 0;
}

int databases_start(struct databases *databases)
{
    int error = 0;
    pthread_mutex_lock(&databases->lock);
    databases->has_started = true;
    LIST_FOR_EACH (link, &databases->places) {
        if (!error)
            error = database_start(CONTAINER_OF(link, struct place, link)->database);
    }
    pthread_mutex_unlock(&databases->lock);
    return error;
}

/* Answers that are posted meanwhile need no lock of ours: no home calls the databases. */
void databases_stop(struct databases *databases)
{
    pthread_mutex_lock(&databases->lock);
    databases->has_stopped = true;
    LIST_FOR_EACH (link, &databases->places) {
        database_stop(CONTAINER_OF(link, struct place, link)->database);
    }
    pthread_mutex_unlock(&databases->lock);
}

/* ---- using ---- */

int databases_open(struct databases *databases, const char *url, struct database **databasep)
{
    int error = 0;
    pthread_mutex_lock(&databases->lock);
    struct place *place = find_url(databases, url);
    if (databases->has_stopped)
        error = ERROR_STATE;
    else if (!place)
        error = add_place(databases, url, &place);
    if (!error) {
        place->users++;
        *databasep = place->database;
    }
    pthread_mutex_unlock(&databases->lock);
    return error;
}

void databases_close(struct databases *databases, struct database *database)
{
    pthread_mutex_lock(&databases->lock);
    LIST_FOR_EACH (link, &databases->places) {
        struct place *place = CONTAINER_OF(link, struct place, link);
        if (place->database == database && engine_check(place->users > 0))
            place->users--;
    }
    pthread_mutex_unlock(&databases->lock);
}

void databases_sweep(struct databases *databases)
{
    struct list unused = {0};
    pthread_mutex_lock(&databases->lock);
    LIST_FOR_EACH_SAFE (link, &databases->places) {
        if (CONTAINER_OF(link, struct place, link)->users)
            continue;
        list_remove(link);
        list_append(&unused, link);
    }
    pthread_mutex_unlock(&databases->lock);
    for (struct link *link; (link = list_pop(&unused));) {
        struct place *place = CONTAINER_OF(link, struct place, link);
        log_info(databases->log, LOG_DATABASE, TEXT_NONE, "%s: closed, nobody uses it any more",
                 database_name(place->database));
        place_release(place);
    }
}

/* ---- looking ---- */

struct database *databases_find(struct databases *databases, const char *url)
{
    pthread_mutex_lock(&databases->lock);
    struct place *place = find_url(databases, url);
    pthread_mutex_unlock(&databases->lock);
    return place ? place->database : NULL;
}

void databases_for_each(struct databases *databases,
                        void (*visit)(void *arg, struct database *database), void *arg)
{
    pthread_mutex_lock(&databases->lock);
    LIST_FOR_EACH (link, &databases->places) {
        visit(arg, CONTAINER_OF(link, struct place, link)->database);
    }
    pthread_mutex_unlock(&databases->lock);
}

const struct counters *databases_counters(const struct databases *databases)
{
    return &databases->counters;
}
