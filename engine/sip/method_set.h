/* Sets of methods as bits. The bits are Kamailio's, as its location table stores them. */
#pragma once

#include "sip/message.h"

#define METHOD_SET_ALL UINT32_MAX

/** @return the bit of @p method; that of unknown methods for METHOD_OTHER */
uint32_t method_set_bit(enum method method);
/**
 * Comma-separated names; a name that is not known sets the bit of unknown methods. @return 0 for
 * none
 */
uint32_t method_set_parse(struct text names);
/** All Allow header fields of a message. @return 0 when there is none */
uint32_t method_set_allowed(const struct message *message);
