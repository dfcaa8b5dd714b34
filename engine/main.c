/* The command: argv, signals, the start order, exit codes. */
#include "base/error.h"
#include "base/memory.h"
#include "control/control.h"
#include "control/user_command.h"
#include "script/check.h"
#include "script/program.h"
#include "worker/engine.h"
#include "worker/privileges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_FINE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_FAULT = 3 };

/* What one call with media needs: RTP and RTCP on both sides. */
#define DESCRIPTORS_PER_CALL 4
#define DESCRIPTORS_WANTED   (DESCRIPTORS_PER_CALL * 4000)

/*
 * What jemalloc reads when the process begins (sanitized builds have no jemalloc). Each call leaves 4 kB of
 * transactions behind for 32 s, so a busy engine touches new pages all the time until then: as huge pages
 * they cost a fault every 500 calls instead of every one, 3 % of a call's CPU, for some 10 MB that an idle
 * process holds in advance. A system whose transparent huge pages are switched off stays as it is.
 */
const char *malloc_conf = "thp:always";

static const char usage[] =
    "usage: lunasip run CONF            run in the foreground, log to stderr\n"
    "       lunasip check [--strict] [--json] CONF\n"
    "                                   read configuration and script, say what is wrong\n"
    "       lunasip test [SPEC...]      run busted specs in the lab\n"
    "       lunasip demo [--once]       a border controller with a caller and a gateway\n"
    "       lunasip ctl [--socket S] [--json] VERB ...\n"
    "                                   status, reload [--test], dispatcher list|set, calls, "
    "transactions,\n"
    "                                   profiles, records, media, registrations, trunks, log "
    "level, "
    "drain, stop\n"
    "       lunasip user [--conf CONF] [--database URL] [--domain DOMAIN] add|passwd|rm|list ...\n"
    "                                   users with passwords, in Kamailio's table of a database\n"
    "       lunasip version\n";

static const char *lua_dir(void)
{
    const char *asked = getenv("LUNASIP_LUA");
    if (asked)
        return asked;
    return access(LUNASIP_LUA_DIR, R_OK) == 0 ? LUNASIP_LUA_DIR : LUNASIP_LUA_INSTALL_DIR;
}

/* A fault begins with the place to look at, so that editors find it. */
static int say_fault(char *fault, int error)
{
    if (fault)
        fprintf(stderr, "%s\n", fault);
    else
        fprintf(stderr, "lunasip: %s\n", error_text(error));
    memory_free_raw(fault);
    return EXIT_FAULT;
}

static int say_usage(void)
{
    fputs(usage, stderr);
    return EXIT_USAGE;
}

static void raise_descriptor_limit(struct log *log)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < DESCRIPTORS_WANTED)
        log_warning(log, LOG_ENGINE, TEXT_NONE,
                    "%llu file descriptors allow about %llu calls with media; raise the limit "
                    "(ulimit -n, LimitNOFILE=) for more",
                    (unsigned long long)limit.rlim_cur,
                    (unsigned long long)limit.rlim_cur / DESCRIPTORS_PER_CALL);
}

/* After everything that root alone may do, before any thread. */
static int drop_privileges(const struct configuration *configuration, struct control *control,
                           char **fault)
{
    struct account account;
    if (!configuration->user)
        return 0;
    int error = account_find(&account, configuration->user, configuration->group, fault);
    if (error)
        return error;
    control_give(control, account.uid, account.gid);
    return account_become(&account, fault);
}

static int serve(struct engine *engine, const char *conf_path)
{
    char *fault = NULL;
    const struct configuration *configuration = engine_configuration(engine);
    struct control *control = NULL;
    int error = control_open(&control, configuration->control_path);
    if (error) {
        fprintf(stderr, "lunasip: control socket %s: %s\n", configuration->control_path,
                error == ERROR_ARGUMENT
                    ? "a file of that name is no socket; change the control block"
                    : error_text(error));
        return error;
    }
    raise_descriptor_limit(engine_log(engine));
    error = drop_privileges(configuration, control, &fault);
    if (!error)
        error = engine_start(engine);
    if (!error) {
        log_info(engine_log(engine), LOG_ENGINE, TEXT_NONE, "lunasip %s runs %s with %u workers",
                 LUNASIP_VERSION, conf_path, engine_worker_count(engine));
        control_run(control, engine);
    } else {
        say_fault(fault, error);
    }
    engine_stop(engine);
    memory_release(control);
    return error;
}

static int run_engine(struct io *io, const char *conf_path)
{
    struct engine *engine;
    char *fault = NULL;
    int error = engine_create(
        &engine, &(struct engine_options){.io = io, .conf_path = conf_path, .lua_dir = lua_dir()},
        &fault);
    if (error)
        return say_fault(fault, error);
    error = serve(engine, conf_path);
    memory_release(engine);
    return error ? EXIT_FAULT : EXIT_FINE;
}

static int command_of_run(int argc, char *const argv[])
{
    struct io *io;
    if (argc != 1)
        return say_usage();
    control_block_signals();
    int error = io_uv_create(&io);
    if (error)
        return say_fault(NULL, error);
    int code = run_engine(io, argv[0]);
    memory_release(io);
    return code;
}

/* Faults are read by people from stderr, and by editors from stdout. */
static int say_report(const struct check_report *report, const char *conf_path, bool as_json,
                      bool is_strict)
{
    unsigned faults = check_fault_count(report), warnings = check_warning_count(report);
    bool is_refused = faults > 0 || (is_strict && warnings > 0);
    if (check_note(report))
        fprintf(stderr, "%s\n", check_note(report));
    fputs(as_json ? check_json(report) : "", stdout);
    fputs(as_json ? "" : check_text(report), stderr);
    if (!is_refused && !as_json)
        printf("%s is fine\n", conf_path);
    return is_refused ? EXIT_FAULT : EXIT_FINE;
}

static int command_of_check(int argc, char *const argv[])
{
    struct check_options options = {.lua_dir = lua_dir()};
    bool as_json = false, is_strict = false;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            as_json = true;
        else if (strcmp(argv[i], "--strict") == 0)
            is_strict = true;
        else if (options.conf_path || argv[i][0] == '-')
            return say_usage();
        else
            options.conf_path = argv[i];
    }
    struct check_report *report;
    char *fault = NULL;
    if (!options.conf_path)
        return say_usage();
    int error = check_run(&report, &options, &fault);
    if (error)
        return say_fault(fault, error);
    int code = say_report(report, options.conf_path, as_json, is_strict);
    memory_release(report);
    return code;
}

/* The engine may stand in another folder: `reload PATH` means the caller's. @return owned by malloc */
static char *script_path(int count, char *words[])
{
    int at = count > 1 && strcmp(words[1], "--test") == 0 ? 2 : 1;
    if (count != at + 1 || strcmp(words[0], "reload") != 0)
        return NULL;
    char *path = realpath(words[at], NULL);
    if (path)
        words[at] = path;
    return path;
}

/* Options that belong to a verb of the control socket, which says what it thinks of them. */
static bool is_option_of_verb(const char *word)
{
    return strcmp(word, "--all") == 0 || strcmp(word, "--test") == 0;
}

static int command_of_ctl(int argc, char *const argv[])
{
    const char *socket_path = NULL;
    bool as_json = false, is_wrong = false;
    char **words = calloc((size_t)argc + 1, sizeof *words);
    int count = 0;
    for (int i = 0; words && i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            as_json = true;
        else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc)
            socket_path = argv[++i];
        else if (argv[i][0] == '-' && !is_option_of_verb(argv[i]))
            is_wrong = true;
        else
            words[count++] = argv[i];
    }
    char *path = script_path(count, words);
    int code = count && !is_wrong ? control_ask(socket_path, count, words, as_json) : say_usage();
    free(path);
    free(words);
    return code;
}

/* demo takes --once alone; test hands everything to busted. */
static int command_of_demo(int argc, char *const argv[])
{
    if (argc > 1 || (argc == 1 && strcmp(argv[0], "--once") != 0))
        return say_usage();
    return program_run(lua_dir(), "lunasip.demo", argc, argv);
}

static int command_of_help(void)
{
    fputs(usage, stdout);
    return EXIT_FINE;
}

int main(int argc, char *argv[])
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "run") == 0)
        return command_of_run(argc - 2, argv + 2);
    if (strcmp(verb, "check") == 0)
        return command_of_check(argc - 2, argv + 2);
    if (strcmp(verb, "ctl") == 0)
        return command_of_ctl(argc - 2, argv + 2);
    if (strcmp(verb, "demo") == 0)
        return command_of_demo(argc - 2, argv + 2);
    if (strcmp(verb, "test") == 0)
        return program_run(lua_dir(), "lunasip.test", argc - 2, argv + 2);
    if (strcmp(verb, "user") == 0)
        return user_command(lua_dir(), argc - 2, argv + 2);
    if (strcmp(verb, "version") == 0) {
        printf("lunasip %s\n", LUNASIP_VERSION);
        return EXIT_FINE;
    }
    if (strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
        return command_of_help();
    return say_usage();
}
