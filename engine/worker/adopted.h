/*
 * Calls whose Call-ID is this worker's, and that another one handles all the same: an INVITE with
 * Replaces (RFC 3891) belongs to the worker of the call that it names, or neither could be joined to
 * the other. What comes later with its Call-ID follows it there.
 */
#pragma once

#include "sip/message.h"
#include "worker/worker.h"

struct adopted; /* of one worker; counted */

/** @return 0 or ERROR_MEMORY; *adoptedp returned owned */
int adopted_create(struct adopted **adoptedp, struct worker *worker);
/**
 * Who handles a message whose Call-ID is this worker's. An INVITE that names a call of another worker is
 * remembered until its call has had no message for limits.dialog_idle_s, or was never answered; at most
 * limits.dialogs at once: beyond that it stays here, and finds no call.
 */
unsigned adopted_owner(struct adopted *adopted, struct message *message);
