/*
 * Keepalives of registered devices: what holds the hole in a NAT open, and finds out who is gone.
 * One worker does it for all; block keepalive of the configuration.
 */
#pragma once

struct keepalive; /* counted */
struct worker;

/** @return 0 or ERROR_MEMORY */
int keepalive_create(struct keepalive **keepalivep, struct worker *worker);
/** On the worker's thread. */
void keepalive_start(struct keepalive *keepalive);
void keepalive_stop(struct keepalive *keepalive);
