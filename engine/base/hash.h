/*
 * Keyed SipHash and an intrusive hash table on top of it. Keys come from the network, so the hash is
 * keyed per engine: nobody outside can aim at one bucket. The table doubles when it has half as many elements as
 * buckets, since each neighbour in a bucket is memory that no cache has, and never shrinks; look-up,
 * insertion and removal are O(1), removal also where many have one hash.
 *
 * SipHash-2-4 is for what leaves us or must not be guessed: tokens, branches, nonces. Keys of tables
 * take SipHash-1-3, half the rounds, as the dictionaries of several languages do: nobody outside
 * ever sees such a hash, so all that is asked of it is that nobody can make texts that collide
 * whatever the key is, and the best known difference holds with probability 2^-167.
 */
#pragma once

#include "base/list.h" /* CONTAINER_OF() gives what a link lies in */
#include "base/text.h"

/** Secret of one engine. */
struct hash_key {
    uint64_t k0, k1;
};

/** SipHash-2-4 of @p t; behind more than 255 bytes their number is hashed as well. */
uint64_t hash_text(const struct hash_key *key, struct text t);
/** SipHash-2-4 of several texts, of which other texts do not make the same sequence of words. */
uint64_t hash_texts(const struct hash_key *key, const struct text *v, size_t c);

/** 128 bits. */
struct hash_wide {
    uint64_t low, high;
};
/** SipHash-2-4-128 of several texts, as hash_texts(): the two halves say nothing about each other. */
struct hash_wide hash_texts_wide(const struct hash_key *key, const struct text *v, size_t c);

/** SipHash-1-3 of several texts: for keys of tables, and where it gains nobody a thing to foresee it. */
uint64_t hash_index(const struct hash_key *key, const struct text *v, size_t c);
/** Its 128 bits: they are the key, and nothing else is compared. */
struct hash_wide hash_index_wide(const struct hash_key *key, const struct text *v, size_t c);

/** An element's place in a table; zero-initialised is "in no table". */
struct hash_link {
    struct hash_link *next;
    struct hash_link **at;    /**< what points here: the bucket, or next of the one before */
    struct hash_table *table; /**< holder, NULL when unlinked */
    uint64_t hash;
};

/** Zero-initialised is empty and ready. */
struct hash_table {
    struct hash_link **buckets; /**< owned */
    size_t bucket_count;        /**< a power of two, or 0 */
    size_t count;               /**< elements */
};

/** Does the element at @p link have this key? @p key as given to hash_find(). */
typedef bool hash_match_handler(const struct hash_link *link, const void *key);

/** @return 0 or ERROR_MEMORY */
int hash_insert(struct hash_table *table, struct hash_link *link, uint64_t hash);
/**
 * @param match  NULL: the hash is the whole key
 * @return newest element of that hash and key, returned borrowed, or NULL
 */
struct hash_link *hash_find(const struct hash_table *table, uint64_t hash,
                            hash_match_handler *match, const void *key);
/** Unlink; nothing happens when it is in no table. */
void hash_remove(struct hash_link *link);
/** Visit every element; the visited one may be removed. Order is that of the buckets. */
typedef void hash_visit_handler(struct hash_link *link, void *arg);
void hash_for_each(struct hash_table *table, hash_visit_handler *visit, void *arg);
/** Free the buckets; the elements are only unlinked. */
void hash_table_release(struct hash_table *table);
