/* Reading the table that lua/lunasip/config.lua returns into a struct configuration. */
#include "script/configuration.h"

#include "base/memory.h"
#include "script/state.h"

#include <stdio.h>

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        memory_free_raw(names[i]);
    memory_free_raw(names);
}

static void configuration_destroy(void *object)
{
    struct configuration *configuration = object;
    memory_free_raw(configuration->path);
    memory_free_raw(configuration->places);
    memory_free_raw(configuration->listeners);
    memory_free_raw(configuration->media);
    free_names(configuration->dispatcher_files, configuration->dispatcher.file_count);
    memory_free_raw(configuration->dispatcher_list);
    memory_free_raw(configuration->route_path);
    memory_free_raw(configuration->route_source);
    memory_free_raw(configuration->control_path);
    memory_free_raw(configuration->user);
    memory_free_raw(configuration->group);
    memory_free_raw(configuration->auth_secret);
    memory_free_raw(configuration->auth_domain);
    memory_free_raw(configuration->location_database);
    memory_free_raw(configuration->database_url);
    for (size_t i = 0; i < configuration->trunk_count; i++)
        memory_release(configuration->trunks[i]);
    memory_free_raw(configuration->trunks);
    memory_free_raw(configuration->records_file);
    memory_free_raw(configuration->records_database);
    memory_free_raw(configuration->records_spool);
    free_names(configuration->acc_extra, configuration->acc_extra_count);
    free_names(configuration->cdr_extra, configuration->cdr_extra_count);
    memory_release(configuration->sources);
    free_names(configuration->files, configuration->file_count);
    free_names(configuration->specs, configuration->spec_count);
    free_names(configuration->dictionaries, configuration->dictionary_count);
    free_names(configuration->unknown, configuration->unknown_count);
}

/* ---- from Lua; errors are raised, everything made hangs on the configuration at once ---- */

struct load {
    struct configuration *configuration;
    const char *path;
    char *faults; /* owned; a line for each that the schema found */
};

/** Zeroed, or raises. */
static void *take(lua_State *L, size_t count, size_t size_bytes)
{
    void *array = memory_raw(count * size_bytes);
    if (!array)
        luaL_error(L, "not enough memory");
    memset(array, 0, count * size_bytes);
    return array;
}

/** Copy of the string on top of the stack, which is popped; NULL for anything else. */
static char *take_text(lua_State *L)
{
    char *copy = NULL;
    if (lua_type(L, -1) == LUA_TSTRING) {
        struct text t;
        t.p = lua_tolstring(L, -1, &t.n);
        copy = text_strdup(t);
        if (!copy)
            luaL_error(L, "not enough memory");
    }
    lua_pop(L, 1);
    return copy;
}

/** Field of the table on top into an array of the struct. @return false when it is not there */
static bool read_text(lua_State *L, const char *field, char *array, size_t size_bytes)
{
    lua_getfield(L, -1, field);
    bool is_there = lua_type(L, -1) == LUA_TSTRING;
    if (is_there) {
        struct text t;
        t.p = lua_tolstring(L, -1, &t.n);
        if (!text_to_array(t, array, size_bytes))
            luaL_error(L, "%s '%s' is longer than %d bytes; choose a shorter one", field, t.p,
                       (int)size_bytes - 1);
    }
    lua_pop(L, 1);
    return is_there;
}

static unsigned read_number(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    unsigned number = (unsigned)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

static char *read_string(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    return take_text(L);
}

/** Field of the table on top is a table: push it. */
static bool open_table(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    if (lua_istable(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

/* ---- listeners and media ---- */

static void read_listener(lua_State *L, struct listener *listener)
{
    char host[ADDRESS_TEXT_BYTES] = "", proto[8] = "udp", advertised[256] = "";
    struct address address;
    read_text(L, "interface", listener->interface, sizeof listener->interface);
    read_text(L, "host", host, sizeof host);
    read_text(L, "proto", proto, sizeof proto);
    if (address_parse_host(&listener->local, text_of(host)) ||
        transport_kind_parse(&listener->kind, text_of(proto)))
        luaL_error(L, "'%s:%s' is not a listen address; write \"udp:HOST:PORT\"", proto, host);
    listener->port = (uint16_t)read_number(L, "port");
    address_set_port(&listener->local, listener->port);
    address_print_uri_host(&listener->local, host);
    snprintf(listener->host, sizeof listener->host, "%s", host);
    if (!read_text(L, "advertise_host", advertised, sizeof advertised))
        return;
    listener->port = (uint16_t)read_number(L, "advertise_port");
    if (address_parse_host(&address, text_of(advertised)) == 0) {
        address_print_uri_host(&address, host);
        snprintf(listener->host, sizeof listener->host, "%s", host);
    } else {
        snprintf(listener->host, sizeof listener->host, "%s", advertised);
    }
}

static void read_listeners(lua_State *L, struct configuration *configuration)
{
    if (!open_table(L, "listeners"))
        return;
    size_t count = lua_objlen(L, -1);
    if (count > UINT16_MAX)
        luaL_error(L, "more than 65535 listen addresses; name fewer");
    configuration->listeners = take(L, count, sizeof *configuration->listeners);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        configuration->listeners[i].id = (uint16_t)i;
        read_listener(L, &configuration->listeners[i]);
        configuration->listener_count++;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_media_address(lua_State *L, struct media_interface_address *address,
                               const char *field, const char *advertise)
{
    char host[ADDRESS_TEXT_BYTES];
    if (!read_text(L, field, host, sizeof host))
        return;
    if (address_parse_host(&address->local, text_of(host)))
        luaL_error(L, "media: '%s' is not an address", host);
    read_text(L, advertise, address->advertise, sizeof address->advertise);
}

static void read_media(lua_State *L, struct configuration *configuration)
{
    if (!open_table(L, "media"))
        return;
    configuration->media_port_least = (uint16_t)read_number(L, "port_least");
    configuration->media_port_most = (uint16_t)read_number(L, "port_most");
    if (open_table(L, "interfaces")) {
        size_t count = lua_objlen(L, -1);
        configuration->media = take(L, count, sizeof *configuration->media);
        for (size_t i = 0; i < count; i++) {
            struct media_interface *interface = &configuration->media[i];
            lua_rawgeti(L, -1, (int)i + 1);
            read_text(L, "name", interface->name, sizeof interface->name);
            read_media_address(L, &interface->v4, "v4", "v4_advertise");
            read_media_address(L, &interface->v6, "v6", "v6_advertise");
            configuration->media_count++;
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* ---- dispatcher ---- */

static char **read_names(lua_State *L, const char *field, char ***names, size_t *count)
{
    if (!open_table(L, field))
        return NULL;
    size_t most = lua_objlen(L, -1);
    *names = take(L, most, sizeof **names);
    for (size_t i = 0; i < most; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        (*names)[i] = take_text(L);
        (*count)++;
    }
    lua_pop(L, 1);
    return *names;
}

/** The sets of the configuration in the lines of a list file: "1 sip:... 0 0 weight=50" */
static void read_sets(lua_State *L, struct configuration *configuration)
{
    if (!open_table(L, "sets"))
        return;
    luaL_Buffer lines;
    int sets = lua_gettop(L), count = (int)lua_objlen(L, sets);
    luaL_buffinit(L, &lines);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, sets, i);
        int entry = lua_gettop(L);
        lua_getfield(L, entry, "set");
        lua_getfield(L, entry, "uri");
        lua_getfield(L, entry, "flags");
        lua_getfield(L, entry, "priority");
        lua_getfield(L, entry, "attrs");
        lua_pushfstring(L, "%d %s %d %d %s\n", (int)lua_tointeger(L, -5), lua_tostring(L, -4),
                        (int)lua_tointeger(L, -3), (int)lua_tointeger(L, -2), lua_tostring(L, -1));
        lua_replace(L, entry);
        lua_settop(L, entry);
        luaL_addvalue(&lines);
    }
    luaL_pushresult(&lines);
    configuration->dispatcher_list = take_text(L);
    if (count)
        configuration->dispatcher.inline_list = text_of(configuration->dispatcher_list);
    lua_settop(L, sets - 1);
}

static void read_dispatcher(lua_State *L, struct configuration *configuration)
{
    if (!open_table(L, "dispatcher"))
        return;
    struct dispatcher_options *options = &configuration->dispatcher;
    configuration->has_dispatcher = true;
    read_names(L, "files", &configuration->dispatcher_files, &options->file_count);
    options->files = (const char *const *)configuration->dispatcher_files;
    read_sets(L, configuration);
    options->ping_interval_s = read_number(L, "ping_interval");
    read_text(L, "ping_method", options->ping_method, sizeof options->ping_method);
    read_text(L, "ping_from", options->ping_from, sizeof options->ping_from);
    read_text(L, "ping_reply_codes", options->ping_reply_codes, sizeof options->ping_reply_codes);
    options->probing_threshold = read_number(L, "probing_threshold");
    options->inactive_threshold = read_number(L, "inactive_threshold");
    options->probing_mode = read_number(L, "probing_mode");
    lua_pop(L, 1);
}

/* ---- the rest ---- */

static void read_trunk(lua_State *L, struct trunk_terms *terms)
{
    terms->name = read_string(L, "name");
    terms->registrar = read_string(L, "registrar");
    terms->proxy = read_string(L, "proxy");
    terms->user = read_string(L, "user");
    terms->domain = read_string(L, "domain");
    terms->auth_user = read_string(L, "auth_user");
    terms->password = read_string(L, "password");
    terms->realm = read_string(L, "realm");
    terms->contact_user = read_string(L, "contact_user");
    terms->interface = read_string(L, "interface");
    terms->expires_s = read_number(L, "expires_s");
}

static void read_trunks(lua_State *L, struct configuration *configuration)
{
    if (!open_table(L, "trunks"))
        return;
    size_t count = lua_objlen(L, -1);
    configuration->trunks = take(L, count, sizeof(struct trunk_terms *));
    for (size_t i = 0; i < count; i++) {
        configuration->trunks[i] = trunk_terms_create();
        if (!configuration->trunks[i])
            luaL_error(L, "not enough memory");
        configuration->trunk_count++;
        lua_rawgeti(L, -1, (int)i + 1);
        read_trunk(L, configuration->trunks[i]);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* With the group's list of networks on top. */
static void read_group(lua_State *L, struct source_list *sources, struct text group)
{
    int error = source_list_add_group(sources, group);
    size_t count = lua_objlen(L, -1);
    for (size_t i = 0; i < count && !error; i++) {
        struct text cidr;
        lua_rawgeti(L, -1, (int)i + 1);
        cidr.p = lua_tolstring(L, -1, &cidr.n);
        error = cidr.p ? source_list_add(sources, group, cidr) : ERROR_SYNTAX;
        if (error == ERROR_SYNTAX)
            luaL_error(L, "address %s: '%s' is not a network", group.p, cidr.p ? cidr.p : "?");
        lua_pop(L, 1);
    }
    if (error)
        luaL_error(L, "not enough memory");
}

static void read_groups(lua_State *L, struct configuration *configuration)
{
    if (!open_table(L, "addresses"))
        return;
    if (source_list_create(&configuration->sources))
        luaL_error(L, "not enough memory");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        struct text group;
        lua_pushvalue(L, -2); /* lua_tolstring() must not change the key of lua_next() */
        group.p = lua_tolstring(L, -1, &group.n);
        lua_insert(L, -2);
        if (group.p)
            read_group(L, configuration->sources, group);
        lua_remove(L, -2);
    }
    lua_pop(L, 1);
}

static void read_settings(lua_State *L, struct configuration *configuration)
{
    if (!open_table(L, "settings"))
        return;
    unsigned count;
    const struct setting *list = settings_list(&count);
    for (unsigned i = 0; i < count; i++) {
        lua_pushfstring(L, "%s.%s", list[i].block, list[i].name);
        lua_rawget(L, -2);
        if (lua_type(L, -1) == LUA_TNUMBER &&
            settings_set(&configuration->settings, list[i].block, list[i].name,
                         (uint64_t)lua_tonumber(L, -1)))
            luaL_error(L, "%s { %s = ... } is out of its range", list[i].block, list[i].name);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_log(lua_State *L, struct configuration *configuration)
{
    char level[16] = "info", to[16] = "stderr";
    if (open_table(L, "log")) {
        read_text(L, "level", level, sizeof level);
        read_text(L, "to", to, sizeof to);
        lua_pop(L, 1);
    }
    if (log_level_parse(&configuration->log_level, text_of(level)))
        luaL_error(L, "log: there is no level '%s'", level);
    configuration->is_log_syslog = strcmp(to, "syslog") == 0;
}

static void read_drain(lua_State *L, struct configuration *configuration)
{
    char rule[16] = "leave";
    if (!open_table(L, "drain"))
        return;
    read_text(L, "rule", rule, sizeof rule);
    lua_pop(L, 1);
    configuration->is_drain_bye = strcmp(rule, "bye") == 0;
}

static void read_control(lua_State *L, struct configuration *configuration)
{
    if (!open_table(L, "control"))
        return;
    configuration->control_path = read_string(L, "socket");
    lua_pop(L, 1);
}

static void read_records(lua_State *L, struct configuration *configuration)
{
    if (!open_table(L, "records"))
        return;
    configuration->has_records = true;
    configuration->records_file = read_string(L, "file");
    configuration->records_database = read_string(L, "database");
    configuration->records_spool = read_string(L, "spool");
    read_names(L, "acc_extra", &configuration->acc_extra, &configuration->acc_extra_count);
    read_names(L, "cdr_extra", &configuration->cdr_extra, &configuration->cdr_extra_count);
    lua_pop(L, 1);
}

static void read_places(lua_State *L, struct configuration *configuration)
{
    size_t count = 0;
    if (!open_table(L, "lines"))
        return;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        count++;
    configuration->places = take(L, count, sizeof *configuration->places);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        struct configuration_place *place = &configuration->places[configuration->place_count++];
        place->line = (unsigned)lua_tointeger(L, -1);
        text_to_array(text_of(lua_tostring(L, -2)), place->name, sizeof place->name);
    }
    lua_pop(L, 1);
}

/** With the result of config.load() on top. */
static void read_all(lua_State *L, struct configuration *configuration)
{
    read_names(L, "unknown", &configuration->unknown, &configuration->unknown_count);
    read_places(L, configuration);
    read_listeners(L, configuration);
    read_media(L, configuration);
    read_dispatcher(L, configuration);
    read_groups(L, configuration);
    read_trunks(L, configuration);
    read_settings(L, configuration);
    read_log(L, configuration);
    read_control(L, configuration);
    read_drain(L, configuration);
    read_records(L, configuration);
    read_names(L, "files", &configuration->files, &configuration->file_count);
    read_names(L, "specs", &configuration->specs, &configuration->spec_count);
    read_names(L, "shared", &configuration->dictionaries, &configuration->dictionary_count);
    configuration->route_path = read_string(L, "route");
    configuration->route_source = read_string(L, "route_source");
    configuration->user = read_string(L, "user");
    configuration->group = read_string(L, "group");
    configuration->auth_secret = read_string(L, "auth_secret");
    configuration->auth_domain = read_string(L, "auth_domain");
    configuration->location_database = read_string(L, "location_database");
    configuration->database_url = read_string(L, "database_url");
    configuration->workers = read_number(L, "workers");
    configuration->media_threads = read_number(L, "media_threads");
}

static int load_table(lua_State *L)
{
    struct load *load = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "lunasip.config");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "load");
    lua_pushstring(L, load->path);
    lua_call(L, 1, 3);
    if (!lua_istable(L, -3)) {
        lua_pushvalue(L, -2);
        load->faults = take_text(L);
    }
    lua_pushvalue(L, lua_istable(L, -3) ? -3 : -1);
    read_all(L, load->configuration);
    return 0;
}

/* What reading the table raised is one fault more. @return 0 or ERROR_MEMORY */
static int add_fault(struct load *load, char *fault)
{
    struct buffer faults = {0};
    if (load->faults) {
        buffer_append(&faults, text_of(load->faults));
        buffer_append_char(&faults, '\n');
    }
    buffer_append(&faults, text_of(fault));
    buffer_append_char(&faults, 0);
    memory_free_raw(fault);
    if (faults.error) {
        buffer_release(&faults);
        return ERROR_MEMORY;
    }
    memory_free_raw(load->faults);
    load->faults = faults.p;
    return 0;
}

static int load_file(struct load *load, const char *lua_dir, struct library *library)
{
    struct generation *scratch = NULL;
    char *fault = NULL;
    int error =
        generation_open(&scratch, &(struct generation_options){
                                      .settings = &load->configuration->settings,
                                      .lua_dir = lua_dir,
                                      .library = library,
                                      .route_path = load->path, /* for faults without a line */
                                  });
    if (!error)
        error = generation_protect(scratch, load_table, load, &fault);
    if (error == ERROR_SCRIPT)
        error = fault ? add_fault(load, fault) : ERROR_MEMORY;
    memory_release(scratch);
    return error;
}

int configuration_load_partly(struct configuration **configurationp, const char *path,
                              const char *lua_dir, struct library *library, char **faults)
{
    struct load load = {
        .configuration = memory_alloc(sizeof(struct configuration), configuration_destroy),
        .path = path,
    };
    *faults = NULL;
    if (!load.configuration)
        return ERROR_MEMORY;
    settings_default(&load.configuration->settings);
    load.configuration->path = text_strdup(text_of(path));
    int error = load.configuration->path ? load_file(&load, lua_dir, library) : ERROR_MEMORY;
    if (error) {
        memory_free_raw(load.faults);
        memory_release(load.configuration);
        return error;
    }
    *faults = load.faults;
    *configurationp = load.configuration;
    return 0;
}

int configuration_load(struct configuration **configurationp, const char *path, const char *lua_dir,
                       struct library *library, char **fault)
{
    struct configuration *configuration;
    int error = configuration_load_partly(&configuration, path, lua_dir, library, fault);
    if (error)
        return error;
    if (*fault) {
        memory_release(configuration);
        return ERROR_SCRIPT;
    }
    *configurationp = configuration;
    return 0;
}

bool configuration_is_unknown(const struct configuration *configuration, const char *block)
{
    for (size_t i = 0; i < configuration->unknown_count; i++)
        if (strcmp(configuration->unknown[i], block) == 0)
            return true;
    return false;
}

unsigned configuration_line(const struct configuration *configuration, const char *name)
{
    for (size_t i = 0; i < configuration->place_count; i++)
        if (strcmp(configuration->places[i].name, name) == 0)
            return configuration->places[i].line;
    return 1;
}

int configuration_group_contains(const struct configuration *configuration, struct text group,
                                 const struct address *address)
{
    const struct source_list *sources = configuration->sources;
    if (!sources || !source_list_has_group(sources, group))
        return ERROR_NOT_FOUND;
    return source_list_contains(sources, group, address);
}
