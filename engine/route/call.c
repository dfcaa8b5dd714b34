/*
 * What ties a dialog to its media, its script generation and its gateway's call count.
 *
 * After media.manage() the relay rewrites every SDP of the call by itself: the offer at once, so
 * that the script learns whether there are ports; later ones when they are sent on, always from
 * the received bytes. Each branch of a fork, and each gateway that is tried in turn, gets ports of its
 * own with an offer of its own; the first one takes what manage has made. They go back when the branch
 * fails. Which SDP is an offer and which an answer follows from RFC 3264 and RFC 6337:
 * INVITE and UPDATE bring offers, their responses answers; without an SDP in the INVITE the first
 * reliable response brings the offer and ACK or PRACK the answer.
 */
#include "route/body.h"
#include "route/context.h"
#include "route/notes.h"

#include "base/memory.h"

/* ---- the dialog ---- */

static void attach_load(struct response_context *context)
{
    struct dispatcher_destination *destination =
        context->choice ? dispatcher_choice_current(context->choice) : NULL;
    if (!destination)
        return;
    void *token = dispatcher_load_token(destination);
    dialog_attach(context->dialog, DIALOG_LOAD, token);
    memory_release(token);
}

static int make_dialog(struct response_context *context)
{
    struct dialog *dialog;
    int error = dialog_create(&dialog, context->proxy->dialogs, context->request);
    if (error)
        return error;
    void *kept = dialog_attachment(dialog, DIALOG_GENERATION);
    if (kept && kept != context->generation) { /* what hangs on it belongs to that one */
        dialog_on_failure(dialog, 500);
        return ERROR_STATE;
    }
    context->dialog = memory_ref(dialog);
    context->invite_index = (uint16_t)(dialog_invites(dialog) - 1);
    if (context->invite_index)
        return 0;
    dialog_attach(dialog, DIALOG_GENERATION, context->generation);
    sides_begin(context);
    notes_begin(context->proxy, dialog, context->request);
    return 0;
}

int call_dialog(struct response_context *context)
{
    int error = context->dialog ? 0 : make_dialog(context);
    if (!error)
        error = dialog_start(context->dialog, context->request);
    if (error) {
        context->dialog = memory_release(context->dialog);
        return error;
    }
    attach_load(context);
    return 0;
}

int proxy_track(struct track **trackp, struct response_context *context)
{
    struct track *track;
    bool is_new = !context->dialog;
    if (is_new && (!context->is_dialog_making || !context->request ||
                   (context->is_decided && !context->is_in_failure)))
        return ERROR_STATE;
    int error = is_new ? make_dialog(context) : 0;
    if (!error)
        error = track_create(&track, context->dialog);
    if (error)
        return error;
    *trackp = track;
    if (!is_new)
        return 0;
    context->wants_record_route = true;
    return call_dialog(context);
}

/* From here: BYE to both sides, or CANCEL and 503 while nobody has answered. */
static void end_tracked(struct proxy *proxy, struct dialog *dialog, enum dialog_event event)
{
    const struct track *track = dialog_track(dialog);
    if (event == DIALOG_EVENT_DURATION)
        proxy_hang_up(proxy, dialog, DIALOG_END_DURATION,
                      TEXT("SIP;cause=200;text=\"Maximum duration reached\""));
    else if (event == DIALOG_EVENT_SESSION)
        proxy_hang_up(proxy, dialog, DIALOG_END_SESSION, SESSION_EXPIRED);
    else
        proxy_hang_up(proxy, dialog, DIALOG_END_SCRIPT, track_reason(track));
}

void call_dialog_event(void *arg, struct dialog *dialog, enum dialog_event event,
                       struct message *message)
{
    struct proxy *proxy = arg;
    const struct route_handlers *handlers = &proxy->options.handlers;
    struct media_call *call = dialog_attachment(dialog, DIALOG_MEDIA);
    if (event == DIALOG_EVENT_DURATION || event == DIALOG_EVENT_HANG_UP ||
        event == DIALOG_EVENT_SESSION) {
        end_tracked(proxy, dialog, event);
        return;
    }
    if (event == DIALOG_EVENT_ANSWER && call && message)
        media_call_confirm(call, message_to_tag(message));
    if (handlers->dialog_event)
        handlers->dialog_event(handlers->arg, dialog, event, message);
    if (event == DIALOG_EVENT_END) {
        notes_end(proxy, dialog); /* with what its handler has set */
        bridge_dialog_ended(dialog);
    }
    if (event == DIALOG_EVENT_END && call)
        media_call_close(call);
}

void call_media_timeout(struct proxy *proxy, const struct media_call *call)
{
    const struct route_handlers *handlers = &proxy->options.handlers;
    struct dialog *dialog = dialogs_find_attached(proxy->dialogs, DIALOG_MEDIA, call);
    if (dialog && handlers->dialog_event)
        handlers->dialog_event(handlers->arg, dialog, DIALOG_EVENT_MEDIA_TIMEOUT, NULL);
}

/* ---- SDP on its way ---- */

enum sdp_role { SDP_NONE, SDP_OFFER, SDP_ANSWER };

static enum sdp_role request_role(const struct message *request)
{
    switch (request->method) {
    case METHOD_INVITE:
    case METHOD_UPDATE: return SDP_OFFER;
    case METHOD_ACK:
    case METHOD_PRACK:
        return SDP_ANSWER; /* PRACK may offer, too: tried when nothing is to answer */
    default: return SDP_NONE;
    }
}

static enum sdp_role response_role(const struct response_context *context,
                                   const struct message *response)
{
    switch (response->method) {
    case METHOD_INVITE: return context->has_sdp ? SDP_ANSWER : SDP_OFFER;
    case METHOD_UPDATE:
    case METHOD_PRACK: return context->has_sdp ? SDP_ANSWER : SDP_NONE;
    default: return SDP_NONE;
    }
}

static struct text content_type_of(const struct message *message)
{
    const struct header *header = message_header(message, HEADER_CONTENT_TYPE);
    return header ? header->value : TEXT_NONE;
}

static struct text sdp_of(const struct message *message)
{
    return message->body.n ? body_find_sdp(message->body, content_type_of(message)) : TEXT_NONE;
}

static int rewrite(struct media_call *call, enum sdp_role role,
                   const struct media_sdp_request *request, struct buffer *out)
{
    if (role == SDP_OFFER)
        return media_call_offer(call, request, out);
    return media_call_answer(call, request, out);
}

/* Put the new SDP where the old one lies in the body. */
static int replace_sdp(const struct message *message, struct edits *edits, struct text old,
                       struct text sdp)
{
    struct buffer body = {0};
    if (old.n == message->body.n)
        return edits_set_body(edits, sdp, TEXT_NONE);
    buffer_append(&body, text_span(message->body.p, old.p));
    buffer_append(&body, sdp);
    buffer_append(&body, text_span(old.p + old.n, message->body.p + message->body.n));
    int error = body.error ? body.error : edits_set_body(edits, buffer_text(&body), TEXT_NONE);
    buffer_release(&body);
    return error;
}

/*
 * The relay's number for the ports towards the callee: that of the branch, until a request has a To tag
 * that names the callee. Where such a callee has no ports yet (no SDP came with the INVITE and its
 * responses, or its media have timed out), the number is made of its tag, beyond those that branches
 * have.
 */
static uint32_t media_branch(const struct response_context *context, struct text callee_tag,
                             unsigned branch_index)
{
    if (context->is_dialog_making || !callee_tag.n)
        return context_branch_number(context, branch_index);
    uint64_t hash = hash_text(&context->proxy->options.hash_key, callee_tag);
    return (uint32_t)hash | 0x80000000u;
}

/** The SDP of a message, and what it is. */
struct described {
    struct text sdp;
    enum sdp_role role; /**< SDP_NONE: there is none, or it is neither */
};

/* Have the relay rewrite the SDP of @p message, which has a role. */
static int pass_sdp(struct response_context *context, struct media_call *call,
                    struct message *message, struct edits *edits, unsigned branch_index,
                    const struct described *described, const struct media_flags *flags)
{
    struct text sdp = described->sdp;
    struct buffer out = {0};
    struct text callee_tag = dialog_callee_tag(context->dialog, message);
    struct media_sdp_request request = {
        .sdp = sdp,
        .from_caller = dialog_is_from_caller(context->dialog, message),
        .callee_tag = callee_tag,
        .branch = media_branch(context, callee_tag, branch_index),
        .received_from = message->source.peer,
        .flags = flags,
    };
    int error = rewrite(call, described->role, &request, &out);
    if (error == ERROR_NOT_FOUND && message->method == METHOD_PRACK && message->is_request)
        error = rewrite(call, SDP_OFFER, &request, &out);
    if (!error)
        error = out.error ? out.error : replace_sdp(message, edits, sdp, buffer_text(&out));
    buffer_release(&out);
    return error;
}

struct media_call *call_media_of(struct dialog *dialog, bool is_offered)
{
    struct media_call *call = dialog ? dialog_attachment(dialog, DIALOG_MEDIA) : NULL, *again;
    if (!call || !media_call_is_closed(call))
        return call;
    if (!is_offered || media_call_begin_again(&again, call))
        return NULL;
    dialog_attach(dialog, DIALOG_MEDIA, again);
    memory_release(again); /* the dialog holds it now */
    return again;
}

static struct media_call *media_of(const struct response_context *context)
{
    return context->dialog ? dialog_attachment(context->dialog, DIALOG_MEDIA) : NULL;
}

static void warn(struct response_context *context, const struct message *message, int error)
{
    log_warning(context->proxy->options.log, LOG_MEDIA, message->call_id,
                "SDP of %.*s not anchored: %s", TEXT_ARG(message->method_text), error_text(error));
}

/* Has media.manage made the offer that this branch sends? */
static bool has_offer(const struct response_context *context, const struct branch *branch)
{
    if (!branch)
        return context->is_offer_made;
    return branch->is_offer_made ||
           (context->is_offer_made && context->offer_branch == branch->index);
}

int call_media_request(struct response_context *context, const struct branch *branch,
                       struct edits *edits)
{
    struct message *request = context->request;
    const struct described described = {sdp_of(request), request_role(request)};
    context->has_sdp = described.sdp.n > 0;
    if (!context->has_sdp || described.role == SDP_NONE)
        return 0;
    struct media_call *call = call_media_of(context->dialog, described.role == SDP_OFFER);
    if (!call || has_offer(context, branch))
        return 0;
    int error =
        pass_sdp(context, call, request, edits, branch ? branch->index : 0, &described, NULL);
    if (error)
        warn(context, request, error);
    /* Else the SDP that manage made for another branch would go out, or the received one. */
    return context->is_offer_made ? error : 0;
}

void call_media_response(struct branch *branch, struct message *response, struct edits *edits)
{
    struct response_context *context = branch->context;
    const struct described described = {sdp_of(response), response_role(context, response)};
    if (!described.sdp.n || described.role == SDP_NONE)
        return;
    struct media_call *call = call_media_of(context->dialog, described.role == SDP_OFFER);
    if (!call)
        return;
    int error = pass_sdp(context, call, response, edits, branch->index, &described, NULL);
    if (error)
        warn(context, response, error);
}

void call_media_branch_failed(const struct branch *branch)
{
    const struct response_context *context = branch->context;
    struct media_call *call = context->is_dialog_making ? media_of(context) : NULL;
    if (call)
        media_call_drop_branch(call, context_branch_number(context, branch->index));
}

void call_media_invite_failed(const struct response_context *context)
{
    struct media_call *call = media_of(context);
    if (call && context->is_offer_made)
        media_call_drop_branch(call, context_branch_number(context, context->offer_branch));
}

void call_media_bye(const struct response_context *context)
{
    struct media_call *call = media_of(context);
    if (call)
        media_call_drop_tag(call, dialog_callee_tag(context->dialog, context->request));
}

/* ---- media.manage ---- */

static int attach_media(struct proxy *proxy, struct dialog *dialog, struct media_call **callp)
{
    int error = media_call_create(callp, proxy->options.media, dialog_call_id(dialog),
                                  &proxy->options.mailbox);
    if (error)
        return error;
    dialog_attach(dialog, DIALOG_MEDIA, *callp);
    memory_release(*callp); /* the dialog holds it now */
    return 0;
}

int call_media_begin(struct proxy *proxy, struct dialog *dialog, const struct media_flags *flags)
{
    struct media_call *call;
    if (!proxy->options.media)
        return ERROR_UNSUPPORTED;
    int error = attach_media(proxy, dialog, &call);
    return error || !flags ? error : media_call_set_flags(call, flags, true);
}

static int media_of_dialog(struct response_context *context, struct media_call **callp)
{
    struct proxy *proxy = context->proxy;
    if (!context->dialog) {
        if (!context->is_dialog_making)
            return ERROR_STATE;
        int error = call_dialog(context);
        if (error)
            return error;
        context->wants_record_route = true;
    }
    struct media_call *call = media_of(context);
    if (!call) {
        int error = attach_media(proxy, context->dialog, &call);
        if (error)
            return error;
    }
    *callp = call;
    return 0;
}

/* An offer of the script's: for the branch whose route runs, else for the one that comes next. */
static int manage_offer(struct response_context *context, struct branch *branch,
                        struct media_call *call, struct text sdp, const struct media_flags *flags)
{
    struct message *request = context->request;
    const struct described described = {sdp, request_role(request)};
    unsigned index = branch ? branch->index : context->branch_count;
    int error = described.role == SDP_NONE
                    ? 0
                    : pass_sdp(context, call, request, branch ? branch->edits : context->edits,
                               index, &described, flags);
    if (error)
        return error;
    if (branch)
        branch->is_offer_made = true;
    if (!branch || !context->is_offer_made)
        context->offer_branch = index;
    context->is_offer_made = true;
    return 0;
}

int call_media_manage(struct response_context *context, struct branch *branch,
                      struct message *message, const struct media_flags *flags)
{
    struct media_call *call;
    if (!context->proxy->options.media)
        return ERROR_UNSUPPORTED;
    if (!message->is_request) {
        call = media_of(context);
        if (!call)
            return ERROR_STATE;
        return flags ? media_call_set_flags(call, flags,
                                            dialog_is_from_caller(context->dialog, message))
                     : 0;
    }
    if (message->method == METHOD_BYE || message->method == METHOD_CANCEL)
        return 0; /* the dialog's end frees it; scripts that say so anyway are right */
    int error = media_of_dialog(context, &call);
    if (error)
        return error;
    struct text sdp = sdp_of(message);
    if (sdp.n)
        return manage_offer(context, branch, call, sdp, flags);
    if (!flags)
        return 0;
    return media_call_set_flags(call, flags, dialog_is_from_caller(context->dialog, message));
}
