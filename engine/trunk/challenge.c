/*
 * Challenges (RFC 3261 s22, RFC 7616, RFC 8760). A nonce is used again, counted, until the registrar
 * says otherwise; whoever wants a new one for each request just challenges again. In one attempt
 * each of registrar and proxy is answered once, and once more when only the nonce was too old.
 */
#include "base/error.h"
#include "trunk/registration.h"

#define CNONCE_BYTES 16

static const struct {
    enum header_kind challenge, credentials;
} headers[] = {
    {HEADER_WWW_AUTHENTICATE, HEADER_AUTHORIZATION},
    {HEADER_PROXY_AUTHENTICATE, HEADER_PROXY_AUTHORIZATION},
};

/* The first that can be answered (RFC 8760 s2.4) with credentials that are for its realm. */
static int choose(struct challenge *challenge, const struct message *response,
                  enum header_kind kind, const char *realm)
{
    const struct header *header = message_header(response, kind);
    for (; header; header = message_header_next(response, header)) {
        struct digest digest = {0};
        struct text value = arena_copy(&challenge->arena, header->value);
        if (text_is_set(value) && !digest_challenge_parse(&digest, &challenge->arena, value) &&
            (!realm || text_equal(digest.realm, text_of(realm)))) {
            challenge->digest = digest;
            challenge->nc = 0;
            return 0;
        }
    }
    return ERROR_NOT_FOUND;
}

bool challenge_take(struct registration *registration, const struct message *response,
                    const char **why)
{
    const struct trunk_terms *terms = registration->terms;
    bool is_proxy = response->status == 407;
    struct challenge *challenge = &registration->challenges[is_proxy];
    bool was_answered = challenge->is_answered, was_stale = challenge->was_stale;
    *why =
        "a password is asked for, and the configuration has none (is a variable of env not set?)";
    if (!terms->password)
        return false;
    arena_reset(&challenge->arena);
    challenge->digest = (struct digest){0};
    *why = "its challenge cannot be answered: another realm or algorithm";
    if (choose(challenge, response, headers[is_proxy].challenge, terms->realm))
        return false;
    challenge->was_stale = was_answered && challenge->digest.is_stale;
    challenge->is_answered = true;
    *why = "user or password are refused";
    return !was_answered || (challenge->digest.is_stale && !was_stale);
}

static int print(struct registration *registration, struct challenge *challenge, const char *name,
                 struct buffer *out)
{
    char cnonce[CNONCE_BYTES];
    struct buffer value = {0};
    random_token(proxy_random(registration->client->options.proxy), cnonce, sizeof cnonce);
    const struct digest_client client = {
        .username = text_of(registration->terms->auth_user),
        .password = text_of(registration->terms->password),
        .uri = text_of(registration->terms->registrar),
        .cnonce = {cnonce, sizeof cnonce},
        .nc = ++challenge->nc,
    };
    int error = digest_answer(&value, &challenge->digest, &client,
                              &(struct digest_request){.method = TEXT("REGISTER")});
    if (!error)
        buffer_printf(out, "%s: %.*s\r\n", name, TEXT_ARG(buffer_text(&value)));
    buffer_release(&value);
    return error;
}

int challenge_print(struct registration *registration, struct buffer *out)
{
    int error = 0;
    for (size_t i = 0; i < 2 && !error; i++) {
        struct challenge *challenge = &registration->challenges[i];
        if (text_is_set(challenge->digest.nonce) && registration->terms->password)
            error = print(registration, challenge, header_kind_name(headers[i].credentials), out);
    }
    return error;
}
