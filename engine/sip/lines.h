/* Cutting bytes into header lines (RFC 3261 s7.3.1). What was not asked for is not looked at. */
#pragma once

#include "base/text.h"

/** Where the cutting stands; begun with {bytes, false}. */
struct lines {
    struct text rest; /**< bytes behind the last line cut; borrowed */
    bool
        has_stray_cr; /**< a CR stood anywhere but before an LF: others would see a line end there */
};

/**
 * Cut the next line off, up to and with its LF.
 * @param is_folded  with its folds: the lines behind it that begin with white space; of a line
 *                   that does so itself, and of an empty one, there are none
 * @return false, and nothing cut, when there is none
 */
bool lines_cut(struct lines *lines, struct text *line, bool is_folded);
