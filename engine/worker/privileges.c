/* Who is not root may only stay who it is. */
#include "worker/privileges.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LINE_BYTES 256

static int fail(char **fault, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(char **fault, int error, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    *fault = text_strdup(text_of(line));
    return error;
}

int account_find(struct account *account, const char *user, const char *group, char **fault)
{
    const struct passwd *passwd = getpwnam(user);
    if (!passwd)
        return fail(fault, ERROR_NOT_FOUND,
                    "user '%s' does not exist; make the account (useradd --system %s), or change "
                    "`user` in the configuration",
                    user, user);
    *account = (struct account){passwd->pw_uid, passwd->pw_gid};
    if (!group)
        return 0;
    const struct group *found = getgrnam(group);
    if (!found)
        return fail(fault, ERROR_NOT_FOUND,
                    "group '%s' does not exist; make it (groupadd --system %s), or change `group` "
                    "in the configuration",
                    group, group);
    account->gid = found->gr_gid;
    return 0;
}

static bool is_already(const struct account *account)
{
    uid_t real, effective, saved;
    gid_t group, effective_group, saved_group;
    getresuid(&real, &effective, &saved);
    getresgid(&group, &effective_group, &saved_group);
    return real == account->uid && effective == account->uid && saved == account->uid &&
           group == account->gid && effective_group == account->gid && saved_group == account->gid;
}

int account_become(const struct account *account, char **fault)
{
    bool is_root = geteuid() == 0;
    if (is_root && setgroups(1, &account->gid))
        return fail(fault, ERROR_STATE, "cannot leave the groups of root: %s", strerror(errno));
    if (!is_already(account) && (setresgid(account->gid, account->gid, account->gid) ||
                                 setresuid(account->uid, account->uid, account->uid)))
        return fail(
            fault, ERROR_STATE,
            "cannot become user %u, group %u: %s; start as root, or take `user` and `group` "
            "out of the configuration",
            (unsigned)account->uid, (unsigned)account->gid, strerror(errno));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return fail(fault, ERROR_STATE, "cannot give up new privileges: %s", strerror(errno));
    return 0;
}
