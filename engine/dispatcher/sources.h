/* From which addresses do our gateways send? An immutable index by host, made anew on each change. */
#pragma once

#include "dispatcher/snapshot.h"

struct sources; /* counted */

/** Index what the snapshot's URIs and resolved names say. @return 0 or ERROR_MEMORY; returned owned */
int sources_create(struct sources **sourcesp, const struct snapshot *snapshot);
/** @param set  0: of any set */
bool sources_have(const struct sources *sources, unsigned set, const struct address *source);
