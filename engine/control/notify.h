/* Telling the service manager how we stand (Type=notify); nothing happens without $NOTIFY_SOCKET. */
#pragma once

/** @param state  lines as in sd_notify(3), "READY=1" */
void notify(const char *state);
/** A reload begins; READY=1 ends it. */
void notify_reloading(void);
