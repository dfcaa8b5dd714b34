/*
 * What the variables of lua/lunasip/pv/transaction.lua read of a transaction, its branches and its
 * dialog: core.request_of() and its kin. All take a message and give nil where there is nothing.
 */
#include "script/state.h"

#include "base/buffer.h"

/** core.request_of(msg) -> handle of the request that this reply answers; nil once it is let go */
static int core_request_of(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    bool is_kept = subject.context && context_request(subject.context);
    if (subject.run->request && is_kept)
        handle_push(L, subject.run, false);
    else
        lua_pushnil(L);
    return 1;
}

/** core.reply_of(msg) -> handle of the reply that an onreply_route or a failure route got */
static int core_reply_of(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    if (subject.run->route.reply)
        handle_push(L, subject.run, true);
    else
        lua_pushnil(L);
    return 1;
}

/** core.branch_count(msg) -> branches made so far; nil without a transaction */
static int core_branch_count(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    if (subject.context)
        lua_pushinteger(L, (lua_Integer)context_branch_count(subject.context));
    else
        lua_pushnil(L);
    return 1;
}

/** core.branch_ruri(msg) -> Request-URI of the branch that the route is about */
static int core_branch_ruri(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    const struct branch *branch = subject.run->route.branch;
    return api_push_text(L, branch ? edits_request_uri(branch_edits(branch)) : TEXT_NONE);
}

/** core.branch_address(msg) -> address, port that a branch route's branch will be sent to */
static int core_branch_address(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    const struct branch *branch = subject.run->route.branch;
    const struct destination *destination = branch ? branch_destination(branch) : NULL;
    if (!destination || !address_is_set(&destination->address))
        return api_push_text(L, TEXT_NONE);
    char host[ADDRESS_TEXT_BYTES];
    api_push_text(L, address_print_host(&destination->address, host));
    lua_pushinteger(L, address_port(&destination->address));
    return 2;
}

/** The dialog of a message, NULL: none that we know. */
static struct dialog *dialog_of(const struct subject *subject)
{
    if (subject->run->dialog)
        return subject->run->dialog;
    return subject->context ? context_dialog(subject->context) : NULL;
}

/** core.direction(msg) -> "downstream" (from the caller) or "upstream", caller's and callee's tag */
static int core_direction(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    const struct dialog *dialog = dialog_of(&subject);
    if (!dialog || !subject.message)
        return api_push_text(L, TEXT_NONE);
    bool is_from_caller = dialog_is_from_caller(dialog, subject.message);
    /* A response travels against its request. */
    lua_pushstring(L, is_from_caller != subject.is_reply ? "downstream" : "upstream");
    api_push_text(L, dialog_caller_tag(dialog));
    api_push_text(L, dialog_callee_tag(dialog, subject.message));
    return 3;
}

/** core.connection(msg) -> number of the connection that it came over; nil for datagrams */
static int core_connection(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    uint64_t id = subject.message ? subject.message->source.flow_id : 0;
    if (id)
        lua_pushnumber(L, (double)id);
    else
        lua_pushnil(L);
    return 1;
}

/** core.current_bytes(msg) -> the message with its edits, as it would be sent now */
static int core_current_bytes(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    if (!subject.edits)
        return api_push_text(L, subject.message ? subject.message->bytes : TEXT_NONE);
    struct buffer out = {0};
    edits_print(subject.edits, &out);
    /* Lua may raise: what it copies from must not be ours to free. */
    struct text bytes = out.error ? TEXT_NONE : arena_copy(&subject.run->arena, buffer_text(&out));
    buffer_release(&out);
    if (!text_is_set(bytes))
        return luaL_error(L, "not enough memory");
    return api_push_text(L, bytes);
}

static const luaL_Reg functions[] = {
    {"request_of", core_request_of},
    {"reply_of", core_reply_of},
    {"branch_count", core_branch_count},
    {"branch_ruri", core_branch_ruri},
    {"branch_address", core_branch_address},
    {"direction", core_direction},
    {"current_bytes", core_current_bytes},
    {"connection", core_connection},
    {NULL, NULL},
};

void api_transaction_open(lua_State *L)
{
    api_register(L, functions);
}
