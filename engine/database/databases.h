/*
 * The databases that an engine has open: one per URL, shared by all who ask for that URL. Who opens one
 * uses it until databases_close(); what nobody uses any more is stopped in databases_sweep(), since that
 * may take as long as an attempt to connect. So a reload that opens the same URL again keeps it open.
 */
#pragma once

#include "database/database.h"

struct databases; /* counted */

/** As in struct database_options. */
struct databases_options {
    struct io *io;
    const struct settings *settings; /**< copied */
    struct log *log;
};

/** @param databasesp  returned owned. @return 0 or ERROR_MEMORY */
int databases_create(struct databases **databasesp, const struct databases_options *options);
/** Begin to connect: those that are open, and each that is opened from now on. @return 0 or ERROR_LIMIT, ERROR_MEMORY */
int databases_start(struct databases *databases);
/** Stop all for good (database_stop); their users may still close them. */
void databases_stop(struct databases *databases);

/**
 * The database of a URL, made when there is none; any thread.
 * @param databasep  returned borrowed, until databases_close()
 * @return as database_create(); ERROR_STATE after databases_stop()
 */
int databases_open(struct databases *databases, const char *url, struct database **databasep);
/** Give it back; any thread, and never slow. */
void databases_close(struct databases *databases, struct database *database);
/** Stop and release what nobody uses; from a thread that may wait. */
void databases_sweep(struct databases *databases);

/** The one of that URL, returned borrowed as long as somebody uses it; NULL when it is not open. */
struct database *databases_find(struct databases *databases, const char *url);
/** Visit those that are open, oldest first; the visitor must not call databases_...(). */
void databases_for_each(struct databases *databases,
                        void (*visit)(void *arg, struct database *database), void *arg);
/** What all of them counted. */
const struct counters *databases_counters(const struct databases *databases);
