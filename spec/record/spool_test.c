/* The spool: what was appended is read again until it is done, whatever ends in between. */
#include "../base/check.h"
#include "record/spool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 1000000

static char folder[64], path[96];
static unsigned errors;

static void on_line(void *arg, enum log_level level, enum log_group group, struct text call_id,
                    struct text line)
{
    (void)arg, (void)group, (void)call_id, (void)line;
    errors += level == LOG_ERROR;
}

static struct log log_here = {.level = LOG_DEBUG, .sink = on_line};

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/record_spool.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/spool", folder);
    errors = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static struct spool *make(void)
{
    struct spool *spool;
    assert_int_equal(spool_create(&spool, path, &log_here), 0);
    return spool;
}

static void assert_reads(struct spool *spool, size_t most, const char *expected)
{
    struct buffer out = {0};
    assert_int_equal(spool_read(spool, &out, most), 0);
    assert_text(buffer_text(&out), expected);
    buffer_release(&out);
}

static void test_again_until_done(void **state)
{
    (void)state;
    struct spool *spool = make();
    assert_int_equal(spool_append(spool, TEXT("one\ntwo\nthree\n"), MOST), 0);
    assert_reads(spool, 2, "one\ntwo\n");
    assert_reads(spool, 2, "one\ntwo\n");
    spool_done(spool, 8);
    assert_reads(spool, 2, "three\n");
    assert_int_equal(spool_waiting_bytes(spool), 6);
    memory_release(spool);
    spool = make(); /* a restart */
    assert_reads(spool, 9, "three\n");
    assert_int_equal(spool_append(spool, TEXT("four\n"), MOST), 0);
    assert_reads(spool, 9, "three\nfour\n");
    spool_done(spool, 11);
    assert_reads(spool, 9, "");
    memory_release(spool);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size < 64); /* it was cut */
    spool = make();
    assert_int_equal(spool_waiting_bytes(spool), 0);
    memory_release(spool);
}

/* kill -9 within a write: the half line was never acknowledged. */
static void test_torn(void **state)
{
    (void)state;
    struct spool *spool = make();
    spool_append(spool, TEXT("one\n"), MOST);
    memory_release(spool);
    FILE *file = fopen(path, "a");
    for (int i = 0; i < 5000; i++)
        fputc('x', file);
    fclose(file);
    spool = make();
    assert_reads(spool, 9, "one\n");
    spool_append(spool, TEXT("two\n"), MOST);
    assert_reads(spool, 9, "one\ntwo\n");
    memory_release(spool);
}

/* kill -9 after all was stored and the file cut, before its head said so. */
static void test_cut(void **state)
{
    (void)state;
    struct spool *spool = make();
    spool_append(spool, TEXT("one\ntwo\n"), MOST);
    spool_done(spool, 4);
    memory_release(spool);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(truncate(path, status.st_size - 8), 0);
    spool = make();
    assert_int_equal(spool_waiting_bytes(spool), 0);
    spool_append(spool, TEXT("three\n"), MOST);
    memory_release(spool);
    spool = make();
    assert_reads(spool, 9, "three\n");
    memory_release(spool);
    assert_int_equal(errors, 0);
}

/* A line longer than what is read at once. */
static void test_long_line(void **state)
{
    (void)state;
    char *line = malloc(200001);
    memset(line, 'x', 200000);
    line[199999] = '\n';
    line[200000] = 0;
    struct spool *spool = make();
    spool_append(spool, text_of(line), MOST);
    spool_append(spool, TEXT("two\n"), MOST);
    assert_reads(spool, 1, line);
    spool_done(spool, 200000);
    assert_reads(spool, 1, "two\n");
    memory_release(spool);
    free(line);
}

static void test_bounded(void **state)
{
    (void)state;
    struct spool *spool = make();
    assert_int_equal(spool_append(spool, TEXT("12345\n"), 10), 0);
    assert_int_equal(spool_append(spool, TEXT("12345\n"), 10), ERROR_LIMIT);
    spool_done(spool, 6);
    assert_int_equal(spool_append(spool, TEXT("12345\n"), 10), 0);
    memory_release(spool);
}

/* A full disk takes whole lines or none. */
static void test_no_room(void **state)
{
    (void)state;
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 45;
    struct spool *spool = make();
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(spool_append(spool, TEXT("one\n"), MOST), 0);
    assert_int_equal(spool_append(spool, TEXT("two and more\n"), MOST), ERROR_TRANSPORT);
    assert_int_equal(spool_append(spool, TEXT("two and more\n"), MOST), ERROR_TRANSPORT);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(errors, 1);
    assert_reads(spool, 9, "one\n");
    assert_int_equal(spool_append(spool, TEXT("two and more\n"), MOST), 0);
    assert_reads(spool, 9, "one\ntwo and more\n");
    memory_release(spool);
}

/* Two processes would send everything twice; another file would be cut. */
static void test_refuses(void **state)
{
    (void)state;
    struct spool *spool = make(), *other;
    assert_int_equal(spool_create(&other, path, &log_here), ERROR_TRANSPORT);
    memory_release(spool);
    FILE *file = fopen(path, "w");
    fputs("this is a letter to my grandmother, who is well\n", file);
    fclose(file);
    assert_int_equal(spool_create(&other, path, &log_here), ERROR_TRANSPORT);
    assert_int_equal(errors, 2);
    assert_int_equal(spool_create(&other, "/nowhere/at/all", &log_here), ERROR_TRANSPORT);
}

static void test_in_memory(void **state)
{
    (void)state;
    struct spool *spool;
    assert_int_equal(spool_create(&spool, NULL, &log_here), 0);
    spool_append(spool, TEXT("one\n"), MOST);
    assert_reads(spool, 9, "one\n");
    memory_release(spool);
    fclose(fopen(path, "w"));
}

static void test_without_memory(void **state)
{
    (void)state;
    struct spool *spool;
    for (uint64_t n = 0; n < 2; n++) {
        memory_fail_after(n);
        assert_int_equal(spool_create(&spool, path, &log_here), ERROR_MEMORY);
        memory_fail_never();
    }
    spool = make();
    spool_append(spool, TEXT("one\n"), MOST);
    struct buffer out = {0};
    memory_fail_after(0);
    assert_int_equal(spool_read(spool, &out, 9), ERROR_MEMORY);
    memory_fail_never();
    buffer_release(&out);
    assert_reads(spool, 9, "one\n");
    memory_release(spool);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_again_until_done), TEST(test_torn),      TEST(test_cut),
        TEST(test_long_line),        TEST(test_bounded),   TEST(test_no_room),
        TEST(test_refuses),          TEST(test_in_memory), TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
