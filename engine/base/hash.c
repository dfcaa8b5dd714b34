/* SipHash-2-4 and 1-3 (Aumasson, Bernstein) and a chained table of doubling size. */
#include "base/hash.h"

#include "base/error.h"
#include "base/memory.h"

#define HASH_FIRST_BUCKETS 64

/* What is mixed into the state of the 64 bits, and of each half of the 128. */
#define MARK_64   0xffu
#define MARK_LOW  0xeeu
#define MARK_HIGH 0xddu

struct siphash {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* Always inlined, so that the state lives in registers. */
static inline __attribute__((always_inline)) void siphash_rounds(struct siphash *s, unsigned rounds)
{
    do {
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
    } while (--rounds);
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

static inline uint64_t whole_word(const char *p)
{
    uint64_t m;
    memcpy(&m, p, sizeof m);
    return m;
}

/* What of a text is left behind its whole words. */
static inline uint64_t last_bytes(const char *p, size_t n)
{
    size_t left = n % 8;
    if (!left)
        return 0;
    return n < 8 ? few_bytes(p, n) : whole_word(p + n - 8) >> (64 - 8 * left);
}

/*
 * Each text as SipHash takes one: its words, then a word of what is left with its length in the
 * highest byte, and where that says too little, one of its length. Read from the end this can be only
 * one list of texts. One function for all, since its code comes from memory for each message.
 */
static __attribute__((noinline)) struct hash_wide
siphash(const struct hash_key *key, unsigned rounds, uint64_t mark, const struct text *v, size_t c)
{
    struct siphash s = {
        .v0 = key->k0 ^ 0x736f6d6570736575u,
        .v1 = key->k1 ^ 0x646f72616e646f6du ^ (mark == MARK_64 ? 0 : mark),
        .v2 = key->k0 ^ 0x6c7967656e657261u,
        .v3 = key->k1 ^ 0x7465646279746573u,
    };
    for (; c; c--, v++) {
        size_t n = v->n, at = 0;
        uint64_t m;
        bool is_more = true;
        while (is_more) {
            if (at + 8 <= n) {
                m = whole_word(v->p + at);
            } else if (at <= n) {
                m = last_bytes(v->p, n) | (uint64_t)n << 56;
                is_more = n > UINT8_MAX;
            } else {
                m = n;
                is_more = false;
            }
            at += 8;
            s.v3 ^= m;
            siphash_rounds(&s, rounds);
            s.v0 ^= m;
        }
    }
    s.v2 ^= mark;
    siphash_rounds(&s, rounds + 2);
    struct hash_wide wide = {.low = s.v0 ^ s.v1 ^ s.v2 ^ s.v3};
    if (mark == MARK_64)
        return wide;
    s.v1 ^= MARK_HIGH;
    siphash_rounds(&s, rounds + 2);
    wide.high = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return wide;
}

uint64_t hash_text(const struct hash_key *key, struct text t)
{
    return siphash(key, 2, MARK_64, &t, 1).low;
}

uint64_t hash_texts(const struct hash_key *key, const struct text *v, size_t c)
{
    return siphash(key, 2, MARK_64, v, c).low;
}

struct hash_wide hash_texts_wide(const struct hash_key *key, const struct text *v, size_t c)
{
    return siphash(key, 2, MARK_LOW, v, c);
}

uint64_t hash_index(const struct hash_key *key, const struct text *v, size_t c)
{
    return siphash(key, 1, MARK_64, v, c).low;
}

struct hash_wide hash_index_wide(const struct hash_key *key, const struct text *v, size_t c)
{
    return siphash(key, 1, MARK_LOW, v, c);
}

static struct hash_link **bucket_of(const struct hash_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void put(struct hash_link **bucket, struct hash_link *link)
{
    link->next = *bucket;
    link->at = bucket;
    if (link->next)
        link->next->at = &link->next;
    *bucket = link;
}

static __attribute__((cold, noinline)) int grow(struct hash_table *table)
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
            put(bucket_of(&bigger, link->hash), link);
            link = next;
        }
    }
    memory_free_raw(table->buckets);
    *table = bigger;
    return 0;
}

int hash_insert(struct hash_table *table, struct hash_link *link, uint64_t hash)
{
    if (table->count >= table->bucket_count / 2 && grow(table) && !table->bucket_count)
        return ERROR_MEMORY;
    link->hash = hash;
    link->table = table;
    put(bucket_of(table, hash), link);
    table->count++;
    return 0;
}

struct hash_link *hash_find(const struct hash_table *table, uint64_t hash,
                            hash_match_handler *match, const void *key)
{
    if (!table->bucket_count)
        return NULL;
    for (struct hash_link *link = *bucket_of(table, hash); link; link = link->next)
        if (link->hash == hash && (!match || match(link, key)))
            return link;
    return NULL;
}

void hash_remove(struct hash_link *link)
{
    struct hash_table *table = link->table;
    if (!table)
        return;
    *link->at = link->next;
    if (link->next)
        link->next->at = link->at;
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
