/* core.nat_*: what sip.nat is made of. */
#include "script/state.h"

#include "base/buffer.h"
#include "sip/nat.h"

/** Kamailio's numbers of transports, as an alias has them; 4 is SCTP. */
static const unsigned proto_of_kind[] = {
    [TRANSPORT_UDP] = 1, [TRANSPORT_TCP] = 2, [TRANSPORT_TLS] = 3,
    [TRANSPORT_WS] = 5,  [TRANSPORT_WSS] = 6,
};

/** A message that came from somewhere. */
static void message_argument(lua_State *L, struct subject *subject, const char *what)
{
    handle_check(L, 1, subject);
    if (!subject->message || !subject->message->source.listener)
        api_misuse(L, "%s: this message did not come from the network", what);
}

static enum transport_kind kind_of(const struct subject *subject)
{
    return subject->message->source.listener->kind;
}

/** (msg, bits) -> bits of the tests that are true */
static int core_nat_test(lua_State *L)
{
    struct subject subject;
    message_argument(L, &subject, "nat.is_natted");
    unsigned tests = (unsigned)api_number(L, 2, 0, NAT_TEST_ALL, "nat.is_natted: tests");
    enum transport_kind kind = kind_of(&subject);
    bool is_websocket = kind == TRANSPORT_WS || kind == TRANSPORT_WSS;
    lua_pushinteger(L, (lua_Integer)nat_test(subject.message, tests, is_websocket));
    return 1;
}

/** core.nat_tests() -> bits by word */
static int core_nat_tests(lua_State *L)
{
    lua_newtable(L);
#define XX(name, bit, word, help)                                                                  \
    lua_pushinteger(L, bit);                                                                       \
    lua_setfield(L, -2, word);
    NAT_TESTS(XX)
#undef XX
    return 1;
}

/** Change one Contact header. @return 1 changed, 0 it is good as it is, or an error. Raises nothing */
static int change_contact(const struct subject *subject, struct edits *edits,
                          const struct header_view *view, bool is_alias)
{
    struct buffer out = {0};
    const struct address *source = &subject->message->source.peer;
    int error = is_alias
                    ? nat_print_alias(&out, view->value, source, proto_of_kind[kind_of(subject)])
                    : nat_print_contact(&out, view->value, source);
    bool is_same = text_equal(buffer_text(&out), view->value);
    if (!error && !is_same)
        error = edits_replace(edits, view, buffer_text(&out));
    buffer_release(&out);
    return error ? error : !is_same;
}

/** Change every Contact. -> true, false when they are good as they are; or nil, err */
static int change_contacts(lua_State *L, bool is_alias, const char *what)
{
    struct subject subject;
    struct header_view view, from;
    int changed = 0;
    message_argument(L, &subject, what);
    struct edits *edits = subject_edits(L, &subject, what);
    for (bool is_there = edits_header(edits, HEADER_CONTACT, TEXT_NONE, &view); is_there;
         from = view, is_there = edits_header_next(edits, &from, &view)) {
        int result = change_contact(&subject, edits, &view, is_alias);
        if (result < 0 && result != ERROR_NOT_FOUND)
            return api_push_result(L, result);
        changed += result > 0;
    }
    lua_pushboolean(L, changed > 0);
    return 1;
}

/** (msg) -> true, false; or nil, err */
static int core_nat_fix_contact(lua_State *L)
{
    return change_contacts(L, false, "nat.fix_contact");
}

/** (msg) -> true, false; or nil, err */
static int core_nat_set_alias(lua_State *L)
{
    return change_contacts(L, true, "nat.set_alias");
}

/** Where an alias leads as a URI, in the arena; absent without memory or for a transport nobody has. */
static struct text next_hop_of(struct arena *arena, const struct nat_alias *alias)
{
    char address[ADDRESS_TEXT_BYTES];
    for (unsigned kind = 0; kind < sizeof proto_of_kind / sizeof *proto_of_kind; kind++)
        if (proto_of_kind[kind] == alias->proto)
            return arena_printf(
                arena, "sip:%s%s%s", address_print(&alias->address, address).p,
                kind == TRANSPORT_UDP ? "" : ";transport=",
                kind == TRANSPORT_UDP ? "" : transport_kind_name((enum transport_kind)kind));
    return TEXT_NONE;
}

/** Request-URI and next hop by the alias. @return 0 or an error; raises nothing */
static int use_alias(const struct subject *subject, struct edits *edits)
{
    struct buffer uri = {0};
    struct nat_alias alias;
    int error = nat_take_alias(&uri, edits_request_uri(edits), &alias);
    if (!error) {
        struct text next_hop = next_hop_of(&subject->run->arena, &alias);
        error = text_is_set(next_hop) ? context_set_next_hop(subject->context, next_hop)
                                      : ERROR_UNSUPPORTED;
    }
    if (!error)
        error = edits_set_request_uri(edits, buffer_text(&uri));
    buffer_release(&uri);
    return error;
}

/** (req) -> true, false when there is no alias; or nil, err */
static int core_nat_handle_alias(lua_State *L)
{
    struct subject subject;
    handle_check_context(L, 1, &subject, "nat.handle_alias");
    enum run_kind kind = subject.run->kind;
    if (subject.is_reply || (kind != RUN_REQUEST && kind != RUN_FAILURE))
        api_misuse(L, "nat.handle_alias: a request in request_route or a failure route is needed");
    if (handle_is_over(&subject))
        return api_push_result(L, ERROR_CANCELLED);
    int error = use_alias(&subject, subject_edits(L, &subject, "nat.handle_alias"));
    if (error && error != ERROR_NOT_FOUND)
        return api_push_result(L, error);
    lua_pushboolean(L, error == 0);
    return 1;
}

static const luaL_Reg functions[] = {
    {"nat_test", core_nat_test},
    {"nat_tests", core_nat_tests},
    {"nat_fix_contact", core_nat_fix_contact},
    {"nat_set_alias", core_nat_set_alias},
    {"nat_handle_alias", core_nat_handle_alias},
    {NULL, NULL},
};

void api_nat_open(lua_State *L)
{
    api_register(L, functions);
}
