/*
 * Questions: what a handler asks somebody outside, and waits for. Whoever is asked holds the question until
 * the answer comes; a run that ends sooner lets go of it. What is asked for first when the run goes on takes
 * the answer, under lua_resume(), while it is borrowed.
 */
#include "script/state.h"

#include "base/error.h"
#include "base/memory.h"

struct question *run_question(struct run *run)
{
    struct question *question = memory_alloc(sizeof *question, NULL);
    if (!question)
        return NULL;
    question->run = run;
    run->question = question;
    run->wait = WAIT_ANSWER;
    return question;
}

void run_forget_question(struct run *run)
{
    run->question = memory_release(run->question);
    run->wait = WAIT_NONE;
}

void question_answered(struct question *question, const void *answer)
{
    struct run *run = question->run;
    memory_release(question);
    if (run)
        run_answered(run, answer);
}

void run_question_answered(void *arg, const struct database_answer *answer)
{
    question_answered(arg, answer);
}

const void *question_take(lua_State *L)
{
    struct run *run = run_of(L);
    const void *answer = run ? run->answer : NULL;
    if (run)
        run->answer = NULL;
    return answer;
}

static const char *reason_of(int error)
{
    switch (error) {
    case ERROR_TIMEOUT: return "timeout";
    case ERROR_TRANSPORT: return "unavailable";
    case ERROR_STATE: return "exists";
    case ERROR_LIMIT: return "limit";
    case ERROR_MEMORY: return "memory";
    case ERROR_CANCELLED: return "cancelled";
    default: return "refused";
    }
}

int question_push_problem(lua_State *L, int error, const char *words)
{
    lua_pushnil(L);
    if (words && words[0])
        lua_pushstring(L, words);
    else
        api_push_error_text(L, error);
    lua_pushstring(L, reason_of(error));
    return 3;
}
