/*
 * The control socket: `lunasip ctl` sends one line with a JSON array of words, gets one line with
 * {"code": 0, "text": "...", "data": ...} back. A long list comes in parts: "next" has the words that ask for the
 * next one, so that the control thread is never busy for long. Served by the control thread, the one that called
 * control_run(); a client that is slow or silent is cut off.
 */
#pragma once

#include "worker/engine.h"

#include <sys/types.h>

struct control; /* counted */

/**
 * Listen on the control socket; nobody is served yet.
 * @param socket_path  NULL: signals only
 * @return 0, ERROR_IN_USE (another lunasip answers there), ERROR_ARGUMENT (there is a file, which
 *         is left alone), ERROR_TRANSPORT, ERROR_MEMORY
 */
int control_open(struct control **controlp, const char *socket_path);
/** Make this account the owner of the socket, and of its folder if that was made. */
void control_give(struct control *control, uid_t uid, gid_t gid);
/**
 * Serve control clients and signals until told to stop: SIGTERM, SIGINT and `ctl stop` refuse new
 * calls and wait for the others, at most drain.deadline_s; a second signal ends at once; SIGHUP
 * reloads.
 */
void control_run(struct control *control, struct engine *engine);
/** Block the signals that control_run() takes; before any thread starts. */
void control_block_signals(void);
/**
 * Ask a running engine, for `lunasip ctl`.
 * @param socket_path  NULL: looked for in $LUNASIP_SOCKET, ./run/lunasip.sock, /run/lunasip/lunasip.sock
 * @return process exit code: 0, 1 (refused, or nobody there), 2 (bad usage)
 */
int control_ask(const char *socket_path, int argc, char *const argv[], bool as_json);
