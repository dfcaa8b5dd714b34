/* What the tests of the base share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#define assert_text(actual, expected)                                                              \
    do {                                                                                           \
        struct text actual_ = (actual);                                                            \
        assert_non_null(actual_.p);                                                                \
        assert_int_equal(actual_.n, strlen(expected));                                             \
        assert_memory_equal(actual_.p, expected, actual_.n);                                       \
    } while (0)
