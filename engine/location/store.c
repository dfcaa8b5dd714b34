/* Rows of a store into the service. */
#include "location/store.h"

#include "base/error.h"

bool location_load_row(void *arg, struct text aor, const struct location_binding *row)
{
    struct location_loading *loading = arg;
    int error = location_load(loading->location, aor, row, loading->now_ms);
    if (!error)
        loading->loaded++;
    else if (error == ERROR_TIMEOUT)
        loading->expired++;
    else if (error == ERROR_MEMORY)
        loading->error = error;
    else
        loading->refused++;
    return loading->error == 0;
}
