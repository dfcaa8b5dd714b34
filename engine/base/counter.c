/* Names of counters. */
#include "base/counter.h"

static const struct {
    const char *name, *help;
} texts[] = {
#define XX(name, text, help) {text, help},
    COUNTERS(XX)
#undef XX
};

const char *counter_name(enum counter counter)
{
    return texts[counter].name;
}

const char *counter_help(enum counter counter)
{
    return texts[counter].help;
}
