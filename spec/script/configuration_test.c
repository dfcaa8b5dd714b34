/* The configuration as the engine sees it. */
#include "script/configuration.h"

#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SAMPLE LUNASIP_SOURCE_DIR "/conf/sbc.lua"

static void test_the_sample(void **state)
{
    struct configuration *configuration;
    char *fault = NULL;
    (void)state;
    uint64_t live = memory_live();
    if (configuration_load(&configuration, SAMPLE, LUNASIP_LUA_DIR, NULL, &fault))
        fail_msg("%s", fault ? fault : "no memory");
    assert_int_equal(configuration->listener_count, 2);
    const struct listener *listener = &configuration->listeners[1];
    assert_int_equal(listener->id, 1);
    assert_string_equal(listener->interface, "public");
    assert_string_equal(listener->host, "127.0.0.10");
    assert_int_equal(listener->port, 5060);
    assert_int_equal(address_port(&listener->local), 5060);
    assert_int_equal(configuration->media_count, 2);
    assert_true(address_is_set(&configuration->media[0].v4.local));
    assert_false(address_is_set(&configuration->media[0].v6.local));
    assert_int_equal(configuration->media_port_least, 30000);
    assert_int_equal(configuration->media_port_most, 39999);
    assert_true(configuration->has_dispatcher);
    assert_int_equal(configuration->dispatcher.file_count, 1);
    assert_int_equal(configuration->dispatcher.ping_interval_s, 10);
    assert_string_equal(configuration->dispatcher.ping_method, "OPTIONS");
    assert_string_equal(configuration->route_path, LUNASIP_SOURCE_DIR "/scripts/sbc.lua");
    assert_string_equal(configuration->control_path, LUNASIP_SOURCE_DIR "/run/lunasip.sock");
    assert_int_equal(configuration->settings.timers_t1_ms, 500);
    memory_release(configuration);
    assert_int_equal(memory_live(), live);
}

/** Load @p text as a file of its own. @return the error; *fault to be freed */
static int load_text(struct configuration **configuration, const char *text, char **fault)
{
    char path[] = "/tmp/lunasip-conf-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
    close(descriptor);
    int error = configuration_load(configuration, path, LUNASIP_LUA_DIR, NULL, fault);
    unlink(path);
    return error;
}

#define WHOLE                                                                                      \
    "listen { public = { { 'udp:127.0.0.1:5070', advertise = 'sbc.example.com:5099' },\n"          \
    "                    'udp:[::1]:5070' } }\n"                                                   \
    "media { public = { { '127.0.0.1', advertise = '198.51.100.1' }, '::1' },\n"                   \
    "        ports = { 40000, 40999 } }\n"                                                         \
    "dispatcher { sets = { [1] = { 'sip:192.0.2.1', { uri = 'sip:192.0.2.2:5080', flags = 2,\n"    \
    "             priority = 7, attrs = 'weight=50' } } } }\n"                                     \
    "route '" LUNASIP_SOURCE_DIR "/conf/sbc.lua'\n"                                                \
    "address { trusted = { '10.0.0.0/8', '2001:db8::/32' } }\n"                                    \
    "timers { t1_ms = 250 }\n"                                                                     \
    "script { memory_mib = 64 }\n"                                                                 \
    "shared { bytes = 100000, 'calls' }\n"                                                         \
    "log { level = 'debug', to = 'syslog' }\n"                                                     \
    "workers = 3\nmedia_threads = 2\nuser = 'lunasip'\n"

static void test_everything(void **state)
{
    struct configuration *configuration;
    struct address address;
    char *fault = NULL;
    (void)state;
    if (load_text(&configuration, WHOLE, &fault))
        fail_msg("%s", fault ? fault : "no memory");
    assert_string_equal(configuration->listeners[0].host, "sbc.example.com");
    assert_int_equal(configuration->listeners[0].port, 5099);
    assert_int_equal(address_port(&configuration->listeners[0].local), 5070);
    assert_string_equal(configuration->listeners[1].host, "[::1]");
    assert_string_equal(configuration->media[0].v4.advertise, "198.51.100.1");
    assert_true(address_is_ipv6(&configuration->media[0].v6.local));
    char list[256];
    assert_true(text_to_array(configuration->dispatcher.inline_list, list, sizeof list));
    assert_string_equal(list, "1 sip:192.0.2.1 0 0 \n1 sip:192.0.2.2:5080 2 7 weight=50\n");
    assert_int_equal(configuration->settings.timers_t1_ms, 250);
    assert_int_equal(configuration->settings.script_memory_mib, 64);
    assert_int_equal(configuration->settings.shared_bytes, 100000);
    assert_int_equal(configuration->dictionary_count, 1);
    assert_string_equal(configuration->dictionaries[0], "calls");
    assert_int_equal(configuration->log_level, LOG_DEBUG);
    assert_true(configuration->is_log_syslog);
    assert_int_equal(configuration->workers, 3);
    assert_int_equal(configuration->media_threads, 2);
    assert_string_equal(configuration->user, "lunasip");
    assert_null(configuration->group);
    assert_int_equal(address_parse(&address, TEXT("10.1.2.3"), 0), 0);
    assert_int_equal(configuration_group_contains(configuration, TEXT("trusted"), &address), 1);
    assert_int_equal(address_parse(&address, TEXT("11.1.2.3"), 0), 0);
    assert_int_equal(configuration_group_contains(configuration, TEXT("trusted"), &address), 0);
    assert_int_equal(configuration_group_contains(configuration, TEXT("none"), &address),
                     ERROR_NOT_FOUND);
    memory_release(configuration);
}

/* Does each line begin with a file's name and the number of a line? */
static bool has_places(const char *faults)
{
    for (const char *line = faults; line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *colon = strchr(line, ':');
        if (!colon || colon[1] < '0' || colon[1] > '9')
            return false;
    }
    return true;
}

static void test_a_fault_is_one_line(void **state)
{
    static const struct {
        const char *text, *fault;
    } faults[] = {
        {"listen {", ":1:"},
        {"listen { public = { 'udp:127.0.0.1:5060' } }\nrout 'x'", ":2:"},
        {"listen { public = { 'udp:nowhere:5060' } }", "is not an IP address"},
        {"workers = 0", "workers"},
        {"while true do end", "does not end"},
        {"error({})", ""},
        {"", "there is no listen"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct configuration *configuration;
        char *fault = NULL;
        uint64_t live = memory_live();
        assert_int_equal(load_text(&configuration, faults[i].text, &fault), ERROR_SCRIPT);
        assert_non_null(fault);
        if (!strstr(fault, faults[i].fault) || !has_places(fault))
            fail_msg("%s -> %s", faults[i].text, fault);
        memory_free_raw(fault);
        assert_int_equal(memory_live(), live);
    }
}

static void test_a_missing_file_is_named(void **state)
{
    struct configuration *configuration;
    char *fault = NULL;
    (void)state;
    assert_int_equal(
        configuration_load(&configuration, "/no/such.lua", LUNASIP_LUA_DIR, NULL, &fault),
        ERROR_SCRIPT);
    assert_non_null(strstr(fault, "/no/such.lua"));
    memory_free_raw(fault);
}

static void test_no_memory(void **state)
{
    struct configuration *configuration;
    (void)state;
    uint64_t live = memory_live();
    for (uint64_t n = 0;; n += n < 100 ? 1 : 61) {
        char *fault = NULL;
        memory_fail_after(n);
        int error = load_text(&configuration, WHOLE, &fault);
        memory_fail_never();
        memory_free_raw(fault);
        if (error == 0)
            break;
        assert_int_equal(memory_live(), live);
    }
    memory_release(configuration);
    assert_int_equal(memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sample),          cmocka_unit_test(test_everything),
        cmocka_unit_test(test_a_fault_is_one_line), cmocka_unit_test(test_a_missing_file_is_named),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
