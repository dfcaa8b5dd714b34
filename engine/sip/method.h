/* SIP methods (RFC 3261 s7.1 and the RFCs that add more). */
#pragma once

#include "base/text.h"

/* clang-format off */
#define METHODS(XX)                                                                                \
    XX(INVITE) XX(ACK) XX(CANCEL) XX(BYE) XX(REGISTER) XX(OPTIONS) XX(UPDATE) XX(PRACK) XX(INFO)   \
    XX(REFER) XX(SUBSCRIBE) XX(NOTIFY) XX(MESSAGE) XX(PUBLISH)
/* clang-format on */

enum method {
    METHOD_OTHER, /**< any other token; the text tells which */
#define XX(name) METHOD_##name,
    METHODS(XX)
#undef XX
};

/** Methods are case-sensitive (RFC 3261 s7.1). */
enum method method_parse(struct text t);
/** @return "INVITE", "OTHER" */
const char *method_name(enum method method);
