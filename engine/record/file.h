/*
 * The file that records are appended to, a line each: rotated by size and age, opened again when it was
 * moved, and patient with a disk that is full. Of one thread.
 *
 * A line is whole or not there: what the disk took of a line before it was full is completed first
 * when it takes more, and of a record that the end of a process tore the half is cut off when the file
 * is opened.
 */
#pragma once

#include "base/log.h"
#include "base/text.h"

struct record_file; /* counted */

struct record_file_limits {
    uint64_t rotate_bytes; /**< 0: any size */
    uint64_t rotate_ms;    /**< 0: any age, counted from when it was opened */
    uint64_t keep;         /**< files put aside that stay; 0: all */
};

/** @param path  copied. @return 0 or ERROR_MEMORY; nothing is opened yet; returned owned */
int record_file_create(struct record_file **filep, const char *path, struct log *log);
void record_file_set_limits(struct record_file *file, const struct record_file_limits *limits);
/**
 * Append whole lines, as many bytes as the disk takes. The first refusal and the first success after it
 * are logged.
 * @param lines  what it did not take last time must come first
 * @param now_ms wall clock
 * @return how many bytes it took; fewer than given: try again later
 */
size_t record_file_append(struct record_file *file, struct text lines, uint64_t now_ms);
/** Open it, so that it is there and its last line whole; put it aside when it is old enough. */
void record_file_tick(struct record_file *file, uint64_t now_ms);
/** Force what was appended to the disk. */
void record_file_sync(struct record_file *file);
/**
 * Somebody may have moved it: what comes next goes to a file of that name.
 * @return 0, ERROR_STATE (half a line is there, whose other half belongs behind it: later)
 */
int record_file_reopen(struct record_file *file);
/** Put it aside now, unless it is empty. @return 0, ERROR_STATE as above, ERROR_TRANSPORT (which was logged) */
int record_file_rotate(struct record_file *file, uint64_t now_ms);
/** Does the disk refuse at the moment? */
bool record_file_is_refused(const struct record_file *file);
uint64_t record_file_size_bytes(const struct record_file *file);
/** How many were put aside. */
uint64_t record_file_rotations(const struct record_file *file);
