/*
 * Which lines of scripts ran, and how often: for `lunasip test --coverage`. One for all workers and
 * generations that a test makes, so it is only used where they share a thread, in the lab.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct coverage; /* counted */

/** One file. */
struct coverage_file {
    const char *path;      /**< borrowed */
    const uint32_t *count; /**< by line, from 1; borrowed */
    size_t lines;          /**< length of count: the highest line that ran, plus one, or more */
};

/** @return 0 or ERROR_MEMORY */
int coverage_create(struct coverage **coveragep);
/**
 * A line runs. What memory is refused for is not counted.
 * @param source  Lua's name of the chunk, "@route.lua"; others are passed over
 */
void coverage_count(struct coverage *coverage, const char *source, int line);
size_t coverage_files(const struct coverage *coverage);
/** @param i below coverage_files(), in the order in which they ran first */
struct coverage_file coverage_file(const struct coverage *coverage, size_t i);
