/*
 * What each leg of a call agrees on with its party (RFC 4028 s7, s9), and what follows when nobody
 * keeps to it (s10): BYE to both, 32 s or a third of the interval before it is over.
 *
 * Every INVITE and UPDATE on a leg, from us or from its party, begins its interval anew with its 2xx.
 * A party that knows no timers cannot refresh and need not know: the engine does, so that one who has
 * gone without a word is noticed on either leg.
 */
#include "route/bridge_session.h"

#include "route/body.h"

#define LEAD_MOST_S     32 /* s10: so long before the end, or a third of the interval */
#define INTERVAL_MOST_S (UINT32_MAX / 1000) /* as a script may ask for */

static struct timers *timers_of(const struct bridge *bridge)
{
    return loop_timers(bridge->proxy->options.loop);
}

static void stop(struct bridge_session *session)
{
    timer_stop(timers_of(session->bridge), &session->refresh);
    timer_stop(timers_of(session->bridge), &session->expiry);
    session->refreshing = NULL;
}

static void destroy(void *object)
{
    struct bridge_sessions *sessions = object;
    for (size_t i = 0; i < 2; i++) {
        stop(&sessions->v[i]);
        buffer_release(&sessions->v[i].sdp);
    }
}

static struct bridge_session *session_of(const struct bridge *bridge, bool of_caller)
{
    return bridge->sessions ? &bridge->sessions->v[of_caller] : NULL;
}

/* That of the leg on which the exchange sends its request. */
static struct bridge_session *session_towards(const struct bridge_exchange *exchange)
{
    return session_of(exchange->bridge, !exchange->is_from_caller);
}

static bool is_refresh(const struct bridge_exchange *exchange)
{
    return exchange->method == METHOD_INVITE || exchange->method == METHOD_UPDATE;
}

/* ---- what its party says of itself ---- */

static void hear(struct bridge_session *session, const struct message *message)
{
    const struct header *least = message_header(message, HEADER_MIN_SE);
    uint32_t least_s;
    struct text refresher;
    if (message_header(message, HEADER_ALLOW))
        session->has_update = bridge_lists(message, HEADER_ALLOW, TEXT("UPDATE"));
    if (least && session_expires_parse(least->value, &least_s, &refresher) &&
        least_s > session->least_s && least_s <= INTERVAL_MOST_S)
        session->least_s = least_s;
}

/* Its SDP as the last one that its party got from us. */
static void remember(struct bridge_session *session, const struct bridge_fork *fork,
                     struct text body, struct text type)
{
    struct text sdp = body_find_sdp(body, type);
    if (!sdp.n)
        return;
    buffer_clear(&session->sdp);
    buffer_append(&session->sdp, sdp);
    if (session->sdp.error)
        buffer_release(&session->sdp);
    session->sdp_of = fork;
}

int bridge_sessions_begin(struct bridge *bridge, const struct message *invite,
                          const struct session_timer *wanted)
{
    struct bridge_sessions *sessions = memory_alloc(sizeof *sessions, destroy);
    if (!sessions)
        return ERROR_MEMORY;
    sessions->wanted = *wanted;
    for (size_t i = 0; i < 2; i++) {
        sessions->v[i].bridge = bridge;
        sessions->v[i].is_caller = i == 1;
    }
    bridge->sessions = sessions;
    hear(&sessions->v[1], invite);
    return 0;
}

void bridge_sessions_stop(struct bridge *bridge)
{
    for (size_t i = 0; bridge->sessions && i < 2; i++)
        stop(&bridge->sessions->v[i]);
}

/* ---- time ---- */

static void on_expiry(void *arg)
{
    struct bridge_session *session = arg;
    struct proxy *proxy = session->bridge->proxy;
    counter_count(proxy->options.counters, COUNTER_DIALOG_SESSION);
    log_info(proxy->options.log, LOG_DIALOG, dialog_call_id(session->bridge->dialog),
             "the session with the %s was not refreshed: the call is ended",
             session->is_caller ? "caller" : "callee");
    proxy_hang_up(proxy, session->bridge->dialog, DIALOG_END_SESSION, SESSION_EXPIRED);
}

/* A 2xx has gone or come: from now on it lasts so long. */
static void agree(struct bridge_session *session, uint32_t interval_s, bool is_ours)
{
    struct bridge *bridge = session->bridge;
    if (bridge->is_ended || !bridge->chosen)
        return;
    session->interval_s = interval_s < SESSION_LEAST_S ? SESSION_LEAST_S : interval_s;
    session->is_ours = is_ours;
    session->raised = 0;
    uint64_t interval_ms = (uint64_t)session->interval_s * 1000, lead_ms = interval_ms / 3;
    if (lead_ms > LEAD_MOST_S * 1000)
        lead_ms = LEAD_MOST_S * 1000;
    dialog_touch(bridge->dialog);
    timer_start(timers_of(bridge), &session->expiry, interval_ms - lead_ms, on_expiry, session);
    if (is_ours) /* s7.2: once half of it has passed */
        timer_start(timers_of(bridge), &session->refresh, interval_ms / 2, bridge_refresh, session);
    else
        timer_stop(timers_of(bridge), &session->refresh);
}

/* ---- as UAC ---- */

/* What we ask for: what is agreed on, or wanted, but no less than anybody's Min-SE (s7.4). */
static uint32_t asked_s(const struct bridge_session *session)
{
    uint32_t wanted_s =
        session->interval_s ? session->interval_s : session->bridge->sessions->wanted.expires_s;
    return wanted_s > session->least_s ? wanted_s : session->least_s;
}

void bridge_session_print(const struct bridge_exchange *exchange, struct buffer *out)
{
    const struct bridge_session *session = session_towards(exchange);
    if (!session || !is_refresh(exchange))
        return;
    buffer_append(out, TEXT("Supported: timer\r\n"));
    if (exchange->is_target)
        return; /* the target of a transfer is asked by the first refresh */
    uint32_t least_s = session->bridge->sessions->wanted.least_s;
    if (session->least_s > least_s)
        least_s = session->least_s;
    buffer_printf(out, "Session-Expires: %u", (unsigned)asked_s(session));
    if (session->interval_s) /* who refreshes goes on doing so; the first time the UAS chooses */
        buffer_append(out, session->is_ours ? TEXT(";refresher=uac") : TEXT(";refresher=uas"));
    buffer_append(out, TEXT("\r\n"));
    if (least_s > SESSION_LEAST_S)
        buffer_printf(out, "Min-SE: %u\r\n", (unsigned)least_s);
}

void bridge_session_sent(struct bridge_exchange *exchange, struct text body, struct text type)
{
    if (!exchange->bridge->sessions)
        return;
    buffer_clear(&exchange->offered);
    buffer_append(&exchange->offered, body_find_sdp(body, type));
    if (exchange->offered.error)
        buffer_release(&exchange->offered);
}

/* As UAC: what a 2xx of its party says. */
static void take_accepted(struct bridge_session *session, const struct message *response)
{
    const struct header *header = message_header(response, HEADER_SESSION_EXPIRES);
    uint32_t interval_s;
    struct text refresher = TEXT_NONE;
    hear(session, response);
    if (!header || !session_expires_parse(header->value, &interval_s, &refresher) ||
        interval_s > INTERVAL_MOST_S)
        interval_s = asked_s(session);
    agree(session, interval_s, !text_equal_nocase(refresher, TEXT("uas")));
}

void bridge_session_accepted(struct bridge_exchange *exchange, const struct message *response)
{
    struct bridge_session *session = session_towards(exchange);
    if (!session)
        return;
    remember(session, exchange->fork, buffer_text(&exchange->offered), TEXT("application/sdp"));
    buffer_release(&exchange->offered);
    if (is_refresh(exchange))
        take_accepted(session, response);
}

bool bridge_session_raised(struct bridge_exchange *exchange, const struct message *response)
{
    struct bridge_session *session = session_towards(exchange);
    if (!session || response->status != 422 || !is_refresh(exchange))
        return false;
    uint32_t before_s = asked_s(session);
    hear(session, response);
    if (asked_s(session) <= before_s)
        return false; /* it says nothing that could help */
    const struct proxy *proxy = exchange->bridge->proxy;
    if (++session->raised < proxy->options.settings->limits_branches)
        return true;
    counter_count(proxy->options.counters, COUNTER_ROUTE_BRANCH_LIMIT);
    return false;
}

unsigned bridge_session_refusal(const struct bridge *bridge, unsigned status)
{
    return status == 422 && bridge->sessions ? 500 : status;
}

/* ---- as UAS ---- */

bool bridge_session_refuse(struct bridge *bridge, struct response_context *context)
{
    enum method method = context->request->method;
    return bridge->sessions && (method == METHOD_INVITE || method == METHOD_UPDATE) &&
           session_timer_refuse(context, &bridge->sessions->wanted);
}

/* What is answered (s9, table 2): whoever asks refreshes, unless it wants us to or cannot. */
struct terms {
    uint32_t interval_s;
    bool is_ours, knows_timers;
};

static struct terms terms_of(const struct bridge *bridge, const struct response_context *context)
{
    struct session_ask ask;
    uint32_t seconds;
    struct text refresher = TEXT_NONE;
    session_timer_read(context, &bridge->sessions->wanted, &ask);
    if (ask.asked_s)
        session_expires_parse(ask.asked.value, &seconds, &refresher);
    return (struct terms){
        .interval_s = ask.fit_s < SESSION_LEAST_S ? SESSION_LEAST_S : ask.fit_s,
        .is_ours = !ask.knows_timers || text_equal_nocase(refresher, TEXT("uas")),
        .knows_timers = ask.knows_timers,
    };
}

static void print_terms(const struct terms *terms, struct buffer *out)
{
    buffer_printf(out, "Supported: timer\r\nSession-Expires: %u;refresher=%s\r\n",
                  (unsigned)terms->interval_s, terms->is_ours ? "uas" : "uac");
    if (terms->knows_timers)
        buffer_append(out, TEXT("Require: timer\r\n"));
}

void bridge_session_print_answer(const struct bridge_exchange *exchange, struct buffer *out)
{
    if (!exchange->bridge->sessions || !is_refresh(exchange))
        return;
    const struct terms terms = terms_of(exchange->bridge, exchange->context);
    print_terms(&terms, out);
}

void bridge_session_answered(struct bridge_exchange *exchange, const struct bridge_fork *fork,
                             unsigned status, struct text body, struct text type)
{
    const struct bridge *bridge = exchange->bridge;
    struct bridge_session *session = session_of(bridge, exchange->is_from_caller);
    if (!session || status >= 300)
        return;
    remember(session, fork, body, type);
    if (status < 200 || !is_refresh(exchange))
        return;
    if (exchange->is_first && session->sdp_of != fork)
        buffer_clear(&session->sdp); /* that of a fork that did not win */
    const struct terms terms = terms_of(bridge, exchange->context);
    hear(session, exchange->context->request);
    agree(session, terms.interval_s, terms.is_ours);
}

bool bridge_session_take(struct bridge *bridge, struct bridge_fork *fork,
                         struct response_context *context, bool is_from_caller)
{
    struct bridge_session *session = session_of(bridge, is_from_caller);
    struct message *request = context->request;
    if (!session || request->method != METHOD_UPDATE || request->body.n || fork != bridge->chosen ||
        !message_header(request, HEADER_SESSION_EXPIRES))
        return false;
    const struct bridge_leg *leg = is_from_caller ? &bridge->caller : &bridge->callee;
    const struct terms terms = terms_of(bridge, context);
    struct buffer headers = {0};
    memory_ref(request); /* which goes with its answer */
    uac_print_contact(&headers, request->source.listener, leg->contact_user);
    print_terms(&terms, &headers);
    int error = headers.error;
    request_respond(context, &(struct response_options){
                                 .status = error ? 500 : 200,
                                 .headers = error ? TEXT_NONE : buffer_text(&headers),
                                 .server = bridge->proxy->options.server,
                             });
    if (!error) {
        bridge_learn(bridge, fork, is_from_caller, request, TEXT_NONE);
        hear(session, request);
        agree(session, terms.interval_s, terms.is_ours);
    }
    memory_release(request);
    buffer_release(&headers);
    return true;
}

/* ---- other ways that an SDP goes ---- */

void bridge_session_told(struct bridge *bridge, const struct bridge_fork *fork, bool to_caller,
                         struct text body, struct text type)
{
    struct bridge_session *session = session_of(bridge, to_caller);
    if (session)
        remember(session, fork, body, type);
}

/* Another party is there, who got that SDP. @return NULL: the call has no session timers */
static struct bridge_session *begin_anew(struct bridge *bridge, bool is_caller, struct text body,
                                         struct text type)
{
    struct bridge_session *session = session_of(bridge, is_caller);
    if (!session)
        return NULL;
    bridge_exchange_drop(session->refreshing); /* of somebody who is not there any more */
    stop(session);
    session->interval_s = session->least_s = 0;
    session->has_update = false;
    buffer_clear(&session->sdp);
    remember(session, bridge->chosen, body, type);
    return session;
}

void bridge_session_taken_over(const struct bridge_exchange *invite, bool is_caller,
                               struct text body, struct text type)
{
    struct bridge *bridge = invite->bridge;
    struct bridge_session *session = begin_anew(bridge, is_caller, body, type);
    if (!session)
        return;
    const struct terms terms = terms_of(bridge, invite->context);
    hear(session, invite->context->request);
    agree(session, terms.interval_s, terms.is_ours);
}

void bridge_session_replaced(struct bridge *bridge, bool is_caller, const struct message *accepted,
                             struct text body, struct text type)
{
    struct bridge_session *session =
        accepted->is_request ? NULL : begin_anew(bridge, is_caller, body, type);
    if (session)
        take_accepted(session, accepted);
}
