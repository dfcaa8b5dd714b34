/* Dispatchers made of text, and shorthands; for the specs beside it. */
#pragma once

#include "base/error.h"
#include "base/memory.h"
#include "dispatcher/dispatcher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/** What one test looks at. */
struct bench {
    uint64_t live_before;
    char path[64]; /**< list file, rewritten by write_list() */
    struct dispatcher_options options;
    const char *files[1];
    struct log log;
    struct dispatcher *dispatcher;
    struct random random;
};

static inline void be_silent(void *arg, enum log_level level, enum log_group group,
                             struct text call_id, struct text line)
{
    (void)arg, (void)level, (void)group, (void)call_id, (void)line;
}

static inline void write_list(struct bench *bench, const char *list)
{
    FILE *file = fopen(bench->path, "w");
    assert_non_null(file);
    fputs(list, file);
    fclose(file);
}

static inline void open_bench(struct bench *bench, const char *list)
{
    *bench = (struct bench){.live_before = memory_live(), .log = {.sink = be_silent}};
    strcpy(bench->path, "/tmp/dispatcher-XXXXXX");
    close(mkstemp(bench->path));
    write_list(bench, list);
    random_seed(&bench->random, 1);
    bench->files[0] = bench->path;
    bench->options = (struct dispatcher_options){
        .files = bench->files,
        .file_count = 1,
        .ping_interval_s = 10,
        .probing_threshold = 1,
        .inactive_threshold = 1,
        .probing_mode = 1,
        .log = &bench->log,
    };
}

/* After options were changed, or at once. */
static inline void start(struct bench *bench)
{
    char *fault = NULL;
    int error = dispatcher_create(&bench->dispatcher, &bench->options, &fault);
    if (error)
        print_error("%s\n", fault ? fault : error_text(error));
    assert_int_equal(error, 0);
}

static inline void open_and_start(struct bench *bench, const char *list)
{
    open_bench(bench, list);
    start(bench);
}

static inline void close_bench(struct bench *bench)
{
    bench->dispatcher = memory_release(bench->dispatcher);
    unlink(bench->path);
    assert_int_equal(memory_live(), bench->live_before);
}

static inline void reload(struct bench *bench, const char *list)
{
    write_list(bench, list);
    assert_int_equal(dispatcher_reload(bench->dispatcher, NULL, NULL), 0);
}

static inline void mark(struct bench *bench, unsigned set, const char *uri, const char *state)
{
    assert_int_equal(dispatcher_mark(bench->dispatcher, set, text_of(uri), text_of(state)), 0);
}

/* "AP" and so on; "--" when it is not in the list. */
static inline const char *letters(struct bench *bench, unsigned set, const char *uri)
{
    bool is_probing;
    struct dispatcher_destination *destination =
        dispatcher_find(bench->dispatcher, set, text_of(uri));
    if (!destination)
        return "--";
    enum dispatcher_state state = dispatcher_destination_state(destination, &is_probing);
    memory_release(destination);
    return dispatcher_state_letters(state, is_probing);
}

static inline struct dispatcher_choice *select_with(struct bench *bench,
                                                    const struct dispatcher_query *query)
{
    struct dispatcher_choice *choice = NULL;
    int error = dispatcher_select(&choice, bench->dispatcher, query);
    assert_true(error == 0 || error == ERROR_NOT_FOUND);
    assert_true((error == 0) == (choice != NULL));
    return choice;
}

/* The number behind "sip:10.0.0." of a destination; 0 for NULL. */
static inline unsigned number_of(const struct dispatcher_destination *destination)
{
    if (!destination)
        return 0;
    char uri[64];
    assert_true(text_to_array(dispatcher_destination_uri(destination), uri, sizeof uri));
    return (unsigned)atoi(uri + strlen("sip:10.0.0."));
}

/* First choice of set 1 by @p query. */
static inline unsigned pick(struct bench *bench, const struct dispatcher_query *query)
{
    struct dispatcher_choice *choice = select_with(bench, query);
    unsigned number = choice ? number_of(dispatcher_choice_current(choice)) : 0;
    memory_release(choice);
    return number;
}

static inline unsigned pick_by(struct bench *bench, enum dispatcher_algorithm algorithm)
{
    return pick(bench, &(struct dispatcher_query){
                           .set = 1, .algorithm = algorithm, .random = &bench->random});
}

/* The whole order of a choice, "1 2 3 ". */
static inline void expect_order(struct bench *bench, const struct dispatcher_query *query,
                                const char *expected)
{
    char order[256] = "";
    struct dispatcher_choice *choice = select_with(bench, query);
    for (struct dispatcher_destination *at = choice ? dispatcher_choice_current(choice) : NULL; at;
         at = dispatcher_choice_next(choice))
        sprintf(order + strlen(order), "%u ", number_of(at));
    if (choice)
        assert_null(dispatcher_choice_current(choice));
    memory_release(choice);
    assert_string_equal(order, expected);
}
