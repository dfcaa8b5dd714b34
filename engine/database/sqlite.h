/* Private to this folder: SQLite beyond what every kind can do; the lab uses it. */
#pragma once

#include "database/operations.h"

/** @param path  ":memory:" or a file, made when there is none. @return as operations->connect() */
int sqlite_open(struct database_connection **connectionp, const char *path,
                const struct database_limits *limits, char *problem);
/** One in memory; all of that name share it, as long as one is open. */
int sqlite_open_shared(struct database_connection **connectionp, const char *name,
                       const struct database_limits *limits, char *problem);
/** Run statements separated by ';'. @return 0 or ERROR_SYNTAX with *problem, borrowed until the next use */
int sqlite_load(struct database_connection *connection, const char *sql, const char **problem);
