/*
 * The 2xx responses to an INVITE as they went upstream, one for each branch and To tag: one that
 * its sender repeats goes up again as it was, past the routes and the relay. There may be several:
 * the branches of a fork, and a fork behind one of them (RFC 3261 s13.2.2.4, RFC 6026 s7.2).
 */
#include "route/context.h"

#include "base/memory.h"

struct accepted {
    struct accepted *next; /* the one before */
    uint16_t branch_index;
    struct text tag, bytes; /* behind this struct */
};

void accepted_add(struct response_context *context, const struct branch *branch,
                  struct message *response, struct text bytes)
{
    struct text tag = message_to_tag(response);
    /* Those beyond the limit, or without memory, go through the routes each time. */
    if (context->accepted_count >= context->proxy->options.settings->limits_dialog_legs)
        return;
    struct accepted *accepted = memory_raw(sizeof *accepted + tag.n + bytes.n);
    if (!accepted)
        return;
    char *at = (char *)(accepted + 1);
    *accepted = (struct accepted){.next = context->accepted,
                                  .branch_index = branch->index,
                                  .tag = {at, tag.n},
                                  .bytes = {at + tag.n, bytes.n}};
    if (tag.n)
        memcpy(at, tag.p, tag.n);
    memcpy(at + tag.n, bytes.p, bytes.n);
    context->accepted = accepted;
    context->accepted_count++;
}

struct text accepted_find(const struct response_context *context, const struct branch *branch,
                          struct message *response)
{
    const struct accepted *accepted = context->accepted;
    if (!accepted)
        return TEXT_NONE;
    struct text tag = message_to_tag(response);
    for (; accepted; accepted = accepted->next)
        if (accepted->branch_index == branch->index && text_equal(accepted->tag, tag))
            return accepted->bytes;
    return TEXT_NONE;
}

void accepted_release(struct response_context *context)
{
    for (struct accepted *accepted = context->accepted, *next; accepted; accepted = next) {
        /* The only one, as nearly always, is not asked: it is in no cache any more. */
        next = --context->accepted_count ? accepted->next : NULL;
        memory_free_raw(accepted);
    }
    context->accepted = NULL;
}
