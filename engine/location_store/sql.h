/*
 * Bindings in SQL: Kamailio's `location` table as it is, of SQLite, PostgreSQL or MariaDB. Implements
 * struct location_store_operations. In SQLite, which nobody has prepared, the table is made.
 *
 * Deviation: rows of one AoR are written one after the other, since a statement is a transaction of its own;
 * who waits for the write is told the first error.
 */
#pragma once

#include "base/settings.h"
#include "database/database.h"
#include "location/store.h"

struct location_sql; /* counted */

/**
 * @param database  borrowed, outlives it
 * @param settings  borrowed, outlives it; block location
 * @param sqlp      returned owned
 * @return 0 or ERROR_MEMORY
 */
int location_sql_create(struct location_sql **sqlp, struct database *database,
                        const struct settings *settings);
/** It as a store; location_reply.home is a struct database_home. */
struct location_store location_sql_store(struct location_sql *sql);
