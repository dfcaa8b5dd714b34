/* What the files of this folder share. */
#pragma once

#include "trunk/trunk.h"

#include <pthread.h>

/** The mutex guards everything but name and Call-ID, which never change, and the CSeq, which is the owner's. */
struct trunk {
    pthread_mutex_t mutex;
    struct trunk_terms *terms; /* reference: in force */
    enum trunk_state state;
    unsigned status;
    char reason[TRUNK_REASON_BYTES];
    uint64_t expires_ms, next_ms; /* wall clock; 0: none */
    unsigned failures;
    bool is_disabled;            /* by an operator */
    char name[TRUNK_NAME_BYTES]; /* of any of its terms */
    char call_id[TRUNK_CALL_ID_BYTES];
    uint32_t cseq;
};

static inline struct text trunk_call_id(const struct trunk *trunk)
{
    return (struct text){trunk->call_id, sizeof trunk->call_id};
}
/** May it register? An operator can forbid it. */
bool trunk_is_disabled(struct trunk *trunk);
void trunk_set_disabled(struct trunk *trunk, bool is_disabled);

/** What became of a REGISTER. */
struct trunk_outcome {
    enum trunk_state state;
    unsigned status;              /**< 0: no response */
    struct text reason;           /**< borrowed */
    uint64_t expires_ms, next_ms; /**< as of trunk_view */
    unsigned failures;
};
/** @return the state before */
enum trunk_state trunk_set_outcome(struct trunk *trunk, const struct trunk_outcome *outcome);
