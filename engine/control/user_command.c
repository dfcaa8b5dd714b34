/* Words, what the configuration adds to them, and then one call of the table. */
#include "control/user_command.h"

#include "base/error.h"
#include "base/memory.h"
#include "control/commands.h"
#include "control/password.h"
#include "control/subscribers.h"
#include "database/database.h"
#include "script/configuration.h"
#include "worker/privileges.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_FINE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_FAULT = 3 };

#define DEFAULT_CONF   "/etc/lunasip/lunasip.lua"
#define NAME_MOST      64 /* Kamailio's columns username and domain */
#define PASSWORD_BYTES 128

const char user_command_usage[] =
    "usage: lunasip user [--conf CONF] [--database URL] [--domain DOMAIN] VERB ...\n"
    "       add USER[@DOMAIN] [PASSWORD]       with --ha1-only the password itself is not kept\n"
    "       passwd USER[@DOMAIN] [PASSWORD]    likewise\n"
    "       rm USER[@DOMAIN]\n"
    "       list [--json]                      those of --domain, or all\n"
    "Without PASSWORD it is read from standard input, on a terminal unseen. CONF is $LUNASIP_CONF "
    "or\n"
    "/etc/lunasip/lunasip.lua; its database { url = } and auth { domain = } stand for what is not "
    "said.\n";

/** What was asked. Texts are borrowed: of the words or of the configuration. */
struct request {
    const char *conf, *url, *domain; /**< NULL: not said */
    const char *verb, *user, *password;
    bool as_json, is_ha1_only;
    struct configuration *configuration; /**< owned; NULL: not needed */
    struct subscriber subscriber;
    char typed[PASSWORD_BYTES];
};

static int complain(int code, const char *about, const char *words)
{
    struct text said = text_trim(text_of(words)); /* databases end their words with a line */
    fprintf(stderr, "lunasip: %s%s%.*s\n", about, *about ? ": " : "", (int)said.n, said.p);
    return code;
}

/* ---- words ---- */

/** The option that takes a value. @return where it goes; NULL: it is none of them */
static const char **value_of(struct request *request, const char *word)
{
    if (strcmp(word, "--conf") == 0)
        return &request->conf;
    if (strcmp(word, "--database") == 0)
        return &request->url;
    return strcmp(word, "--domain") == 0 ? &request->domain : NULL;
}

static bool take_word(struct request *request, const char *word)
{
    const char **places[] = {&request->verb, &request->user, &request->password};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (*places[i])
            continue;
        *places[i] = word;
        return true;
    }
    return false;
}

static bool parse(struct request *request, int argc, char *const argv[])
{
    bool is_option = true;
    for (int i = 0; i < argc; i++) {
        const char **value = is_option ? value_of(request, argv[i]) : NULL;
        if (value && i + 1 < argc)
            *value = argv[++i];
        else if (is_option && strcmp(argv[i], "--json") == 0)
            request->as_json = true;
        else if (is_option && strcmp(argv[i], "--ha1-only") == 0)
            request->is_ha1_only = true;
        else if (is_option && strcmp(argv[i], "--") == 0)
            is_option = false;
        else if ((is_option && argv[i][0] == '-') || !take_word(request, argv[i]))
            return false;
    }
    return request->verb != NULL;
}

static bool is_verb(const struct request *request, const char *verb)
{
    return strcmp(request->verb, verb) == 0;
}

/** Does the verb take these words? */
static bool is_fitting(const struct request *request)
{
    if (is_verb(request, "list"))
        return !request->user && !request->is_ha1_only;
    if (request->as_json || !request->user)
        return false;
    return is_verb(request, "rm") ? !request->password && !request->is_ha1_only
                                  : is_verb(request, "add") || is_verb(request, "passwd");
}

/* ---- what the configuration adds ---- */

static int read_configuration(struct request *request, const char *lua_dir)
{
    char *fault = NULL;
    const char *path = request->conf ? request->conf : getenv("LUNASIP_CONF");
    if (!path && request->url)
        return EXIT_FINE;
    request->conf = path ? path : DEFAULT_CONF;
    int error = configuration_load(&request->configuration, request->conf, lua_dir, NULL, &fault);
    const struct configuration *configuration = request->configuration;
    /* What SQLite makes must belong to the account that serves. */
    if (!error && configuration->user && geteuid() == 0) {
        struct account account;
        error = account_find(&account, configuration->user, configuration->group, &fault);
        if (!error)
            error = account_become(&account, &fault);
    }
    if (error)
        complain(EXIT_FAULT, fault ? "" : request->conf, fault ? fault : error_text(error));
    memory_free_raw(fault);
    if (error)
        return EXIT_FAULT;
    if (!request->url)
        request->url = configuration->database_url;
    if (!request->domain && !is_verb(request, "list"))
        request->domain = configuration->auth_domain;
    return EXIT_FINE;
}

static int check_url(const struct request *request)
{
    const char *problem;
    if (!request->url)
        return complain(EXIT_FAULT, request->conf,
                        "no database is named; write database { url = \"...\" } there, or "
                        "--database URL");
    int error = database_check_url(request->url, &problem);
    return error ? complain(EXIT_USAGE, "--database",
                            error == ERROR_ARGUMENT ? problem : error_text(error))
                 : EXIT_FINE;
}

/* ---- who ---- */

/** A ':' would end the name in a digest (RFC 7616 s3.4.2), an '@' what stands before the domain. */
static bool is_name(struct text name)
{
    if (!text_is_set(name) || name.n == 0 || name.n > NAME_MOST)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f || strchr(":@\"\\<>", name.p[i]))
            return false;
    return true;
}

static int name_user(struct request *request)
{
    struct subscriber *subscriber = &request->subscriber;
    struct text word = text_of(request->user);
    const char *at = text_find(word, '@');
    subscriber->username = at ? text_span(word.p, at) : word;
    subscriber->domain = at                ? text_span(at + 1, word.p + word.n)
                         : request->domain ? text_of(request->domain)
                                           : TEXT_NONE;
    if (!at && !request->domain)
        return complain(EXIT_USAGE, request->user,
                        "the domain is not known; write USER@DOMAIN, --domain DOMAIN, or auth { "
                        "domain = \"...\" } in the configuration");
    if (!is_name(subscriber->username) || !is_name(subscriber->domain))
        return complain(EXIT_USAGE, request->user,
                        "a user and a domain have 1 to 64 characters, none of : @ \" \\ < > and "
                        "no space");
    return EXIT_FINE;
}

static int take_password(struct request *request)
{
    const char *problem = "the password is empty";
    if (is_verb(request, "rm"))
        return EXIT_FINE;
    if (!request->password) {
        if (password_read(request->typed, sizeof request->typed, &problem))
            return complain(EXIT_USAGE, request->user, problem);
        request->password = request->typed;
    }
    if (!request->password[0])
        return complain(EXIT_USAGE, request->user, problem);
    request->subscriber.password = text_of(request->password);
    request->subscriber.is_ha1_only = request->is_ha1_only;
    return EXIT_FINE;
}

/* ---- doing it ---- */

static int say_error(const struct request *request, struct subscribers *subscribers, int error)
{
    char problem[512];
    subscribers_problem(subscribers, problem, sizeof problem);
    const char *about = request->user ? request->user : request->verb;
    if (error == ERROR_STATE && is_verb(request, "add"))
        return complain(EXIT_REFUSED, about,
                        "is a user already; `lunasip user passwd` changes the password");
    if (error == ERROR_NOT_FOUND)
        return complain(EXIT_REFUSED, about, "there is no such user");
    return complain(EXIT_REFUSED, about, problem[0] ? problem : error_text(error));
}

/** Carry out add, passwd or rm. @return 0 or what the table says */
static int change(struct request *request, struct subscribers *subscribers)
{
    const struct subscriber *user = &request->subscriber;
    int error = is_verb(request, "add") ? subscribers_add(subscribers, user)
                : is_verb(request, "rm")
                    ? subscribers_remove(subscribers, user->username, user->domain)
                    : subscribers_change(subscribers, user);
    if (!error)
        printf("%.*s@%.*s %s\n", (int)user->username.n, user->username.p, (int)user->domain.n,
               user->domain.p,
               is_verb(request, "add")  ? "is added"
               : is_verb(request, "rm") ? "is removed"
                                        : "has another password");
    return error;
}

struct listing {
    json_t *users; /**< NULL: as text */
};

static void list_user(void *arg, struct text username, struct text domain)
{
    const struct listing *listing = arg;
    if (!listing->users)
        printf("%.*s@%.*s\n", (int)username.n, username.p, (int)domain.n, domain.p);
    else
        json_array_append_new(listing->users,
                              json_pack("{s:o,s:o}", "user", command_json_text(username), "domain",
                                        command_json_text(domain)));
}

static int list(const struct request *request, struct subscribers *subscribers)
{
    struct listing listing = {request->as_json ? json_array() : NULL};
    if (request->as_json && !listing.users)
        return ERROR_MEMORY;
    int error = subscribers_list(
        subscribers, request->domain ? text_of(request->domain) : TEXT_NONE, list_user, &listing);
    if (!error && listing.users) {
        json_dumpf(listing.users, stdout, JSON_COMPACT);
        fputs("\n", stdout);
    }
    json_decref(listing.users);
    return error;
}

static int carry_out(struct request *request, struct io *io)
{
    struct subscribers *subscribers;
    struct settings settings;
    settings_default(&settings);
    int error =
        subscribers_open(&subscribers, io, request->url,
                         request->configuration ? &request->configuration->settings : &settings);
    if (error)
        return complain(EXIT_REFUSED, request->verb, error_text(error));
    error = is_verb(request, "list") ? list(request, subscribers) : change(request, subscribers);
    int code = error ? say_error(request, subscribers, error) : EXIT_FINE;
    memory_release(subscribers);
    return code;
}

static int run(struct request *request, const char *lua_dir)
{
    struct io *io;
    int code = read_configuration(request, lua_dir);
    if (!code)
        code = check_url(request);
    if (!code && request->user)
        code = name_user(request);
    if (!code && request->user)
        code = take_password(request);
    if (code)
        return code;
    int error = io_uv_create(&io);
    if (error)
        return complain(EXIT_FAULT, request->verb, error_text(error));
    code = carry_out(request, io);
    memory_release(io);
    return code;
}

int user_command(const char *lua_dir, int argc, char *const argv[])
{
    struct request request = {0};
    if (!parse(&request, argc, argv) || !is_fitting(&request)) {
        fputs(user_command_usage, stderr);
        return EXIT_USAGE;
    }
    int code = run(&request, lua_dir);
    explicit_bzero(request.typed, sizeof request.typed);
    memory_release(request.configuration);
    return code;
}
