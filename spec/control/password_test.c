/* Passwords of `lunasip user`: a terminal shows none of it, and both times must be the same. */
#include "control/password.h"

#include "base/error.h"

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Read until the terminal has shown @p words. */
static void wait_for(int terminal, char *shown, size_t size, const char *words)
{
    size_t n = strlen(shown);
    while (!strstr(shown, words)) {
        ssize_t got = read(terminal, shown + n, size - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        shown[n] = 0;
    }
}

/* A child reads a password from its terminal. @return its exit code: 0, or 1 + what is wrong */
static int type_twice(const char *first, const char *second, char *shown, size_t size)
{
    int terminal, status;
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(child >= 0);
    if (child == 0) {
        char room[64];
        const char *problem = "";
        int error = password_read(room, sizeof room, &problem);
        if (!error)
            _exit(strcmp(room, "geheim") == 0 ? 0 : 9);
        _exit(strcmp(problem, "the passwords differ") == 0 ? 1 : 2);
    }
    shown[0] = 0;
    wait_for(terminal, shown, size, "Password: ");
    assert_int_equal(write(terminal, first, strlen(first)), strlen(first));
    wait_for(terminal, shown, size, "Again: ");
    assert_int_equal(write(terminal, second, strlen(second)), strlen(second));
    assert_int_equal(waitpid(child, &status, 0), child);
    close(terminal);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void is_typed_unseen(void **state)
{
    char shown[512];
    (void)state;
    assert_int_equal(type_twice("geheim\n", "geheim\n", shown, sizeof shown), 0);
    assert_null(strstr(shown, "geheim"));
}

static void must_be_the_same_twice(void **state)
{
    char shown[512];
    (void)state;
    assert_int_equal(type_twice("geheim\n", "geheime\n", shown, sizeof shown), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_typed_unseen),
        cmocka_unit_test(must_be_the_same_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
