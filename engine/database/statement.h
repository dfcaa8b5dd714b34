/*
 * The texts of statements, each known once: what was prepared for a text serves the next query with the same.
 * Not thread-safe: the database's lock guards it.
 */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "database/operations.h"

/** Counted. One text in the kind's own spelling; immutable. */
struct statement {
    struct hash_link link;
    struct link recent;
    uint64_t id; /**< never that of another text */
    struct text text;
    const char *sql;
    size_t placeholders;
};

/** The texts that were asked of late. */
struct statements {
    const struct database_operations *operations;
    struct hash_key key;
    struct hash_table table;
    struct list recent; /**< most recently used first */
    size_t most;        /**< texts remembered */
    uint64_t next_id;
};

void statements_init(struct statements *statements, const struct database_operations *operations,
                     const struct hash_key *key, size_t most);
/**
 * The statement of a text, read if it is new; the one that was asked least recently is forgotten for it.
 * @param statementp  returned owned
 * @param forgotten   more by one when another was
 * @return 0; ERROR_ARGUMENT (a NUL byte, or it begins or ends a transaction), ERROR_MEMORY
 */
int statements_get(struct statements *statements, struct text text, struct statement **statementp,
                   unsigned *forgotten);
void statements_release(struct statements *statements);

/** Spell @p text as the kind wants it, appending to @p out. @return the number of placeholders */
struct buffer;
size_t statement_spell(const struct database_operations *operations, struct text text,
                       struct buffer *out);
