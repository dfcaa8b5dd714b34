/*
 * CSeq of a call in which we have sent requests of our own (RFC 3261 s12.2.1.1: each number is higher than
 * the one before): what a party sends afterwards leaves with a number that is higher by as many, and
 * its responses come back with the one that it gave.
 */
#include "route/context.h"

#include <stdio.h>

#define VALUE_BYTES 96

static int set_number(struct edits *edits, struct text name, uint32_t number, struct text rest)
{
    char value[VALUE_BYTES];
    int n = snprintf(value, sizeof value, "%u %.*s", (unsigned)number, TEXT_ARG(rest));
    if (n < 0 || (size_t)n >= sizeof value)
        return ERROR_LIMIT;
    return edits_set(edits, name, (struct text){value, (size_t)n});
}

/* RAck: the number of the response, that of its INVITE, and its method (RFC 3262 s7.2). */
static int set_rack(struct response_context *context, struct edits *edits)
{
    struct message *request = context->request;
    const struct header *header = message_header(request, HEADER_RACK);
    char rest[VALUE_BYTES];
    uint32_t rseq, cseq;
    if (!header)
        return 0;
    struct text value = header->value;
    if (text_to_u32(text_word(&value), &rseq) || text_to_u32(text_word(&value), &cseq))
        return 0; /* its receiver refuses it */
    struct text method = text_word(&value);
    int n = snprintf(rest, sizeof rest, "%u %.*s",
                     (unsigned)dialog_cseq_sent(context->dialog, request, cseq), TEXT_ARG(method));
    if (n < 0 || (size_t)n >= sizeof rest)
        return ERROR_LIMIT;
    return set_number(edits, TEXT("RAck"), rseq, (struct text){rest, (size_t)n});
}

int cseq_request(struct response_context *context, struct edits *edits)
{
    struct message *request = context->request;
    if (!context->dialog || context->is_dialog_making)
        return 0;
    uint32_t number = dialog_cseq_sent(context->dialog, request, request->cseq_number);
    if (number == request->cseq_number)
        return 0;
    int error = set_number(edits, TEXT("CSeq"), number, request->method_text);
    return error ? error : set_rack(context, edits);
}

int cseq_response(struct response_context *context, struct message *response, struct edits *edits)
{
    const struct message *request = context->request;
    if (!request || !context->dialog || response->cseq_number == request->cseq_number)
        return 0;
    return set_number(edits, TEXT("CSeq"), request->cseq_number, request->method_text);
}
