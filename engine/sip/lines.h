/*
 * Cutting bytes into header lines (RFC 3261 s7.3.1).
 *
 * The bytes are looked at once, 64 at a time: one word tells which of them are LF, another which are
 * CR. Blocks behind the last line that was asked for are not looked at.
 */
#pragma once

#include "base/text.h"

/** Where the cutting stands. Fields are private to lines.c, except rest and has_stray_cr. */
struct lines {
    struct text rest;   /**< bytes behind the last line cut */
    const char *end;    /**< of all bytes */
    const char *block;  /**< first byte of the block that the words are of */
    const char *unread; /**< first byte of the next block */
    uint64_t lf, cr;    /**< not yet passed; bit 0 is the block's first byte */
    bool
        has_stray_cr; /**< a CR stood anywhere but before the LF: others would see a line end there */
};

/** Begin at the first byte of @p bytes, borrowed. */
void lines_begin(struct lines *lines, struct text bytes);
/** Cut the next line off, up to and with its LF. @return false, and nothing cut, when there is none */
bool lines_cut(struct lines *lines, struct text *line);
/** Like lines_cut(), with the folds: lines behind it that begin with white space. */
bool lines_cut_folded(struct lines *lines, struct text *line);
