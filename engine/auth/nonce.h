/* Nonces that say when they were made and prove who made them. Private to engine/auth. */
#pragma once

#include "base/address.h"
#include "base/hash.h"

#include <stdbool.h>

/* Six bytes of time, eight that make it unique, sixteen of the keyed hash; in hexadecimal digits. */
#define NONCE_TIME_DIGITS 12
#define NONCE_BODY_DIGITS 28
#define NONCE_BYTES       60

/** What a nonce is good for. */
struct nonce_scope {
    const struct hash_key *key;
    struct text realm;
    struct text algorithm;        /**< its name */
    const struct address *source; /**< NULL: whoever */
};
/** @param unique  never the same twice within a millisecond */
void nonce_print(const struct nonce_scope *scope, uint64_t now_ms, uint64_t unique,
                 char out[NONCE_BYTES]);
/** Is it one of ours, for this? @param made_ms  receives when it was made */
bool nonce_check(const struct nonce_scope *scope, struct text nonce, uint64_t *made_ms);
