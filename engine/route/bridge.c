/* The life of a two-leg call: made of an INVITE, ended from either leg or from here. */
#include "route/bridge_session.h"

/* ---- making ---- */

static void destroy(void *arg)
{
    struct bridge *bridge = arg;
    list_remove(&bridge->link);
    bridge_legs_close(bridge);
    memory_release(bridge->sessions);
    LIST_FOR_EACH_SAFE (link, &bridge->forks)
        bridge_fork_release(CONTAINER_OF(link, struct bridge_fork, link));
    dialog_side_release(&bridge->caller_side);
    if (bridge->transfer)
        memory_release(bridge->transfer->accepted);
    memory_release(bridge->kept);
    memory_release(bridge->dialog);
    arena_reset(&bridge->arena);
}

/* As it is given here, or where the script tracks the call. */
static struct session_timer wanted_timer(const struct response_context *context,
                                         const struct bridge_options *options)
{
    const struct track *track = context->dialog ? dialog_track(context->dialog) : NULL;
    return options->session_timer.expires_s || !track ? options->session_timer
                                                      : track_session_timer(track);
}

/* May this request become a two-leg call? Answers what only the RFCs decide. */
static int check(struct response_context *context, const struct bridge_options *options,
                 const struct session_timer *timer)
{
    struct message *request = context->request;
    if (context->is_cancelled)
        return ERROR_CANCELLED;
    if (!context->server || !context->is_dialog_making || context->is_final_sent ||
        context->is_decided)
        return ERROR_STATE;
    if (proxy_check_max_forwards(context)) {
        counter_count(context->proxy->options.counters, COUNTER_ROUTE_LOOP);
        proxy_reply(context, &(struct response_options){.status = 483});
        return ERROR_LIMIT;
    }
    if (transaction_server_is_merged(context->server)) { /* s8.2.2.2 */
        proxy_reply(context, &(struct response_options){.status = 482});
        return ERROR_STATE;
    }
    struct text unsupported =
        bridge_unsupported(request, options->refuses_100rel ? TEXT_NONE : TEXT(BRIDGE_100REL));
    if (!unsupported.n)
        return timer->expires_s && session_timer_refuse(context, timer) ? ERROR_LIMIT : 0;
    proxy_reply(context, &(struct response_options){
                             .status = 420,
                             .headers = arena_printf(&request->arena, "Unsupported: %.*s\r\n",
                                                     TEXT_ARG(unsupported)),
                         });
    return ERROR_UNSUPPORTED;
}

/* The first header of a kind as the script left it. */
static struct text edited(const struct response_context *context, enum header_kind kind)
{
    struct header_view view = {0};
    bool is_found = edits_header(context->edits, kind, TEXT_NONE, &view);
    return is_found ? view.value : TEXT_NONE;
}

int bridge_choose_listener(struct proxy *proxy, struct text interface, struct text next_hop,
                           const struct listener **listenerp)
{
    struct transport *transport = proxy->options.transport;
    struct address address;
    struct uri uri;
    if (interface.n) {
        *listenerp = transport_listener(transport, interface, TRANSPORT_UDP, AF_INET);
        if (!*listenerp)
            *listenerp = transport_listener(transport, interface, TRANSPORT_UDP, AF_INET6);
        return *listenerp ? 0 : ERROR_ARGUMENT;
    }
    if (!*listenerp && uri_parse(&uri, next_hop) == 0 &&
        address_parse_host(&address, uri.host) == 0)
        *listenerp = transport_listener_towards(transport, &address, TRANSPORT_UDP);
    return 0;
}

int bridge_name_leg(struct bridge *bridge, struct bridge_leg *leg, struct text given,
                    struct text other, struct text our_host)
{
    struct name_addr from;
    struct uri uri;
    bool is_given = text_is_set(given);
    if (is_given && !text_find(given, '<')) {
        if (uri_parse(&uri, given))
            return ERROR_ARGUMENT;
        leg->local = arena_printf(&bridge->arena, "<%.*s>", TEXT_ARG(given));
        leg->contact_user = arena_printf(&bridge->arena, "%.*s", TEXT_ARG(uri.user));
        return leg->local.p && leg->contact_user.p ? 0 : ERROR_MEMORY;
    }
    if (name_addr_parse(&from, is_given ? given : other))
        return is_given ? ERROR_ARGUMENT : ERROR_SYNTAX;
    bool has_user = from.uri.user.n > 0;
    leg->contact_user = arena_printf(&bridge->arena, "%.*s", TEXT_ARG(from.uri.user));
    if (is_given)
        leg->local = arena_printf(&bridge->arena, "%.*s <%.*s>", TEXT_ARG(from.display_name),
                                  TEXT_ARG(from.uri_text));
    else
        leg->local = arena_printf(&bridge->arena, "%.*s%s<sip:%.*s%s%.*s>",
                                  TEXT_ARG(from.display_name), from.display_name.n ? " " : "",
                                  TEXT_ARG(from.uri.user), has_user ? "@" : "", TEXT_ARG(our_host));
    return leg->local.p && leg->contact_user.p ? 0 : ERROR_MEMORY;
}

bool bridge_draw_leg(struct bridge *bridge, struct bridge_leg *leg)
{
    char call_id[BRIDGE_CALL_ID_BYTES], tag[BRIDGE_TAG_BYTES];
    proxy_draw_call_id(bridge->proxy, call_id, sizeof call_id);
    random_token(&bridge->proxy->random, tag, sizeof tag);
    leg->call_id = arena_copy(&bridge->arena, (struct text){call_id, sizeof call_id});
    leg->tag = arena_copy(&bridge->arena, (struct text){tag, sizeof tag});
    return leg->call_id.p && leg->tag.p;
}

static int make_legs(struct bridge *bridge, struct response_context *context,
                     const struct bridge_options *options, struct text to)
{
    struct arena *arena = &bridge->arena;
    struct message *request = context->request;
    const struct uri *target = message_request_uri(request);
    bool is_drawn = bridge_draw_leg(bridge, &bridge->callee);
    bridge->pass = arena_copy(arena, options->pass);
    bridge->callee.remote = arena_printf(arena, "<%.*s>", TEXT_ARG(to));
    bridge->caller = (struct bridge_leg){
        .call_id = dialog_call_id(bridge->dialog),
        .tag = dialog_caller_tag(bridge->dialog),
        .local = arena_copy(arena, message_header(request, HEADER_TO)->value),
        .remote = arena_copy(arena, message_header(request, HEADER_FROM)->value),
        .contact_user = arena_printf(arena, "%.*s", target ? (int)target->user.n : 0,
                                     target && target->user.n ? target->user.p : ""),
    };
    bool is_whole = is_drawn && bridge->callee.remote.p && bridge->caller.local.p &&
                    bridge->caller.remote.p && bridge->caller.contact_user.p &&
                    (bridge->pass.p || !text_is_set(options->pass));
    return is_whole ? bridge_legs_open(bridge) : ERROR_MEMORY;
}

struct bridge *bridge_create(struct proxy *proxy)
{
    struct bridge *bridge = memory_alloc(sizeof *bridge, destroy);
    if (!bridge)
        return NULL;
    bridge->proxy = proxy;
    list_append(&proxy->bridges, &bridge->link);
    return bridge;
}

static int create(struct bridge **bridgep, struct response_context *context,
                  const struct bridge_options *options, struct text to)
{
    struct proxy *proxy = context->proxy;
    struct bridge *bridge = bridge_create(proxy);
    if (!bridge)
        return ERROR_MEMORY;
    bridge->refer = options->refer;
    bridge->invite_cseq = context->request->cseq_number;
    bridge->dialog = memory_ref(context->dialog);
    int error = make_legs(bridge, context, options, to);
    bridge_learn(bridge, NULL, true, context->request, sides_route_set(NULL, context->request));
    if (!error && !text_is_set(bridge->caller_side.target))
        error = ERROR_SYNTAX; /* an INVITE without Contact (s8.1.1.8) */
    if (error)
        memory_release(bridge);
    else
        *bridgep = bridge;
    return error;
}

/* ---- the first INVITE ---- */

/* The offer: as media.manage has rewritten it, else as the script left the body. */
static void take_body(const struct response_context *context, struct uac_request *request)
{
    request->body = edits_body(context->edits);
    request->content_type = edited(context, HEADER_CONTENT_TYPE);
    if (!text_is_set(request->content_type))
        request->body = TEXT_NONE;
}

int bridge_invite(struct bridge_exchange *exchange, const struct bridge_options *options)
{
    struct text to = options->to, next_hop = options->next_hop;
    struct bridge *bridge = exchange->bridge;
    struct response_context *context = exchange->context;
    const struct listener *listener = context->send_listener;
    struct buffer headers = {0}, from = {0};
    struct uri uri = {0};
    int error = bridge_choose_listener(bridge->proxy, options->interface,
                                       next_hop.n ? next_hop : to, &listener);
    uri_parse(&uri, to); /* uac_send() refuses what is none */
    if (!error)
        error =
            bridge_name_leg(bridge, &bridge->callee, options->from, edited(context, HEADER_FROM),
                            listener ? text_of(listener->host) : uri.host);
    if (error)
        return error;
    buffer_printf(&from, "%.*s;tag=%.*s", TEXT_ARG(bridge->callee.local),
                  TEXT_ARG(bridge->callee.tag));
    buffer_append(&headers, bridge_allow(bridge));
    if (exchange->offers_100rel)
        buffer_append(&headers, TEXT("Supported: " BRIDGE_100REL "\r\n"));
    bridge_session_print(exchange, &headers);
    bridge_request_headers(bridge, context->edits, options->headers, &headers);
    struct uac_request request = {
        .method = METHOD_INVITE,
        .request_uri = to,
        .next_hop = next_hop,
        .from = buffer_text(&from),
        .to = bridge->callee.remote,
        .call_id = bridge->callee.call_id,
        .cseq = ++bridge->callee.cseq,
        .max_forwards = bridge_hops(context->request),
        .contact_user = bridge->callee.contact_user,
        .listener = listener,
        .early = bridge_invite_early,
        .why = &exchange->why,
    };
    take_body(context, &request);
    bridge_session_sent(exchange, request.body, request.content_type);
    exchange->cseq_out = request.cseq;
    error = bridge_print_credentials(exchange, METHOD_INVITE, to, request.body, &headers);
    request.headers = buffer_text(&headers);
    if (!error)
        error = from.error ? from.error : headers.error;
    if (!error)
        error = uac_send(&exchange->uac, bridge->proxy, &request, bridge_invite_done, exchange);
    if (!error)
        notes_try(context, 0, next_hop.n ? next_hop : to, NULL);
    buffer_release(&from);
    buffer_release(&headers);
    return error;
}

/* What it takes to send the INVITE again, with credentials or elsewhere. */
static int keep_options(struct bridge *bridge, const struct bridge_options *options)
{
    struct bridge_options *again = &bridge->again;
    const struct {
        struct text *to, from;
    } copies[] = {
        {&bridge->username, options->username}, {&bridge->password, options->password},
        {&bridge->realm, options->realm},       {&again->to, options->to},
        {&again->next_hop, options->next_hop},  {&again->interface, options->interface},
        {&again->from, options->from},          {&again->headers, options->headers},
    };
    bool may_come_again = options->username.n || options->follows_redirects || bridge->sessions;
    again->follows_redirects = options->follows_redirects;
    for (size_t i = 0; may_come_again && i < sizeof copies / sizeof *copies; i++) {
        *copies[i].to = arena_copy(&bridge->arena, copies[i].from);
        if (text_is_set(copies[i].from) && !text_is_set(*copies[i].to))
            return ERROR_MEMORY;
    }
    return 0;
}

static int start(struct bridge *bridge, struct response_context *context,
                 const struct bridge_options *options)
{
    struct bridge_exchange *exchange = bridge_exchange_create(bridge, context);
    if (!exchange)
        return ERROR_MEMORY;
    exchange->is_first = exchange->is_from_caller = true;
    bridge->refuses_100rel = options->refuses_100rel;
    bridge_reliable_begin(exchange);
    int error = keep_options(bridge, options);
    if (!error)
        error = bridge_invite(exchange, options);
    if (error) {
        bridge_exchange_drop(exchange);
        return error;
    }
    if (options->trunk.n)
        notes_trunk(bridge->dialog, options->trunk);
    counter_count(bridge->proxy->options.counters, COUNTER_CALL_BRIDGED);
    context->is_decided = true;
    request_reply_trying(context);
    bridge_invite_wait(exchange);
    return 0;
}

int bridge_begin(struct bridge **bridgep, struct response_context *context,
                 const struct bridge_options *options)
{
    struct bridge *bridge = NULL;
    const struct session_timer timer = wanted_timer(context, options);
    int error = check(context, options, &timer);
    if (!error)
        error = call_dialog(context);
    if (!error && context->invite_index) /* as a UAS's: there is one with that Call-ID and tag */
        error = ERROR_STATE;
    if (error)
        return error;
    struct bridge_options full = *options;
    if (!text_is_set(full.to)) {
        full.to = edits_request_uri(context->edits);
        full.next_hop = full.next_hop.n ? full.next_hop : context->next_hop;
    }
    error = create(&bridge, context, &full, full.to);
    if (error)
        return error;
    dialog_attach(context->dialog, DIALOG_BRIDGE, bridge);
    if (timer.expires_s)
        error = bridge_sessions_begin(bridge, context->request, &timer);
    if (!error && options->keepalive_ms)
        error = proxy_keep_alive(context, options->keepalive_ms, options->keepalive_failures);
    if (!error)
        error = start(bridge, context, &full);
    if (error)
        dialog_attach(context->dialog, DIALOG_BRIDGE, NULL);
    else
        *bridgep = bridge; /* the dialog holds it */
    memory_release(bridge);
    return error;
}

bool bridge_is_originated(const struct bridge *bridge)
{
    return bridge->origin != NULL;
}

struct dialog *bridge_dialog(const struct bridge *bridge)
{
    return bridge->dialog;
}

struct text bridge_target(const struct bridge *bridge, bool is_caller)
{
    if (is_caller)
        return bridge->caller_side.target;
    return bridge->chosen ? bridge->chosen->callee.target : TEXT_NONE;
}

struct text bridge_call_id(const struct bridge *bridge)
{
    return bridge->callee.call_id;
}

struct text bridge_tag(const struct bridge *bridge)
{
    return bridge->callee.tag;
}

/* ---- ending ---- */

static int send_bye(struct bridge_exchange *exchange);

static void on_bye_done(void *arg, struct message *response)
{
    struct bridge_exchange *exchange = arg;
    exchange->bridge->proxy->byes_pending--;
    exchange->uac = NULL;
    bool is_again = exchange->bridge->is_ended; /* else its leg has another party now */
    if (is_again && response && bridge_challenged(exchange, response) && send_bye(exchange) == 0)
        return;
    bridge_exchange_drop(exchange); /* whatever it says, the call is over (s15.1.1) */
}

static int send_bye(struct bridge_exchange *exchange)
{
    struct bridge *bridge = exchange->bridge;
    struct buffer headers = {0};
    struct uac_request request = {.method = METHOD_BYE};
    buffer_append(&headers, exchange->reason);
    int error = bridge_print_credentials(exchange, METHOD_BYE,
                                         bridge_target(bridge, !exchange->is_from_caller),
                                         TEXT_NONE, &headers);
    request.headers = buffer_text(&headers);
    if (!error)
        error = headers.error;
    if (!error)
        error = bridge_send(bridge, bridge->chosen, !exchange->is_from_caller, &request,
                            &exchange->uac, on_bye_done, exchange);
    bridge->proxy->byes_pending += error == 0;
    buffer_release(&headers);
    return error;
}

void bridge_say_bye(struct bridge *bridge, bool to_caller, struct text reason)
{
    struct bridge_exchange *exchange = bridge_exchange_create(bridge, NULL);
    int error = ERROR_MEMORY;
    if (exchange) {
        exchange->is_from_caller = !to_caller;
        if (reason.n)
            exchange->reason = arena_printf(&bridge->arena, "Reason: %.*s\r\n", TEXT_ARG(reason));
        error = send_bye(exchange);
    }
    if (!error)
        return;
    bridge_exchange_drop(exchange);
    log_warning(bridge->proxy->options.log, LOG_ROUTE, dialog_call_id(bridge->dialog),
                "no BYE to the %s: %s", to_caller ? "caller" : "callee", error_text(error));
}

static void end_exchange(struct bridge_exchange *exchange, unsigned status, struct text reason)
{
    if (exchange->is_target ||
        (exchange->bridge->origin && exchange == exchange->bridge->origin->calling))
        return; /* bridge_transfer_abandon() and bridge_origin_abandon() have */
    if (bridge_exchange_is_repeating(exchange))
        return; /* its ACK is waited for, and BYE is (bye_waits) */
    bool is_ringing = exchange->is_first && !exchange->bridge->chosen && exchange->uac;
    bool may_fork = exchange->is_first && exchange->accepted.n && exchange->uac;
    /* A 2xx that nobody has acknowledged: its sender may not be sent BYE before (s15). */
    if (exchange->accepted.n && !exchange->is_acknowledged)
        bridge_exchange_acknowledge(exchange, NULL);
    if (is_ringing && uac_cancel(exchange->uac, reason)) { /* its final response is waited for */
        timer_stop(loop_timers(exchange->bridge->proxy->options.loop), &exchange->timer);
        bridge_exchange_refuse(exchange, status, TEXT_NONE);
        bridge_invite_let_go(exchange);
        return;
    }
    if (may_fork) /* a 2xx of another fork may still come, and needs ACK and BYE (s13.2.2.4) */
        return;
    if (is_ringing)
        exchange->uac = NULL;
    bridge_exchange_refuse(exchange, exchange->is_first ? status : 487, TEXT_NONE); /* s15.1.2 */
    bridge_exchange_drop(exchange);
}

/* Whose INVITE we have answered may not be sent BYE before its ACK (s15). @return true: it gets it then */
static bool bye_waits(struct bridge *bridge, bool to_caller, struct text reason)
{
    LIST_FOR_EACH (link, &bridge->exchanges) {
        struct bridge_exchange *exchange = CONTAINER_OF(link, struct bridge_exchange, link);
        bool is_first = exchange->is_first && exchange->uac && exchange->accepted.n;
        if ((is_first || bridge_exchange_is_repeating(exchange)) && !exchange->is_ack_here &&
            exchange->is_from_caller == to_caller) {
            bridge_exchange_bye_later(exchange, reason);
            return true;
        }
    }
    return false;
}

/* Whose BYE it was, where it was one. */
static enum dialog_ender ender_of(enum dialog_end end, int skip)
{
    switch (end) {
    case DIALOG_END_BYE: return skip == 1 ? DIALOG_ENDER_CALLER : DIALOG_ENDER_CALLEE;
    case DIALOG_END_CANCELLED: return DIALOG_ENDER_CALLER;
    case DIALOG_END_FAILED: return DIALOG_ENDER_UNKNOWN;
    default: return DIALOG_ENDER_ENGINE;
    }
}

void bridge_end(struct bridge *bridge, enum dialog_end end, unsigned status, struct text reason,
                int skip)
{
    if (bridge->is_ended)
        return;
    bridge->is_ended = true;
    notes_reason(bridge->dialog, reason);
    memory_ref(bridge);
    bridge_sessions_stop(bridge);
    int left = bridge_transfer_abandon(bridge);
    bridge_origin_abandon(bridge, reason);
    LIST_FOR_EACH_SAFE (link, &bridge->exchanges)
        end_exchange(CONTAINER_OF(link, struct bridge_exchange, link), status, reason);
    for (int to_caller = 0; bridge->chosen && to_caller < 2; to_caller++)
        if (to_caller != skip && to_caller != left && !(!to_caller && bridge_is_alone(bridge)) &&
            !bye_waits(bridge, to_caller, reason))
            bridge_say_bye(bridge, to_caller, reason);
    bool is_alone = bridge_is_alone(bridge);
    if (is_alone)
        notes_outcome(bridge->proxy, bridge->dialog, status, TEXT_NONE, true);
    if (is_alone && (end == DIALOG_END_FAILED || end == DIALOG_END_CANCELLED))
        dialog_on_failure(bridge->dialog, status);
    dialog_terminate_by(bridge->dialog, end, ender_of(end, skip));
    memory_release(bridge);
}

void bridge_hang_up(struct bridge *bridge, enum dialog_end end, struct text reason)
{
    bridge_end(bridge, end, 503, reason, -1);
}

void bridge_dialog_ended(struct dialog *dialog)
{
    struct bridge *bridge = dialog_attachment(dialog, DIALOG_BRIDGE);
    if (!bridge)
        return;
    memory_ref(bridge);
    bridge_end(bridge, dialog_end_reason(dialog), 503, TEXT_NONE, -1);
    bridge_tell(bridge, (struct bridge_event){.kind = BRIDGE_EVENT_END});
    bridge_keep(bridge, NULL); /* it may belong to the generation, which the dialog holds */
    memory_release(bridge);
}

static void stop(struct bridge *bridge)
{
    bridge->is_ended = true;
    memory_ref(bridge);
    bridge_sessions_stop(bridge);
    LIST_FOR_EACH_SAFE (link, &bridge->exchanges)
        bridge_exchange_drop(CONTAINER_OF(link, struct bridge_exchange, link));
    memory_release(bridge);
}

void bridge_stop_all(struct proxy *proxy)
{
    LIST_FOR_EACH_SAFE (link, &proxy->bridges)
        stop(CONTAINER_OF(link, struct bridge, link));
}
