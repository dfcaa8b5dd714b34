/*
 * Branch parameters that we make: magic cookie, "lu", 16 hexadecimal digits of the loop hash
 * (RFC 5393 s4.2), a dot, and a unique part.
 */
#include "transaction/machine.h"

#define MARK         TEXT("z9hG4bKlu")
#define HASH_DIGITS  TEXT_HEX64_BYTES
#define UNIQUE_BYTES 13u                          /* 64 bits, five a letter */
#define SPREAD       UINT64_C(0x9e3779b97f4a7c15) /* odd: no two words become one */

static const char digits[] = "0123456789abcdef";

struct text transactions_make_branch(struct transactions *transactions, uint64_t loop_hash,
                                     char out[BRANCH_BYTES])
{
    struct text mark = MARK;
    char *at = out;
    memcpy(at, mark.p, mark.n);
    at += mark.n;
    text_print_hex64(loop_hash, at);
    at += HASH_DIGITS;
    *at++ = '.';
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    uint64_t unique = random_u64(&transactions->random);
    for (unsigned i = 0; i < UNIQUE_BYTES; i++, unique >>= 5)
        *at++ = letters[unique & 31];
    return text_span(out, at);
}

static bool is_ours(struct text branch)
{
    struct text mark = MARK;
    return branch.n == mark.n + HASH_DIGITS + 1 + UNIQUE_BYTES &&
           memcmp(branch.p, mark.p, mark.n) == 0 && branch.p[mark.n + HASH_DIGITS] == '.';
}

bool match_own_branch(struct text branch, enum method method, struct match_key *key)
{
    if (!is_ours(branch))
        return false;
    uint64_t loop[2], unique[2]; /* all but the mark; where they overlap does not matter */
    memcpy(loop, branch.p + MARK.n, sizeof loop);
    memcpy(unique, branch.p + branch.n - sizeof unique, sizeof unique);
    uint64_t hash = (unique[0] * SPREAD ^ unique[1]) * SPREAD;
    *key = (struct match_key){
        .hash = hash ^ hash >> 32, /* the low bits choose the bucket */
        .check = ((loop[0] * SPREAD ^ loop[1]) * SPREAD ^ unique[0]) + (uint64_t)method,
    };
    return true;
}

bool transactions_branch_loop_hash(struct text branch, uint64_t *loop_hash)
{
    struct text mark = MARK;
    if (!is_ours(branch))
        return false;
    *loop_hash = 0;
    for (unsigned i = 0; i < HASH_DIGITS; i++) {
        const char *digit = memchr(digits, branch.p[mark.n + i], HASH_DIGITS);
        if (!digit)
            return false;
        *loop_hash = *loop_hash << 4 | (uint64_t)(digit - digits);
    }
    return *loop_hash != 0;
}
