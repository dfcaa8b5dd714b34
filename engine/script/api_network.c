/* Words of the network: where a message came from, where it will go, and flags. */
#include "script/state.h"

#include <stdio.h>

static const struct listener *listener_of(const struct subject *subject)
{
    return subject->message ? subject->message->source.listener : NULL;
}

static int push_port(lua_State *L, unsigned port)
{
    lua_pushinteger(L, (lua_Integer)port);
    return 1;
}

static int push_listener_text(lua_State *L, const struct listener *listener, struct text t)
{
    return api_push_text(L, listener ? t : TEXT_NONE);
}

/* ---- received ---- */

static int read_received_ip(lua_State *L, const struct subject *subject)
{
    char host[ADDRESS_TEXT_BYTES];
    const struct listener *listener = listener_of(subject);
    return api_push_text(L, listener ? address_print_host(&listener->local, host) : TEXT_NONE);
}

static int read_received_port(lua_State *L, const struct subject *subject)
{
    const struct listener *listener = listener_of(subject);
    return listener ? push_port(L, address_port(&listener->local)) : api_push_text(L, TEXT_NONE);
}

static int read_interface(lua_State *L, const struct subject *subject)
{
    const struct listener *listener = listener_of(subject);
    return push_listener_text(L, listener, text_of(listener ? listener->interface : NULL));
}

static int read_advertised_ip(lua_State *L, const struct subject *subject)
{
    const struct listener *listener = listener_of(subject);
    return push_listener_text(L, listener, text_of(listener ? listener->host : NULL));
}

static int read_advertised_port(lua_State *L, const struct subject *subject)
{
    const struct listener *listener = listener_of(subject);
    return listener ? push_port(L, listener->port) : api_push_text(L, TEXT_NONE);
}

static int read_proto(lua_State *L, const struct subject *subject)
{
    const struct listener *listener = listener_of(subject);
    return push_listener_text(L, listener,
                              text_of(listener ? transport_kind_name(listener->kind) : NULL));
}

static int read_source_ip(lua_State *L, const struct subject *subject)
{
    char host[ADDRESS_TEXT_BYTES];
    if (!subject->message || !address_is_set(&subject->message->source.peer))
        return api_push_text(L, TEXT_NONE);
    return api_push_text(L, address_print_host(&subject->message->source.peer, host));
}

static int read_source_port(lua_State *L, const struct subject *subject)
{
    if (!subject->message || !address_is_set(&subject->message->source.peer))
        return api_push_text(L, TEXT_NONE);
    return push_port(L, address_port(&subject->message->source.peer));
}

/** "sip:10.0.0.1:5060", with ;transport= unless it is UDP */
static int read_source_uri(lua_State *L, const struct subject *subject)
{
    const struct listener *listener = listener_of(subject);
    if (!listener || !address_is_set(&subject->message->source.peer))
        return api_push_text(L, TEXT_NONE);
    char peer[ADDRESS_TEXT_BYTES], uri[ADDRESS_TEXT_BYTES + 32];
    address_print(&subject->message->source.peer, peer);
    bool is_udp = listener->kind == TRANSPORT_UDP;
    int n =
        snprintf(uri, sizeof uri, "sip:%s%s%s", peer,
                 is_udp ? "" : ";transport=", is_udp ? "" : transport_kind_name(listener->kind));
    lua_pushlstring(L, uri, (size_t)n);
    return 1;
}

/* ---- where it goes ---- */

/** What is set on the context may be changed by the routes that decide about it. */
static void require_decider(lua_State *L, const struct subject *subject, const char *word)
{
    enum run_kind kind = subject->run->kind;
    if (subject->is_reply || (kind != RUN_REQUEST && kind != RUN_FAILURE))
        api_misuse(L, "%s: only a request in request_route or a failure route has it", word);
}

static int read_next_hop(lua_State *L, const struct subject *subject)
{
    if (!subject->context)
        return api_push_text(L, TEXT_NONE);
    if (subject->run->kind == RUN_BRANCH)
        return api_push_text(L, branch_next_hop(subject->run->route.branch));
    return api_push_text(L, context_next_hop(subject->context));
}

static void write_next_hop(lua_State *L, const struct subject *subject)
{
    require_decider(L, subject, "next_hop");
    struct text text = lua_isnil(L, 3) ? TEXT_NONE : api_text(L, 3, "next_hop");
    struct uri uri;
    if (text.n == 0)
        text = TEXT_NONE;
    else if (uri_parse(&uri, text))
        api_misuse(L, "next_hop: '%.*s' is not a URI", TEXT_ARG(text));
    api_check_assignment(L, "next_hop", context_set_next_hop(subject->context, text));
}

static const struct listener *send_listener(const struct subject *subject)
{
    if (!subject->context)
        return NULL;
    if (subject->run->kind == RUN_BRANCH) {
        const struct destination *destination = branch_destination(subject->run->route.branch);
        return destination ? destination->listener : NULL;
    }
    return context_send_listener(subject->context);
}

static int read_send_interface(lua_State *L, const struct subject *subject)
{
    const struct listener *listener = send_listener(subject);
    return push_listener_text(L, listener, text_of(listener ? listener->interface : NULL));
}

static void write_send_interface(lua_State *L, const struct subject *subject)
{
    require_decider(L, subject, "send_interface");
    if (lua_isnil(L, 3)) {
        context_set_send_listener(subject->context, NULL);
        return;
    }
    struct text name = api_text(L, 3, "send_interface");
    const struct listener *received = listener_of(subject);
    struct transport *transport = proxy_transport(context_proxy(subject->context));
    const struct listener *listener =
        received ? transport_listener(transport, name, received->kind, received->local.sa.sa_family)
                 : NULL;
    if (!listener)
        listener = transport_listener(transport, name, TRANSPORT_UDP, AF_INET);
    if (!listener)
        listener = transport_listener(transport, name, TRANSPORT_UDP, AF_INET6);
    if (!listener)
        api_misuse(L, "send_interface: no interface '%.*s'", TEXT_ARG(name));
    context_set_send_listener(subject->context, listener);
}

/** "udp:10.0.0.1:5060" */
static int read_send_socket(lua_State *L, const struct subject *subject)
{
    const struct listener *listener = send_listener(subject);
    if (!listener)
        return api_push_text(L, TEXT_NONE);
    char local[ADDRESS_TEXT_BYTES];
    address_print(&listener->local, local);
    lua_pushfstring(L, "%s:%s", transport_kind_name(listener->kind), local);
    return 1;
}

static void write_send_socket(lua_State *L, const struct subject *subject)
{
    require_decider(L, subject, "send_socket");
    if (lua_isnil(L, 3)) {
        context_set_send_listener(subject->context, NULL);
        return;
    }
    struct text socket = api_text(L, 3, "send_socket");
    struct transport *transport = proxy_transport(context_proxy(subject->context));
    const struct listener *listener = transport_listener_by_socket(transport, socket);
    if (!listener)
        api_misuse(L, "send_socket: '%.*s' is none of our sockets", TEXT_ARG(socket));
    context_set_send_listener(subject->context, listener);
}

const struct word words_network[] = {
    {"received_ip", read_received_ip, NULL},
    {"received_port", read_received_port, NULL},
    {"source_ip", read_source_ip, NULL},
    {"source_port", read_source_port, NULL},
    {"source_uri", read_source_uri, NULL},
    {"interface", read_interface, NULL},
    {"advertised_ip", read_advertised_ip, NULL},
    {"advertised_port", read_advertised_port, NULL},
    {"proto", read_proto, NULL},
    {"next_hop", read_next_hop, write_next_hop},
    {"send_interface", read_send_interface, write_send_interface},
    {"send_socket", read_send_socket, write_send_socket},
    {NULL, NULL, NULL},
};

/* ---- flags: 32 bits each, as Kamailio's $mf, $sf, $bf ---- */

static uint32_t *message_flags(const struct subject *subject)
{
    return subject->context ? context_flags(subject->context) : &subject->run->own_flags;
}

/** A branch has those of the request until it sets its own. */
static uint32_t *branch_flags(lua_State *L, const struct subject *subject, bool is_write)
{
    if (!subject->context)
        return &subject->run->own_flags;
    struct context_data *data = api_context_data(subject->context);
    if (!data)
        luaL_error(L, "not enough memory");
    const struct branch *branch = subject->run->route.branch;
    unsigned index = branch ? branch_index(branch) : 64;
    if (index >= 64)
        return &data->branch_flags;
    uint64_t bit = (uint64_t)1 << index;
    if (!(data->branches_set & bit) && !is_write)
        return &data->branch_flags;
    data->branches_set |= bit;
    return &data->flags_of_branch[index];
}

static int push_flags(lua_State *L, uint32_t flags)
{
    lua_pushnumber(L, (double)flags);
    return 1;
}

static uint32_t check_flags(lua_State *L)
{
    return (uint32_t)api_number(L, 3, 0, UINT32_MAX, "flags");
}

static int read_flags(lua_State *L, const struct subject *subject)
{
    return push_flags(L, *message_flags(subject));
}

static void write_flags(lua_State *L, const struct subject *subject)
{
    *message_flags(subject) = check_flags(L);
}

static int read_script_flags(lua_State *L, const struct subject *subject)
{
    return push_flags(L, subject->run->script_flags);
}

static void write_script_flags(lua_State *L, const struct subject *subject)
{
    subject->run->script_flags = check_flags(L);
}

static int read_branch_flags(lua_State *L, const struct subject *subject)
{
    return push_flags(L, *branch_flags(L, subject, false));
}

static void write_branch_flags(lua_State *L, const struct subject *subject)
{
    uint32_t flags = check_flags(L);
    *branch_flags(L, subject, true) = flags;
}

static int read_branch_index(lua_State *L, const struct subject *subject)
{
    if (subject->run->route.branch)
        lua_pushinteger(L, (lua_Integer)branch_index(subject->run->route.branch));
    else
        lua_pushnil(L);
    return 1;
}

const struct word words_flags[] = {
    {"flags", read_flags, write_flags},
    {"script_flags", read_script_flags, write_script_flags},
    {"branch_flags", read_branch_flags, write_branch_flags},
    {"branch_index", read_branch_index, NULL},
    {NULL, NULL, NULL},
};
