/*
 * One dialog: its state, legs, idle timer and attachments.
 *
 * The state only grows. STARTING and EARLY last while the INVITE transaction does; what ends them is
 * its final response. CONFIRMED lasts while one leg is confirmed. Every way out goes through
 * dialog_terminate(), which unlinks first, then tells, then releases what hangs on the dialog: a
 * handler that looks the call up again, or ends it again, does no harm.
 */
#include "dialog/internal.h"

#include "base/memory.h"
#include "dialog/track.h"

#include <inttypes.h>

const char *dialog_state_name(enum dialog_state state)
{
    static const char *const names[] = {"starting", "early", "confirmed", "terminated"};
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

const char *dialog_end_name(enum dialog_end end)
{
    static const char *const names[] = {"bye",   "cancelled", "failed", "idle",    "media",
                                        "local", "duration",  "script", "session", "keepalive"};
    return (unsigned)end < sizeof names / sizeof *names ? names[end] : "unknown";
}

const char *dialog_ender_name(enum dialog_ender ender)
{
    static const char *const names[] = {NULL, "caller", "callee", "engine"};
    return (unsigned)ender < sizeof names / sizeof *names ? names[ender] : NULL;
}

/* The only place where an attachment changes hands. @param object  with a reference for the dialog */
static void attach(struct dialog *dialog, enum dialog_attachment which, void *object)
{
    void *old = dialog->attachments[which];
    unsigned bit = DIALOG_HAS(which);
    dialog->attachments[which] = object;
    dialog->has = (uint16_t)(object ? dialog->has | bit : dialog->has & ~bit);
    memory_release(old);
}

bool dialog_has_any(const struct dialog *dialog, unsigned bits)
{
    return dialog->has & bits;
}

static void release_attachments(struct dialog *dialog)
{
    unsigned left;
    while ((left = dialog->has & (DIALOG_HAS(DIALOG_ATTACHMENT_COUNT) - 1)) != 0)
        attach(dialog, (enum dialog_attachment)__builtin_ctz(left), NULL);
}

static void destroy(void *object)
{
    struct dialog *dialog = object;
    release_attachments(dialog);
    dialog_legs_release(&dialog->legs);
    dialog_side_release(&dialog->caller);
}

static struct text uri_of(const struct name_addr *name_addr)
{
    return name_addr ? name_addr->uri_text : TEXT_NONE;
}

struct dialog *dialog_new(struct dialogs *dialogs, struct message *invite)
{
    const struct text texts[DIALOG_TEXT_COUNT] = {
        [DIALOG_TEXT_CALL_ID] = invite->call_id,
        [DIALOG_TEXT_CALLER_TAG] = message_from_tag(invite),
        [DIALOG_TEXT_FROM] = uri_of(message_from(invite)),
        [DIALOG_TEXT_TO] = uri_of(message_to(invite)),
    };
    size_t room = 0;
    for (size_t i = 0; i < DIALOG_TEXT_COUNT; i++)
        room += texts[i].n;
    struct dialog *dialog = memory_alloc_local(offsetof(struct dialog, texts), room, destroy);
    if (!dialog)
        return NULL;
    char *at = dialog->texts;
    for (size_t i = 0; i < DIALOG_TEXT_COUNT; i++) {
        if (texts[i].n)
            memcpy(at, texts[i].p, texts[i].n);
        at += texts[i].n;
        dialog->text_bytes[i] = (uint32_t)texts[i].n;
    }
    dialog->dialogs = dialogs;
    dialog->invite_cseq = invite->cseq_number;
    dialog->invites = 1;
    dialog->started_ms = loop_now_ms(dialogs->options.loop);
    return dialog;
}

/* Does the request that @p message is, or answers, come from the caller? Its From tag tells. */
static bool is_callers_request(const struct dialog *dialog, struct message *message)
{
    return text_equal(message_from_tag(message), dialog_caller_tag(dialog));
}

static uint64_t idle_limit_ms(const struct dialog *dialog)
{
    return dialog->dialogs->options.settings->limits_dialog_idle_s * 1000;
}

static void idle_expired(void *arg);

static void wait_idle(struct dialog *dialog, uint64_t delay_ms)
{
    timer_start(loop_timers(dialog->dialogs->options.loop), &dialog->idle, delay_ms, idle_expired,
                dialog);
}

static void idle_expired(void *arg)
{
    struct dialog *dialog = arg;
    uint64_t idle_ms = loop_now_ms(dialog->dialogs->options.loop) - dialog->touched_ms;
    uint64_t limit_ms = idle_limit_ms(dialog);
    if (idle_ms < limit_ms) {
        wait_idle(dialog, limit_ms - idle_ms);
        return;
    }
    counter_count(dialog->dialogs->options.counters, COUNTER_DIALOG_IDLE);
    dialog_terminate(dialog, DIALOG_END_IDLE);
}

/* Each message touches its dialog: it notes the time alone, which the timer asks when it is due. */
void dialog_touch(struct dialog *dialog)
{
    dialog->touched_ms = loop_now_ms(dialog->dialogs->options.loop);
    if (!timer_is_running(&dialog->idle))
        wait_idle(dialog, idle_limit_ms(dialog));
}

void dialog_tell(struct dialog *dialog, enum dialog_event event, struct message *message)
{
    const struct dialogs_options *options = &dialog->dialogs->options;
    if (options->event)
        options->event(options->arg, dialog, event, message);
}

/* @param message  what ended it; NULL: none did */
static enum dialog_ender ender_of(const struct dialog *dialog, enum dialog_end end,
                                  struct message *message)
{
    switch (end) {
    case DIALOG_END_FAILED: return DIALOG_ENDER_UNKNOWN;
    case DIALOG_END_CANCELLED: return DIALOG_ENDER_CALLER;
    case DIALOG_END_BYE:
        if (!message || message->method != METHOD_BYE)
            return DIALOG_ENDER_UNKNOWN;
        return dialog_is_from_caller(dialog, message) ? DIALOG_ENDER_CALLER : DIALOG_ENDER_CALLEE;
    default: return DIALOG_ENDER_ENGINE;
    }
}

/* Nobody finds it any more. */
static void take_out(struct dialog *dialog)
{
    dialog->state = DIALOG_TERMINATED;
    timer_stop(loop_timers(dialog->dialogs->options.loop), &dialog->idle);
    hash_remove(&dialog->by_caller);
    list_remove(&dialog->all);
}

void dialog_forget(struct dialog *dialog)
{
    if (dialog->state == DIALOG_TERMINATED)
        return;
    take_out(dialog);
    release_attachments(dialog);
    memory_release(dialog); /* the table's reference */
}

static void terminate(struct dialog *dialog, enum dialog_end end, enum dialog_ender ender,
                      struct message *message)
{
    if (dialog->state == DIALOG_TERMINATED)
        return;
    struct dialogs *dialogs = dialog->dialogs;
    dialog->end = end;
    dialog->ender = ender;
    take_out(dialog);
    struct track *track = dialog_track(dialog);
    if (track)
        track_ended(track);
    log_debug(dialogs->options.log, LOG_DIALOG, dialog_call_id(dialog),
              "dialog ended: %s, after %" PRIu64 " ms", dialog_end_name(end),
              loop_now_ms(dialogs->options.loop) - dialog->started_ms);
    dialog_tell(dialog, DIALOG_EVENT_END, message);
    release_attachments(dialog);
    memory_release(dialog); /* the table's reference */
}

void dialog_terminate(struct dialog *dialog, enum dialog_end end)
{
    terminate(dialog, end, ender_of(dialog, end, NULL), NULL);
}

void dialog_terminate_by(struct dialog *dialog, enum dialog_end end, enum dialog_ender ender)
{
    terminate(dialog, end, ender, NULL);
}

/* The leg that a response to the INVITE belongs to, made when it is new; NULL when it cannot be remembered. */
static struct dialog_leg *leg_of_response(struct dialog *dialog, struct text tag, bool is_success)
{
    struct dialog_leg *leg = dialog_legs_find(&dialog->legs, tag);
    if (leg)
        return leg;
    const struct dialogs_options *options = &dialog->dialogs->options;
    int error = dialog_legs_add(&leg, &dialog->legs, tag, options->settings->limits_dialog_legs,
                                is_success);
    if (!error) {
        leg->callee.cseq = dialog->invite_cseq;
        return leg;
    }
    counter_count(options->counters, COUNTER_DIALOG_LEG_LIMIT);
    return NULL;
}

/*
 * 2xx to the INVITE (RFC 3261 s13.2.2.4). It is the INVITE's final response even when its leg cannot
 * be remembered or was ended by a BYE before (s15): the dialog is confirmed, and over if no leg is.
 */
static void answered(struct dialog *dialog, struct message *response)
{
    struct dialog_leg *leg = leg_of_response(dialog, dialog_callee_tag(dialog, response), true);
    if (leg)
        dialog_legs_set(&dialog->legs, leg, DIALOG_CONFIRMED);
    if (dialog->state == DIALOG_CONFIRMED)
        return;
    dialog->state = DIALOG_CONFIRMED;
    uint64_t now_ms = loop_now_ms(dialog->dialogs->options.loop);
    dialog->answered_ms = now_ms ? now_ms : 1; /* 0 says: not answered */
    memory_ref(dialog);
    struct track *track = dialog_track(dialog);
    if (track)
        track_answered(track);
    dialog_tell(dialog, DIALOG_EVENT_ANSWER, response);
    if (leg && dialog->state == DIALOG_CONFIRMED && dialog->legs.confirmed == 0)
        terminate(dialog, DIALOG_END_BYE, DIALOG_ENDER_UNKNOWN, response);
    memory_release(dialog);
}

void dialog_on_response(struct dialog *dialog, struct message *response)
{
    if (dialog->state == DIALOG_TERMINATED || response->method != METHOD_INVITE)
        return;
    dialog_touch(dialog);
    if (response->status >= 200 && response->status < 300) {
        answered(dialog, response);
        return;
    }
    /* A provisional response makes an early dialog by its To tag; 100 makes none (s12.1). */
    struct text tag = dialog_callee_tag(dialog, response);
    if (response->status <= 100 || response->status >= 200 || !text_is_set(tag))
        return;
    leg_of_response(dialog, tag, false);
    if (dialog->state == DIALOG_STARTING)
        dialog->state = DIALOG_EARLY;
}

void dialog_on_failure(struct dialog *dialog, unsigned status)
{
    dialog->failed++;
    if (dialog->state == DIALOG_CONFIRMED) /* a re-INVITE failed: the call goes on (s14.1) */
        return;
    if (dialog->failed < dialog->invites) /* another one goes on */
        return;
    if (dialog->state != DIALOG_TERMINATED)
        dialog->failure_status = (uint16_t)status;
    dialog_terminate(dialog, status == 487 ? DIALOG_END_CANCELLED : DIALOG_END_FAILED);
}

void dialog_on_request(struct dialog *dialog, struct message *request)
{
    if (dialog->state == DIALOG_TERMINATED)
        return;
    dialog_touch(dialog);
    if (request->method == METHOD_ACK || request->method == METHOD_CANCEL)
        return; /* they repeat a number (s13.2.2.4, s9.1) */
    bool is_callers = is_callers_request(dialog, request);
    struct text tag = is_callers ? message_to_tag(request) : message_from_tag(request);
    struct dialog_leg *leg = dialog_legs_find(&dialog->legs, tag);
    if (leg && is_callers)
        dialog_side_count(&leg->callee, request->cseq_number);
    else if (leg && request->cseq_number > leg->caller_cseq)
        leg->caller_cseq = request->cseq_number;
}

void dialog_learn_side(struct dialog *dialog, struct message *message, struct text route)
{
    struct dialog_leg *leg;
    if (dialog->state == DIALOG_TERMINATED)
        return;
    if (dialog_is_from_caller(dialog, message))
        dialog_side_learn(&dialog->caller, message, route);
    else if ((leg = dialog_legs_find(&dialog->legs, dialog_callee_tag(dialog, message))))
        dialog_side_learn(&leg->callee, message, route);
}

bool dialog_sides(const struct dialog *dialog, struct text callee_tag, struct dialog_side *caller,
                  struct dialog_side *callee)
{
    const struct dialog_leg *leg = dialog_legs_find(&dialog->legs, callee_tag);
    if (!leg)
        return false;
    *caller = dialog->caller;
    caller->cseq = leg->caller_cseq + leg->to_caller.above;
    *callee = leg->callee;
    callee->cseq += leg->to_callee.above;
    return true;
}

void dialog_count_own(struct dialog *dialog, struct text callee_tag, bool to_caller)
{
    struct dialog_leg *leg = dialog_legs_find(&dialog->legs, callee_tag);
    if (!leg)
        return;
    dialog->has |= DIALOG_HAS_OWN_REQUESTS;
    struct cseq_shift *shift = to_caller ? &leg->to_caller : &leg->to_callee;
    uint32_t highest = to_caller ? leg->caller_cseq : leg->callee.cseq;
    if (highest != shift->from) {
        shift->below = shift->above;
        shift->from = highest;
    }
    shift->above++;
}

uint32_t dialog_cseq_sent(const struct dialog *dialog, struct message *request, uint32_t cseq)
{
    const struct dialog_leg *leg =
        dialog_legs_find(&dialog->legs, dialog_callee_tag(dialog, request));
    if (!leg)
        return cseq;
    const struct cseq_shift *shift =
        dialog_is_from_caller(dialog, request) ? &leg->to_callee : &leg->to_caller;
    return cseq + (cseq > shift->from ? shift->above : shift->below);
}

void dialog_on_bye_done(struct dialog *dialog, struct message *bye)
{
    if (dialog->state == DIALOG_TERMINATED)
        return;
    struct dialog_leg *leg = dialog_legs_find(&dialog->legs, dialog_callee_tag(dialog, bye));
    if (leg)
        dialog_legs_set(&dialog->legs, leg, DIALOG_TERMINATED);
    /* In the early state the INVITE's final response is still to come and ends the dialog. */
    if (dialog->state == DIALOG_CONFIRMED && dialog->legs.confirmed == 0)
        terminate(dialog, DIALOG_END_BYE, ender_of(dialog, DIALOG_END_BYE, bye), bye);
}

void dialog_attach(struct dialog *dialog, enum dialog_attachment which, void *object)
{
    attach(dialog, which, dialog->state == DIALOG_TERMINATED ? NULL : memory_ref(object));
}

void *dialog_attachment(const struct dialog *dialog, enum dialog_attachment which)
{
    return dialog->attachments[which];
}

static struct text text_at(const struct dialog *dialog, enum dialog_text which)
{
    const char *at = dialog->texts;
    for (unsigned i = 0; i < which; i++)
        at += dialog->text_bytes[i];
    return (struct text){at, dialog->text_bytes[which]};
}

struct text dialog_call_id(const struct dialog *dialog)
{
    return text_at(dialog, DIALOG_TEXT_CALL_ID);
}

struct text dialog_caller_tag(const struct dialog *dialog)
{
    return text_at(dialog, DIALOG_TEXT_CALLER_TAG);
}

struct text dialog_from_uri(const struct dialog *dialog)
{
    return text_at(dialog, DIALOG_TEXT_FROM);
}

struct text dialog_to_uri(const struct dialog *dialog)
{
    return text_at(dialog, DIALOG_TEXT_TO);
}

unsigned dialog_invites(const struct dialog *dialog)
{
    return dialog->invites;
}

enum dialog_state dialog_current_state(const struct dialog *dialog)
{
    return dialog->state;
}

enum dialog_end dialog_end_reason(const struct dialog *dialog)
{
    return dialog->end;
}

enum dialog_ender dialog_ended_by(const struct dialog *dialog)
{
    return (enum dialog_ender)dialog->ender;
}

uint64_t dialog_started_ms(const struct dialog *dialog)
{
    return dialog->started_ms;
}

uint64_t dialog_answered_ms(const struct dialog *dialog)
{
    return dialog->answered_ms;
}

unsigned dialog_failure_status(const struct dialog *dialog)
{
    return dialog->failure_status;
}

bool dialog_is_from_caller(const struct dialog *dialog, struct message *message)
{
    return is_callers_request(dialog, message) == message->is_request;
}

struct text dialog_callee_tag(const struct dialog *dialog, struct message *message)
{
    return is_callers_request(dialog, message) ? message_to_tag(message)
                                               : message_from_tag(message);
}

enum dialog_state dialog_leg_state(const struct dialog *dialog, struct text callee_tag)
{
    const struct dialog_leg *leg = dialog_legs_find(&dialog->legs, callee_tag);
    return leg ? leg->state : DIALOG_STARTING;
}

size_t dialog_leg_count(const struct dialog *dialog, enum dialog_state state)
{
    size_t count = 0;
    for (const struct dialog_leg *leg = dialog->legs.first; leg; leg = leg->next)
        count += leg->state == state;
    return count;
}

void dialog_for_each_leg(const struct dialog *dialog, dialog_leg_handler *visit, void *arg)
{
    for (const struct dialog_leg *leg = dialog->legs.first; leg; leg = leg->next)
        visit(arg, dialog_leg_tag(leg), leg->state);
}

size_t dialog_memory_bytes(const struct dialog *dialog)
{
    size_t size = offsetof(struct dialog, texts);
    for (size_t i = 0; i < DIALOG_TEXT_COUNT; i++)
        size += dialog->text_bytes[i];
    for (const struct dialog_leg *leg = dialog->legs.first; leg; leg = leg->next)
        size += sizeof *leg + leg->tag_bytes + leg->callee.target.n + leg->callee.route.n;
    return size + dialog->caller.target.n + dialog->caller.route.n;
}
