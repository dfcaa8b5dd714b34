/*
 * The record of one call, as it is written: what happened, in plain values. The worker that owned the
 * call fills it in and gives it away; from then on nobody changes it.
 *
 * Texts are the record's own, in its arena; absent ones are not written. Times are milliseconds since
 * the epoch, 0: it did not happen.
 */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/value.h"
#include "io/mailbox.h"

#define RECORD_VERSION    1 /* of the JSON: grows when a field changes its meaning or goes */
#define RECORD_LINE_BEGIN "{\"version\":" /* of each line, by which half of one is known */
#define RECORD_STREAMS    16

enum record_outcome { RECORD_ANSWERED, RECORD_FAILED, RECORD_CANCELLED };
const char *record_outcome_name(enum record_outcome outcome);

/** One party: who it is, and where its messages came from. */
struct record_party {
    struct text call_id, tag;
    struct text uri, user;
    struct text source; /**< "192.0.2.10:5060" */
    struct text interface;
};

/** What one party sent, as the relay received it. */
struct record_side {
    char codec[16]; /**< "": nothing was received */
    uint64_t packets, bytes;
    int64_t lost; /**< between its sender and the relay */
    double jitter_ms;
    double rtt_ms;         /**< between the relay and it; 0: unknown */
    int64_t reported_lost; /**< what it says it did not hear */
    double mos;            /**< of what it sent, as the other party heard it; 0: unknown */
};

struct record_stream {
    unsigned index;
    char type[16];
    struct record_side caller, callee;
};

/** One target that was tried. */
struct record_try {
    struct record_try *next;
    struct text uri;
    struct text destination; /**< address that it was sent to; absent: none was known */
    unsigned set;            /**< of the dispatcher, 0: none */
    unsigned status;         /**< final response; 0: none came */
    uint64_t at_ms;
};

/** A transfer of an answered call of two legs. */
struct record_transfer {
    struct record_transfer *next;
    const char *of; /**< "caller", "callee": who was to be replaced; static */
    struct text uri;
    unsigned status; /**< 200: it was done */
    uint64_t at_ms;
    const struct record_stream *streams; /**< with the callee that was replaced, until then */
    size_t stream_count;
};

/** One of the script's own. */
struct record_field {
    struct record_field *next;
    struct text name;
    struct value value;
};

struct records;

/** Counted. */
struct call_record {
    struct mail mail;        /**< on its way to the writer */
    struct records *records; /**< the writer; borrowed */
    struct arena arena;      /**< owned; of all texts and lists */
    struct record_party caller, callee;
    struct text ruri, ruri_user;
    struct text to_uri, to_user;
    uint64_t invite_ms, progress_ms, answer_ms, end_ms;
    enum record_outcome outcome;
    unsigned status;
    struct text reason;        /**< phrase of the final response */
    const char *end;           /**< "bye" and so on; static */
    const char *ended_by;      /**< "caller", "callee", "engine"; NULL: nobody can tell. Static */
    struct text reason_header; /**< RFC 3326, of what ended it */
    bool has_media_timeout;
    struct record_stream streams[RECORD_STREAMS];
    size_t stream_count;
    struct text trunk;                 /**< name of the one that the callee was called by */
    struct record_transfer *transfers; /**< in order */
    struct record_try *tries;          /**< in order */
    struct record_field *fields;       /**< in order */
    unsigned generation;
};

/** An empty one. @return 0 or ERROR_MEMORY; returned owned */
int call_record_create(struct call_record **recordp);
/** Ring time before anybody heard of the call: INVITE to the first response that said something. */
uint64_t call_record_pdd_ms(const struct call_record *record);
uint64_t call_record_ringing_ms(const struct call_record *record);
/** From the answer to the end; 0: it was not answered. */
uint64_t call_record_duration_ms(const struct call_record *record);
/** Cause of a Q.850 Reason (RFC 3326 s2). @return 0: it names none */
unsigned record_q850(struct text reason_header);

/**
 * Append it as one line of JSON with its line end; nothing on error.
 * @return 0 or ERROR_MEMORY
 */
int call_record_print(const struct call_record *record, struct buffer *out);
