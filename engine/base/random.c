/* Numbers and tokens from a keyed counter. */
#include "base/random.h"

#include "base/error.h"

#include <sys/random.h>

void random_seed(struct random *random, uint64_t seed)
{
    *random = (struct random){.key = {seed, ~seed}};
}

void random_seed_secret(struct random *random)
{
    *random = (struct random){0};
    engine_require(getrandom(&random->key, sizeof random->key, 0) == sizeof random->key);
}

uint64_t random_u64(struct random *random)
{
    uint64_t n = random->shared ? (*random->shared)++ : random->counter++;
    return hash_text(&random->key, (struct text){(const char *)&n, sizeof n});
}

uint32_t random_below(struct random *random, uint32_t bound)
{
    return (uint32_t)(((random_u64(random) >> 32) * bound) >> 32);
}

void random_token(struct random *random, char *out, size_t size_bytes)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz012345";
    uint64_t bits = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        if (i % 12 == 0)
            bits = random_u64(random);
        out[i] = alphabet[bits & 31];
        bits >>= 5;
    }
}
