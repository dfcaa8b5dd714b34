/* What the files of the stage share. Private to them. */
#pragma once

#include "base/list.h"
#include "stage/stage.h"
#include "worker/engine.h"

#include <pthread.h>

#define STAGE_ENGINES   16
#define STAGE_SOCKETS   4096
#define STAGE_DATABASES 16

struct engine_place {
    struct stage *stage;
    struct engine *engine;
    int number;
};

/* A database that a spec looks into, and what it wants to go wrong. */
struct stage_database_place {
    char *url;                 /* owned */
    struct database *database; /* of stage->databases; it keeps the tables alive */
    uint32_t delay_ms;
    int error;
};

struct agent_socket;
struct item;

struct stage {
    struct io *io;
    struct loop *loop; /* of the agents' sockets */
    struct timer until;
    bool is_real;
    struct engine_place engines[STAGE_ENGINES];
    int engine_count;
    struct agent_socket *sockets[STAGE_SOCKETS];
    int socket_count;
    struct coverage *coverage;   /* NULL: not wanted */
    struct databases *databases; /* owned; NULL: none was asked for */
    struct log database_log;     /* of the above: errors alone */
    struct stage_database_place database_places[STAGE_DATABASES];
    int database_count;
    struct http_lab *http; /* owned; NULL: nothing was said about HTTP */
    struct list received, packets, lines, records;
    struct item *shown[4];       /* last of each list given to Lua */
    pthread_mutex_t lines_mutex; /* engines log, and make records, on their threads */
    char address[ADDRESS_TEXT_BYTES];
    char *answer;
};

/** Make databases that engines have opened by now as bad as is wanted. */
void stage_databases_impair(struct stage *stage);
void stage_databases_release(struct stage *stage);
