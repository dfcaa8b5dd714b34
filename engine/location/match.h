/* Which contact of an AoR is which binding. */
#pragma once

#include "location/internal.h"

/** location.match, Kamailio's numbers. */
enum location_match { MATCH_URI, MATCH_URI_CALL_ID, MATCH_URI_PATH, MATCH_CALL_ID };

/** @return the slot of the binding that this contact refreshes, returned borrowed, or NULL */
struct draft_slot *match_contact(const struct draft *draft, const struct location_request *request,
                                 const struct contact *contact, unsigned match);
/** Are these the same contact by RFC 3261 s19.1.4? Texts that are no URIs compare byte by byte. */
bool match_uri(const struct uri *uri, struct text other);
