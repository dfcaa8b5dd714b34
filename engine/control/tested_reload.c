/* Which specs, and what their end means. */
#include "control/tested_reload.h"

#include "base/error.h"
#include "base/memory.h"
#include "worker/sources.h"

#include <poll.h>
#include <unistd.h>

#define SAID_BYTES 3000 /* of what the specs printed: its end has the failures */

bool tested_reload_is_asked(const json_t *words)
{
    return text_equal(text_of(command_word(words, 0)), TEXT("reload")) &&
           text_equal(text_of(command_word(words, 1)), TEXT("--test")) &&
           json_array_size(words) <= 3;
}

static int start(struct tested_reload *tested, struct engine *engine, char **fault)
{
    struct reload_trial trial;
    int error = engine_try(engine, tested->path, &trial, fault);
    if (!error)
        error = spec_run_start(&tested->run, (const char *const *)trial.specs, trial.spec_count);
    tested->hash = trial.hash;
    names_free(trial.specs, trial.spec_count);
    return error;
}

bool tested_reload_begin(struct tested_reload *tested, struct engine *engine, const json_t *words,
                         int client, uint64_t now_ms, struct command_answer *answer)
{
    char *fault = NULL;
    const char *path = command_word(words, 2);
    *answer = (struct command_answer){0};
    if (tested->run) {
        command_say(answer, 1, "the specs of another reload are running; ask again");
        return false;
    }
    tested->path = path[0] ? text_strdup(text_of(path)) : NULL;
    int error = path[0] && !tested->path ? ERROR_MEMORY : start(tested, engine, &fault);
    if (error) {
        command_say(answer, 1, "%s", fault ? fault : error_text(error));
        memory_free_raw(fault);
        tested_reload_release(tested);
        return false;
    }
    tested->client = client;
    tested->until_ms = now_ms + engine_configuration(engine)->settings.reload_test_s * 1000;
    return true;
}

int tested_reload_end(struct tested_reload *tested, struct engine *engine,
                      struct command_answer *answer)
{
    struct buffer said = {0};
    char *fault = NULL;
    int client = tested->client, error = 0;
    *answer = (struct command_answer){0};
    bool has_passed = spec_run_end(tested->run, &said, SAID_BYTES);
    if (has_passed)
        error = engine_reload_tested(engine, tested->path, tested->hash, &fault);
    if (!has_passed) {
        command_say(answer, 1, "not reloaded, its specs failed:\n%.*s",
                    TEXT_ARG(buffer_text(&said)));
        log_error(engine_log(engine), LOG_CONTROL, TEXT_NONE, "not reloaded: its specs failed");
    } else if (error == ERROR_STATE && !fault) {
        command_say(answer, 1, "not reloaded: a file has changed while the specs ran; ask again");
    } else if (error) {
        command_say(answer, 1, "%s", fault ? fault : error_text(error));
    } else {
        command_say(answer, 0, "its specs pass; generation %u serves new calls",
                    engine_generation(engine));
    }
    memory_free_raw(fault);
    buffer_release(&said);
    tested->client = -1;
    tested_reload_release(tested);
    return client;
}

bool tested_reload_has_client(const struct tested_reload *tested)
{
    struct pollfd left = {tested->client, POLLRDHUP, 0};
    return poll(&left, 1, 0) == 0;
}

void tested_reload_release(struct tested_reload *tested)
{
    if (tested->client >= 0)
        close(tested->client);
    tested->run = memory_release(tested->run);
    memory_free_raw(tested->path);
    *tested = (struct tested_reload){.client = -1};
}
