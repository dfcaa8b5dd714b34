/* Passwords that a command is told: on a terminal unseen and twice, else as one line. */
#pragma once

#include <stddef.h>

/**
 * Read one from standard input.
 * @param room  holds it afterwards, without newline; whoever calls overwrites it
 * @return 0; ERROR_ARGUMENT (empty, longer than @p size_bytes - 1, or not the same twice: *problem, static)
 */
int password_read(char *room, size_t size_bytes, const char **problem);
