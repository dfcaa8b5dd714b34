/*
 * Files that operators write by hand: one entry a row, columns between spaces or tabs, "#" begins a
 * comment where a column could begin. What is wrong in one is a *fault*: one line "file:row: what;
 * what to do", released by memory_free_raw().
 */
#pragma once

#include "base/text.h"

/** Where a reader is; name and rest are borrowed. */
struct rows {
    const char *name; /**< of the file, for faults */
    struct text rest; /**< what was not read yet; absent at the end */
    unsigned number;  /**< of the current row, from 1 */
    char **fault;     /**< where a fault goes; may be NULL */
};

/** Start at the first row; a byte order mark is skipped. */
void rows_begin(struct rows *rows, struct text bytes, const char *name, char **fault);
/**
 * Next row that is neither empty nor a comment, trimmed.
 * @param row  absent at the end
 * @return 0, ERROR_SYNTAX (a control character) with the fault filled
 */
int rows_next(struct rows *rows, struct text *row);
/** Cut the next column off a row; absent when none is left. */
struct text rows_column(struct text *row);
/**
 * Cut the last column off: a word, or a text between double quotes that may hold spaces (given
 * without them). @return 0; ERROR_SYNTAX when the quotes do not end or something follows
 */
int rows_last_column(const struct rows *rows, struct text *row, struct text *value);
/** Fill in the fault of this row: what is wrong, the bytes it is about, what to do. @return ERROR_SYNTAX */
int rows_refuse(const struct rows *rows, const char *what, struct text found, const char *remedy);
/** Print any fault into @p fault, which may be NULL; NULL in it without memory. @return @p error */
int rows_fault(char **fault, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define ROWS_FILE_BYTES (64u << 20) /* longest file that is read */
/**
 * Read a file whole.
 * @param bytes  returned owned, its p is released by memory_free_raw()
 * @return 0, ERROR_NOT_FOUND, ERROR_LIMIT with the fault filled; ERROR_MEMORY
 */
int rows_read_file(struct text *bytes, const char *path, char **fault);
