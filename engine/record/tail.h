/* Where the last whole line of a file ends: what a process that was killed has left behind it is not one. */
#pragma once

#include <stdint.h>

/**
 * @param least_bytes  offset at which a line begins, or 0; the search ends there
 * @param size_bytes   of the file
 * @param endp         behind the last line end; @p least_bytes where there is none
 * @return 0 or ERROR_TRANSPORT (errno says why)
 */
int tail_find(int descriptor, uint64_t least_bytes, uint64_t size_bytes, uint64_t *endp);
