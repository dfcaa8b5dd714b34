/*
 * Refreshes of ours within a two-leg call (RFC 4028 s7.4, s10): UPDATE without an offer where the party
 * knows it, else a re-INVITE with the SDP that it got last, byte for byte, so that its o= says that
 * nothing has changed. Its answer then says nothing new either, and stays here.
 *
 * One that is refused is tried again while there is time: after 491 as RFC 3261 s14.1 wants it, else
 * when half of what is left has passed. No answer, 408 and 481 end the call (s10).
 */
#include "route/bridge_session.h"

#define GLARE_UNIT_MS    10  /* RFC 3261 s14.1 */
#define GLARE_OWN_LEAST  210 /* the Call-ID is ours: 2.1 to 4 s */
#define GLARE_OWN_SPREAD 191
#define GLARE_SPREAD     201 /* else up to 2 s */
#define BUSY_MS          500 /* an offer or a transfer is under way */
#define PAUSE_LEAST_MS   2000

static struct bridge_session *session_of(const struct bridge_exchange *exchange)
{
    return &exchange->bridge->sessions->v[!exchange->is_from_caller];
}

static void again_after(struct bridge_session *session, uint64_t delay_ms)
{
    timer_start(loop_timers(session->bridge->proxy->options.loop), &session->refresh, delay_ms,
                bridge_refresh, session);
}

/* Its expiry, which still runs, is the last word. */
static void again_later(struct bridge_session *session)
{
    uint64_t now_ms = loop_now_ms(session->bridge->proxy->options.loop);
    uint64_t left_ms = session->expiry.due_ms > now_ms ? session->expiry.due_ms - now_ms : 0;
    again_after(session, left_ms / 2 > PAUSE_LEAST_MS ? left_ms / 2 : PAUSE_LEAST_MS);
}

static void again_after_glare(struct bridge_session *session)
{
    struct random *random = &session->bridge->proxy->random;
    uint32_t units = session->is_caller ? random_below(random, GLARE_SPREAD)
                                        : GLARE_OWN_LEAST + random_below(random, GLARE_OWN_SPREAD);
    again_after(session, units * GLARE_UNIT_MS);
}

/* Is an offer under way? A refresh on the other leg does not pass to this one. */
static bool is_busy(const struct bridge_session *session)
{
    const struct bridge *bridge = session->bridge;
    return bridge_is_offering(bridge, bridge->sessions->v[!session->is_caller].refreshing);
}

/* ---- responses ---- */

static int send_refresh(struct bridge_exchange *exchange);

static void take_accepted(struct bridge_exchange *exchange, struct message *response)
{
    struct bridge *bridge = exchange->bridge;
    session_of(exchange)->refreshing = NULL;
    bridge_learn(bridge, exchange->fork, !exchange->is_from_caller, response, TEXT_NONE);
    bridge_session_accepted(exchange, response);
}

/* Of a re-INVITE: its 2xx, and each time that it comes again (RFC 3261 s13.2.2.4). */
static void on_early(void *arg, struct message *response)
{
    struct bridge_exchange *exchange = arg;
    if (response->status < 200)
        return;
    bool is_first = !exchange->is_acknowledged;
    if (is_first)
        take_accepted(exchange, response);
    bridge_exchange_acknowledge(exchange, NULL);
    if (is_first)
        bridge_exchange_linger(exchange);
}

/* May it go once more, changed? @return true: it was sent */
static bool ask_again(struct bridge_exchange *exchange, const struct message *response)
{
    struct bridge_session *session = session_of(exchange);
    bool is_unknown = exchange->method == METHOD_UPDATE && session->sdp.n &&
                      (response->status == 405 || response->status == 501);
    if (is_unknown) { /* UPDATE is, whatever its Allow said */
        session->has_update = false;
        if (is_busy(session))
            return false;
        exchange->method = METHOD_INVITE;
    }
    return (is_unknown || bridge_challenged(exchange, response) ||
            bridge_session_raised(exchange, response)) &&
           send_refresh(exchange) == 0;
}

static void refused(struct bridge_session *session, unsigned status)
{
    struct bridge *bridge = session->bridge;
    if (status == 408 || status == 481) {
        counter_count(bridge->proxy->options.counters, COUNTER_DIALOG_SESSION);
        proxy_hang_up(bridge->proxy, bridge->dialog, DIALOG_END_SESSION, SESSION_EXPIRED);
    } else if (status == 491) {
        again_after_glare(session);
    } else {
        again_later(session);
    }
}

static void on_done(void *arg, struct message *response)
{
    struct bridge_exchange *exchange = memory_ref(arg);
    struct bridge_session *session = session_of(exchange);
    exchange->uac = NULL;
    if (response && response->status / 100 == 2) {
        take_accepted(exchange, response);
        bridge_exchange_drop(exchange);
    } else if (!response || !ask_again(exchange, response)) {
        unsigned status = response ? response->status : exchange->why == ERROR_TIMEOUT ? 408 : 503;
        session->refreshing = NULL;
        bridge_exchange_drop(exchange);
        refused(session, status);
    }
    memory_release(exchange);
}

/* ---- sending ---- */

static int send_refresh(struct bridge_exchange *exchange)
{
    struct bridge_session *session = session_of(exchange);
    struct bridge *bridge = exchange->bridge;
    bool is_invite = exchange->method == METHOD_INVITE;
    struct buffer headers = {0};
    struct uac_request request = {
        .method = exchange->method,
        .early = is_invite ? on_early : NULL,
        .why = &exchange->why,
        .body = is_invite ? buffer_text(&session->sdp) : TEXT_NONE,
        .content_type = TEXT("application/sdp"),
        .cause = "session timer",
    };
    buffer_append(&headers, bridge_allow(bridge));
    bridge_session_print(exchange, &headers);
    int error = bridge_print_credentials(exchange, exchange->method, exchange->fork->callee.target,
                                         request.body, &headers);
    request.headers = buffer_text(&headers);
    if (!error)
        error = headers.error;
    if (!error)
        error = bridge_send(bridge, exchange->fork, session->is_caller, &request, &exchange->uac,
                            on_done, exchange);
    exchange->cseq_out = request.cseq;
    buffer_release(&headers);
    return error;
}

void bridge_refresh(void *arg)
{
    struct bridge_session *session = arg;
    struct bridge *bridge = session->bridge;
    bool is_update = session->has_update || !session->sdp.n; /* an offer of nothing is none */
    if (bridge->transfer || (!is_update && is_busy(session))) {
        again_after(session, BUSY_MS);
        return;
    }
    struct bridge_exchange *exchange = bridge_exchange_create(bridge, NULL);
    int error = ERROR_MEMORY;
    if (exchange) {
        exchange->method = is_update ? METHOD_UPDATE : METHOD_INVITE;
        exchange->fork = bridge->chosen;
        exchange->is_from_caller = !session->is_caller;
        session->refreshing = exchange;
        error = send_refresh(exchange);
    }
    if (!error)
        return;
    session->refreshing = NULL;
    bridge_exchange_drop(exchange);
    log_warning(bridge->proxy->options.log, LOG_DIALOG, dialog_call_id(bridge->dialog),
                "the session with the %s is not refreshed: %s",
                session->is_caller ? "caller" : "callee", error_text(error));
    again_later(session);
}
