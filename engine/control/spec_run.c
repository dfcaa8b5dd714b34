/* A child process whose output goes into memory. */
#include "control/spec_run.h"

#include "base/error.h"
#include "base/memory.h"

#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_BINARY "/proc/self/exe"
#define NICENESS   10

extern char **environ;

struct spec_run {
    pid_t pid;           /* 0: it has been waited for */
    int process, output; /* descriptors */
};

static void wait_for(struct spec_run *run, int *status)
{
    while (run->pid && waitpid(run->pid, status, 0) != run->pid)
        ;
    run->pid = 0;
}

static void destroy(void *object)
{
    struct spec_run *run = object;
    int status;
    if (run->pid) {
        kill(run->pid, SIGKILL);
        wait_for(run, &status);
    }
    if (run->process >= 0)
        close(run->process);
    if (run->output >= 0)
        close(run->output);
}

/* A child hears signals that this process has blocked or ignores, and calls come before it. */
static int spawn(struct spec_run *run, char *const argv[])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, pipe;
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, run->output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, run->output, STDERR_FILENO);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipe);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failed = posix_spawn(&run->pid, OWN_BINARY, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failed)
        run->pid = 0;
    else
        setpriority(PRIO_PROCESS, (id_t)run->pid, NICENESS);
    return failed ? ERROR_LIMIT : 0;
}

int spec_run_start(struct spec_run **runp, const char *const *specs, size_t count)
{
    struct spec_run *run = memory_alloc(sizeof *run, destroy);
    char **argv = memory_raw((count + 3) * sizeof *argv);
    int error = run && argv ? 0 : ERROR_MEMORY;
    if (run)
        run->process = run->output = -1;
    if (!error) {
        size_t n = 0;
        argv[n++] = (char *)"lunasip";
        argv[n++] = (char *)"test";
        for (size_t i = 0; i < count; i++)
            argv[n++] = (char *)specs[i];
        argv[n] = NULL;
        run->output = memfd_create("specs", MFD_CLOEXEC);
        error = run->output >= 0 ? spawn(run, argv) : ERROR_LIMIT;
    }
    if (!error) {
        run->process = pidfd_open(run->pid, 0);
        error = run->process >= 0 ? 0 : ERROR_LIMIT;
    }
    memory_free_raw(argv);
    if (error)
        memory_release(run);
    else
        *runp = run;
    return error;
}

int spec_run_descriptor(const struct spec_run *run)
{
    return run->process;
}

void spec_run_kill(struct spec_run *run)
{
    if (run->pid)
        kill(run->pid, SIGKILL);
}

bool spec_run_end(struct spec_run *run, struct buffer *said, size_t most_bytes)
{
    int status = 1;
    wait_for(run, &status);
    off_t size = lseek(run->output, 0, SEEK_END);
    off_t from = size > (off_t)most_bytes ? size - (off_t)most_bytes : 0;
    char piece[1024];
    for (ssize_t n; (n = pread(run->output, piece, sizeof piece, from)) > 0; from += n)
        buffer_append(said, (struct text){piece, (size_t)n});
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
