/*
 * What the files of this folder share. Private: nothing outside engine/script includes it.
 *
 * Every call into Lua is protected: handlers run under lua_resume(), all else under lua_cpcall(), so
 * that a refused allocation ends one run and never the process. Where C touches a stack outside of
 * that (to push a result for a coroutine that is to go on), it only uses what cannot allocate.
 */
#pragma once

#include "script/reaper.h"
#include "script/script.h"

#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>

#define BUDGET_INTERVAL       1000 /* VM instructions between two looks at the budget */
#define HUGE_INTERVAL         32   /* the same while the state holds huge blocks */
#define BYTES_PER_INSTRUCTION 64   /* of large blocks and texts: what is worked through counts */
#define LOAD_BUDGET           20 /* loading a script may take so many times the budget of a handler */
#define HANDLER_NAME_BYTES    ROUTE_NAME_BYTES
#define WORD_SCRATCH_BYTES    160 /* an address as a URI with its transport fits */
#define CAUSE_BYTES           160
#define MESSAGE_NAMES_BITS    8
#define MESSAGE_NAMES         (1 << MESSAGE_NAMES_BITS) /* words, methods and some variables, half full */

/** Kinds beyond enum route_kind. */
enum run_kind {
    RUN_REQUEST = ROUTE_REQUEST,
    RUN_BRANCH = ROUTE_BRANCH,
    RUN_REPLY = ROUTE_REPLY,
    RUN_FAILURE = ROUTE_FAILURE,
    RUN_EVENT, /**< event_route[...] */
    RUN_TIMER, /**< sip.timer */
    RUN_LOAD,  /**< the script's own chunk */
};
/** What a suspended run waits for. */
enum run_wait { WAIT_NONE, WAIT_SLEEP, WAIT_RELAY, WAIT_ANSWER };

/** One function that the script defined as a handler. */
struct handler {
    enum run_kind kind;
    int reference; /**< what generation_wrap() made of it, in the Lua registry */
    size_t name_n; /**< its length */
    char name[HANDLER_NAME_BYTES];
};

/** Serial numbers of runs begin again here: a handle that was kept for so many runs may find another's. */
#define RUN_SERIAL_BITS 38
#define RUN_SERIAL_MOST ((UINT64_C(1) << (RUN_SERIAL_BITS - 1)) - 1)

/** One run and its coroutine. Lives as long as its generation and is used again and again. */
struct run {
    struct generation *generation; /**< holder; with a reference while it waits */
    struct run *next_free, *next;
    lua_State *thread; /**< NULL: to be made */
    int thread_reference;
    uint64_t serial; /**< of this use, by which handles know it; 0: none, the run is free */

    /* of this use: zero before it, from here to the end */
    enum run_kind kind;
    struct route_run route;  /**< REQUEST to FAILURE */
    struct message *request; /**< of the context, which may let go of it while the run waits */
    const struct handler *handler;
    struct script_timer *timer; /**< TIMER */
    struct dialog *dialog;      /**< EVENT; NULL once it waited */
    struct track *track;        /**< EVENT: of that dialog, while it waits; NULL: none */
    enum dialog_event event;
    bool is_reload;                       /**< EVENT: of no dialog, see leave.c */
    const struct location_change *change; /**< EVENT: of a registration; borrowed until it begins */
    struct text aor;                      /**< the same */
    const struct bridge_event *call_event; /**< EVENT: of call:on(); likewise */
    void *kept;                     /**< owned reference: what holds the handler; NULL: none */
    const struct trunk_view *trunk; /**< EVENT: of a trunk; borrowed until it begins */
    struct message *event_message;
    struct text event_call_id;             /**< once it waited; in its arena */
    uint32_t script_flags;                 /**< $sf */
    bool is_auth_stale;                    /**< credentials were right but for their nonce */
    struct found_credentials *credentials; /**< in its arena: of api_auth.c; NULL: none */
    uint32_t own_flags;                    /**< $mf and $bf where there is no context */
    uint64_t message_id;                   /**< $mi, 0: not asked yet */
    int vars_reference;                    /**< $var table, LUA_NOREF: none */
    struct arena arena;                    /**< scratch of C functions */

    /* budget */
    const char *over;  /**< why it must end; NULL: it may go on */
    bool is_looked_at; /**< the hook has looked at it */
    uint64_t instructions, instructions_most;
    uint64_t spent_us;   /**< in slices before this one */
    uint64_t started_us; /**< of this slice; 0: the hook has not looked at it */

    /* waiting */
    struct link link; /**< in script->waiting */
    enum run_wait wait;
    uint32_t sleep_ms;
    struct timer sleep;
    struct question *question; /**< asked of a database or an HTTP server; NULL: none */
    const void *answer; /**< to it: what whoever asked expects; borrowed while the run goes on */
};

/** Counted. One query or request of a run, which may end before the answer comes. */
struct question {
    struct run *run; /**< borrowed; NULL: nobody waits any more */
};

/** One sip.timer of a generation. */
struct script_timer {
    struct link link;
    struct generation *generation;
    struct timer timer;
    uint32_t delay_ms;
    bool is_repeating, is_busy;
    int reference; /**< what generation_wrap() made of its function */
};

/** What a script keeps for a response context; context_script_data(). */
struct context_data {
    int avps_reference;    /**< $avp table, LUA_NOREF: none */
    uint64_t message_id;   /**< $mi of the request, 0: not asked yet */
    uint32_t branch_flags; /**< $bf of the request */
    uint64_t branches_set; /**< bit per branch that has its own */
    uint32_t flags_of_branch[64];
};

/** A name that messages answer to. */
struct message_name {
    const char *name;        /**< bytes of a Lua string: its address is the key; NULL: free */
    const struct word *word; /**< NULL: a method */
    int method;              /**< upvalue that holds it */
};

/** A text of the program that Lua has, too. */
struct literal {
    const char *text; /**< its address is the key; NULL: free */
    int reference;
};
#define LITERALS_BITS 7
#define LITERALS      (1u << LITERALS_BITS)

struct generation {
    struct generation_options options;   /**< pointers as described there */
    char *lua_dir, *route_path;          /**< owned */
    struct configuration *configuration; /**< shared */
    struct shared *shared;               /**< shared */
    struct script *script;               /**< the worker that uses it; NULL before and after */
    struct link link;                    /**< in script->generations */
    struct random random;

    /* what every run reads stands together */
    lua_State *lua;
    struct run *current; /**< whose coroutine runs */
    struct run *runs, *free_runs;
    uint64_t last_serial; /**< given to a run */
    size_t handler_count;
    struct handler *handlers;
    uint64_t handler_bits; /**< of their kinds and lengths of names */
    size_t huge_blocks;    /**< alive; see heap.c */
    int hook_interval;     /**< instructions until the hook looks */

    size_t memory_bytes, memory_most;
    uint64_t refusals;  /**< allocations that were refused */
    lua_Alloc allocate; /**< LuaJIT's own, with its argument; see heap.c */
    void *allocate_arg;
    struct grave *grave; /**< owned; NULL: the state is closed where the generation ends */
    char *reserve;       /**< address sanitizer: first blocks of the state, owned */
    size_t reserve_used; /**< bytes of it */
    char **files;        /**< the script and what it required; owned */
    size_t file_count;
    uint64_t sources_hash; /**< of their texts */
    int wrap_reference;    /**< see generation_wrap() */
    int errors_reference;  /**< error texts, made before they are needed */
    int pv_get_reference, pv_set_reference;
    int names_reference;                      /**< table that holds the texts of names[] */
    struct message_name names[MESSAGE_NAMES]; /**< see api_index.c */
    unsigned name_count;
    struct literal literals[LITERALS]; /**< see api_push_literal() */
    unsigned literal_count;

    struct list timers;
    struct database **databases; /**< those that the script opened; closed with it */
    size_t database_count;
    uint64_t messages; /**< $mi given out */
    bool is_retired;   /**< a newer one is in use: timers stay off */
};

struct script {
    struct script_options options;
    struct proxy *proxy;
    struct generation *newest;
    struct list generations; /**< alive, oldest first */
    struct list waiting;     /**< runs */
    bool is_stopping;        /**< no handler may wait any more */
    struct text left;        /**< by the generation before; owned, absent but during a reload */
    bool is_leaving;         /**< the old one may leave something now */
    char fault_place[CAUSE_BYTES]; /**< see cause_of_fault() */
};

/* ---- generation.c ---- */

/** A state with the libraries and lunasip.core, nothing loaded. @return 0 or ERROR_MEMORY */
int generation_open(struct generation **generationp, const struct generation_options *options);
/**
 * Use every pattern of lua/ once. lpeg compiles a pattern when it is first used; refused memory
 * there, it keeps half a program and ends the process at the next use (lpeg 1.0.2). So that must
 * happen first, where the state is thrown away. Raises.
 */
void generation_compile_patterns(lua_State *L, struct generation *generation);
/** library.c: let `require` of @p L take files of lua/ from the generation's library. Raises. */
void library_install(lua_State *L, struct library *library);
/** The generation that @p L belongs to. */
static inline struct generation *generation_of(lua_State *L)
{
    void *generation;
    lua_getallocf(L, &generation);
    return generation;
}
/** Count for the worker that the generation serves; while it is loaded aside there is none yet. */
static inline void generation_count(const struct generation *generation, enum counter counter)
{
    if (generation->script)
        counter_count(generation->script->options.counters, counter);
}
/**
 * Call @p function under protection with @p arg as its light userdata. Nothing is returned.
 * @param fault  receives the error's text in one line, memory_free_raw(); NULL: not wanted
 * @return 0, ERROR_SCRIPT or ERROR_MEMORY
 */
int generation_protect(struct generation *generation, lua_CFunction function, void *arg,
                       char **fault);
/**
 * Replace the function on top of the stack by one that a run can begin with: it calls it with its own
 * arguments, or with a table that @p shape makes of what run_prepare() pushes.
 * @param shape  module of lua/; NULL: the arguments are those of the run
 */
void generation_wrap(lua_State *L, enum run_kind kind, const char *shape);
/** A bit for the handlers of a kind whose names are that long: most that are asked for are not there. */
static inline uint64_t handler_bit(enum run_kind kind, size_t name_n)
{
    return UINT64_C(1) << ((unsigned)kind * 11 + name_n) % 64;
}
/** generation_handler() where there may be one. */
const struct handler *generation_find_handler(const struct generation *generation,
                                              enum run_kind kind, struct text name);
/** Handler of that kind and name, or NULL. */
static inline const struct handler *generation_handler(const struct generation *generation,
                                                       enum run_kind kind, struct text name)
{
    bool may_be = generation->handler_bits & handler_bit(kind, name.n);
    return may_be ? generation_find_handler(generation, kind, name) : NULL;
}

/* ---- heap.c ---- */

/** Make the state, with nothing in it. @return 0 or ERROR_MEMORY */
int heap_open(struct generation *generation);
/** Close it and give its memory back; nothing of the generation is called on the way. */
void heap_close(struct generation *generation);

/* ---- run.c ---- */

/** @return a run that is ready to be filled in, or NULL without memory */
struct run *run_take(struct generation *generation);
/** The run whose use has that serial number; NULL: that use is over. */
struct run *run_with_serial(const struct generation *generation, uint64_t serial);
/** Start it. @return ROUTE_DONE, ROUTE_WAITING, ERROR_SCRIPT; unless waiting, the run is over */
int run_start(struct run *run);
/** The relay it waits for is done. */
void run_relayed(void *arg, int error);
/** Its sleep or its question ends now, with nil and "cancelled". */
void run_wake(struct run *run);
/* questions (question.c) */
/** A question that this run waits for from now on: the last thing before lua_yield(). NULL without memory. */
struct question *run_question(struct run *run);
/** Nobody answers it: run_question() is taken back. */
void run_forget_question(struct run *run);
/** What a run asked is answered; it may have ended meanwhile. @param question given. @param answer borrowed */
void question_answered(struct question *question, const void *answer);
/** question_answered() as a database_done_handler; its argument is the question. */
database_done_handler run_question_answered;
/** The answer, first thing after the wait; borrowed. NULL: cancelled */
const void *question_take(lua_State *L);
/** Push nil, problem, reason: one word for scripts that tell faults apart. @param words NULL or "": the error's */
int question_push_problem(lua_State *L, int error, const char *words);
/** The run goes on with what it asked for. @param answer borrowed; NULL: cancelled */
void run_answered(struct run *run, const void *answer);
/** Misuse unless the run may wait here: by a handler, and not below a C function. */
struct run *run_check_wait(lua_State *L, const char *what);
/** End a waiting run without telling anybody. */
void run_abandon(struct run *run);
/** The state's hook: the budget, and the lines that ran where they are wanted. */
void run_hook(lua_State *L, lua_Debug *activation);
/** Have the hook look every @p interval instructions. */
void run_set_hook(struct generation *generation, int interval);
/**
 * Count more for the current run than its instructions, and have the hook look at once; from within
 * an allocation, too.
 */
void run_charge(struct generation *generation, uint64_t instructions);
/** The run on whose behalf C is called; NULL: none. */
static inline struct run *run_of(lua_State *L)
{
    return generation_of(L)->current;
}
/** Lua's prepare(): pushes what the table of the current run's event is made of. */
int run_prepare(lua_State *L);
/** Call-ID of what it handles, borrowed; absent when it is of no call. */
struct text run_call_id(const struct run *run);

/* ---- timers and events: api_timer.c, api_event.c ---- */

/** Start the timers that the script made while it was loaded. */
void timers_use(struct generation *generation);
void timers_retire(struct generation *generation);
void timer_run_ended(struct run *run);
/** Module of lua/ that makes the table of this event; NULL: the handler makes its own. */
const char *event_shape(const char *name);
/** Push what that module makes the table from. @return how many */
int event_push(lua_State *L, const struct run *run);
/** The same of a trunk (api_trunk.c). */
int trunk_event_push(lua_State *L, const struct run *run);

/* ---- api_dialog.c ---- */

/** What on_end of a tracked call is, or NULL. */
const struct handler *track_on_end(const struct dialog *dialog);
/** The tracked call whose number is at stack index 1; NULL: it is gone. */
struct track *api_track(lua_State *L);
/** Push it, nil for none. @return 1 */
int api_push_value(lua_State *L, const struct value *value);

/** The dialog leaves its generation: on_end belongs to that. @return true when there was one */
bool track_forget_on_end(struct dialog *dialog);

/* ---- api_call.c ---- */

/** What a trunk of the configuration may say of a leg. */
struct trunk_options {
    struct text *interface, *next_hop, *username, *password, *realm;
};
/**
 * Fill in what the script has not said; it does not see the password.
 * @param termsp  returned owned: what the options borrow from
 * @return 0 or ERROR_NOT_FOUND
 */
int call_take_trunk(const struct trunk_options *options, struct trunk_terms **termsp,
                    struct script *script, struct text name);

/** What call:on() was given for an event, with what holds it; NULL: nothing. */
const struct handler *call_handler(const struct bridge_event *event, void **holder);
/** The dialog leaves its generation: those functions belong to that. @return true: there were some */
bool call_forget_handlers(struct dialog *dialog);
/** As event_push(), for lua/lunasip/call_event.lua. */
int call_event_push(lua_State *L, const struct run *run);

/* ---- leave.c ---- */

/** Is it the name of one of the two events of a reload? */
bool leave_is_event(const char *name);
/** Ask the old generation what it leaves. */
void leave_ask(struct script *script, struct generation *old);
/** Give it to the new one, which is in use. */
void leave_give(struct script *script, struct generation *new);

/* ---- api.c: for all api_*.c ---- */

/** What a handle stands for, while its run lasts. */
struct subject {
    struct run *run;
    struct message *message;          /**< may be NULL for a local reply */
    struct edits *edits;              /**< NULL: may not be changed */
    struct response_context *context; /**< NULL: a reply forwarded statelessly */
    bool is_reply;
};
/**
 * A word of a message, req.NAME. Exactly one of its readers is set, but for literal, which may have
 * another for what it does not know; those without Lua serve log lines, too. Lists end with a NULL name.
 */
struct word {
    const char *name;
    /** A text that is part of the program, for api_push_literal(); NULL when there is none. */
    const char *(*literal)(const struct subject *subject);
    /** A text of the message, borrowed; absent when there is none. */
    struct text (*text)(const struct subject *subject);
    /** A text printed into @p scratch of WORD_SCRATCH_BYTES; absent when there is none. */
    struct text (*print)(const struct subject *subject, char *scratch);
    /** A whole number. @return false when there is none */
    bool (*number)(const struct subject *subject, double *number);
    /** Anything else: pushes one value, nil when there is none. */
    void (*push)(lua_State *L, const struct subject *subject);
    /** Takes the value at stack index 3; NULL: read-only. */
    void (*write)(lua_State *L, const struct subject *subject);
};
extern const struct word words_message[], words_address[], words_network[], words_flags[];

/** The word that the text at @p index names; NULL: none. */
const struct word *word_named(lua_State *L, int index);
/** Push the value of a word, nil when there is none. */
void word_push(lua_State *L, const struct word *word, const struct subject *subject);
/** Value of the first header of a kind as it will be sent; absent when there is none. */
struct text subject_header(const struct subject *subject, enum header_kind kind);
/** Its edits, or misuse when it may not be changed here. */
struct edits *subject_edits(lua_State *L, const struct subject *subject, const char *what);
/** Raise for an error that an assignment met. */
void api_check_assignment(lua_State *L, const char *word, int error);

/**
 * Flags of the relay at @p index, a table or a text; the stack is not higher. Raises for misuse only.
 * @param flagsp  returned owned
 * @return 0, or how many values were pushed: nil and why
 */
int api_read_media_flags(lua_State *L, int index, struct media_flags **flagsp);

/** Push a handle for the current run. */
void handle_push(lua_State *L, const struct run *run, bool is_reply);
/** What the run's handles stand for. @return false: it handles no message */
bool run_subject(struct run *run, bool is_reply, struct subject *subject);
/** Is there a live handle at @p index? Else raises an error at the caller's line. */
void handle_check(lua_State *L, int index, struct subject *subject);
/** Was the request answered for good while its handler waited? Then nothing can be decided any more. */
bool handle_is_over(const struct subject *subject);
/** Like handle_check(), and it has a response context. */
void handle_check_context(lua_State *L, int index, struct subject *subject, const char *what);

/** Is this frame, of which "Sl" is known, a part of lua/, or of the engine? */
bool api_is_library(lua_State *L, const lua_Debug *frame);
/** The innermost frame below a C function that belongs to a script: its short_src and currentline. @return false: none */
bool api_script_frame(lua_State *L, lua_Debug *frame);
/** Raise an error with the position of the first caller that is not part of lua/. */
int api_misuse(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/** While C acts for a script, the loop's cause is the line that asked, "route.lua:12". */
struct script_cause {
    struct loop *loop; /**< NULL: nobody wants to know */
    const char *before;
    char place[CAUSE_BYTES];
};
/** Before the engine sends; finding the line costs something only in the lab. */
void cause_begin(lua_State *L, struct script_cause *cause);
/** After it; nothing in between may raise. */
void cause_end(struct script_cause *cause);
/**
 * A handler ended in an error at the line where @p L, its thread, stands: what the engine sends for
 * that has the line as its cause, until the loop's event ends.
 * @param told  the error's text, "file:line: ..."
 */
void cause_of_fault(lua_State *L, struct text told);
/** String argument, else misuse. @param what "header name" */
struct text api_text(lua_State *L, int index, const char *what);
/** Like api_text(), absent for nil. */
struct text api_text_or_none(lua_State *L, int index, const char *what);
/** Whole number within the range, else misuse. */
uint64_t api_number(lua_State *L, int index, uint64_t least, uint64_t most, const char *what);
/** Seconds, the longest at @p index and the shortest behind it, each within its range, else misuse. */
struct session_timer api_session_timer(lua_State *L, int index);
/** Nothing, a boolean, a number or a text, else misuse. @param what whose: "dialog.vars". @return its text is borrowed */
struct value api_value(lua_State *L, int index, const char *what);
/** note.c: what a script decided, "reply 486 Busy Here". Texts are borrowed. */
struct decision {
    const char *what;
    bool has_number;
    unsigned number;
    struct text detail; /**< absent: none */
};
/** For the story of the call that @p subject is of, with its route and line. */
void note_decision(lua_State *L, const struct subject *subject, const struct decision *decision);
/** The same of a call of two legs that a handler has in hand. @param call_id  of any of its legs */
void note_call(lua_State *L, struct proxy *proxy, struct text call_id, const char *what,
               struct text detail);
/** A line that it logged, at info or above. @param subject  without message: of none */
void note_log(const struct subject *subject, struct script *script, enum log_level level,
              struct text call_id, struct text line);
/** Push a text, nil when absent. @return 1 */
int api_push_text(lua_State *L, struct text t);
/**
 * Push a text that neither moves nor changes while the generation lives, such as a string literal. It
 * is found by its address: Lua reads it the first time only.
 */
void api_push_literal(lua_State *L, const char *text);
/** Set a field of the table on top; nothing when absent. */
void api_set_text(lua_State *L, const char *field, struct text t);
/** Push true, or nil and the error's text. @return 1 or 2 */
int api_push_result(lua_State *L, int error);
/** Push nil and a text. @return 2 */
int api_push_failure(lua_State *L, const char *reason);
/** Push the text of an error without allocating (errors_reference). */
void api_push_error_text(lua_State *L, int error);
/** What the script keeps for the context; NULL without memory. */
struct context_data *api_context_data(struct response_context *context);

/** Wall clock, microseconds; 0 where there is no io. */
uint64_t api_wall_us(lua_State *L);
/** Set fields of a table from a list of functions. */
void api_register(lua_State *L, const luaL_Reg *functions);
/* Each puts its functions into the table on top of the stack. */
void api_core_open(lua_State *L);
void api_log_open(lua_State *L);
void api_auth_open(lua_State *L);
void api_sql_open(lua_State *L);
void api_http_open(lua_State *L);
void api_hash_open(lua_State *L);
void api_uri_open(lua_State *L);
void api_regex_open(lua_State *L);
void api_transaction_open(lua_State *L);
void api_json_open(lua_State *L);
void api_nat_open(lua_State *L);
void api_shared_open(lua_State *L);
void api_timer_open(lua_State *L);
void api_leave_open(lua_State *L);
void api_dispatcher_open(lua_State *L);
void api_registrar_open(lua_State *L);
void api_registrar_save_open(lua_State *L);
void api_registrar_fetch_open(lua_State *L);
/** The location service of the worker, returned borrowed; misuse while a script is loaded. */
struct location *registrar_location(lua_State *L);
/** The request at 1 of who may answer it, misuse otherwise. @return false when it is over */
bool registrar_decider(lua_State *L, struct subject *subject, const char *what);
/** The AoR of a URI given as text, in the run's arena. @return 0, as location_aor() */
int api_aor_of(lua_State *L, struct text *aor, struct text uri_text);
void api_media_open(lua_State *L);
void api_dialog_open(lua_State *L);
void api_call_open(lua_State *L);
void api_originate_open(lua_State *L);
void api_trunk_open(lua_State *L);
void api_record_open(lua_State *L);
void api_variables_open(lua_State *L);
void api_index_open(lua_State *L);
/** Methods of messages. */
void api_header_open(lua_State *L);
void api_request_open(lua_State *L);
void api_record_open_methods(lua_State *L);
/** Make the metatable of messages, which all light userdata of the state have. */
void api_message_open(lua_State *L);
