/*
 * core.timer(): functions that run later, once or again and again, while their generation is the
 * newest. One that is made while the script is loaded starts when a worker begins to use the
 * generation: on the first worker, or on each if it says so. One that a handler makes runs on the
 * worker of that handler.
 */
#include "script/state.h"

#include "base/memory.h"

#define TIMERS_MOST 1000 /* of one generation: a script that makes one per call must not grow */

static void timer_free(struct script_timer *timer)
{
    struct generation *generation = timer->generation;
    if (generation->script)
        timer_stop(loop_timers(generation->script->options.loop), &timer->timer);
    list_remove(&timer->link);
    luaL_unref(generation->lua, LUA_REGISTRYINDEX, timer->reference);
    memory_free_raw(timer);
}

static void fire(void *arg);

static void arm(struct script_timer *timer)
{
    struct loop *loop = timer->generation->script->options.loop;
    timer_start(loop_timers(loop), &timer->timer, timer->delay_ms, fire, timer);
}

void timer_run_ended(struct run *run)
{
    struct script_timer *timer = run->timer;
    run->timer = NULL;
    if (!timer)
        return;
    timer->is_busy = false;
    if (!timer->is_repeating || timer->generation->is_retired)
        timer_free(timer);
}

static void fire(void *arg)
{
    struct script_timer *timer = arg;
    struct generation *generation = timer->generation;
    if (timer->is_repeating)
        arm(timer);
    /* A run that still waits from the time before is not overtaken. */
    if (timer->is_busy)
        return;
    struct run *run = run_take(generation);
    if (!run) {
        log_error(generation->options.log, LOG_SCRIPT, TEXT_NONE, "timer: no memory to run it");
        if (!timer->is_repeating)
            timer_free(timer);
        return;
    }
    run->kind = RUN_TIMER;
    run->timer = timer;
    timer->is_busy = true;
    memory_ref(generation);
    run_start(run);
    memory_release(generation);
}

void timers_use(struct generation *generation)
{
    LIST_FOR_EACH (link, &generation->timers) {
        arm(CONTAINER_OF(link, struct script_timer, link));
    }
}

void timers_retire(struct generation *generation)
{
    generation->is_retired = true;
    LIST_FOR_EACH_SAFE (link, &generation->timers) {
        struct script_timer *timer = CONTAINER_OF(link, struct script_timer, link);
        if (!timer->is_busy)
            timer_free(timer);
        else
            timer_stop(loop_timers(generation->script->options.loop), &timer->timer);
    }
}

static int refuse_timer(lua_State *L, const struct generation *generation)
{
    if (generation->is_retired)
        return api_push_failure(L, "a newer script is in use");
    if (generation->timers.count >= TIMERS_MOST)
        return api_push_failure(L, "too many timers");
    return 0;
}

/** (delay_ms, is_repeating, each_worker, function) -> true or nil, err */
static int core_timer(lua_State *L)
{
    struct generation *generation = generation_of(L);
    uint32_t delay_ms = (uint32_t)api_number(L, 1, 1, UINT32_MAX, "timer: delay");
    bool is_repeating = lua_toboolean(L, 2), each_worker = lua_toboolean(L, 3);
    if (!lua_isfunction(L, 4))
        return api_misuse(L, "timer: a function is needed, not %s", luaL_typename(L, 4));
    int refused = refuse_timer(L, generation);
    if (refused)
        return refused;
    if (!generation->script && !each_worker && generation->options.worker != 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_settop(L, 4);
    generation_wrap(L, RUN_TIMER, NULL);
    int reference = luaL_ref(L, LUA_REGISTRYINDEX);
    struct script_timer *timer = memory_raw(sizeof *timer);
    if (!timer) {
        luaL_unref(L, LUA_REGISTRYINDEX, reference);
        return api_push_result(L, ERROR_MEMORY);
    }
    *timer = (struct script_timer){
        .generation = generation,
        .delay_ms = delay_ms,
        .is_repeating = is_repeating,
        .reference = reference,
    };
    list_append(&generation->timers, &timer->link);
    if (generation->script)
        arm(timer);
    lua_pushboolean(L, 1);
    return 1;
}

void api_timer_open(lua_State *L)
{
    lua_pushcfunction(L, core_timer);
    lua_setfield(L, -2, "timer");
}
