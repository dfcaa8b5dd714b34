/* The names of flags without value. */
#pragma once

#include "base/text.h"

/** A switch: bits under mask become `on`, or, when the value is "false", `off`. */
struct flag_switch {
    const char *name;       /**< lower case, with dashes */
    uint32_t mask, on, off; /**< enum flag_bit */
};

/** @return returned borrowed, NULL: no such switch */
const struct flag_switch *flag_switch_find(struct text name);
/** Whether rtpengine knows @p name and we do not build it. */
bool flag_is_not_built(struct text name);
