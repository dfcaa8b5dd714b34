/*
 * Loops (RFC 3261 s16.3 4 with RFC 5393 s4.2): each branch parameter of ours carries a hash of
 * everything that decides where a request goes. A request that comes back with the same hash is a
 * loop; one that comes back with another Request-URI or Route is a spiral and passes.
 */
#include "route/context.h"

/*
 * What cannot be foreseen of a branch is its unique part. Who foresees the hash can have his own
 * request refused.
 */
uint64_t loop_hash(struct response_context *context, struct edits *edits, struct text next_hop)
{
    struct message *request = context->request;
    struct header_view route = {0}, required = {0};
    const struct hash_key *secret = &context->proxy->options.hash_key;
    const uint64_t numbers[] = {message_caller_hash(request, secret), request->cseq_number};
    edits_header(edits, HEADER_ROUTE, TEXT_NONE, &route);
    edits_header(edits, HEADER_PROXY_REQUIRE, TEXT_NONE, &required);
    struct text target = edits_request_uri(edits);
    struct text v[] = {
        target,
        text_equal(next_hop, target) ? TEXT_NONE : next_hop,
        message_to_tag(request),
        route.value,
        required.value,
        {(const char *)numbers, sizeof numbers}, /* of From tag, Call-ID and CSeq */
        request->method_text,
    };
    return hash_index(secret, v, sizeof v / sizeof v[0]);
}

/* Is that a Via of ours? @param hash  with this hash; NULL: with any */
static bool is_ours(const struct response_context *context, const struct via *via,
                    const uint64_t *hash)
{
    uint64_t seen;
    return transactions_branch_loop_hash(via->branch, &seen) && (!hash || seen == *hash) &&
           transport_own(context->proxy->options.transport, via->host, via->port);
}

/* Did it pass here before the hop of the Via on top? */
static bool was_here_below(const struct response_context *context, const uint64_t *hash)
{
    const struct header *header = message_header(context->request, HEADER_VIA);
    bool is_top = true;
    struct via via;
    for (; header; header = message_header_next(context->request, header)) {
        struct text rest = header->value;
        for (struct text one = name_addr_split(&rest); one.n; one = name_addr_split(&rest)) {
            if (!is_top && !via_parse(&via, one) && is_ours(context, &via, hash))
                return true;
            is_top = false;
        }
    }
    return false;
}

static bool was_here(const struct response_context *context, const uint64_t *hash)
{
    const struct via *top = message_via(context->request);
    if (top && is_ours(context, top, hash))
        return true;
    return !message_has_one_via(context->request) && was_here_below(context, hash);
}

bool loop_detected(struct response_context *context, uint64_t hash)
{
    return was_here(context, &hash);
}

bool loop_is_spiral(struct response_context *context)
{
    return was_here(context, NULL);
}
