/* Private to this folder: a binding as the columns of Kamailio's `location` table, and back. */
#pragma once

#include "base/arena.h"
#include "database/database.h"
#include "location/location.h"

/* Columns that are read and written, in this order. */
#define ROW_COLUMNS                                                                                \
    "username, domain, ruid, contact, received, path, expires, q, callid, cseq, last_modified, "   \
    "flags, cflags, user_agent, socket, methods, instance, reg_id"
#define ROW_COLUMN_COUNT 18

#define ROW_TIME_BYTES 20 /* "2026-11-21 12:00:00" and NUL */

/** What a row's values point to. */
struct row_scratch {
    char expires[ROW_TIME_BYTES], modified[ROW_TIME_BYTES];
};

/** Wall clock as the table has it: local time, as Kamailio writes it; LOCATION_NEVER is 1970. */
void row_print_time(char out[ROW_TIME_BYTES], uint64_t ms);
/**
 * @param values  ROW_COLUMN_COUNT, borrowing from @p binding, @p aor and @p scratch
 * @param use_domain  the AoR is user@domain
 */
void row_write(struct database_value *values, struct row_scratch *scratch, struct text aor,
               const struct location_binding *binding, bool use_domain);

#define ROW_CLOCK_HOURS 8 /* a power of two */

/**
 * Hours that were reckoned: rows come with few different ones, and each costs a look at the time zone's file.
 * Zero-initialised is ready.
 */
struct row_clock {
    struct row_hour {
        char text[14]; /**< "2026-11-21 12" */
        int64_t start_s;
    } hours[ROW_CLOCK_HOURS];
};
/**
 * @param row   ROW_COLUMN_COUNT values of an answer
 * @param aor   borrowed from the row, or in @p arena
 * @return 0; ERROR_SYNTAX: no such binding makes sense; ERROR_MEMORY
 */
int row_read(const struct database_value *row, bool use_domain, struct row_clock *clock,
             struct arena *arena, struct text *aor, struct location_binding *binding);
