/* Words of the network: where a message came from, where it will go, and flags. */
#include "script/state.h"

#include <stdio.h>

static const struct listener *listener_of(const struct subject *subject)
{
    return subject->message ? subject->message->source.listener : NULL;
}

static const struct address *peer_of(const struct subject *subject)
{
    const struct message *message = subject->message;
    return message && address_is_set(&message->source.peer) ? &message->source.peer : NULL;
}

static bool port_of(const struct address *address, double *number)
{
    if (address)
        *number = address_port(address);
    return address != NULL;
}

/* ---- received ---- */

static struct text print_received_ip(const struct subject *subject, char *scratch)
{
    const struct listener *listener = listener_of(subject);
    return listener ? address_print_host(&listener->local, scratch) : TEXT_NONE;
}

static bool read_received_port(const struct subject *subject, double *number)
{
    const struct listener *listener = listener_of(subject);
    return port_of(listener ? &listener->local : NULL, number);
}

static struct text read_interface(const struct subject *subject)
{
    const struct listener *listener = listener_of(subject);
    return listener ? text_of(listener->interface) : TEXT_NONE;
}

static struct text read_advertised_ip(const struct subject *subject)
{
    const struct listener *listener = listener_of(subject);
    return listener ? text_of(listener->host) : TEXT_NONE;
}

static bool read_advertised_port(const struct subject *subject, double *number)
{
    const struct listener *listener = listener_of(subject);
    if (listener)
        *number = listener->port;
    return listener != NULL;
}

static struct text read_proto(const struct subject *subject)
{
    const struct listener *listener = listener_of(subject);
    return listener ? text_of(transport_kind_name(listener->kind)) : TEXT_NONE;
}

static struct text print_source_ip(const struct subject *subject, char *scratch)
{
    const struct address *peer = peer_of(subject);
    return peer ? address_print_host(peer, scratch) : TEXT_NONE;
}

static bool read_source_port(const struct subject *subject, double *number)
{
    return port_of(peer_of(subject), number);
}

/** "sip:10.0.0.1:5060", with ;transport= unless it is UDP */
static struct text print_source_uri(const struct subject *subject, char *scratch)
{
    const struct listener *listener = listener_of(subject);
    const struct address *peer = peer_of(subject);
    if (!listener || !peer)
        return TEXT_NONE;
    char address[ADDRESS_TEXT_BYTES];
    bool is_udp = listener->kind == TRANSPORT_UDP;
    int n =
        snprintf(scratch, WORD_SCRATCH_BYTES, "sip:%s%s%s", address_print(peer, address).p,
                 is_udp ? "" : ";transport=", is_udp ? "" : transport_kind_name(listener->kind));
    return (struct text){scratch, (size_t)n};
}

/* ---- where it goes ---- */

/** What is set on the context may be changed by the routes that decide about it. */
static void require_decider(lua_State *L, const struct subject *subject, const char *word)
{
    enum run_kind kind = subject->run->kind;
    if (subject->is_reply || (kind != RUN_REQUEST && kind != RUN_FAILURE))
        api_misuse(L, "%s: only a request in request_route or a failure route has it", word);
}

static struct text read_next_hop(const struct subject *subject)
{
    if (!subject->context)
        return TEXT_NONE;
    if (subject->run->kind == RUN_BRANCH)
        return branch_next_hop(subject->run->route.branch);
    return context_next_hop(subject->context);
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

static struct text read_send_interface(const struct subject *subject)
{
    const struct listener *listener = send_listener(subject);
    return listener ? text_of(listener->interface) : TEXT_NONE;
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
static struct text print_send_socket(const struct subject *subject, char *scratch)
{
    const struct listener *listener = send_listener(subject);
    if (!listener)
        return TEXT_NONE;
    char local[ADDRESS_TEXT_BYTES];
    int n = snprintf(scratch, WORD_SCRATCH_BYTES, "%s:%s", transport_kind_name(listener->kind),
                     address_print(&listener->local, local).p);
    return (struct text){scratch, (size_t)n};
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
    {"received_ip", .print = print_received_ip},
    {"received_port", .number = read_received_port},
    {"source_ip", .print = print_source_ip},
    {"source_port", .number = read_source_port},
    {"source_uri", .print = print_source_uri},
    {"interface", .text = read_interface},
    {"advertised_ip", .text = read_advertised_ip},
    {"advertised_port", .number = read_advertised_port},
    {"proto", .text = read_proto},
    {"next_hop", .text = read_next_hop, .write = write_next_hop},
    {"send_interface", .text = read_send_interface, .write = write_send_interface},
    {"send_socket", .print = print_send_socket, .write = write_send_socket},
    {.name = NULL},
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

static uint32_t check_flags(lua_State *L)
{
    return (uint32_t)api_number(L, 3, 0, UINT32_MAX, "flags");
}

static bool read_flags(const struct subject *subject, double *number)
{
    *number = *message_flags(subject);
    return true;
}

static void write_flags(lua_State *L, const struct subject *subject)
{
    *message_flags(subject) = check_flags(L);
}

static bool read_script_flags(const struct subject *subject, double *number)
{
    *number = subject->run->script_flags;
    return true;
}

static void write_script_flags(lua_State *L, const struct subject *subject)
{
    subject->run->script_flags = check_flags(L);
}

static void push_branch_flags(lua_State *L, const struct subject *subject)
{
    lua_pushnumber(L, *branch_flags(L, subject, false));
}

static void write_branch_flags(lua_State *L, const struct subject *subject)
{
    uint32_t flags = check_flags(L);
    *branch_flags(L, subject, true) = flags;
}

static bool read_branch_index(const struct subject *subject, double *number)
{
    const struct branch *branch = subject->run->route.branch;
    if (branch)
        *number = branch_index(branch);
    return branch != NULL;
}

const struct word words_flags[] = {
    {"flags", .number = read_flags, .write = write_flags},
    {"script_flags", .number = read_script_flags, .write = write_script_flags},
    {"branch_flags", .push = push_branch_flags, .write = write_branch_flags},
    {"branch_index", .number = read_branch_index},
    {.name = NULL},
};
