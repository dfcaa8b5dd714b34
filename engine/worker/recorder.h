/*
 * The flight recorder of one worker: the messages of its calls as they came and went, the newest in a
 * ring of bytes. Keeping one is a copy; which call it is of is found out when somebody asks.
 */
#pragma once

#include "transport/transport.h"

struct recorder; /* counted */

struct recorded {
    uint64_t at_ms;                  /**< loop_now_ms() */
    bool is_sent, is_note;           /**< a note is of the engine: no listener, no peer */
    const struct listener *listener; /**< ours */
    const struct address *peer;      /**< borrowed; NULL: none */
    struct text bytes;               /**< as much as is kept */
    struct text call_id;             /**< of a note; of a message it is in the bytes */
};

/**
 * @param size_bytes     of the ring; taken from the system when it is first used
 * @param message_bytes  most that is kept of one message
 * @return 0, ERROR_ARGUMENT (no message would fit), ERROR_MEMORY; *recorderp returned owned
 */
int recorder_create(struct recorder **recorderp, size_t size_bytes, size_t message_bytes);
/** Keep a message; the oldest make room. @param recorded  borrowed, its bytes copied */
void recorder_keep(struct recorder *recorder, const struct recorded *recorded);
typedef void recorded_visit_handler(void *arg, const struct recorded *recorded);
/** The other Call-ID of a call, when this note tells it (proxy.h: PROXY_NOTE_CALL_ID); absent else. */
struct text recorder_other_call_id(const struct recorded *recorded);
/** Visit what is kept of a call, oldest first. @param call_ids  @p count, of all its legs */
void recorder_visit(const struct recorder *recorder, const struct text *call_ids, size_t count,
                    recorded_visit_handler *visit, void *arg);
