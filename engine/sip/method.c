/* Names of methods. */
#include "sip/method.h"

static const struct text names[] = {{"OTHER", 5},
#define XX(name) {#name, sizeof(#name) - 1},
                                    METHODS(XX)
#undef XX
};

enum method method_parse(struct text t)
{
    for (unsigned i = METHOD_OTHER + 1; i < sizeof names / sizeof names[0]; i++)
        if (t.n == names[i].n && t.p[0] == names[i].p[0] && memcmp(t.p, names[i].p, t.n) == 0)
            return (enum method)i;
    return METHOD_OTHER;
}

const char *method_name(enum method method)
{
    return (unsigned)method < sizeof names / sizeof names[0] ? names[method].p : names[0].p;
}
