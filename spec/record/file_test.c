/* The file: appended, rotated, moved by somebody else, and a disk that is full. */
#include "../base/check.h"
#include "base/buffer.h"
#include "base/error.h"
#include "record/file.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOON_MS UINT64_C(1767268800000) /* 2026-01-01 12:00 UTC */

static char folder[64], path[96];
static char said[2][256]; /* last line of each level up to warning: error; info */
static unsigned errors, infos;

static void on_line(void *arg, enum log_level level, enum log_group group, struct text call_id,
                    struct text line)
{
    (void)arg, (void)group, (void)call_id;
    if (level == LOG_ERROR)
        errors++;
    else
        infos++;
    snprintf(said[level != LOG_ERROR], sizeof said[0], "%.*s", TEXT_ARG(line));
}

static struct log log_here = {.level = LOG_DEBUG, .sink = on_line};

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/record_file.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/calls.jsonl", folder);
    errors = infos = 0;
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static struct record_file *make(const char *of)
{
    struct record_file *file;
    assert_int_equal(record_file_create(&file, of, &log_here), 0);
    return file;
}

static void assert_holds(const char *of, const char *expected)
{
    char bytes[256] = "";
    FILE *open_file = fopen(of, "r");
    assert_non_null(open_file);
    bytes[fread(bytes, 1, sizeof bytes - 1, open_file)] = 0;
    fclose(open_file);
    assert_string_equal(bytes, expected);
}

/* @return how many were put aside */
static size_t aside(glob_t *found)
{
    char pattern[128];
    snprintf(pattern, sizeof pattern, "%s.*", path);
    memset(found, 0, sizeof *found);
    glob(pattern, 0, NULL, found);
    return found->gl_pathc;
}

static void test_append(void **state)
{
    (void)state;
    struct stat status;
    struct record_file *file = make(path);
    assert_int_equal(record_file_append(file, TEXT("one\ntwo\n"), NOON_MS), 8);
    assert_int_equal(record_file_append(file, TEXT("three\n"), NOON_MS), 6);
    record_file_sync(file);
    memory_release(file);
    assert_holds(path, "one\ntwo\nthree\n");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 7, 0);
}

static void assert_mended(const char *bytes, size_t size_bytes, const char *expected)
{
    FILE *before = fopen(path, "w");
    fwrite(bytes, 1, size_bytes, before);
    fclose(before);
    struct record_file *file = make(path);
    record_file_tick(file, NOON_MS);
    assert_holds(path, expected);
    record_file_append(file, TEXT("next\n"), NOON_MS);
    memory_release(file);
}

/* Half a record, which kill -9 or the loss of power left, is none: every line that ends is whole. */
static void test_torn_record(void **state)
{
    (void)state;
    static const char whole[] = "{\"version\":1,\"fields\":{}}\n";
    char file[2 * sizeof whole];
    for (size_t n = 1; n < sizeof whole - 2; n++) {
        memcpy(file, whole, sizeof whole - 1);
        memcpy(file + sizeof whole - 1, whole, n);
        assert_mended(file, sizeof whole - 1 + n, whole);
        assert_mended(whole, n, "");
    }
    assert_int_equal(infos, 2 * (sizeof whole - 3)); /* each is said */
    assert_mended(whole, sizeof whole - 1, whole);
    assert_mended(whole, sizeof whole - 2, whole); /* it lacks nothing but its end */
    assert_mended("one\n\0\0\0\0", 8, "one\n");
    assert_int_equal(errors, 0);
}

/* A line longer than what is looked at at once. */
static void test_long_torn_record(void **state)
{
    (void)state;
    static char bytes[30000] = "one\n{\"version\":1,";
    memset(bytes + strlen(bytes), 'x', sizeof bytes - strlen(bytes));
    assert_mended(bytes, sizeof bytes, "one\n");
}

/* Whatever else somebody wrote there is not ours to cut. */
static void test_unended_text(void **state)
{
    (void)state;
    assert_mended("one\ntw", 6, "one\ntw\n");
    assert_mended("{\"a\":", 5, "{\"a\":\n");
    assert_int_equal(infos, 0);
}

/* A file that was moved is there again before the next record is. */
static void test_is_there(void **state)
{
    (void)state;
    struct record_file *file = make(path);
    assert_int_equal(access(path, F_OK), -1);
    record_file_tick(file, NOON_MS);
    assert_holds(path, "");
    unlink(path);
    record_file_reopen(file);
    record_file_tick(file, NOON_MS);
    assert_holds(path, "");
    memory_release(file);
}

static void test_rotation_by_size(void **state)
{
    (void)state;
    glob_t found;
    struct record_file *file = make(path);
    record_file_set_limits(file, &(struct record_file_limits){.rotate_bytes = 10});
    assert_int_equal(record_file_append(file, TEXT("aaaa\nbbbb\ncccc\ndddd\neeee\n"), NOON_MS), 25);
    assert_int_equal(record_file_append(file, TEXT("longer than a file\n"), NOON_MS), 19);
    assert_int_equal(record_file_rotations(file), 3);
    assert_int_equal(aside(&found), 3);
    assert_holds(found.gl_pathv[0], "aaaa\nbbbb\n");
    assert_holds(found.gl_pathv[1], "cccc\ndddd\n");
    assert_holds(found.gl_pathv[2], "eeee\n");
    assert_non_null(strstr(found.gl_pathv[0], "/calls.jsonl.20260101T120000Z"));
    assert_holds(path, "longer than a file\n");
    globfree(&found);
    memory_release(file);
}

static void test_rotation_by_age(void **state)
{
    (void)state;
    glob_t found;
    struct record_file *file = make(path);
    record_file_set_limits(file, &(struct record_file_limits){.rotate_ms = 60000});
    record_file_append(file, TEXT("one\n"), NOON_MS);
    record_file_tick(file, NOON_MS + 59999);
    assert_int_equal(aside(&found), 0);
    record_file_tick(file, NOON_MS + 60000);
    assert_int_equal(aside(&found), 1);
    globfree(&found);
    record_file_tick(file, NOON_MS + 600000); /* nothing is there to be put aside */
    record_file_append(file, TEXT("two\n"), NOON_MS + 600000);
    assert_int_equal(aside(&found), 1);
    globfree(&found);
    assert_holds(path, "two\n");
    memory_release(file);
}

static void test_keeps_the_newest(void **state)
{
    (void)state;
    glob_t found;
    char stranger[128];
    snprintf(stranger, sizeof stranger, "%s.notes", path);
    fclose(fopen(stranger, "w"));
    struct record_file *file = make(path);
    record_file_set_limits(file, &(struct record_file_limits){.rotate_bytes = 1, .keep = 2});
    for (unsigned i = 0; i < 6; i++) {
        char line[16];
        snprintf(line, sizeof line, "%u\n", i);
        record_file_append(file, text_of(line), NOON_MS + i * 1000);
    }
    assert_int_equal(aside(&found), 3);
    assert_holds(found.gl_pathv[0], "3\n");
    assert_holds(found.gl_pathv[1], "4\n");
    assert_non_null(strstr(found.gl_pathv[2], ".notes"));
    globfree(&found);
    memory_release(file);
}

/* logrotate moves it and asks for a reload. */
static void test_reopen(void **state)
{
    (void)state;
    char moved[128];
    snprintf(moved, sizeof moved, "%s.moved", path);
    struct record_file *file = make(path);
    record_file_append(file, TEXT("one\n"), NOON_MS);
    rename(path, moved);
    record_file_append(file, TEXT("two\n"), NOON_MS);
    record_file_reopen(file);
    record_file_append(file, TEXT("three\n"), NOON_MS);
    assert_holds(moved, "one\ntwo\n");
    assert_holds(path, "three\n");
    memory_release(file);
}

/* By the operator: nothing is put aside where there is nothing. */
static void test_rotate(void **state)
{
    (void)state;
    glob_t found;
    struct record_file *file = make(path);
    assert_int_equal(record_file_rotate(file, NOON_MS), 0);
    assert_int_equal(aside(&found), 0);
    globfree(&found);
    record_file_append(file, TEXT("one\n"), NOON_MS);
    assert_int_equal(record_file_size_bytes(file), 4);
    assert_int_equal(record_file_rotate(file, NOON_MS), 0);
    record_file_append(file, TEXT("two\n"), NOON_MS);
    assert_int_equal(aside(&found), 1);
    assert_holds(found.gl_pathv[0], "one\n");
    globfree(&found);
    assert_holds(path, "two\n");
    memory_release(file);
    file = make("/nowhere/calls.jsonl");
    assert_int_equal(record_file_rotate(file, NOON_MS), ERROR_TRANSPORT);
    memory_release(file);
}

static void test_no_room(void **state)
{
    (void)state;
    struct record_file *file = make("/dev/full");
    assert_int_equal(record_file_append(file, TEXT("one\n"), NOON_MS), 0);
    assert_int_equal(record_file_append(file, TEXT("one\n"), NOON_MS), 0);
    assert_true(record_file_is_refused(file));
    assert_int_equal(errors, 1); /* said once */
    assert_non_null(strstr(said[0], "No space left on device"));
    memory_release(file);
}

/* Half of a line is on the disk when it is full: the other half follows, when there is room. */
static void test_full_within_a_line(void **state)
{
    (void)state;
    struct rlimit before, small;
    struct text lines = TEXT("one\ntwo and more\nthree\n");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 10;
    struct record_file *file = make(path);
    setrlimit(RLIMIT_FSIZE, &small);
    size_t done = record_file_append(file, lines, NOON_MS);
    assert_int_equal(done, 10);
    assert_int_equal(record_file_append(file, text_span(lines.p + done, lines.p + lines.n), 0), 0);
    record_file_set_limits(file, &(struct record_file_limits){.rotate_bytes = 1});
    record_file_reopen(file);
    setrlimit(RLIMIT_FSIZE, &before);
    record_file_set_limits(file, &(struct record_file_limits){.rotate_bytes = 0});
    done += record_file_append(file, text_span(lines.p + done, lines.p + lines.n), NOON_MS);
    assert_int_equal(done, lines.n);
    assert_holds(path, lines.p);
    assert_false(record_file_is_refused(file));
    assert_int_equal(errors, 1);
    assert_int_equal(infos, 1);
    assert_non_null(strstr(said[0], "File too large"));
    assert_non_null(strstr(said[1], "is written again"));
    memory_release(file);
}

static void test_no_folder(void **state)
{
    (void)state;
    char missing[128];
    snprintf(missing, sizeof missing, "%s/none/calls.jsonl", folder);
    struct record_file *file = make(missing);
    assert_int_equal(record_file_append(file, TEXT("one\n"), NOON_MS), 0);
    assert_non_null(strstr(said[0], "cannot be opened: No such file or directory"));
    snprintf(missing, sizeof missing, "%s/none", folder);
    mkdir(missing, 0700);
    assert_int_equal(record_file_append(file, TEXT("one\n"), NOON_MS), 4);
    assert_int_equal(infos, 1);
    memory_release(file);
}

/* A rotation without memory puts the file aside later, or keeps one too many for a while. */
static void test_without_memory(void **state)
{
    (void)state;
    struct record_file *file;
    for (uint64_t n = 0; n < 2; n++) {
        memory_fail_after(n);
        assert_int_equal(record_file_create(&file, path, &log_here), ERROR_MEMORY);
        memory_fail_never();
    }
    file = make(path);
    record_file_set_limits(file, &(struct record_file_limits){.rotate_bytes = 1, .keep = 1});
    for (uint64_t n = 0; n < 12; n++) {
        memory_fail_after(n);
        assert_int_equal(record_file_append(file, TEXT("line\n"), NOON_MS + n * 1000), 5);
        memory_fail_never();
    }
    memory_release(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_append),           TEST(test_torn_record),     TEST(test_long_torn_record),
        TEST(test_unended_text),     TEST(test_is_there),        TEST(test_rotate),
        TEST(test_rotation_by_size), TEST(test_rotation_by_age), TEST(test_keeps_the_newest),
        TEST(test_reopen),           TEST(test_no_room),         TEST(test_full_within_a_line),
        TEST(test_no_folder),        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
