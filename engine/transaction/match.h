/*
 * Private to this folder: what identifies a transaction (RFC 3261 s17.1.3, s17.2.3).
 *
 * A key is a hash of 128 bits under the secret of the engine, which nobody outside can make
 * collide. So a transaction keeps 16 bytes, however long a branch the network sends.
 */
#pragma once

#include "base/hash.h"
#include "sip/message.h"

/** Identity of a transaction in a hash table. */
struct match_key {
    uint64_t hash;   /**< bucket */
    uint64_t check;  /**< the other half */
    bool is_rfc2543; /**< of a server transaction whose branch does not identify it */
};

/**
 * Key of a client transaction with a branch of transactions_make_branch() (branch.c). Nobody can foresee
 * such a branch, and no other is ever in the table of clients but one that was asked for: it needs no
 * keyed hash, its bytes are the key. @return false: not such a branch
 */
bool match_own_branch(struct text branch, enum method method, struct match_key *key);
/** Client transaction: branch of the top Via and the method in CSeq (s17.1.3). */
struct match_key match_client(const struct hash_key *secret, struct text branch,
                              enum method method);
/**
 * Server transaction that @p request belongs to (s17.2.3). @p method is that of the request, or
 * INVITE to find what an ACK or a CANCEL is about.
 * @return false when the request has no top Via
 */
bool match_server(const struct hash_key *secret, struct message *request, struct text method,
                  struct match_key *key);
/** Merged requests (s8.2.2.2): 64 bits of From tag, Call-ID and CSeq. */
uint64_t match_merged(const struct hash_key *secret, struct message *request);
