/*
 * One line each way over a socket of the control kind, with one deadline for the whole line: who sends
 * or reads a byte now and then is as slow as who does nothing.
 */
#pragma once

#include <stddef.h>
#include <sys/un.h>

#define LINE_FOREVER (-1)

/**
 * A stream socket, and the address of that path for it.
 * @return descriptor, or -1: none left, or the path is too long
 */
int line_socket(const char *path, struct sockaddr_un *address);
/**
 * Read until the first newline; what comes after it is not kept.
 * @param linep       without its newline, NUL-terminated; returned owned, memory_free_raw()
 * @param bytes_most  longest line
 * @param timeout_ms  for the whole of it, or LINE_FOREVER
 * @return 0, ERROR_TIMEOUT, ERROR_LIMIT (longer), ERROR_TRANSPORT (closed before its end), ERROR_MEMORY
 */
int line_read(char **linep, int fd, size_t bytes_most, int timeout_ms);
/**
 * Write a line and its newline.
 * @return 0, ERROR_TIMEOUT, ERROR_TRANSPORT, ERROR_MEMORY
 */
int line_write(int fd, const char *line, int timeout_ms);
