/*
 * A request of our own is kept as two texts, before and behind our Via: each address that is tried
 * gets a Via and a branch of its own.
 */
#include "route/uac.h"

#include "base/memory.h"
#include "route/context.h"

struct uac {
    struct link link; /* in proxy->requests, which holds the reference */
    struct proxy *proxy;
    uac_done_handler *done;
    uac_early_handler *early;
    int *why;
    void *arg;
    struct transaction_client *client; /* owned reference */
    struct resolve_query *query;
    struct resolve_target *targets; /* owned */
    size_t target_count, target_at;
    const struct listener *listener; /* wanted; NULL: any */
    const char *cause;               /* a constant */
    enum method method;
    bool is_first_address;                /* no other is tried */
    bool is_ringing;                      /* somebody works on it: the same */
    bool has_contact;                     /* of ours, for contact_user */
    struct buffer before_via, behind_via; /* owned */
    struct buffer contact_user;           /* owned */
};

static void destroy(void *arg)
{
    struct uac *uac = arg;
    list_remove(&uac->link);
    resolve_cancel(uac->query);
    if (uac->client)
        transaction_client_detach(uac->client);
    memory_release(uac->client);
    memory_free_raw(uac->targets);
    buffer_release(&uac->before_via);
    buffer_release(&uac->behind_via);
    buffer_release(&uac->contact_user);
}

static void finish(struct uac *uac, struct message *response)
{
    uac_done_handler *done = uac->done;
    void *arg = uac->arg;
    memory_release(uac);
    if (done)
        done(arg, response);
}

/* ---- sending ---- */

static bool send_to_next(struct uac *uac);

static void on_response(void *arg, struct transaction_client *client, struct message *response)
{
    struct uac *uac = arg;
    (void)client;
    bool is_accepted = uac->method == METHOD_INVITE && response->status / 100 == 2;
    if (response->status < 200 || (is_accepted && uac->early)) {
        uac->is_ringing = true;
        if (uac->early && response->status > 100)
            uac->early(uac->arg, response); /* may abandon it */
        return;
    }
    if (response->status == 503 && send_to_next(uac))
        return;
    finish(uac, response);
}

/* No response will come. */
static void give_up(struct uac *uac, int why)
{
    if (uac->why)
        *uac->why = why;
    finish(uac, NULL);
}

static void on_failure(void *arg, struct transaction_client *client,
                       enum transaction_failure failure)
{
    struct uac *uac = arg;
    (void)client;
    if (uac->is_ringing || !send_to_next(uac))
        give_up(uac, failure == TRANSACTION_TIMED_OUT ? ERROR_TIMEOUT : ERROR_TRANSPORT);
}

/* Our socket towards an address: the wanted one, or one of its interface and the address's family. */
static const struct listener *listener_for(const struct uac *uac, const struct address *address)
{
    struct transport *transport = uac->proxy->options.transport;
    const struct listener *wanted = uac->listener;
    if (!wanted)
        return transport_listener_towards(transport, address, TRANSPORT_UDP);
    if (wanted->local.sa.sa_family == address->sa.sa_family)
        return wanted;
    return transport_listener(transport, text_of(wanted->interface), wanted->kind,
                              address->sa.sa_family);
}

void uac_print_contact(struct buffer *out, const struct listener *listener, struct text user)
{
    buffer_append(out, TEXT("Contact: <sip:"));
    buffer_append(out, user);
    if (user.n)
        buffer_append_char(out, '@');
    buffer_printf(out, "%s:%u", listener->host, listener->port);
    if (listener->kind != TRANSPORT_UDP)
        buffer_printf(out, ";transport=%s", transport_kind_name(listener->kind));
    buffer_append(out, TEXT(">\r\n"));
}

static int send_to(struct uac *uac, const struct destination *destination)
{
    struct proxy *proxy = uac->proxy;
    struct transport *transport = proxy->options.transport;
    struct buffer *out = transport_print(transport);
    char branch_array[BRANCH_BYTES];
    struct text branch = transactions_make_branch(proxy->transactions, 0, branch_array);
    buffer_append(out, buffer_text(&uac->before_via));
    transport_print_via(out, transport, destination->listener, branch);
    if (uac->has_contact)
        uac_print_contact(out, destination->listener, buffer_text(&uac->contact_user));
    buffer_append(out, buffer_text(&uac->behind_via));
    if (out->error)
        return out->error;
    if (uac->method == METHOD_ACK) /* to a 2xx: it has no transaction (s13.2.2.4) */
        return transport_send(transport, destination, transport_printed(transport));
    if (uac->client)
        transaction_client_detach(uac->client);
    uac->client = memory_release(uac->client);
    const char *before = loop_set_cause(proxy->options.loop, uac->cause);
    int error = transaction_client_create(&uac->client, proxy->transactions,
                                          &(struct transaction_client_options){
                                              .method = uac->method,
                                              .branch = branch,
                                              .destination = *destination,
                                              .bytes = transport_printed(transport),
                                              .handlers = {on_response, on_failure, uac},
                                          });
    loop_set_cause(proxy->options.loop, before);
    return error;
}

/* @return 0, or why none of the addresses that are left could be sent to */
static int send_first(struct uac *uac)
{
    int error = ERROR_ARGUMENT;
    while (error && uac->target_at < uac->target_count) {
        struct destination destination = {.address = uac->targets[uac->target_at++].address};
        destination.listener = listener_for(uac, &destination.address);
        if (destination.listener)
            error = send_to(uac, &destination);
    }
    return error;
}

static bool send_to_next(struct uac *uac)
{
    return !uac->is_first_address && send_first(uac) == 0;
}

/* ---- from URI to addresses ---- */

static int use_targets(struct uac *uac, const struct resolve_target *v, size_t count)
{
    uac->targets = memory_raw(count * sizeof *v);
    if (!uac->targets)
        return ERROR_MEMORY;
    memcpy(uac->targets, v, count * sizeof *v);
    uac->target_count = count;
    return send_first(uac);
}

static void on_resolved(void *arg, int error, const struct resolve_target *v, size_t count)
{
    struct uac *uac = arg;
    uac->query = NULL;
    if (!error)
        error = count ? use_targets(uac, v, count) : ERROR_NOT_FOUND;
    if (error || uac->method == METHOD_ACK)
        give_up(uac, error);
}

static int look_up(struct uac *uac, struct text uri_text)
{
    struct resolve_targets now;
    struct uri uri;
    if (uri_parse(&uri, uri_text) || (uri.scheme != URI_SIP && uri.scheme != URI_SIPS))
        return ERROR_ARGUMENT;
    int error =
        resolve_uri(uac->proxy->options.resolver, &uri, &now, on_resolved, uac, &uac->query);
    if (error || now.count == 0)
        return error;
    return use_targets(uac, now.v, now.count);
}

/* ---- making ---- */

/* Everything but the Via. @p next_hop is the URI that it is sent to. */
static void print(struct uac *uac, const struct uac_request *request, struct text *next_hop)
{
    struct text uri = request->request_uri, rest = request->route;
    struct text method =
        request->method_text.n ? request->method_text : text_of(method_name(request->method));
    struct name_addr first;
    bool is_routed = rest.n && name_addr_parse(&first, name_addr_split(&rest)) == 0;
    bool is_strict = is_routed && !uri_is_loose(&first.uri);
    *next_hop = is_routed ? first.uri_text : uri;
    if (request->next_hop.n)
        *next_hop = request->next_hop;
    buffer_printf(&uac->before_via, "%.*s %.*s SIP/2.0\r\n", TEXT_ARG(method),
                  TEXT_ARG(is_strict ? first.uri_text : uri));
    struct buffer *out = &uac->behind_via;
    /* A strict router wants itself in the Request-URI, and the target as last Route (s12.2.1.1). */
    if (is_strict)
        buffer_printf(out, "Route: %.*s%s<%.*s>\r\n", TEXT_ARG(rest), rest.n ? ", " : "",
                      TEXT_ARG(uri));
    else if (is_routed)
        buffer_printf(out, "Route: %.*s\r\n", TEXT_ARG(request->route));
    uint64_t hops = request->max_forwards ? request->max_forwards
                                          : uac->proxy->options.settings->limits_max_forwards;
    buffer_printf(out, "Max-Forwards: %llu\r\nFrom: %.*s\r\nTo: %.*s\r\n",
                  request->max_forwards == UAC_LAST_HOP ? 0 : (unsigned long long)hops,
                  TEXT_ARG(request->from), TEXT_ARG(request->to));
    buffer_printf(out, "Call-ID: %.*s\r\nCSeq: %u %.*s\r\n", TEXT_ARG(request->call_id),
                  request->cseq, TEXT_ARG(method));
    buffer_append(out, request->headers);
    if (request->body.n)
        buffer_printf(out, "Content-Type: %.*s\r\n", TEXT_ARG(request->content_type));
    buffer_printf(out, "Content-Length: %zu\r\n\r\n", request->body.n);
    buffer_append(out, request->body);
    uac->has_contact = text_is_set(request->contact_user);
    buffer_append(&uac->contact_user, request->contact_user);
}

int uac_send(struct uac **uacp, struct proxy *proxy, const struct uac_request *request,
             uac_done_handler *done, void *arg)
{
    struct text next_hop;
    struct uac *uac = memory_alloc(sizeof *uac, destroy);
    if (!uac)
        return ERROR_MEMORY;
    uac->proxy = proxy;
    uac->done = done;
    uac->early = request->early;
    uac->why = request->why;
    uac->arg = arg;
    uac->method = request->method;
    uac->listener = request->listener;
    uac->cause = request->cause;
    uac->is_first_address = request->is_first_address;
    list_append(&proxy->requests, &uac->link);
    print(uac, request, &next_hop);
    int error = uac->before_via.error ? uac->before_via.error : uac->behind_via.error;
    if (!error)
        error = uac->contact_user.error;
    if (!error)
        error = look_up(uac, next_hop);
    if (error || (uac->method == METHOD_ACK && !uac->query))
        memory_release(uac);
    else if (uacp)
        *uacp = uac;
    return error;
}

void uac_abandon(struct uac *uac)
{
    memory_release(uac);
}

bool uac_cancel(struct uac *uac, struct text reason)
{
    if (!uac->client) {
        memory_release(uac);
        return false;
    }
    uac->is_ringing = uac->is_first_address = true;
    transaction_client_cancel(uac->client, reason);
    return true;
}

void uac_stop_all(struct proxy *proxy)
{
    LIST_FOR_EACH_SAFE (link, &proxy->requests)
        memory_release(CONTAINER_OF(link, struct uac, link));
}
