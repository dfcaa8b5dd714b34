/* Names of the dispatcher's gateways, kept resolved; one worker does it for all. */
#pragma once

struct gateway_names; /* counted */
struct worker;

/** @return 0 or ERROR_MEMORY */
int gateway_names_create(struct gateway_names **namesp, struct worker *worker);
/** Look now and every 10 s from now on; on the worker's thread. */
void gateway_names_start(struct gateway_names *names);
void gateway_names_stop(struct gateway_names *names);
