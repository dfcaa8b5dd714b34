/*
 * Is each party of a call still there? OPTIONS within the dialog (RFC 3261 s11, s12.2.1.1), to both of
 * them every so often. Any answer says yes but 481, which ends the call at once, and 408, which counts as
 * none (RFC 5057 s5.1); so does nothing at all. The numbers that it takes shift the CSeq of what the
 * parties themselves send afterwards: cseq.c.
 *
 * It hangs on its dialog as DIALOG_KEEPALIVE and ends with it. Of a call that forked to several 2xx the
 * first leg that is up is asked; in a call of two legs each party on its own leg.
 */
#include "route/bridge_parts.h"
#include "route/context.h"

#include "base/memory.h"

#define CAUSE "keepalive"

struct call_keepalive;

/* One of the two that are asked. */
struct party {
    struct call_keepalive *keepalive; /* holder */
    struct uac *asked;                /* under way; NULL: none */
    unsigned failures;                /* in a row */
    bool is_caller;
};

/* Counted. */
struct call_keepalive {
    struct proxy *proxy;
    struct dialog *dialog; /* holder, borrowed */
    struct timer timer;
    uint64_t interval_ms;
    unsigned failures_most;
    struct party parties[2];
};

static void destroy(void *object)
{
    struct call_keepalive *keepalive = object;
    timer_stop(loop_timers(keepalive->proxy->options.loop), &keepalive->timer);
    for (size_t i = 0; i < 2; i++)
        uac_abandon(keepalive->parties[i].asked);
}

static void give_up(struct party *party, const char *why)
{
    struct call_keepalive *keepalive = party->keepalive;
    struct proxy *proxy = keepalive->proxy;
    counter_count(proxy->options.counters, COUNTER_DIALOG_KEEPALIVE);
    log_info(proxy->options.log, LOG_DIALOG, dialog_call_id(keepalive->dialog),
             "the %s does not know the call any more (%s): it is ended",
             party->is_caller ? "caller" : "callee", why);
    proxy_hang_up(proxy, keepalive->dialog, DIALOG_END_KEEPALIVE,
                  TEXT("SIP;cause=408;text=\"Keepalive failed\"")); /* releases all of this */
}

static void on_answer(void *arg, struct message *response)
{
    struct party *party = arg;
    party->asked = NULL;
    if (response && response->status == 481) {
        give_up(party, "481");
        return;
    }
    if (response && response->status != 408) {
        party->failures = 0;
        dialog_touch(party->keepalive->dialog);
    } else if (++party->failures >= party->keepalive->failures_most) {
        give_up(party, "no answer");
    }
}

/* The first leg that is up. */
static void take_tag(void *arg, struct text callee_tag, enum dialog_state state)
{
    struct text *tag = arg;
    if (state == DIALOG_CONFIRMED && !text_is_set(*tag))
        *tag = callee_tag;
}

/* Of a proxied call: as the other party would ask. */
static int ask_through(struct party *party)
{
    struct call_keepalive *keepalive = party->keepalive;
    struct text callee_tag = TEXT_NONE;
    dialog_for_each_leg(keepalive->dialog, take_tag, &callee_tag);
    if (!text_is_set(callee_tag))
        return 0;
    return call_request_send(&party->asked, keepalive->proxy,
                             &(struct call_request){
                                 .dialog = keepalive->dialog,
                                 .callee_tag = callee_tag,
                                 .to_caller = party->is_caller,
                                 .method = METHOD_OPTIONS,
                                 .cause = CAUSE,
                             },
                             on_answer, party);
}

/* Of a call of two legs: as the UA that we are on that leg. */
static int ask_on_leg(struct party *party, struct bridge *bridge)
{
    struct uac_request request = {.method = METHOD_OPTIONS, .cause = CAUSE};
    if (!bridge->chosen || bridge->is_ended)
        return 0;
    return bridge_send(bridge, bridge->chosen, party->is_caller, &request, &party->asked, on_answer,
                       party);
}

static void ask(struct party *party)
{
    struct call_keepalive *keepalive = party->keepalive;
    struct bridge *bridge = dialog_attachment(keepalive->dialog, DIALOG_BRIDGE);
    if (party->asked)
        return;
    int error = bridge ? ask_on_leg(party, bridge) : ask_through(party);
    if (error)
        log_warning(keepalive->proxy->options.log, LOG_DIALOG, dialog_call_id(keepalive->dialog),
                    "the %s was not asked whether it is there: %s",
                    party->is_caller ? "caller" : "callee", error_text(error));
}

static void on_timer(void *arg);

static void wait(struct call_keepalive *keepalive)
{
    timer_start(loop_timers(keepalive->proxy->options.loop), &keepalive->timer,
                keepalive->interval_ms, on_timer, keepalive);
}

static void on_timer(void *arg)
{
    struct call_keepalive *keepalive = arg;
    wait(keepalive);
    if (dialog_current_state(keepalive->dialog) != DIALOG_CONFIRMED)
        return;
    for (size_t i = 0; i < 2; i++)
        ask(&keepalive->parties[i]);
}

void call_keepalive_replaced(struct dialog *dialog, bool is_caller)
{
    struct call_keepalive *keepalive = dialog_attachment(dialog, DIALOG_KEEPALIVE);
    if (!keepalive)
        return;
    struct party *party = &keepalive->parties[!is_caller];
    uac_abandon(party->asked);
    party->asked = NULL;
    party->failures = 0;
}

int proxy_keep_alive(struct response_context *context, uint64_t interval_ms, unsigned failures)
{
    struct dialog *dialog = context->dialog;
    if (!dialog || dialog_current_state(dialog) == DIALOG_TERMINATED)
        return ERROR_CANCELLED;
    struct call_keepalive *keepalive = memory_alloc(sizeof *keepalive, destroy);
    if (!keepalive)
        return ERROR_MEMORY;
    keepalive->proxy = context->proxy;
    keepalive->dialog = dialog;
    keepalive->interval_ms = interval_ms;
    keepalive->failures_most = failures;
    for (size_t i = 0; i < 2; i++)
        keepalive->parties[i] = (struct party){.keepalive = keepalive, .is_caller = i == 0};
    wait(keepalive);
    dialog_attach(dialog, DIALOG_KEEPALIVE, keepalive);
    memory_release(keepalive);
    return 0;
}
