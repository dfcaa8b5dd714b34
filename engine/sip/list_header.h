/*
 * Header fields that are lists over several lines: option tags (RFC 3261 s19.2), Path (RFC 3327).
 */
#pragma once

#include "sip/message.h"

/** Does any header of @p kind (Supported, Require ...) list this token? Case does not matter. */
bool list_header_has(const struct message *message, enum header_kind kind, struct text token);
/**
 * All values of @p kind in order, joined by ",".
 * @param joined  in @p arena, or borrowed from the message when one line holds all; absent when
 *                there is none but empty ones
 * @return 0 or ERROR_MEMORY
 */
int list_header_join(struct text *joined, const struct message *message, enum header_kind kind,
                     struct arena *arena);
/** Is every element a name-addr in brackets, as in Path and Route? */
bool list_header_is_route(struct text list);
/** Expires (RFC 3261 s20.19); a malformed one is 3600. @return false when there is none */
bool header_expires(const struct message *message, uint32_t *expires_s);
