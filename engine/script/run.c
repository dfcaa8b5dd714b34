/*
 * One run of one handler: a coroutine that Lua resumes until it returns, fails, waits or has used
 * up its budget.
 *
 * Coroutine: a run puts its handler and its handles onto an empty thread and resumes: none of that
 * allocates. The table of an event is made by what generation_wrap() made of the handler: so whatever
 * a run allocates, it allocates under lua_resume(). A thread that ended well is used again.
 *
 * Budget: a count hook looks every BUDGET_INTERVAL instructions, which it counts on from run to run;
 * so the first look of a run comes early and counts nothing. Over budget, the hook goes on at
 * every single instruction and yields: a pcall cannot catch a yield. Where Lua stands above a C
 * function (string.gsub calling back) it cannot yield; there the hook raises, again and again, until
 * the C function is left. The hook belongs to the whole state, so coroutines are under it too. A
 * handler run inside another (a branch route during relay) counts as one interval of the outer one.
 * In the lab the clock stands still during a run: only instructions count there.
 *
 * One instruction may be long: a text of megabytes that is put together, a search through one. What
 * makes a large block, or says that it took long (core.look), is followed by a look at once, and
 * memory counts as instructions; while the state holds very large blocks, the hook looks often. So a
 * run is late by one such operation at most.
 *
 * LuaJIT cannot call a hook where the Lua stack is full, so a script that recurses into the limit
 * and catches that error would count for little: nesting has a limit of its own, well below.
 */
#include "script/state.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define TRACE_BYTES 1500 /* longest error with trace in the log */

#define FRAMES_MOST 2000 /* functions within functions */

static const char over_budget[] = "budget used up (script.budget_instructions, script.budget_ms)";
static const char over_memory[] = "not enough memory (script.memory_mib)";
static const char too_deep[] = "calls are nested too deep";

/* ---- the budget ---- */

static uint64_t clock_us(const struct run *run)
{
    const struct script *script = run->generation->script;
    return script ? loop_clock_us(script->options.loop) : 0;
}

void run_set_hook(struct generation *generation, int interval)
{
    generation->hook_interval = interval;
    int mask = generation->options.coverage ? LUA_MASKCOUNT | LUA_MASKLINE : LUA_MASKCOUNT;
    lua_sethook(generation->lua, run_hook, mask, interval);
}

/** Time of the slice, which begins when it is first asked for. */
static uint64_t slice_us(struct run *run)
{
    uint64_t now_us = clock_us(run);
    if (!run->started_us)
        run->started_us = now_us;
    return now_us - run->started_us;
}

/** @return why the run must end, NULL when it may go on */
static const char *find_excess(lua_State *L, struct run *run)
{
    lua_Debug frame;
    if (run->instructions >= run->instructions_most)
        return over_budget;
    if (lua_getstack(L, FRAMES_MOST, &frame))
        return too_deep;
    if (run->generation->memory_bytes > run->generation->memory_most) {
        lua_gc(L, LUA_GCCOLLECT, 0);
        if (run->generation->memory_bytes > run->generation->memory_most)
            return over_memory;
    }
    if (run->kind == RUN_LOAD)
        return NULL;
    uint64_t most_us = run->generation->options.settings->script_budget_ms * 1000;
    return run->spent_us + slice_us(run) >= most_us ? over_budget : NULL;
}

/** How often the hook has to look at a run. */
static int wanted_interval(const struct run *run)
{
    if (run->over)
        return 1;
    return run->generation->huge_blocks ? HUGE_INTERVAL : BUDGET_INTERVAL;
}

/** A run begins or goes on: the hook counts on, unless another interval is wanted. */
static void watch(struct run *run)
{
    int interval = wanted_interval(run);
    if (run->generation->hook_interval != interval)
        run_set_hook(run->generation, interval);
}

void run_charge(struct generation *generation, uint64_t instructions)
{
    if (!generation->current)
        return;
    generation->current->instructions += instructions;
    run_set_hook(generation, 1);
}

void run_hook(lua_State *L, lua_Debug *activation)
{
    struct run *run = run_of(L);
    if (activation->event == LUA_HOOKLINE) {
        lua_getinfo(L, "S", activation);
        coverage_count(generation_of(L)->options.coverage, activation->source,
                       activation->currentline);
        return;
    }
    if (!run)
        return;
    if (run->is_looked_at)
        run->instructions += (uint64_t)run->generation->hook_interval;
    run->is_looked_at = true;
    if (!run->over)
        run->over = find_excess(L, run);
    run_set_hook(run->generation, wanted_interval(run));
    if (!run->over)
        return;
    if (run->thread && lua_isyieldable(L)) {
        lua_yield(L, 0);
    } else {
        luaL_where(L, 0); /* in a hook, 0 is the function that was interrupted */
        lua_pushstring(L, run->over);
        lua_concat(L, 2);
        lua_error(L);
    }
}

/* ---- threads ---- */

static int make_thread(lua_State *L)
{
    struct run *run = lua_touserdata(L, 1);
    lua_State *thread = lua_newthread(L);
    run->thread_reference = luaL_ref(L, LUA_REGISTRYINDEX);
    run->thread = thread;
    return 0;
}

/** The thread died in an error or is suspended for good: the collector takes it. */
static void drop_thread(struct run *run)
{
    if (!run->thread)
        return;
    luaL_unref(run->generation->lua, LUA_REGISTRYINDEX, run->thread_reference);
    run->thread = NULL;
}

struct run *run_take(struct generation *generation)
{
    struct run *run = generation->free_runs;
    if (!run) {
        run = memory_raw(sizeof *run);
        if (!run)
            return NULL;
        *run = (struct run){.generation = generation, .next = generation->runs};
        generation->runs = run;
    } else {
        generation->free_runs = run->next_free;
    }
    run->next_free = NULL;
    generation->last_serial = (generation->last_serial & RUN_SERIAL_MOST) + 1;
    run->serial = generation->last_serial;
    run->vars_reference = LUA_NOREF;
    run->instructions_most = generation->options.settings->script_budget_instructions;
    if (run->thread || generation_protect(generation, make_thread, run, NULL) == 0)
        return run;
    run->serial = 0;
    run->next_free = generation->free_runs;
    generation->free_runs = run;
    return NULL;
}

struct run *run_with_serial(const struct generation *generation, uint64_t serial)
{
    struct run *run = generation->runs;
    while (run && run->serial != serial)
        run = run->next;
    return serial ? run : NULL;
}

/** The use is over: its handles die here. */
static void give_back(struct run *run)
{
    struct generation *generation = run->generation;
    if (run->vars_reference != LUA_NOREF)
        luaL_unref(generation->lua, LUA_REGISTRYINDEX, run->vars_reference);
    if (run->question)
        run->question->run = NULL;
    arena_reset(&run->arena);
    memory_release(run->kept);
    run->serial = 0;
    run->next_free = generation->free_runs;
    memset(&run->kind, 0, sizeof *run - offsetof(struct run, kind));
    generation->free_runs = run;
}

/* ---- what went wrong ---- */

struct report {
    struct run *run;
    const char *reason; /**< NULL: the error value on top of the thread */
    char line[TRACE_BYTES];
};

/** "\n\t" of a traceback becomes " < ", its title and the frames of the engine go. */
static void print_trace(char *out, size_t size_bytes, const char *trace)
{
    size_t n = 0;
    const char *line = trace;
    bool is_first = true;
    while (*line && n + 1 < size_bytes) {
        const char *end = strchr(line, '\n');
        struct text t = text_trim(text_span(line, end ? end : line + strlen(line)));
        bool is_noise = text_equal(t, TEXT("stack traceback:")) ||
                        text_starts_with(t, TEXT("[C]:")) || text_starts_with(t, TEXT("lunasip:"));
        if (!is_noise && t.n) {
            int wrote =
                snprintf(out + n, size_bytes - n, "%s%.*s", is_first ? "" : " < ", TEXT_ARG(t));
            n = wrote < 0 || (size_t)wrote >= size_bytes - n ? size_bytes - 1 : n + (size_t)wrote;
            is_first = false;
        }
        line = end ? end + 1 : line + strlen(line);
    }
    out[n] = 0;
}

static int make_report(lua_State *L)
{
    struct report *report = lua_touserdata(L, 1);
    lua_State *thread = report->run->thread;
    const char *message = report->reason;
    if (!message && lua_gettop(thread) > 0 && lua_type(thread, -1) == LUA_TSTRING)
        message = lua_tostring(thread, -1);
    else if (!message && lua_gettop(thread) > 0)
        message = lua_pushfstring(L, "error object that is not a string, but a %s",
                                  luaL_typename(thread, -1));
    luaL_traceback(L, thread, message ? message : "unknown error", 0);
    print_trace(report->line, sizeof report->line, lua_tostring(L, -1));
    return 0;
}

static const char *kind_word(enum run_kind kind)
{
    switch (kind) {
    case RUN_REQUEST: return "request_route";
    case RUN_BRANCH: return "branch_route";
    case RUN_REPLY: return "onreply_route";
    case RUN_FAILURE: return "failure_route";
    case RUN_EVENT: return "event_route";
    case RUN_TIMER: return "timer";
    case RUN_LOAD: break;
    }
    return "script";
}

struct text run_call_id(const struct run *run)
{
    if (run->route.reply)
        return run->route.reply->call_id;
    if (run->request)
        return run->request->call_id;
    return run->dialog ? dialog_call_id(run->dialog) : run->event_call_id;
}

/** One log line and one count for a run that did not end well. */
static __attribute__((cold)) void report_fault(struct run *run, const char *reason,
                                               enum counter counter)
{
    struct report report = {.run = run, .reason = reason};
    struct generation *generation = run->generation;
    if (generation_protect(generation, make_report, &report, NULL))
        snprintf(report.line, sizeof report.line, "%s", reason ? reason : "out of memory");
    const char *name = run->handler ? run->handler->name : "";
    log_error(generation->options.log, LOG_SCRIPT, run_call_id(run), "%s%s%s: %s",
              kind_word(run->kind), name[0] ? "." : "", name, report.line);
    counter_count(generation->script->options.counters, counter);
    if (run->thread)
        cause_of_fault(run->thread, text_of(report.line));
}

static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

/* ---- running ---- */

static void release_waiting(struct run *run)
{
    struct generation *generation = run->generation;
    timer_stop(loop_timers(generation->script->options.loop), &run->sleep);
    list_remove(&run->link);
    memory_release(run->route.context);
    memory_release(run->request);
    memory_release(run->route.reply);
    memory_release(run->event_message);
    memory_release(run->track);
}

/** Hold what the run needs while it waits; the branch is held by its context. */
static int begin_waiting(struct run *run)
{
    struct script *script = run->generation->script;
    if (script->waiting.count >= script->options.settings->script_waiting)
        return ERROR_LIMIT;
    memory_ref(run->generation);
    memory_ref(run->route.context);
    memory_ref(run->request);
    memory_ref(run->route.reply);
    memory_ref(run->event_message);
    if (run->dialog) {
        run->event_call_id = arena_copy(&run->arena, dialog_call_id(run->dialog));
        run->track = memory_ref(dialog_track(run->dialog));
    }
    run->dialog = NULL;
    run->change = NULL;
    run->call_event = NULL;
    run->trunk = NULL;
    list_append(&script->waiting, &run->link);
    return 0;
}

static int step(struct run *run, int argument_count);

static void finish_waiting(struct run *run, int error)
{
    struct route_run route = run->route;
    struct generation *generation = run->generation;
    bool has_route = run->kind <= (enum run_kind)ROUTE_FAILURE;
    if (run->kind == RUN_TIMER)
        timer_run_ended(run);
    /* What the proxy core does next may need what the run held. */
    if (has_route && route.done)
        route.done(route.arg, error);
    release_waiting(run);
    give_back(run);
    memory_release(generation);
}

static void go_on(struct run *run, int argument_count)
{
    int status = step(run, argument_count);
    if (status != ROUTE_WAITING)
        finish_waiting(run, status);
}

/* What it waited for gives true, or nil and the error's text. */
static void resume(struct run *run, int error)
{
    run->wait = WAIT_NONE;
    if (error) {
        lua_pushnil(run->thread);
        api_push_error_text(run->thread, error);
        go_on(run, 2);
        return;
    }
    lua_pushboolean(run->thread, 1);
    go_on(run, 1);
}

static void wake(void *arg)
{
    struct run *run = arg;
    bool is_cancelled = run->route.context && context_is_cancelled(run->route.context);
    resume(run, is_cancelled ? ERROR_CANCELLED : 0);
}

void run_answered(struct run *run, const void *answer)
{
    if (!engine_check(run->wait == WAIT_ANSWER))
        return;
    run->wait = WAIT_NONE;
    run->question = NULL;
    run->answer = answer;
    go_on(run, 0);
}

void run_wake(struct run *run)
{
    if (run->wait == WAIT_ANSWER) {
        run->question->run = NULL;
        run_answered(run, NULL);
        return;
    }
    timer_stop(loop_timers(run->generation->script->options.loop), &run->sleep);
    resume(run, ERROR_CANCELLED);
}

struct run *run_check_wait(lua_State *L, const char *what)
{
    struct run *run = run_of(L);
    if (!run || run->kind == RUN_LOAD)
        api_misuse(L, "%s: only a handler can wait", what);
    if (L != run->thread || !lua_isyieldable(L))
        api_misuse(L, "%s: cannot wait inside a callback of a library function", what);
    luaL_checkstack(L, 4, what);
    return run;
}

void run_relayed(void *arg, int error)
{
    struct run *run = arg;
    if (!engine_check(run->wait == WAIT_RELAY))
        return;
    resume(run, error);
}

static enum counter excess_counter(const struct run *run)
{
    return run->over == over_memory ? COUNTER_SCRIPT_MEMORY_LIMIT : COUNTER_SCRIPT_BUDGET;
}

/** It yielded: by its budget's hook, or to wait. */
static __attribute__((noinline)) int on_yield(struct run *run)
{
    struct script *script = run->generation->script;
    if (run->started_us)
        run->spent_us += slice_us(run);
    run->started_us = 0;
    if (run->over) {
        report_fault(run, run->over, excess_counter(run));
        return ERROR_SCRIPT;
    }
    if (run->wait == WAIT_NONE) {
        report_fault(run, "the handler yielded without waiting for anything", COUNTER_SCRIPT_ERROR);
        return ERROR_SCRIPT;
    }
    if (script->is_stopping) {
        report_fault(run, "the handler wants to wait while lunasip stops", COUNTER_SCRIPT_ERROR);
        return ERROR_SCRIPT;
    }
    if (!list_contains(&run->link) && begin_waiting(run)) {
        report_fault(run, "too many handlers wait (script.waiting)", COUNTER_SCRIPT_WAITING_LIMIT);
        return ERROR_SCRIPT;
    }
    if (run->wait == WAIT_SLEEP)
        timer_start(loop_timers(script->options.loop), &run->sleep, run->sleep_ms, wake, run);
    return ROUTE_WAITING;
}

static __attribute__((cold, noinline)) int on_error(struct run *run, int status)
{
    if (run->over)
        report_fault(run, run->over, excess_counter(run));
    else if (status == LUA_ERRMEM)
        report_fault(run, over_memory, COUNTER_SCRIPT_MEMORY_LIMIT);
    else
        report_fault(run, NULL, COUNTER_SCRIPT_ERROR);
    drop_thread(run);
    /* What the run had piled up goes now, not when the next one finds the state full. */
    if (status == LUA_ERRMEM)
        generation_protect(run->generation, collect, NULL, NULL);
    return ERROR_SCRIPT;
}

/** Resume. @return ROUTE_DONE, ROUTE_WAITING, ERROR_SCRIPT */
static int step(struct run *run, int argument_count)
{
    struct generation *generation = run->generation;
    struct run *outer = generation->current;
    generation->current = run;
    watch(run);
    int status = lua_resume(run->thread, argument_count);
    generation->current = outer;
    int result = ROUTE_DONE;
    if (status == LUA_YIELD) {
        result = on_yield(run);
        if (result != ROUTE_WAITING)
            drop_thread(run);
    } else if (status != 0) {
        result = on_error(run, status);
    } else {
        lua_settop(run->thread, 0);
    }
    if (outer) {
        outer->instructions += BUDGET_INTERVAL;
        watch(outer);
    }
    return result;
}

/** Push the handles of the messages that the handler gets. @return how many */
static int push_messages(const struct run *run)
{
    if (run->kind > (enum run_kind)ROUTE_FAILURE)
        return 0;
    if (run->kind != RUN_REPLY)
        handle_push(run->thread, run, false);
    if (run->kind == RUN_REPLY || run->kind == RUN_FAILURE)
        handle_push(run->thread, run, true);
    return run->kind == RUN_FAILURE ? 2 : 1;
}

int run_start(struct run *run)
{
    int reference = run->kind == RUN_TIMER ? run->timer->reference : run->handler->reference;
    lua_rawgeti(run->thread, LUA_REGISTRYINDEX, reference);
    int result = step(run, push_messages(run));
    if (result == ROUTE_WAITING)
        return result;
    if (run->kind == RUN_TIMER)
        timer_run_ended(run);
    give_back(run);
    return result;
}

void run_abandon(struct run *run)
{
    struct generation *generation = run->generation;
    if (run->kind == RUN_TIMER)
        timer_run_ended(run);
    drop_thread(run);
    release_waiting(run);
    give_back(run);
    memory_release(generation);
}

int run_prepare(lua_State *L)
{
    struct run *run = run_of(L);
    return run->is_reload ? 0 : event_push(L, run);
}
