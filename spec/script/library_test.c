/* Files of lua/ that are compiled once: same generations with and without, changed files, no memory. */
#include "bench.h"

#include <unistd.h>

#define ROUTE "function request_route(req) print(require('lunasip').format(req, '$rm')) end"

static int load(struct bench *bench, struct generation **generation, const char *lua_dir,
                struct library *library)
{
    char *fault = NULL;
    int error = generation_create(generation,
                                  &(struct generation_options){
                                      .io = bench->io,
                                      .settings = &bench->settings,
                                      .log = &bench->log,
                                      .configuration = bench->configuration,
                                      .library = library,
                                      .lua_dir = lua_dir,
                                      .route_path = "route.lua",
                                      .source = text_of(ROUTE),
                                      .number = ++bench->generations,
                                      .is_deterministic = true,
                                  },
                                  &fault);
    snprintf(bench->fault, sizeof bench->fault, "%s", fault ? fault : "");
    memory_free_raw(fault);
    return error;
}

static void test_generations_work_from_compiled_files(void **state)
{
    struct bench bench;
    struct library *library;
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    assert_int_equal(library_create(&library), 0);
    for (int i = 0; i < 3; i++) {
        struct generation *generation;
        assert_int_equal(load(&bench, &generation, LUNASIP_LUA_DIR, library), 0);
        script_use(bench.script, generation);
        struct response_context *context = bench_context(&bench, INVITE);
        bench.line[0] = 0;
        bench_run_request(&bench, context);
        assert_logged(&bench, "INVITE");
        memory_release(context);
    }
    memory_release(library);
    bench_close(&bench);
    assert_int_equal(memory_live(), live);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_a_file_that_has_changed_is_read_again(void **state)
{
    struct bench bench;
    struct library *library;
    struct generation *generation;
    char folder[] = "/tmp/library_test.XXXXXX", command[512], path[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "cp -r %s/. %s", LUNASIP_LUA_DIR, folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/lunasip/suggest.lua", folder);
    bench_open(&bench);
    assert_int_equal(library_create(&library), 0);
    assert_int_equal(load(&bench, &generation, folder, library), 0);
    memory_release(generation);
    write_file(path, "if then");
    assert_int_equal(load(&bench, &generation, folder, library), ERROR_SCRIPT);
    assert_non_null(strstr(bench.fault, "suggest.lua:1"));
    write_file(path, "error 'this one'");
    assert_int_equal(load(&bench, &generation, folder, library), ERROR_SCRIPT);
    assert_non_null(strstr(bench.fault, "suggest.lua:1: this one"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(load(&bench, &generation, folder, library), ERROR_SCRIPT);
    assert_non_null(strstr(bench.fault, "module 'lunasip.suggest' not found"));
    snprintf(command, sizeof command, "cp %s/lunasip/suggest.lua %s", LUNASIP_LUA_DIR, path);
    assert_int_equal(system(command), 0);
    assert_int_equal(load(&bench, &generation, folder, library), 0);
    memory_release(generation);
    memory_release(library);
    bench_close(&bench);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/** The nth allocation fails while a library is filled, and while it is used. */
static void test_without_memory(void **state)
{
    struct bench bench;
    struct library *library = NULL;
    struct generation *generation;
    (void)state;
    bench_open(&bench);
    uint64_t live = memory_live();
    for (uint64_t n = 0, good = 0; good < 2; n += n < 200 ? 1 : 97) {
        memory_fail_after(n);
        int error = library ? 0 : library_create(&library);
        if (!error)
            error = load(&bench, &generation, LUNASIP_LUA_DIR, library);
        memory_fail_never();
        if (!error)
            memory_release(generation);
        if (!error && good++ == 0)
            n = 0; /* once more, with every file in it */
        else if (good == 0)
            library = memory_release(library);
    }
    memory_release(library);
    assert_int_equal(memory_live(), live);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generations_work_from_compiled_files),
        cmocka_unit_test(test_a_file_that_has_changed_is_read_again),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
