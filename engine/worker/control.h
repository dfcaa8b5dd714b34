/*
 * The control socket: `lunasip ctl` sends one line with a JSON array of words, gets one line with
 * {"code": 0, "text": "...", "data": ...} back. Served by the control thread, the one that called
 * control_run(); a client that is slow or silent is cut off.
 */
#pragma once

#include "worker/engine.h"

/**
 * Serve control clients and signals until told to stop: SIGTERM, SIGINT and `ctl stop` drain first,
 * a second signal ends at once; SIGHUP reloads.
 * @param socket_path  NULL: signals only
 * @return 0, ERROR_IN_USE (another lunasip answers there), ERROR_TRANSPORT
 */
int control_run(struct engine *engine, const char *socket_path);
/** Block the signals that control_run() takes; before any thread starts. */
void control_block_signals(void);
/**
 * Ask a running engine, for `lunasip ctl`.
 * @param socket_path  NULL: looked for in $LUNASIP_SOCKET, ./run/lunasip.sock, /run/lunasip/lunasip.sock
 * @return process exit code: 0, 1 (refused, or nobody there), 2 (bad usage)
 */
int control_ask(const char *socket_path, int argc, char *const argv[], bool as_json);
