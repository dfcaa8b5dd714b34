/* Reading SQL as far as it takes to find its placeholders. */
#include "database/statement.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

#include <ctype.h>

/* ---- spelling ---- */

/** Length of what begins at @p t with @p opening and ends with @p closing, or of all. */
static size_t span(struct text t, size_t opening, struct text closing)
{
    struct text inside = {t.p + opening, t.n - opening};
    const char *end = text_search(inside, closing);
    return end ? (size_t)(end - t.p) + closing.n : t.n;
}

/** 'x', "x", `x`: a doubled quote goes on, which two spans in a row read as well. */
static size_t quoted_span(struct text t, bool has_escapes)
{
    for (size_t i = 1; i < t.n; i++) {
        if (has_escapes && t.p[i] == '\\')
            i++;
        else if (t.p[i] == t.p[0])
            return i + 1;
    }
    return t.n;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/** PostgreSQL's $tag$ … $tag$. @return 0: it is none */
static size_t dollar_span(struct text t)
{
    size_t n = 1;
    while (n < t.n && is_word(t.p[n]))
        n++;
    if (n == t.n || t.p[n] != '$' || (n > 1 && isdigit((unsigned char)t.p[1])))
        return 0;
    struct text tag = {t.p, n + 1};
    return span(t, tag.n, tag);
}

/** Length of the text, comment or name that begins at @p t; 0: none does. @p before the byte before it */
static size_t opaque_span(const struct database_operations *operations, struct text t, char before)
{
    bool has_dollars = operations->placeholder == '$';
    switch (t.p[0]) {
    case '\'':
        return quoted_span(t,
                           operations->escapes_quotes || (has_dollars && (before | 0x20) == 'e'));
    case '"': return quoted_span(t, operations->escapes_quotes);
    case '`': return quoted_span(t, false);
    case '$': return has_dollars && !is_word(before) ? dollar_span(t) : 0;
    case '-': return text_starts_with(t, TEXT("--")) ? span(t, 2, TEXT("\n")) : 0;
    case '/': return text_starts_with(t, TEXT("/*")) ? span(t, 2, TEXT("*/")) : 0;
    default: return 0;
    }
}

size_t statement_spell(const struct database_operations *operations, struct text text,
                       struct buffer *out)
{
    size_t count = 0;
    for (size_t i = 0; i < text.n;) {
        struct text rest = {text.p + i, text.n - i};
        size_t n = opaque_span(operations, rest, i ? text.p[i - 1] : ' ');
        if (n) {
            buffer_append(out, (struct text){rest.p, n});
            i += n;
            continue;
        }
        if (rest.p[0] != '?') {
            buffer_append_char(out, rest.p[0]);
        } else {
            count++;
            buffer_append_char(out, operations->placeholder);
            if (operations->placeholder == '$')
                buffer_append_u64(out, count);
        }
        i++;
    }
    return count;
}

/* ---- what may be asked ---- */

/** Words that would leave a connection in a transaction, or end one that is not there. */
static bool is_transaction(struct text sql)
{
    static const char *const words[] = {"begin",    "start",     "commit",  "end",
                                        "rollback", "savepoint", "release", "abort"};
    sql = text_trim(sql);
    size_t n = 0;
    while (n < sql.n && is_word(sql.p[n]))
        n++;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (text_equal_nocase((struct text){sql.p, n}, text_of(words[i])))
            return true;
    }
    return false;
}

/* ---- the table ---- */

void statements_init(struct statements *statements, const struct database_operations *operations,
                     const struct hash_key *key, size_t most)
{
    *statements = (struct statements){
        .operations = operations, .key = *key, .most = most ? most : 1, .next_id = 1};
}

static bool has_text(const struct hash_link *link, const void *key)
{
    const struct statement *statement = CONTAINER_OF(link, struct statement, link);
    return text_equal(statement->text, *(const struct text *)key);
}

static void forget(struct statement *statement)
{
    hash_remove(&statement->link);
    list_remove(&statement->recent);
    memory_release(statement);
}

static int read_statement(struct statements *statements, struct text text,
                          struct statement **statementp)
{
    if (!text.n || memchr(text.p, 0, text.n) || is_transaction(text))
        return ERROR_ARGUMENT;
    struct buffer sql = {0};
    size_t placeholders = statement_spell(statements->operations, text, &sql);
    buffer_append_char(&sql, 0);
    struct statement *statement =
        sql.error ? NULL : memory_alloc_room(sizeof *statement, text.n + sql.n, NULL);
    if (statement) {
        char *room = (char *)(statement + 1);
        memcpy(room, sql.p, sql.n);
        memcpy(room + sql.n, text.p, text.n);
        statement->sql = room;
        statement->text = (struct text){room + sql.n, text.n};
        statement->placeholders = placeholders;
        statement->id = statements->next_id++;
    }
    buffer_release(&sql);
    *statementp = statement;
    return statement ? 0 : ERROR_MEMORY;
}

int statements_get(struct statements *statements, struct text text, struct statement **statementp,
                   unsigned *forgotten)
{
    uint64_t hash = hash_text(&statements->key, text);
    struct hash_link *link = hash_find(&statements->table, hash, has_text, &text);
    struct statement *statement = link ? CONTAINER_OF(link, struct statement, link) : NULL;
    if (statement) {
        list_remove(&statement->recent);
    } else {
        int error = read_statement(statements, text, &statement);
        if (!error)
            error = hash_insert(&statements->table, &statement->link, hash);
        if (error) {
            memory_release(statement);
            return error;
        }
    }
    list_prepend(&statements->recent, &statement->recent);
    *statementp = memory_ref(statement);
    if (statements->recent.count > statements->most) {
        forget(CONTAINER_OF(statements->recent.last, struct statement, recent));
        ++*forgotten;
    }
    return 0;
}

void statements_release(struct statements *statements)
{
    while (statements->recent.first)
        forget(CONTAINER_OF(statements->recent.first, struct statement, recent));
    hash_table_release(&statements->table);
}
