/* Becoming the configured account once everything privileged is done. */
#pragma once

#include <sys/types.h>

/** Who to become. */
struct account {
    uid_t uid;
    gid_t gid;
};

/**
 * Look an account up.
 * @param group  NULL: the user's own
 * @param fault  on error one line for the operator, memory_free_raw()
 * @return 0, ERROR_NOT_FOUND, ERROR_MEMORY
 */
int account_find(struct account *account, const char *user, const char *group, char **fault);
/**
 * Become it for good: no other group, no way back, and no program we might start gets more. Before
 * any thread starts.
 * @return 0, ERROR_STATE (we may not) with *fault as above
 */
int account_become(const struct account *account, char **fault);
