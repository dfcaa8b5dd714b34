/* A request of our own within a call, as one party would hear it from the other (RFC 3261 s12.2.1.1). */
#include "route/topology.h"
#include "route/uac.h"

/* @param name  as a script made it, or absent: the URI of the INVITE */
static void print_party(struct buffer *out, struct text name, struct text uri, struct text tag)
{
    if (text_is_set(name))
        buffer_append(out, name);
    else
        buffer_printf(out, "<%.*s>", TEXT_ARG(uri));
    if (tag.n)
        buffer_printf(out, ";tag=%.*s", TEXT_ARG(tag));
}

int call_request_send(struct uac **uacp, struct proxy *proxy, const struct call_request *wanted,
                      uac_done_handler *done, void *arg)
{
    struct dialog *dialog = wanted->dialog;
    bool to_caller = wanted->to_caller;
    struct buffer caller = {0}, callee = {0};
    struct dialog_side callers, callees;
    struct text from, to;
    if (!dialog_sides(dialog, wanted->callee_tag, &callers, &callees))
        return ERROR_STATE;
    const struct dialog_side *side = to_caller ? &callers : &callees;
    if (!text_is_set(side->target))
        return ERROR_STATE; /* it never said where */
    identity_names(dialog, wanted->callee_tag, to_caller, &from, &to);
    print_party(&caller, from, dialog_from_uri(dialog), dialog_caller_tag(dialog));
    print_party(&callee, to, dialog_to_uri(dialog), wanted->callee_tag);
    const struct uac_request request = {
        .method = wanted->method,
        .request_uri = side->target,
        .route = side->route,
        .from = buffer_text(to_caller ? &callee : &caller),
        .to = buffer_text(to_caller ? &caller : &callee),
        .call_id = topology_call_id(dialog, to_caller, side->listener),
        .cseq = side->cseq + 1,
        .headers = wanted->headers,
        .listener = side->listener,
        .cause = wanted->cause,
    };
    int error = caller.error ? caller.error : callee.error;
    if (!error)
        error = uac_send(uacp, proxy, &request, done, arg);
    if (!error)
        dialog_count_own(dialog, wanted->callee_tag, to_caller);
    buffer_release(&caller);
    buffer_release(&callee);
    return error;
}
