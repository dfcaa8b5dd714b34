/* SipHash-2-4 and 1-3 (Aumasson, Bernstein) and a chained table of doubling size. */
#include "base/hash.h"

#include "base/error.h"
#include "base/memory.h"

#define HASH_FIRST_BUCKETS 64

struct siphash {
    uint64_t v0, v1, v2, v3;
    uint64_t tail;   /* bytes not yet compressed */
    unsigned filled; /* how many of them */
    unsigned rounds; /* for each word; a constant wherever it is inlined */
    uint64_t total;
};

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* Always inlined, so that the state lives in registers. */
static inline __attribute__((always_inline)) void siphash_round(struct siphash *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline __attribute__((always_inline)) void siphash_word(struct siphash *s, uint64_t m)
{
    s->v3 ^= m;
    siphash_round(s);
    if (s->rounds > 1)
        siphash_round(s);
    s->v0 ^= m;
}

static inline struct siphash siphash_begin(const struct hash_key *key, unsigned rounds)
{
    return (struct siphash){
        .rounds = rounds,
        .v0 = key->k0 ^ 0x736f6d6570736575u,
        .v1 = key->k1 ^ 0x646f72616e646f6du,
        .v2 = key->k0 ^ 0x6c7967656e657261u,
        .v3 = key->k1 ^ 0x7465646279746573u,
    };
}

/* One to seven bytes as the low end of a word, without a call and without a loop. */
static inline uint64_t few_bytes(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    if (n >= 4) {
        uint32_t low, high; /* they overlap when n < 8 */
        memcpy(&low, p, 4);
        memcpy(&high, p + n - 4, 4);
        return low | (uint64_t)high << (8 * (n - 4));
    }
    return u[0] | (uint64_t)u[n / 2] << (8 * (n / 2)) | (uint64_t)u[n - 1] << (8 * (n - 1));
}

/* Up to eight bytes, as the low end of a word. */
static inline __attribute__((always_inline)) void siphash_few(struct siphash *s, uint64_t m,
                                                              unsigned n)
{
    unsigned shift = 8 * s->filled;
    s->tail |= m << shift;
    s->filled += n;
    if (s->filled < 8)
        return;
    siphash_word(s, s->tail);
    s->filled -= 8;
    s->tail = shift ? m >> (64 - shift) : 0;
}

static inline __attribute__((always_inline)) void siphash_update(struct siphash *s, const char *p,
                                                                 size_t n)
{
    s->total += n;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t m;
        memcpy(&m, p, 8);
        siphash_few(s, m, 8);
    }
    if (n)
        siphash_few(s, few_bytes(p, n), (unsigned)n);
}

static inline uint64_t siphash_finish(struct siphash *s, uint64_t mark)
{
    s->v2 ^= mark;
    for (unsigned i = 0; i < s->rounds + 2; i++)
        siphash_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline __attribute__((always_inline)) struct siphash
siphash_texts(const struct hash_key *key, unsigned rounds, uint64_t wide, const struct text *v,
              size_t c)
{
    struct siphash s = siphash_begin(key, rounds);
    s.v1 ^= wide;
    for (size_t i = 0; i < c; i++) {
        s.total += 4;
        siphash_few(&s, (uint32_t)v[i].n, 4);
        siphash_update(&s, v[i].p, v[i].n);
    }
    siphash_word(&s, s.tail | s.total << 56);
    return s;
}

uint64_t hash_text(const struct hash_key *key, struct text t)
{
    struct siphash s = siphash_begin(key, 2);
    siphash_update(&s, t.p, t.n);
    siphash_word(&s, s.tail | s.total << 56);
    return siphash_finish(&s, 0xff);
}

uint64_t hash_texts(const struct hash_key *key, const struct text *v, size_t c)
{
    struct siphash s = siphash_texts(key, 2, 0, v, c);
    return siphash_finish(&s, 0xff);
}

/* Both halves; the state is that of siphash_texts() with 0xee. */
static inline __attribute__((always_inline)) struct hash_wide siphash_wide(struct siphash *s)
{
    struct hash_wide wide = {.low = siphash_finish(s, 0xee)};
    s->v1 ^= 0xdd;
    wide.high = siphash_finish(s, 0);
    return wide;
}

struct hash_wide hash_texts_wide(const struct hash_key *key, const struct text *v, size_t c)
{
    struct siphash s = siphash_texts(key, 2, 0xee, v, c);
    return siphash_wide(&s);
}

struct hash_wide hash_index_wide(const struct hash_key *key, const struct text *v, size_t c)
{
    struct siphash s = siphash_texts(key, 1, 0xee, v, c);
    return siphash_wide(&s);
}

static struct hash_link **bucket_of(const struct hash_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static int grow(struct hash_table *table)
{
    size_t count = table->bucket_count ? table->bucket_count * 2 : HASH_FIRST_BUCKETS;
    struct hash_link **buckets = memory_raw(count * sizeof *buckets);
    if (!buckets)
        return ERROR_MEMORY;
    memset(buckets, 0, count * sizeof *buckets);
    struct hash_table bigger = {buckets, count, table->count};
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct hash_link *link = table->buckets[i];
        while (link) {
            struct hash_link *next = link->next;
            struct hash_link **bucket = bucket_of(&bigger, link->hash);
            link->next = *bucket;
            *bucket = link;
            link = next;
        }
    }
    memory_free_raw(table->buckets);
    *table = bigger;
    return 0;
}

int hash_insert(struct hash_table *table, struct hash_link *link, uint64_t hash)
{
    if (table->count >= table->bucket_count && grow(table) && !table->bucket_count)
        return ERROR_MEMORY;
    struct hash_link **bucket = bucket_of(table, hash);
    link->hash = hash;
    link->table = table;
    link->next = *bucket;
    *bucket = link;
    table->count++;
    return 0;
}

struct hash_link *hash_find(const struct hash_table *table, uint64_t hash,
                            hash_match_handler *match, const void *key)
{
    if (!table->bucket_count)
        return NULL;
    for (struct hash_link *link = *bucket_of(table, hash); link; link = link->next)
        if (link->hash == hash && match(link, key))
            return link;
    return NULL;
}

void hash_remove(struct hash_link *link)
{
    struct hash_table *table = link->table;
    if (!table)
        return;
    struct hash_link **at = bucket_of(table, link->hash);
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    table->count--;
    link->next = NULL;
    link->table = NULL;
}

void hash_for_each(struct hash_table *table, hash_visit_handler *visit, void *arg)
{
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct hash_link *link = table->buckets[i];
        while (link) {
            struct hash_link *next = link->next;
            visit(link, arg);
            link = next;
        }
    }
}

void hash_table_release(struct hash_table *table)
{
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct hash_link *link = table->buckets[i], *next; link; link = next) {
            next = link->next;
            link->next = NULL;
            link->table = NULL;
        }
    memory_free_raw(table->buckets);
    *table = (struct hash_table){0};
}
