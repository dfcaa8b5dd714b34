/* What a running engine can tell about itself, as JSON. All from the control thread. */
#pragma once

#include "worker/engine.h"

#include <jansson.h>

/** What calls hold. */
struct status_held {
    uint64_t transactions, dialogs, media_calls, ports;
    uint64_t ports_astray; /**< no call has taken any, and so many are not there to be taken */
};
void status_held(struct engine *engine, struct status_held *held);
/** @return new reference; NULL without memory */
json_t *status_json(struct engine *engine);
json_t *status_calls(struct engine *engine);
json_t *status_transactions(struct engine *engine);
json_t *status_profiles(struct engine *engine);
json_t *status_media(struct engine *engine);
json_t *status_dispatcher(struct engine *engine);
