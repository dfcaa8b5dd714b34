/* What a running engine can tell about itself, as JSON. All from the control thread. */
#pragma once

#include "worker/engine.h"

#include <jansson.h>

/** @return new reference; NULL without memory */
json_t *status_json(struct engine *engine);
json_t *status_calls(struct engine *engine);
json_t *status_transactions(struct engine *engine);
json_t *status_media(struct engine *engine);
json_t *status_dispatcher(struct engine *engine);
