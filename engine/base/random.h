/*
 * Random numbers: SipHash of a counter under a secret key. Live engines take the key from the
 * kernel, the lab from its seed, so that tags, branches and ports are unpredictable outside and
 * reproducible in a test.
 */
#pragma once

#include "base/hash.h"

/** One thread's source. */
struct random {
    struct hash_key key;
    uint64_t counter;
    uint64_t
        *shared; /**< borrowed: a counter that several sources of one thread draw from; or NULL */
};

void random_seed(struct random *random, uint64_t seed);
/** Key from the kernel. */
void random_seed_secret(struct random *random);
uint64_t random_u64(struct random *random);
/** 0 <= number < @p bound; @p bound > 0. */
uint32_t random_below(struct random *random, uint32_t bound);
/** Fill with lower-case letters and digits, no NUL. */
void random_token(struct random *random, char *out, size_t size_bytes);
