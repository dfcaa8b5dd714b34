/* Where header lines end (RFC 3261 s7.3.1). What was not asked for is not looked at. */
#pragma once

#include "base/text.h"

/**
 * The end of the line that begins at @p at: behind its LF, and behind those of its folds, the lines
 * that begin with white space; of a line that does so itself, and of an empty one, there are none.
 * @param is_folded     whether folds belong to it
 * @param has_stray_cr  set when a CR stands anywhere but before an LF: others would see a line end there
 * @return NULL when it has no end before @p end
 */
const char *line_end(const char *at, const char *end, bool is_folded, bool *has_stray_cr);
