/*
 * Private to this folder: requests that a client transaction derives from the one it sent, ACK to a
 * non-2xx response (RFC 3261 s17.1.1.3) and CANCEL (s9.1). They are made from the sent bytes alone,
 * without parsing them as a message: no allocation but the buffer's.
 */
#pragma once

#include "base/buffer.h"
#include "sip/message.h"

/** Append the ACK to @p response; @p sent is the INVITE as it was sent. Errors stay in @p out. */
void derive_ack(struct buffer *out, struct text sent, const struct message *response);
/** Append the CANCEL of the request @p sent. @p reason  value of a Reason header or absent. */
void derive_cancel(struct buffer *out, struct text sent, struct text reason);
/**
 * Method and top Via's branch of a request that we sent, of which only the beginning may be left.
 * @return false when it is no request or the Via is not whole
 */
bool derive_branch(struct text sent, enum method *method, struct text *branch);
/** Value of the first header of a kind in sent bytes, absent without. */
struct text derive_header(struct text sent, enum header_kind kind);
/** Has a request of ours a To tag: was it sent within a dialog (RFC 3261 s12.2)? */
bool derive_is_in_dialog(struct text sent);
