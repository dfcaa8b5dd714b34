/*
 * The media relay: anchors the RTP of calls between named interfaces and rewrites their SDP.
 *
 * GLOSSARY
 *   media    one per engine: media threads, ports, interfaces.
 *   call     the media of one INVITE and of all dialogs that it makes (forks). Its control side
 *            belongs to the worker that owns the Call-ID, its sockets to one media thread.
 *   leg      one party: the caller, or one callee, known by its To tag.
 *   stream   one m= line, by its position in the SDP.
 *   side     what a stream shows to one party: a port pair on the interface of that party.
 *
 * A caller of this header knows: which dialog (caller, callee tag), who sent this SDP, whether it
 * is offer or answer, where it came from, and the flags of the script, if any. Everything else
 * (ports, directions, what was agreed before) is remembered here.
 */
#pragma once

#include "base/address.h"
#include "base/buffer.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "io/io.h"

struct media;
struct media_call;
struct media_flags;

/* ---- the relay ---- */

/** One address of an interface. */
struct media_interface_address {
    struct address
        local; /**< bound, without port; AF_UNSPEC: the interface has none of this family */
    char advertise[64]; /**< printed in SDP; "" prints the local address */
};

/** A side that calls can have; named as in `media { public = ... }`. */
struct media_interface {
    char name[32];
    struct media_interface_address v4, v6;
};

struct media_options {
    const struct media_interface *interfaces; /**< at least one; copied */
    size_t interface_count;
    uint16_t port_least, port_most;  /**< range of each interface address */
    unsigned threads;                /**< 0: one */
    const struct settings *settings; /**< copied */
    struct log *log;                 /**< borrowed, outlives the relay */
};

/**
 * Make the relay: its loops and its free ports; no socket is opened.
 * @param io  borrowed, outlives the relay
 * @return 0, ERROR_MEMORY, ERROR_TRANSPORT, or ERROR_ARGUMENT (no interface, no room for one port
 *         pair in the range)
 */
int media_create(struct media **mediap, struct io *io, const struct media_options *options);
/**
 * Other settings and another range of ports, for what comes from now on; calls keep their ports.
 * One thread at a time, while the relay runs.
 * @param settings    copied
 * @param port_least  with @p port_most a range that media_create() would take
 */
void media_change(struct media *media, const struct settings *settings, uint16_t port_least,
                  uint16_t port_most);
/** Start the media threads. @return 0 or ERROR_MEMORY */
int media_start(struct media *media);
/** Stop and join the threads and close what calls are left; afterwards memory_release(media). */
void media_stop(struct media *media);
/** @return whether there is an interface of that name */
bool media_has_interface(const struct media *media, struct text name);
size_t media_interface_count(const struct media *media);
/** @return the interface, returned borrowed */
const struct media_interface *media_interface_at(const struct media *media, size_t i);

/** What the relay holds and has done; any thread. */
struct media_counts {
    uint64_t calls;       /**< calls now */
    uint64_t ports;       /**< port pairs taken from the range now */
    uint64_t ports_free;  /**< port pairs that wait to be taken; the rest of the range is taken */
    uint64_t ports_total; /**< port pairs that there are, over all interfaces */
    uint64_t packets, bytes; /**< forwarded since start */
};
void media_counts(const struct media *media, struct media_counts *counts);
size_t media_thread_count(const struct media *media);
/** @return counters of media thread @p i, returned borrowed */
const struct counters *media_counters(const struct media *media, size_t i);

/* ---- flags: what a script may ask for, in rtpengine's words ---- */

/** @return 0 or ERROR_MEMORY; release with memory_release() */
int media_flags_create(struct media_flags **flagsp);
/**
 * Read a flag string as rtpengine_manage() takes it ("replace-origin direction=a direction=b").
 * Flags add to what is set already. Do not change flags that a call was given.
 * @param bad_flag  on error: the flag that was not understood, borrowed from @p flag_string
 * @return 0, ERROR_SYNTAX (unknown flag or bad value), ERROR_UNSUPPORTED (known to rtpengine, not
 *         built here), ERROR_LIMIT (more codecs than a flag list holds)
 */
int media_flags_parse(struct media_flags *flags, struct text flag_string, struct text *bad_flag);
/**
 * Set one flag of the table form: { from = "public", to = "private", ["rtcp-mux"] = "offer" }.
 * @param value  TEXT_NONE or "true" for a flag without value; "false" turns a switch off
 * @return as media_flags_parse()
 */
int media_flags_set(struct media_flags *flags, struct text name, struct text value);

/* ---- events ---- */

enum media_event_kind {
    MEDIA_EVENT_TIMEOUT, /**< no packet for too long: the relay has closed the call's ports */
    MEDIA_EVENT_LEARNED, /**< a peer sends from elsewhere than its SDP said, and is followed */
    MEDIA_EVENT_DTMF,    /**< a party has pressed a key; where media_call_tell_dtmf() wants it */
};
/** @return "timeout" and so on */
const char *media_event_name(enum media_event_kind kind);

/** Counted; whoever takes it from the mailbox releases it with memory_release(). */
struct media_event {
    enum media_event_kind kind;
    struct media_call *call; /**< owned reference */
    /* MEDIA_EVENT_LEARNED and MEDIA_EVENT_DTMF */
    bool of_caller;  /**< the caller's side, else a callee's */
    unsigned stream; /**< position of the m= line */
    /* MEDIA_EVENT_DTMF (RFC 4733) */
    char digit; /**< 0-9, *, #, A-D */
    uint32_t duration_ms;
    /* MEDIA_EVENT_LEARNED */
    struct address expected; /**< SDP */
    struct address peer;     /**< where packets come from */
};

/** How a media thread reaches the worker of a call. */
struct media_mailbox {
    /** Given @p event; any media thread. @return false when full, the event is then not taken. */
    bool (*post)(void *arg, struct media_event *event);
    void *arg;
    struct counters *counters; /**< of the worker's thread; borrowed, NULL counts nothing */
};

/* ---- calls: every function below only on the worker that owns the call ---- */

/**
 * @param call_id  copied; for log lines
 * @param mailbox  copied
 * @return 0, ERROR_MEMORY, ERROR_LIMIT (media_limits.calls). First media_call_close(), then
 *         memory_release()
 */
int media_call_create(struct media_call **callp, struct media *media, struct text call_id,
                      const struct media_mailbox *mailbox);
/** @return borrowed */
struct text media_call_id(const struct media_call *call);

/** One SDP on its way through. */
struct media_sdp_request {
    struct text sdp;  /**< the SDP itself, without MIME around it; borrowed */
    bool from_caller; /**< sent by the party that sent the first INVITE of the call */
    struct text
        callee_tag;  /**< the callee's tag of this dialog; empty or absent in the first offer */
    uint32_t branch; /**< which branch of the INVITE; only read until the tag is known */
    struct address received_from; /**< where the SIP message came from */
    /**
     * Explicit options of this message, their from/to seen from its sender; shared. NULL: what was
     * said before in this call, turned around when the other party sends.
     */
    const struct media_flags *flags;
};

/**
 * Remember options without an SDP: an INVITE that brings none (the offer comes in its answer).
 * @param from_caller  whose side "from" is
 * @return 0 or ERROR_NOT_FOUND (unknown interface)
 */
int media_call_set_flags(struct media_call *call, const struct media_flags *flags,
                         bool from_caller);
/**
 * An offer passes: open ports where a stream has none, remember what the sender wants.
 * Nothing changes for packets before the answer, so an offer that is refused leaves no trace.
 * @param out  receives the SDP for the other party; nothing on error
 * @return 0, ERROR_SYNTAX (not an SDP), ERROR_LIMIT (streams, tags, ports, queue), ERROR_MEMORY,
 *         ERROR_NOT_FOUND (unknown interface), ERROR_UNSUPPORTED (needs SRTP), ERROR_TRANSPORT,
 *         ERROR_STATE (closed)
 */
int media_call_offer(struct media_call *call, const struct media_sdp_request *request,
                     struct buffer *out);
/**
 * An answer passes: packets flow as agreed and learning starts anew. May come several times for
 * one offer (183, 200) and from several callees (forks); until media_call_confirm() the last one
 * that answered has the caller's audio.
 * @return as media_call_offer(); ERROR_NOT_FOUND also without a matching offer
 */
int media_call_answer(struct media_call *call, const struct media_sdp_request *request,
                      struct buffer *out);
/**
 * The INVITE got its 2xx from this callee: from now on its leg has the call. May come before the
 * SDP of that 2xx.
 * @return 0, ERROR_MEMORY, ERROR_LIMIT (queue), ERROR_STATE (closed)
 */
int media_call_confirm(struct media_call *call, struct text callee_tag);
/**
 * Tell each digit of RFC 4733 by MEDIA_EVENT_DTMF from now on.
 * @param owner  what media_call_owner() returns until the call is closed; borrowed
 */
void media_call_tell_dtmf(struct media_call *call, void *owner);
void *media_call_owner(const struct media_call *call); /**< NULL: none, or it was closed */
/** The dialog with this callee ended while others of the call go on. */
void media_call_drop_tag(struct media_call *call, struct text callee_tag);
/** A branch of the first INVITE failed: its ports go back, unless the call is confirmed on it. */
void media_call_drop_branch(struct media_call *call, uint32_t branch);
/** End it: ports go back once their thread has closed them. Idempotent, never fails. */
void media_call_close(struct media_call *call);
/** Closed, or ended by a media timeout. */
bool media_call_is_closed(const struct media_call *call);
/**
 * Another one in place of @p call, whose media has timed out, for the next offer: with its flags, without
 * ports. @p call is closed. @param againp  returned owned
 * @return 0, ERROR_STATE (it has not timed out), ERROR_MEMORY, ERROR_LIMIT
 */
int media_call_begin_again(struct media_call **againp, struct media_call *call);

/* ---- statistics ---- */

/** What one party sent and reported; times in microseconds. */
struct media_side_statistics {
    char interface[32];
    struct address local;    /**< our RTP port */
    struct address expected; /**< the SDP's, AF_UNSPEC: none */
    struct address peer;     /**< where its packets go: learned, else expected */
    bool is_learned;         /**< its packets have been seen and it is followed */
    char codec[16];          /**< of most of its packets lately, "PCMU"; "": none, or unknown */
    uint64_t packets, bytes; /**< RTP accepted from it, payload of UDP */
    uint64_t rtcp_packets;
    uint64_t strangers; /**< dropped: from somebody else */
    uint64_t dropped;   /**< accepted from it, but the other party has no address */
    uint32_t ssrc;
    int64_t lost; /**< RFC 3550 A.3; negative with duplicates */
    uint64_t out_of_order, duplicates;
    uint32_t jitter_us;        /**< RFC 3550 A.8 */
    int32_t reported_lost;     /**< by its receiver reports, of what we sent it */
    uint8_t reported_fraction; /**< of 256, last report */
    uint32_t rtt_us;           /**< between us and it, by LSR and DLSR; 0: unknown */
};

/** One m= line between the caller and the callee that has the call. */
struct media_stream_statistics {
    unsigned index;
    char type[16]; /**< "audio" */
    struct media_side_statistics caller, callee;
};

/** @return streams written to @p v, at most @p most */
size_t media_call_statistics(const struct media_call *call, struct media_stream_statistics *v,
                             size_t most);
/** The same between the caller and the callee with that tag, also one that has not got the call (any more). */
size_t media_call_tag_statistics(const struct media_call *call, struct text callee_tag,
                                 struct media_stream_statistics *v, size_t most);
