/* The checks of lua/lunasip/check.lua in a state of their own, and those of loading. */
#include "script/check.h"

#include "base/memory.h"
#include "script/state.h"

#define CHECKER "lunasip.check" /* in the registry: the object that collects */

struct check_report {
    unsigned faults, warnings;
    char *text, *json, *note;
};

/** What the protected functions below work on. */
struct check {
    const struct check_options *options;
    struct configuration *configuration; /**< what could be read of it */
    struct dispatcher *dispatcher;       /**< NULL: none, or its lists could not be read */
    struct generation *generation;       /**< a state without a script */
    struct check_report *report;
    struct settings settings; /**< defaults: a small script.memory_mib is the script's, not ours */
    const char *fault;        /**< "file:line: what; what to do", for add_fault() */
    bool has_sets;            /**< the dispatcher's sets are known, or known not to be there */
    bool is_loadable;         /**< nothing was found that loading would stumble over */
};

static void report_destroy(void *object)
{
    struct check_report *report = object;
    memory_free_raw(report->text);
    memory_free_raw(report->json);
    memory_free_raw(report->note);
}

/** Push the method of the checker, and the checker. */
static void push_method(lua_State *L, const char *name)
{
    lua_getfield(L, LUA_REGISTRYINDEX, CHECKER);
    lua_getfield(L, -1, name);
    lua_insert(L, -2);
}

static int open_checker(lua_State *L)
{
    struct check *check = lua_touserdata(L, 1);
    generation_compile_patterns(L, check->generation);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "lunasip.check");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "new");
    lua_pushstring(L, check->options->lua_dir);
    lua_call(L, 1, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, CHECKER);
    return 0;
}

static int add_fault(lua_State *L)
{
    struct check *check = lua_touserdata(L, 1);
    push_method(L, "add_line");
    lua_pushstring(L, check->fault);
    lua_call(L, 2, 0);
    return 0;
}

/* A visitor runs under the dispatcher's lock, where nothing may raise: numbers only. */
struct set_list {
    unsigned *sets;
    size_t count, capacity;
};

static void collect_set(void *arg, struct dispatcher_destination *destination)
{
    struct set_list *list = arg;
    if (list->count < list->capacity)
        list->sets[list->count] = dispatcher_destination_set(destination);
    list->count++;
}

/** set number -> true */
static void push_sets(lua_State *L, struct dispatcher *dispatcher)
{
    struct set_list list = {0};
    lua_newtable(L);
    if (!dispatcher)
        return;
    dispatcher_for_each(dispatcher, collect_set, &list);
    list.capacity = list.count;
    list.sets = lua_newuserdata(L, (list.capacity + 1) * sizeof *list.sets);
    list.count = 0;
    dispatcher_for_each(dispatcher, collect_set, &list);
    for (size_t i = 0; i < list.count && i < list.capacity; i++) {
        lua_pushboolean(L, 1);
        lua_rawseti(L, -3, (int)list.sets[i]);
    }
    lua_pop(L, 1);
}

/** name -> true; nil: not known */
static void push_media(lua_State *L, const struct configuration *configuration)
{
    if (configuration_is_unknown(configuration, "media")) {
        lua_pushnil(L);
        return;
    }
    lua_newtable(L);
    for (size_t i = 0; i < configuration->media_count; i++) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, configuration->media[i].name);
    }
}

/** name -> true; nil: not known */
static void push_trunks(lua_State *L, const struct configuration *configuration)
{
    if (configuration_is_unknown(configuration, "trunk")) {
        lua_pushnil(L);
        return;
    }
    lua_newtable(L);
    for (size_t i = 0; i < configuration->trunk_count; i++) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, configuration->trunks[i]->name);
    }
}

/** (name) -> does the configuration's address block name that group? */
static int has_group(lua_State *L)
{
    const struct configuration *configuration = generation_of(L)->configuration;
    struct text name = api_text(L, 1, "group");
    lua_pushboolean(L,
                    configuration->sources && source_list_has_group(configuration->sources, name));
    return 1;
}

static void push_facts(lua_State *L, const struct check *check)
{
    const struct configuration *configuration = check->configuration;
    bool is_inline = configuration->route_source && !check->options->route_path;
    lua_newtable(L);
    lua_pushstring(L, check->generation->route_path);
    lua_setfield(L, -2, "path");
    if (is_inline)
        lua_pushstring(L, configuration->route_source);
    else
        lua_pushnil(L);
    lua_setfield(L, -2, "source");
    if (check->has_sets) {
        push_sets(L, check->dispatcher);
        lua_setfield(L, -2, "sets");
    }
    push_media(L, configuration);
    lua_setfield(L, -2, "media");
    push_trunks(L, configuration);
    lua_setfield(L, -2, "trunks");
    if (!configuration_is_unknown(configuration, "address")) {
        lua_pushcfunction(L, has_group);
        lua_setfield(L, -2, "has_group");
    }
}

static int check_script(lua_State *L)
{
    struct check *check = lua_touserdata(L, 1);
    push_method(L, "script");
    push_facts(L, check);
    lua_call(L, 2, 1);
    check->is_loadable = lua_toboolean(L, -1);
    return 0;
}

static char *copy_field(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    char *copy = NULL;
    if (lua_isstring(L, -1)) {
        copy = text_strdup(text_of(lua_tostring(L, -1)));
        if (!copy)
            luaL_error(L, "not enough memory");
    }
    lua_pop(L, 1);
    return copy;
}

static int take_report(lua_State *L)
{
    struct check *check = lua_touserdata(L, 1);
    push_method(L, "report");
    lua_call(L, 1, 1);
    check->report->text = copy_field(L, "text");
    check->report->json = copy_field(L, "json");
    check->report->note = copy_field(L, "note");
    lua_getfield(L, -1, "faults");
    check->report->faults = (unsigned)lua_tonumber(L, -1);
    lua_getfield(L, -2, "warnings");
    check->report->warnings = (unsigned)lua_tonumber(L, -1);
    return 0;
}

/** @param fault  why it is ERROR_SCRIPT; our own library raised */
static int protect(struct check *check, lua_CFunction step, char **fault)
{
    return generation_protect(check->generation, step, check, fault);
}

/** Add @p lines, which are given, to the list: a fault each. */
static int note_faults(struct check *check, char *lines, char **fault)
{
    int error = 0;
    for (char *line = lines ? lines : "", *end; line && !error; line = end ? end + 1 : NULL) {
        end = strchr(line, '\n');
        if (end)
            *end = 0;
        check->fault = line;
        error = protect(check, add_fault, fault);
    }
    memory_free_raw(lines);
    return error;
}

static int open_state(struct check *check, char **fault)
{
    const struct configuration *configuration = check->configuration;
    settings_default(&check->settings);
    int error =
        generation_open(&check->generation,
                        &(struct generation_options){
                            .settings = &check->settings,
                            .configuration = configuration,
                            .lua_dir = check->options->lua_dir,
                            .library = check->options->library,
                            .is_deterministic = true, /* no compiled code: see MEMORY_HARD */
                            .route_path = check->options->route_path ? check->options->route_path
                                                                     : configuration->route_path,
                        });
    return error ? error : protect(check, open_checker, fault);
}

/** What only running the script's chunk shows. */
static int load_script(struct check *check, char **fault)
{
    struct log log = {.level = LOG_ERROR};
    struct io *io;
    char *line = NULL;
    int error = io_lab_create(&io, 1);
    if (error)
        return error;
    error = script_check(check->configuration, check->options->route_path, check->options->lua_dir,
                         check->options->library, io, &log, &line);
    memory_release(io);
    return error == ERROR_MEMORY ? error : error ? note_faults(check, line, fault) : 0;
}

static int check_lists(struct check *check, char **fault)
{
    const struct configuration *configuration = check->configuration;
    char *line = NULL;
    check->has_sets = !configuration_is_unknown(configuration, "dispatcher");
    if (!configuration->has_dispatcher || !check->has_sets)
        return 0;
    int error = dispatcher_create(&check->dispatcher, &configuration->dispatcher, &line);
    check->has_sets = !error;
    return error == ERROR_MEMORY ? error : error ? note_faults(check, line, fault) : 0;
}

/** Lists and script of the configuration, as far as it says them. */
static int check_parts(struct check *check, bool is_faulty, char **fault)
{
    int error = check_lists(check, fault);
    if (!error && check->generation->route_path[0])
        error = protect(check, check_script, fault);
    if (!error && check->is_loadable && !is_faulty)
        error = load_script(check, fault);
    return error;
}

static int check_all(struct check *check, char **fault)
{
    char *lines;
    int error = configuration_load_partly(&check->configuration, check->options->conf_path,
                                          check->options->lua_dir, check->options->library, &lines);
    bool is_faulty = !error && lines;
    if (!error)
        error = open_state(check, fault);
    if (!error && is_faulty)
        error = note_faults(check, lines, fault);
    else
        memory_free_raw(lines);
    if (!error)
        error = check_parts(check, is_faulty, fault);
    return error ? error : protect(check, take_report, fault);
}

int check_run(struct check_report **reportp, const struct check_options *options, char **fault)
{
    *fault = NULL;
    struct check check = {
        .options = options,
        .report = memory_alloc(sizeof(struct check_report), report_destroy),
    };
    int error = check.report ? check_all(&check, fault) : ERROR_MEMORY;
    memory_release(check.generation);
    memory_release(check.dispatcher);
    memory_release(check.configuration);
    if (error) {
        memory_release(check.report);
        return error;
    }
    *reportp = check.report;
    return 0;
}

unsigned check_fault_count(const struct check_report *report)
{
    return report->faults;
}

unsigned check_warning_count(const struct check_report *report)
{
    return report->warnings;
}

const char *check_text(const struct check_report *report)
{
    return report->text;
}

const char *check_json(const struct check_report *report)
{
    return report->json;
}

const char *check_note(const struct check_report *report)
{
    return report->note;
}
