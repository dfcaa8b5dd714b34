/* Becoming another account; what a process cannot undo happens in children. */
#include "worker/privileges.h"

#include "base/error.h"
#include "base/memory.h"

#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

static void finds_an_account_with_its_own_group(void **state)
{
    struct account account = {1, 1};
    char *fault = NULL;
    (void)state;
    assert_int_equal(account_find(&account, "root", NULL, &fault), 0);
    assert_int_equal(account.uid, 0);
    assert_int_equal(account.gid, 0);
    assert_null(fault);
}

static void finds_an_account_with_another_group(void **state)
{
    struct account account;
    char *fault = NULL;
    (void)state;
    const struct group *group = getgrgid(getgrnam("daemon")->gr_gid);
    gid_t gid = group->gr_gid;
    assert_int_equal(account_find(&account, "root", "daemon", &fault), 0);
    assert_int_equal(account.uid, 0);
    assert_int_equal(account.gid, gid);
}

static void says_which_account_does_not_exist(void **state)
{
    struct account account;
    char *fault = NULL;
    (void)state;
    assert_int_equal(account_find(&account, "no-such-user", NULL, &fault), ERROR_NOT_FOUND);
    assert_non_null(strstr(fault, "user 'no-such-user' does not exist"));
    memory_free_raw(fault);
    assert_int_equal(account_find(&account, "root", "no-such-group", &fault), ERROR_NOT_FOUND);
    assert_non_null(strstr(fault, "group 'no-such-group' does not exist"));
    memory_free_raw(fault);
}

/* In a child: nothing here may go on when something is not as it must be. */
static int run_child(int (*child)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(child());
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + status;
}

static int become_nobody(void)
{
    const struct account nobody = {NOBODY, NOBODY};
    char *fault = NULL;
    gid_t groups[8];
    if (account_become(&nobody, &fault))
        return 1;
    if (getuid() != NOBODY || geteuid() != NOBODY || getgid() != NOBODY || getegid() != NOBODY)
        return 2;
    if (getgroups(8, groups) != 1 || groups[0] != NOBODY)
        return 3;
    if (setuid(0) == 0 || setgid(0) == 0)
        return 4;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 5;
}

static void leaves_root_for_good(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(run_child(become_nobody), 0);
}

static int become_root_as_nobody(void)
{
    const struct account root = {0, 0};
    char *fault = NULL;
    if (geteuid() == 0 && (setgid(NOBODY) || setuid(NOBODY)))
        return 1;
    if (account_become(&root, &fault) != ERROR_STATE)
        return 2;
    int found = fault && strstr(fault, "cannot become user 0, group 0") != NULL;
    memory_free_raw(fault);
    return found ? 0 : 3;
}

static void says_that_only_root_may(void **state)
{
    (void)state;
    assert_int_equal(run_child(become_root_as_nobody), 0);
}

static int stay(void)
{
    if (geteuid() == 0 && (setgid(NOBODY) || setuid(NOBODY)))
        return 1;
    const struct account account = {geteuid(), getegid()};
    char *fault = NULL;
    return account_become(&account, &fault) ? 2 : 0;
}

static void stays_who_it_is(void **state)
{
    (void)state;
    assert_int_equal(run_child(stay), 0);
}

static void survives_without_memory(void **state)
{
    struct account account;
    char *fault = NULL;
    (void)state;
    memory_fail_after(0);
    assert_int_equal(account_find(&account, "no-such-user", NULL, &fault), ERROR_NOT_FOUND);
    memory_fail_never();
    assert_null(fault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_an_account_with_its_own_group),
        cmocka_unit_test(finds_an_account_with_another_group),
        cmocka_unit_test(says_which_account_does_not_exist),
        cmocka_unit_test(leaves_root_for_good),
        cmocka_unit_test(says_that_only_root_may),
        cmocka_unit_test(stays_who_it_is),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests_name("the account that we run as", tests, NULL, NULL);
}
