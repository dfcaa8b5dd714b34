/* Where the SDP lies in a message body: the body itself, or one part of a multipart (RFC 5621). */
#pragma once

#include "sip/message.h"

/**
 * @param content_type  value of Content-Type
 * @return the SDP within @p body, borrowed; absent when there is none
 */
struct text body_find_sdp(struct text body, struct text content_type);
