/* The control thread: signals, the control socket, draining. */
#include "control/control.h"

#include "base/error.h"
#include "base/memory.h"
#include "control/calls.h"
#include "control/commands.h"
#include "control/line.h"
#include "control/notify.h"
#include "control/refresh.h"
#include "control/tested_reload.h"
#include "control/trunks.h"
#include "transaction/timers.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_CHECK_MS 100  /* how often a draining engine is asked whether it is empty */
#define STOP_MS        5000 /* for files and databases, once the last call is over */
#define TIDY_MS        1000 /* quiet after a reload, and between two looks at old generations */

static void control_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void control_block_signals(void)
{
    sigset_t set;
    control_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* How the control thread stands. */
struct control {
    char *socket_path;     /* owned; NULL: none */
    struct engine *engine; /* borrowed; NULL until control_run() */
    int listener, signals;
    struct tested_reload tested; /* under way */
    struct refresh *refresh;     /* owned while it runs */
    bool has_made_folder, is_draining, is_late, is_over;
    unsigned generation;       /* number of the newest that was seen */
    uint64_t tidy_due_ms;      /* UINT64_MAX: nothing to tidy */
    uint64_t drain_until_ms;   /* then what is left is left, or gets BYE */
    uint64_t hung_up_until_ms; /* then nobody is waited for any more */
    uint64_t leave_until_ms;   /* 0: trunks have not been told that we go */
};

static void destroy(void *arg)
{
    struct control *control = arg;
    if (control->listener >= 0) {
        close(control->listener);
        unlink(control->socket_path);
    }
    memory_free_raw(control->socket_path);
}

/* Not the seam's clock: control has no loop and no place in the lab. */
static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- socket ---- */

#define PATH_BYTES sizeof((struct sockaddr_un *)0)->sun_path

static bool find_parent(const char *path, char parent[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    return slash && slash != path && text_to_array(text_span(path, slash), parent, PATH_BYTES);
}

/* @return whether the folder was not there before */
static bool make_parent(const char *path)
{
    char parent[PATH_BYTES];
    return find_parent(path, parent) && mkdir(parent, 0755) == 0;
}

static int listen_on(const char *path, struct control *control)
{
    struct sockaddr_un address;
    struct stat found;
    int fd = line_socket(path, &address);
    if (fd < 0)
        return ERROR_TRANSPORT;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        close(fd);
        return ERROR_IN_USE; /* somebody answers: a running engine's socket */
    }
    close(fd);
    if (lstat(path, &found) == 0 && !S_ISSOCK(found.st_mode))
        return ERROR_ARGUMENT; /* somebody's file, which a slip in the configuration must not cost */
    control->has_made_folder = make_parent(path);
    unlink(path); /* left behind by one that was killed */
    fd = line_socket(path, &address);
    mode_t mask = umask(0077); /* whoever may connect may end calls */
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 16);
    umask(mask);
    if (failed) {
        close(fd);
        return ERROR_TRANSPORT;
    }
    control->listener = fd;
    return 0;
}

/* ---- clients ---- */

static void drain(struct control *control);

static const struct settings *settings_of(const struct control *control)
{
    return &engine_configuration(control->engine)->settings;
}

/* A client that is slow, or says too much, is one that another would have to wait for. */
static void count_cut_off(struct control *control, int error)
{
    if (error == ERROR_TIMEOUT || error == ERROR_LIMIT)
        counter_count(engine_control_counters(control->engine), COUNTER_CONTROL_CUT_OFF);
}

static void send_answer(struct control *control, int client, struct command_answer *answer)
{
    json_t *reply = command_answer_json(answer);
    command_answer_release(answer);
    char *out = json_dumps(reply, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (out)
        count_cut_off(control,
                      line_write(client, out, (int)settings_of(control)->limits_control_ms));
    free(out);
    json_decref(reply);
}

/* @return whether the client is kept: it is answered later */
static bool serve(struct control *control, int client)
{
    const struct settings *settings = settings_of(control);
    struct command_answer answer;
    char *line = NULL;
    count_cut_off(control, line_read(&line, client, settings->limits_control_bytes,
                                     (int)settings->limits_control_ms));
    json_t *words = line ? json_loads(line, 0, NULL) : NULL;
    memory_free_raw(line);
    bool is_test = json_is_array(words) && tested_reload_is_asked(words);
    bool is_kept = is_test && tested_reload_begin(&control->tested, control->engine, words, client,
                                                  clock_ms(), &answer);
    if (json_is_array(words) && !is_kept) {
        if (!is_test)
            command_run(control->engine, words, &answer);
        send_answer(control, client, &answer);
        if (answer.stop && !control->is_draining)
            drain(control);
    }
    json_decref(words);
    return is_kept;
}

/* A line for each fault, without the lines of source that the check shows below it. */
static void log_refusal(struct engine *engine, const char *fault)
{
    struct text rest = text_of(fault);
    while (rest.n) {
        struct text line = text_split(&rest, '\n');
        if (line.n && line.p[0] != ' ')
            log_error(engine_log(engine), LOG_CONTROL, TEXT_NONE, "not reloaded: %.*s",
                      TEXT_ARG(line));
    }
}

static void reload(struct control *control)
{
    char *fault = NULL;
    notify_reloading();
    if (engine_reload(control->engine, NULL, &fault)) {
        log_refusal(control->engine, fault ? fault : "out of memory");
        refresh_widen(control->refresh);
    }
    memory_free_raw(fault);
    notify("READY=1");
}

/* The service manager is told how long it may take, which may be longer than the unit says. */
static void notify_stopping(uint64_t most_ms)
{
    char state[64];
    snprintf(state, sizeof state, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
             (unsigned long long)most_ms * 1000);
    notify(state);
}

static void drain(struct control *control)
{
    if (control->is_draining) {
        control->is_over = true; /* told twice: now */
        return;
    }
    const struct settings *settings = settings_of(control);
    uint64_t deadline_s = settings->drain_deadline_s;
    control->is_draining = true;
    control->drain_until_ms = clock_ms() + deadline_s * 1000;
    control->hung_up_until_ms = control->drain_until_ms + timer_64_t1_ms(settings);
    engine_set_intake(control->engine, ENGINE_STOPS);
    notify_stopping(control->hung_up_until_ms + settings->trunk_leave_ms + STOP_MS - clock_ms());
    log_info(engine_log(control->engine), LOG_CONTROL, TEXT_NONE,
             "draining: new calls get 503, %llu s for the others", (unsigned long long)deadline_s);
}

static void on_signal(struct control *control)
{
    struct signalfd_siginfo info;
    if (read(control->signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP)
        reload(control);
    else
        drain(control);
}

static void on_client(struct control *control)
{
    int client = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client >= 0 && !serve(control, client))
        close(client);
}

/* The calls are over; trunks are told, and are given a moment to answer. @return is that over, too? */
static bool has_left_trunks(struct control *control)
{
    if (!control->leave_until_ms) {
        control->leave_until_ms = clock_ms() + settings_of(control)->trunk_leave_ms;
        trunks_leave(control->engine);
    }
    return clock_ms() >= control->leave_until_ms || !trunks_left(control->engine);
}

/* What is left at the deadline: once. */
static void end_late(struct control *control, size_t calls, bool is_bye)
{
    control->is_late = true;
    log_warning(engine_log(control->engine), LOG_CONTROL, TEXT_NONE,
                "the deadline is over: %zu calls %s", calls,
                is_bye ? "get BYE" : "are left as they are");
    if (is_bye)
        calls_end_all(control->engine, TEXT("SIP;cause=503;text=\"Shutting down\""));
}

/*
 * What is left at the deadline is left as it is, and the parties go on without us, or is ended by
 * BYE. The BYEs are waited for as long as Timer F runs, and with them what no BYE ends: a request
 * whose handler sleeps, say.
 */
static void check_drained(struct control *control)
{
    if (!control->is_draining || control->is_over)
        return;
    size_t calls = calls_count(control->engine);
    uint64_t now_ms = clock_ms();
    bool is_bye = engine_configuration(control->engine)->is_drain_bye;
    if (calls && now_ms >= control->drain_until_ms && !control->is_late)
        end_late(control, calls, is_bye);
    bool is_done =
        calls == 0 || (control->is_late && !is_bye) || now_ms >= control->hung_up_until_ms;
    control->is_over = is_done && has_left_trunks(control);
}

/* The specs of `reload --test` have ended, or take too long. */
static void check_tested(struct control *control)
{
    struct command_answer answer;
    struct pollfd ended = {-1, POLLIN, 0};
    if (!control->tested.run)
        return;
    if (!tested_reload_has_client(&control->tested)) {
        log_warning(engine_log(control->engine), LOG_CONTROL, TEXT_NONE,
                    "not reloaded: whoever asked for its specs has left");
        tested_reload_release(&control->tested);
        return;
    }
    ended.fd = spec_run_descriptor(control->tested.run);
    if (clock_ms() >= control->tested.until_ms)
        spec_run_kill(control->tested.run);
    if (poll(&ended, 1, 0) != 1)
        return;
    int client = tested_reload_end(&control->tested, control->engine, &answer);
    send_answer(control, client, &answer);
    close(client);
}

/* A file has changed, and then none for a while. */
static void check_files(struct control *control)
{
    refresh_look(control->refresh, clock_ms());
    if (refresh_take_due(control->refresh, clock_ms())) {
        log_info(engine_log(control->engine), LOG_CONTROL, TEXT_NONE, "a file has changed");
        reload(control);
    }
}

/* After the last of a row of reloads, and then until the old generations are gone. */
static void check_tidy(struct control *control)
{
    if (engine_generation(control->engine) != control->generation) {
        control->generation = engine_generation(control->engine);
        control->tidy_due_ms = clock_ms() + TIDY_MS;
        refresh_follow(control->refresh, clock_ms());
    } else if (clock_ms() >= control->tidy_due_ms) {
        bool is_to_do = engine_tidy(control->engine);
        control->tidy_due_ms = is_to_do ? clock_ms() + TIDY_MS : UINT64_MAX;
    }
}

static int wait_ms(const struct control *control)
{
    int refresh_ms = refresh_wait_ms(control->refresh, clock_ms());
    if (control->is_draining)
        return DRAIN_CHECK_MS;
    if (refresh_ms >= 0)
        return refresh_ms;
    return control->tidy_due_ms == UINT64_MAX && !control->tested.run ? -1 : TIDY_MS;
}

int control_open(struct control **controlp, const char *socket_path)
{
    struct control *control = memory_alloc(sizeof *control, destroy);
    if (!control)
        return ERROR_MEMORY;
    control->listener = -1;
    control->tested.client = -1;
    control->socket_path = socket_path ? text_strdup(text_of(socket_path)) : NULL;
    int error = socket_path && !control->socket_path ? ERROR_MEMORY : 0;
    if (!error && socket_path)
        error = listen_on(socket_path, control);
    if (error)
        memory_release(control);
    else
        *controlp = control;
    return error;
}

void control_give(struct control *control, uid_t uid, gid_t gid)
{
    char parent[PATH_BYTES];
    if (control->listener < 0)
        return;
    int failed = chown(control->socket_path, uid, gid);
    if (control->has_made_folder && find_parent(control->socket_path, parent))
        failed |= chown(parent, uid, gid);
    (void)failed; /* whoever is not root owns what it made already */
}

void control_run(struct control *control, struct engine *engine)
{
    sigset_t set;
    control->engine = engine;
    control->generation = engine_generation(engine);
    control->tidy_due_ms = UINT64_MAX;
    control_signals(&set);
    control->signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (refresh_create(&control->refresh, engine)) {
        log_error(engine_log(engine), LOG_CONTROL, TEXT_NONE, "not enough memory");
        control->is_over = true;
    }
    notify("READY=1");
    while (!control->is_over) {
        struct pollfd fds[] = {
            {control->signals, POLLIN, 0},
            {control->listener, POLLIN, 0}, /* -1 is passed over */
            {refresh_descriptor(control->refresh), POLLIN, 0},
            {control->tested.run ? spec_run_descriptor(control->tested.run) : -1, POLLIN, 0},
        };
        int ready = poll(fds, sizeof fds / sizeof fds[0], wait_ms(control));
        if (ready > 0 && fds[0].revents)
            on_signal(control);
        if (ready > 0 && fds[1].revents)
            on_client(control);
        check_drained(control);
        check_tested(control);
        check_files(control);
        check_tidy(control);
    }
    tested_reload_release(&control->tested);
    control->refresh = memory_release(control->refresh);
    close(control->signals);
}
