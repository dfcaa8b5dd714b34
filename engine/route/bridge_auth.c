/*
 * Challenges of the callee, a trunk as a rule, answered with the credentials that the script gave
 * (RFC 3261 s22.2, s22.3). Each request may be challenged; it is sent again with the next CSeq. The
 * ACK carries what its INVITE did (s22.1).
 *
 * They are for the realm that the script names. Where it names none they are for whom it has called
 * itself: the target of a redirection or of a REFER is of another party's choice, and an answer to a
 * challenge of its making lets it guess the password at leisure.
 */
#include "route/bridge_parts.h"
#include "sip/digest.h"

#define CNONCE_BYTES 16

struct bridge_challenge {
    struct digest digest;  /* texts in the exchange's arena */
    enum header_kind kind; /* of the credentials */
};

bool bridge_is_stranger(const struct bridge_leg *before, struct text uri)
{
    struct name_addr named;
    struct uri now;
    if (before->is_stranger || name_addr_parse(&named, before->remote) || uri_parse(&now, uri))
        return true;
    return !text_equal_nocase(named.uri.host, now.host);
}

static const struct bridge_leg *leg_towards(const struct bridge_exchange *exchange)
{
    if (exchange->is_target)
        return &exchange->transfer->leg;
    return exchange->is_from_caller ? &exchange->bridge->callee : &exchange->bridge->caller;
}

/* The first that can be answered (RFC 8760 s2.4). @param realm  absent: any */
static int choose(struct arena *arena, const struct message *response, enum header_kind kind,
                  struct text realm, struct digest *digest)
{
    const struct header *header = message_header(response, kind);
    for (; header; header = message_header_next(response, header)) {
        struct text value = arena_copy(arena, header->value);
        if (digest_challenge_parse(digest, arena, value) == 0 &&
            (!text_is_set(realm) || text_equal(digest->realm, realm)))
            return 0;
    }
    return ERROR_NOT_FOUND;
}

bool bridge_challenged(struct bridge_exchange *exchange, const struct message *response)
{
    struct bridge *bridge = exchange->bridge;
    bool is_proxy = response->status == 407;
    bool may_ask = exchange->is_from_caller || bridge->origin; /* whom we have called ourselves */
    bool is_for_it = text_is_set(bridge->realm) || !leg_towards(exchange)->is_stranger;
    if ((!is_proxy && response->status != 401) || !bridge->username.n || !may_ask || !is_for_it)
        return false;
    struct bridge_challenge *challenge = arena_zalloc(&exchange->arena, sizeof *challenge);
    if (!challenge || choose(&exchange->arena, response,
                             is_proxy ? HEADER_PROXY_AUTHENTICATE : HEADER_WWW_AUTHENTICATE,
                             bridge->realm, &challenge->digest))
        return false;
    challenge->kind = is_proxy ? HEADER_PROXY_AUTHORIZATION : HEADER_AUTHORIZATION;
    /* Once answered, only a nonce that grew old is another try; a second one that did is none. */
    bool is_refused = exchange->challenge && (!challenge->digest.is_stale || exchange->is_stale);
    exchange->is_stale = challenge->digest.is_stale;
    exchange->challenge = challenge;
    return !is_refused;
}

int bridge_print_credentials(struct bridge_exchange *exchange, enum method method, struct text uri,
                             struct text body, struct buffer *out)
{
    struct bridge *bridge = exchange->bridge;
    char cnonce[CNONCE_BYTES];
    struct buffer value = {0};
    if (!exchange->challenge)
        return 0;
    random_token(&bridge->proxy->random, cnonce, sizeof cnonce);
    const struct digest_client client = {
        .username = bridge->username,
        .password = bridge->password,
        .uri = uri,
        .cnonce = {cnonce, sizeof cnonce},
        .nc = 1,
    };
    const struct digest_request request = {text_of(method_name(method)), body};
    int error = digest_answer(&value, &exchange->challenge->digest, &client, &request);
    if (!error) {
        const char *name = header_kind_name(exchange->challenge->kind);
        exchange->credentials =
            arena_printf(&exchange->arena, "%s: %.*s\r\n", name, TEXT_ARG(buffer_text(&value)));
        if (!text_is_set(exchange->credentials))
            error = ERROR_MEMORY;
        buffer_append(out, exchange->credentials);
    }
    buffer_release(&value);
    return error;
}
