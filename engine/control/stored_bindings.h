/*
 * Bindings of the database itself, for the control thread, where it alone counts (location { db_mode = 3 }): memory has
 * only what this engine was asked for. The control thread waits for each answer, at most database.timeout_ms; no
 * worker does.
 */
#pragma once

#include "location/store.h"
#include "worker/engine.h"

/** Is the database to be asked? Not in the lab, where whoever waits would wait for himself. */
bool stored_bindings_count(const struct engine *engine);
/** Bring what it has of an AoR into the location service. @return 0; why it cannot tell */
int stored_bindings_bring(struct engine *engine, struct text aor);
/**
 * Rows in the order of their AoRs.
 * @param after  AoR behind which they begin; absent: all
 * @param most   rows; the last AoR of a full page may lack some
 * @param row    runs on this thread, before this returns
 * @return 0; why it cannot tell
 */
int stored_bindings_page(struct engine *engine, struct text after, uint32_t most,
                         location_row_handler *row, void *arg);
