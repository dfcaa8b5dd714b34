/* OPTIONS to the dispatcher's gateways (RFC 3261 s11); one worker does it for all. */
#pragma once

struct ping; /* counted */
struct worker;

int ping_create(struct ping **pingp, struct worker *worker);
/** On the worker's thread. */
void ping_start(struct ping *ping);
void ping_stop(struct ping *ping);
