/* A value that a script gives away to be kept outside of its Lua state: one of a few types, tagged. */
#pragma once

#include "base/text.h"

enum value_type { VALUE_NONE, VALUE_BOOLEAN, VALUE_NUMBER, VALUE_TEXT };

/** The field that its type names is set. */
struct value {
    enum value_type type;
    bool boolean;
    double number;
    struct text text; /**< whose it is, says each user */
};
