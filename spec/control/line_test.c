/* Lines of the control socket: in pieces, too long, never ended, never read, and without memory. */
#include "control/line.h"

#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SHORT_MS 20

static int open_pair(void **state)
{
    static int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *state = pair;
    return 0;
}

static int close_pair(void **state)
{
    int *pair = *state;
    close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
    return 0;
}

static void say(int fd, const char *bytes)
{
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
}

static void expect_no_line(int fd, size_t bytes_most, int error)
{
    char *line = NULL;
    uint64_t live = memory_live();
    assert_int_equal(line_read(&line, fd, bytes_most, SHORT_MS), error);
    assert_null(line);
    assert_int_equal(memory_live(), live);
}

static void a_line_is_read_without_its_newline(void **state)
{
    int *pair = *state;
    char *line;
    say(pair[1], "[\"status\"]\nand more");
    assert_int_equal(line_read(&line, pair[0], 100, LINE_FOREVER), 0);
    assert_string_equal(line, "[\"status\"]");
    memory_free_raw(line);
}

static void what_is_written_is_read(void **state)
{
    int *pair = *state;
    char *line;
    assert_int_equal(line_write(pair[1], "", SHORT_MS), 0);
    assert_int_equal(line_read(&line, pair[0], 0, SHORT_MS), 0);
    assert_string_equal(line, "");
    memory_free_raw(line);
    assert_int_equal(line_write(pair[1], "{}", LINE_FOREVER), 0);
    assert_int_equal(line_read(&line, pair[0], 2, SHORT_MS), 0);
    assert_string_equal(line, "{}");
    memory_free_raw(line);
}

static void part_of_a_line_is_given_up(void **state)
{
    int *pair = *state;
    say(pair[1], "[\"stat");
    expect_no_line(pair[0], 100, ERROR_TIMEOUT);
}

static void part_of_a_line_and_no_more_is_none(void **state)
{
    int *pair = *state;
    say(pair[1], "[\"status\"]");
    close(pair[1]);
    pair[1] = -1;
    expect_no_line(pair[0], 100, ERROR_TRANSPORT);
}

static void a_long_line_is_not_kept(void **state)
{
    int *pair = *state;
    char bytes[9000] = "";
    memset(bytes, 'x', sizeof bytes - 1);
    say(pair[1], bytes);
    expect_no_line(pair[0], 4000, ERROR_LIMIT);
}

/* The deadline is for the whole line: bytes that arrive now and then do not move it. */
static void who_reads_too_little_is_given_up(void **state)
{
    int *pair = *state;
    static char large[4 << 20];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(line_write(pair[1], large, SHORT_MS), ERROR_TIMEOUT);
    char byte;
    assert_int_equal(read(pair[0], &byte, 1), 1);
    assert_int_equal(line_write(pair[1], large, SHORT_MS), ERROR_TIMEOUT);
}

static void nobody_is_there_to_read(void **state)
{
    int *pair = *state;
    close(pair[1]);
    pair[1] = -1;
    assert_int_equal(line_write(pair[0], "{}", SHORT_MS), ERROR_TRANSPORT);
}

static void lines_survive_without_memory(void **state)
{
    int *pair = *state;
    for (uint64_t n = 0;; n++) {
        char *line = NULL;
        uint64_t live = memory_live();
        say(pair[1], "[\"status\"]\n");
        memory_fail_after(n);
        int error = line_read(&line, pair[0], 100, SHORT_MS);
        memory_fail_never();
        memory_free_raw(line);
        assert_int_equal(memory_live(), live);
        if (error == 0)
            break;
        assert_int_equal(error, ERROR_MEMORY);
        assert_true(n < 10);
    }
}

static void a_path_that_is_too_long_is_no_socket(void **state)
{
    struct sockaddr_un address;
    char path[sizeof address.sun_path + 2];
    (void)state;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    assert_int_equal(line_socket(path, &address), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_read_without_its_newline),
        TEST(what_is_written_is_read),
        TEST(part_of_a_line_is_given_up),
        TEST(part_of_a_line_and_no_more_is_none),
        TEST(a_long_line_is_not_kept),
        TEST(who_reads_too_little_is_given_up),
        TEST(nobody_is_there_to_read),
        TEST(lines_survive_without_memory),
        TEST(a_path_that_is_too_long_is_no_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
