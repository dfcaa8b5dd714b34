/*
 * Records in SQL, in the shape of Kamailio's accounting: a row of `acc` for each event of a call (INVITE
 * with its final response, BYE), one of `missed_calls` for a call that nobody answered, where it is wanted,
 * and one of `acc_cdrs` for an answered one. What waits is in the spool,
 * so that nothing is lost while the database is away, or when the process ends.
 *
 * Where an answer was lost, or a process ended before the spool knew, the database is asked first whether
 * it has a row. A row may be there twice all the same where nobody can tell (acc_cdrs without a column for
 * call_id, no right to SELECT), and where a server that hung carries out what it was asked long before.
 */
#pragma once

#include "base/counter.h"
#include "base/settings.h"
#include "database/database.h"
#include "record/spool.h"

struct record_sql; /* counted */

struct record_sql_options {
    struct io *io;
    struct database *database; /**< borrowed, outlives it */
    struct spool *spool;       /**< borrowed, outlives it */
    struct database_home home; /**< where answers are delivered */
    struct counters *counters; /**< of that thread */
    struct log *log;           /**< borrowed */
    const char *const
        *acc_extra; /**< "column=name", borrowed: further columns of acc, missed_calls */
    size_t acc_extra_count;
    const char *const *cdr_extra; /**< of acc_cdrs */
    size_t cdr_extra_count;
    const char *refused_path; /**< lines whose rows the database refuses go there; NULL: nowhere */
};
/** @return 0 or ERROR_MEMORY; returned owned */
int record_sql_create(struct record_sql **sqlp, const struct record_sql_options *options);
/** Calls that nobody answered have a row in missed_calls from now on, or none. */
void record_sql_set_missed(struct record_sql *sql, bool wants_missed);
/** Ask the database to take what waits, unless it is asked already. On the home's thread, now and then. */
void record_sql_run(struct record_sql *sql);
/** Is an answer awaited, or does something wait that the database would take? */
bool record_sql_is_busy(const struct record_sql *sql);
