/* Bindings of the location service that end by themselves; one worker does it for all. */
#pragma once

struct expiry; /* counted */
struct worker;

/** @return 0 or ERROR_MEMORY */
int expiry_create(struct expiry **expiryp, struct worker *worker);
/** Look every second from now on; on the worker's thread. */
void expiry_start(struct expiry *expiry);
void expiry_stop(struct expiry *expiry);
