/*
 * Second opinions of libosip2's parser (osipparser2). The scanners of this folder give spans and
 * refuse what the ABNF refuses; a value with anything out of the ordinary in it (escapes, folds,
 * comments, quoted parameters, bytes beyond ASCII) must satisfy osipparser2 as well. Its structures never leave
 * parse_osip.c.
 */
#pragma once

#include "base/text.h"

/** What a text is said to be. */
enum osip_grammar { OSIP_VIA, OSIP_ADDRESS, OSIP_URI };

/** @return 0, ERROR_SYNTAX, ERROR_MEMORY */
int osip_check(enum osip_grammar grammar, struct text t);
