/* Error texts and the two ways to complain about a bug. */
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

const char *error_text(int error)
{
    switch (error) {
    case 0: return "ok";
#define XX(name, number, text)                                                                     \
    case name: return text;
        ENGINE_ERRORS(XX)
#undef XX
    default: return "unknown error";
    }
}

void engine_check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "bug: %s:%d: expected %s\n", file, line, condition);
}

void engine_require_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "fatal: %s:%d: required %s\n", file, line, condition);
    abort();
}
