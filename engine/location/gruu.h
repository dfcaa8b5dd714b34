/* GRUUs (RFC 5627). */
#pragma once

#include "location/internal.h"

/** Does the value of a gr parameter, escaped as in a URI, name this "<urn:...>" instance? */
bool gruu_is_instance(struct text gr, struct text instance);
