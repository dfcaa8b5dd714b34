/*
 * The media of one call, in two halves. The worker's half knows what each party said (legs) and
 * which ports it was given (branches); the media thread's half is the list of open sides and a
 * timer. They meet in commands (agree.c) only.
 *
 *   caller leg  -- caller's branch: sides[i] --+        one per m= line, shared by all forks
 *                                              | other
 *   callee legs -- a branch each:   sides[i] --+        callees of one branch share its ports
 */
#pragma once

#include "media/codec.h"
#include "media/flags.h"
#include "media/internal.h"
#include "media/sdp.h"
#include "media/stream.h"

/** What one party said of one m= line. */
struct leg_stream {
    struct address rtp, rtcp;  /**< where it wants packets; AF_UNSPEC: nowhere */
    struct rtp_clocks clocks;  /**< of its payload types */
    struct codec_names codecs; /**< of the same */
    uint32_t events;           /**< those from 96 on that are telephone-event, a bit each */
    uint8_t protocol;          /**< enum sdp_protocol */
    bool is_live;              /**< port not 0, and we can carry it */
    bool is_held;              /**< not sendrecv, or 0.0.0.0 */
    bool has_mux;              /**< agreed with this party */
    char type[16];             /**< "audio" */
};

/** What an offer asked of one m= line and its answer must know. */
enum exchange_bit {
    EXCHANGE_MUX_OFFERED = 1 << 0,  /**< by the offerer */
    EXCHANGE_MUX_PRINTED = 1 << 1,  /**< to the answerer */
    EXCHANGE_MUX_REQUIRED = 1 << 2, /**< taken as accepted by the answerer */
    EXCHANGE_MUX_ACCEPT = 1 << 3,   /**< accepted to the offerer whatever the answerer says */
    EXCHANGE_MUX_REJECT = 1 << 4,   /**< refused to the offerer */
};

struct branch_stream {
    struct media_side *side; /**< a reference, NULL: no ports */
    uint8_t exchange;        /**< enum exchange_bit of the last offer */
};

/** The ports that one branch of the INVITE, or the caller, was given. */
struct media_branch {
    struct link link; /**< of call.branches; the caller's is in no list */
    uint32_t id;
    const struct media_interface *interface; /**< NULL: not chosen yet; borrowed */
    bool was_offered_by_caller;              /**< the last offer's sender */
    struct branch_stream *streams;           /**< owned */
    unsigned count;
};

/** One party. */
struct media_leg {
    struct link link;            /**< of call.legs; the caller's is in no list */
    struct media_branch *branch; /**< borrowed */
    bool is_answered;            /**< has sent an answer, or got one */
    struct address host;         /**< where its SIP comes from */
    struct leg_stream *streams;  /**< owned */
    unsigned count;
    char *tag; /**< owned, NULL: the caller */
};

enum media_phase { MEDIA_OFFERED, MEDIA_TALKING, MEDIA_HELD };

/** Counted: references of the worker, of events, and of the media thread until it is closed. */
struct media_call {
    struct media *media; /**< a reference */
    struct media_thread *thread;
    struct media_mailbox mailbox;

    /* the worker's half */
    struct media_flags *flags[2]; /**< by sender: callee, caller; references */
    struct media_leg caller;
    struct media_branch caller_branch;
    struct list legs, branches;
    struct media_leg *active;    /**< has the caller's audio; of legs */
    struct media_leg *confirmed; /**< by a 2xx; of legs */
    char *awaited;               /**< tag confirmed before its SDP came; owned, NULL: none */
    bool is_closed;
    bool is_handed_over; /**< the thread knows it and holds a reference */

    void *owner;                  /**< who wants to hear of DTMF; borrowed, NULL: nobody */
    _Atomic bool is_ended;        /**< by a media timeout */
    _Atomic bool is_dtmf_awaited; /**< the thread tells it */

    /* the media thread's half */
    struct command close;
    struct link link;  /**< of thread.calls */
    struct list sides; /**< open ones, a reference each */
    struct timer timer;
    uint64_t alive_ms; /**< last packet or signalling */
    uint8_t phase;     /**< enum media_phase */
    bool is_shut;      /**< no side opens any more */
    bool has_moved;    /**< a side's is_moved waits to be told */

    size_t id_bytes;
    char id[]; /**< Call-ID */
};

/* ---- for the thread ---- */

/** A packet of this call was taken. */
static inline void media_call_alive(struct media_call *call, uint64_t now_ms)
{
    call->alive_ms = now_ms;
}
/** A side's peer is not where its SDP said: tell the worker soon, outside the packet path. */
void media_call_peer_moved(struct media_call *call);
/** A packet of telephone-event came from the party of @p side. */
void media_call_telephone_event(struct media_side *side, struct text bytes, uint64_t now_ms);
/** Close all sides; on the thread, or after it has ended. Idempotent. */
void media_call_shut(struct media_call *call);

/* ---- for the worker's half ---- */

/** Add to the worker's counters. */
void media_call_count(struct media_call *call, enum counter counter);
/** Give a command to the thread. @return 0 or ERROR_LIMIT, the command still the caller's */
int media_call_post(struct media_call *call, struct command *command);

/** @return returned borrowed, NULL: unknown */
struct media_leg *media_leg_find(const struct media_call *call, struct text tag);
/** @return 0, ERROR_MEMORY, ERROR_LIMIT (media_limits.tags) */
int media_leg_create(struct media_leg **legp, struct media_call *call, struct media_branch *branch,
                     struct text tag);
/** Make room for @p count streams. @return 0 or ERROR_MEMORY */
int media_leg_reserve(struct media_leg *leg, unsigned count);
/** Unlink and free. */
void media_leg_remove(struct media_call *call, struct media_leg *leg);
struct media_branch *media_branch_find(const struct media_call *call, uint32_t id);
/** @return 0, ERROR_MEMORY, ERROR_LIMIT (media_limits.tags) */
int media_branch_create(struct media_branch **branchp, struct media_call *call, uint32_t id);
int media_branch_reserve(struct media_branch *branch, unsigned count);
/** Unlink and free; its ports are the caller's work. */
void media_branch_remove(struct media_branch *branch);
