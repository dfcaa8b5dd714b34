/* The thread of the records: several workers put, one writes; nothing is lost or torn, nobody waits. */
#include "../base/check.h"
#include "base/error.h"
#include "record/records.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 4
#define EACH    2000

static char path[64];
static struct settings settings;

static void on_line(void *arg, enum log_level level, enum log_group group, struct text call_id,
                    struct text line)
{
    (void)arg, (void)level, (void)group, (void)call_id, (void)line;
}

static struct log log_here = {.level = LOG_ERROR, .sink = on_line};

static struct records *make(struct io *io, const char *file)
{
    struct records *records;
    assert_int_equal(records_create(&records, &(struct records_options){.io = io,
                                                                        .settings = &settings,
                                                                        .log = &log_here,
                                                                        .file = file}),
                     0);
    assert_int_equal(records_start(records), 0);
    return records;
}

struct worker {
    struct records *records;
    unsigned number, lost;
};

static void *put_all(void *arg)
{
    struct worker *worker = arg;
    for (unsigned i = 0; i < EACH; i++) {
        struct call_record *record;
        if (call_record_create(&record))
            abort();
        record->caller.call_id = arena_printf(&record->arena, "%u-%u", worker->number, i);
        record->invite_ms = 1;
        if (records_put(worker->records, record)) {
            memory_release(record);
            worker->lost++;
        }
    }
    return NULL;
}

/* @return lines; *seen_each: every record of every thread is there, in the order of its thread */
static unsigned read_back(bool *in_order)
{
    unsigned lines = 0, next[THREADS] = {0};
    char line[4096];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    *in_order = true;
    while (fgets(line, sizeof line, file)) {
        unsigned number = 0, i = 0;
        const char *id = strstr(line, "\"call_id\":\"");
        assert_non_null(id);
        assert_int_equal(sscanf(id, "\"call_id\":\"%u-%u\"", &number, &i), 2);
        *in_order = *in_order && number < THREADS && next[number] == i;
        next[number] = i + 1;
        lines++;
    }
    fclose(file);
    return lines;
}

static unsigned run_threads(struct records *records)
{
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    unsigned lost = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){records, i, 0};
        pthread_create(&threads[i], NULL, put_all, &workers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        lost += workers[i].lost;
    }
    return lost;
}

static void test_all_are_written(void **state)
{
    struct io *io;
    bool in_order;
    (void)state;
    assert_int_equal(io_uv_create(&io), 0);
    struct records *records = make(io, path);
    assert_int_equal(run_threads(records), 0);
    records_change(records, &settings); /* a reload */
    records_stop(records);
    assert_int_equal(records_waiting(records), 0);
    assert_int_equal(counter_read(records_counters(records), COUNTER_RECORDS_WRITTEN),
                     THREADS * EACH);
    assert_int_equal(read_back(&in_order), THREADS * EACH);
    assert_true(in_order);
    memory_release(records);
    memory_release(io);
}

/* A disk that is full: what waits is bounded, the rest is the worker's to count. */
static void test_full_disk(void **state)
{
    struct io *io;
    (void)state;
    assert_int_equal(io_uv_create(&io), 0);
    settings.records_queue = 100;
    struct records *records = make(io, "/dev/full");
    assert_int_equal(run_threads(records), THREADS * EACH - 100);
    records_stop(records);
    assert_int_equal(records_waiting(records), 100);
    memory_release(records);
    memory_release(io);
}

/* An operator moves the file, or has it put aside: what is put afterwards is in the new one. */
static void test_orders(void **state)
{
    struct io *io;
    struct records_state at;
    char moved[96];
    bool in_order;
    (void)state;
    assert_int_equal(io_uv_create(&io), 0);
    struct records *records = make(io, path);
    assert_int_equal(records_order_file(records, RECORDS_REOPEN), 0); /* it is open now */
    run_threads(records);
    snprintf(moved, sizeof moved, "%s.moved", path);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(records_order_file(records, RECORDS_REOPEN), 0);
    assert_int_equal(read_back(&in_order), 0);
    records_get_state(records, &at);
    assert_string_equal(at.file, path);
    assert_int_equal(at.file_bytes, 0);
    assert_false(at.is_refused || at.has_database);
    assert_int_equal(rename(moved, path), 0);
    assert_int_equal(read_back(&in_order), THREADS * EACH);
    assert_int_equal(records_order_file(records, RECORDS_REOPEN), 0);
    assert_int_equal(records_order_file(records, RECORDS_ROTATE), 0);
    assert_int_equal(read_back(&in_order), 0);
    records_stop(records);
    assert_int_equal(records_order_file(records, RECORDS_ROTATE), ERROR_NOT_FOUND);
    assert_int_equal(counter_read(records_counters(records), COUNTER_RECORDS_ROTATED), 1);
    memory_release(records);
    memory_release(io);
}

static int setup(void **state)
{
    (void)state;
    settings_default(&settings);
    settings.records_gather_ms = 1;
    snprintf(path, sizeof path, "/tmp/records.XXXXXX");
    close(mkstemp(path));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[160];
    snprintf(command, sizeof command, "rm -f %s %s.*", path, path);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_are_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orders, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
