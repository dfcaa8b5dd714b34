/* What the tests of databases share: a home that keeps answers until a test wants them. */
#pragma once

#include "database/internal.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_S 30 /* a test that waits longer has failed */

/** Answers in the order in which they came. */
struct bench {
    struct io *io;
    struct settings settings;
    struct counters counters;
    struct log log;
    struct database *database;
    uint64_t live_before;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct database_answer *first, *last;
    size_t count; /**< answers in the list */
    char lines[4096];
};

static inline void bench_line(void *arg, enum log_level level, enum log_group group,
                              struct text call_id, struct text line)
{
    struct bench *bench = arg;
    (void)level, (void)group, (void)call_id;
    pthread_mutex_lock(&bench->lock);
    size_t n = strlen(bench->lines);
    snprintf(bench->lines + n, sizeof bench->lines - n, "%.*s\n", TEXT_ARG(line));
    pthread_mutex_unlock(&bench->lock);
}

static inline bool bench_post(void *arg, struct database_answer *answer)
{
    struct bench *bench = arg;
    pthread_mutex_lock(&bench->lock);
    answer->mail.next = NULL;
    if (bench->last)
        bench->last->mail.next = &answer->mail;
    else
        bench->first = answer;
    bench->last = answer;
    bench->count++;
    pthread_cond_broadcast(&bench->came);
    pthread_mutex_unlock(&bench->lock);
    return true;
}

static inline void bench_open(struct bench *bench)
{
    *bench = (struct bench){.live_before = memory_live()};
    pthread_mutex_init(&bench->lock, NULL);
    pthread_cond_init(&bench->came, NULL);
    settings_default(&bench->settings);
    bench->settings.database_timeout_ms = PATIENCE_S * 1000;
    bench->log = (struct log){.level = LOG_INFO, .sink = bench_line, .arg = bench};
    assert_int_equal(io_uv_create(&bench->io), 0);
}

static inline struct database_options bench_options(struct bench *bench, const char *url)
{
    return (struct database_options){.io = bench->io,
                                     .url = url,
                                     .settings = &bench->settings,
                                     .counters = &bench->counters,
                                     .log = &bench->log};
}

static inline void bench_connect(struct bench *bench, const char *url)
{
    struct database_options options = bench_options(bench, url);
    assert_int_equal(database_create(&bench->database, &options), 0);
}

static inline void bench_close(struct bench *bench)
{
    bench->database = memory_release(bench->database);
    assert_null(bench->first);
    memory_release(bench->io);
    assert_int_equal(memory_live(), bench->live_before);
    pthread_mutex_destroy(&bench->lock);
    pthread_cond_destroy(&bench->came);
}

/** The oldest answer; returned owned. */
static inline struct database_answer *bench_answer(struct bench *bench)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&bench->lock);
    int status = 0;
    while (!bench->first && status == 0)
        status = pthread_cond_timedwait(&bench->came, &bench->lock, &until);
    struct database_answer *answer = bench->first;
    if (answer) {
        bench->first = (struct database_answer *)answer->mail.next;
        if (!bench->first)
            bench->last = NULL;
        bench->count--;
    }
    pthread_mutex_unlock(&bench->lock);
    assert_non_null(answer);
    return answer;
}

static inline void bench_done(void *arg, const struct database_answer *answer)
{
    (void)arg, (void)answer;
}

/** Ask with values; @p mark comes back as answer->arg. */
static inline int bench_ask(struct bench *bench, struct database_query query, uintptr_t mark)
{
    struct database_home home = {bench_post, bench};
    return database_ask(bench->database, &query, &home, bench_done, (void *)mark);
}

static inline uintptr_t bench_mark(const struct database_answer *answer)
{
    return (uintptr_t)answer->arg;
}

/** Ask and wait. Returned owned. */
static inline struct database_answer *bench_query(struct bench *bench, const char *sql,
                                                  const struct database_value *values, size_t count)
{
    struct database_query query = {.sql = text_of(sql), .values = values, .value_count = count};
    assert_int_equal(bench_ask(bench, query, 0), 0);
    return bench_answer(bench);
}

/** Ask without values, wait, and look at the outcome alone. */
static inline void bench_exec(struct bench *bench, const char *sql, int error)
{
    struct database_answer *answer = bench_query(bench, sql, NULL, 0);
    if (answer->error != error)
        print_error("%s: %s: %s\n", sql, error_text(answer->error), answer->problem);
    assert_int_equal(answer->error, error);
    memory_release(answer);
}

#define INTEGER(n) ((struct database_value){DATABASE_INTEGER, .integer = (n)})
#define REAL(x)    ((struct database_value){DATABASE_REAL, .real = (x)})
#define WORDS(s)   ((struct database_value){DATABASE_TEXT, .text = TEXT(s)})
#define NOTHING    ((struct database_value){DATABASE_NULL})
#define VALUES(...)                                                                                \
    (const struct database_value[]){__VA_ARGS__},                                                  \
        sizeof((const struct database_value[]){__VA_ARGS__}) / sizeof(struct database_value)

#define assert_words(value, expected)                                                              \
    do {                                                                                           \
        assert_int_equal((value)->type, DATABASE_TEXT);                                            \
        assert_int_equal((value)->text.n, sizeof(expected) - 1);                                   \
        assert_memory_equal((value)->text.p, expected, sizeof(expected) - 1);                      \
    } while (0)
