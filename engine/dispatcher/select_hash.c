/*
 * The hashing algorithms (0, 1, 2, 3, 5, 7): equal keys meet the same gateway.
 *
 * Deviation: Kamailio takes the hash modulo the number of destinations, so that one more or one less
 * moves nearly every key. Here each destination is scored by key and URI together and the highest
 * score wins (rendezvous hashing): a gateway that goes takes only its own keys along, spread over
 * all others, and gets just those back. The rest of the order is the order of failover.
 */
#include "dispatcher/select.h"

/* Finalizer of SplitMix64: every bit of the input moves every bit of the output. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void order_by(struct selection *selection, uint64_t key)
{
    for (size_t i = 0; i < selection->count; i++)
        selection->v[i].score = mix(key ^ selection->v[i].destination->hash);
    select_sort(selection);
}

/* A request without the part that is hashed is as good anywhere. */
static void order_by_text(struct selection *selection, struct text t)
{
    if (text_is_set(t))
        order_by(selection, destination_hash(t));
    else
        select_round_robin(selection);
}

/* User, host (in any case) and port name a party; parameters do not (as in Kamailio). */
static void order_by_uri(struct selection *selection, const struct uri *uri)
{
    char host[256];
    if (!uri) {
        select_round_robin(selection);
        return;
    }
    size_t n = uri->host.n < sizeof host ? uri->host.n : sizeof host;
    for (size_t i = 0; i < n; i++)
        host[i] = uri->host.p[i] >= 'A' && uri->host.p[i] <= 'Z' ? (char)(uri->host.p[i] | 0x20)
                                                                 : uri->host.p[i];
    uint64_t key = mix(destination_hash(uri->user)) ^ destination_hash((struct text){host, n});
    order_by(selection, key + uri->port);
}

void select_by_call_id(struct selection *selection)
{
    struct message *request = selection->query->request;
    order_by_text(selection, request ? request->call_id : TEXT_NONE);
}

static void order_by_party(struct selection *selection, const struct name_addr *party)
{
    order_by_uri(selection, party ? &party->uri : NULL);
}

void select_by_from(struct selection *selection)
{
    struct message *request = selection->query->request;
    order_by_party(selection, request ? message_from(request) : NULL);
}

void select_by_to(struct selection *selection)
{
    struct message *request = selection->query->request;
    order_by_party(selection, request ? message_to(request) : NULL);
}

void select_by_request_uri(struct selection *selection)
{
    struct message *request = selection->query->request;
    order_by_uri(selection, request ? message_request_uri(request) : NULL);
}

/* username of `Digest username="...", realm=...` (RFC 7616 s3.4); absent when there is none. */
static struct text username_of(struct text credentials)
{
    struct text scheme = text_word(&credentials);
    if (!text_equal_nocase(scheme, TEXT("Digest")))
        return TEXT_NONE;
    const char *p = credentials.p, *end = credentials.p + credentials.n;
    while (p < end) {
        const char *begin = p;
        for (bool is_quoted = false; p < end && (is_quoted || *p != ','); p++) {
            if (*p == '\\' && is_quoted && p + 1 < end)
                p++;
            else if (*p == '"')
                is_quoted = !is_quoted;
        }
        struct text value = text_span(begin, p);
        struct text name = text_trim(text_split(&value, '='));
        if (text_is_set(value) && text_equal_nocase(name, TEXT("username")))
            return text_trim(value);
        if (p < end)
            p++;
    }
    return TEXT_NONE;
}

void select_by_credentials(struct selection *selection)
{
    struct message *request = selection->query->request;
    const struct header *header = NULL;
    if (request)
        header = message_header(request, HEADER_PROXY_AUTHORIZATION);
    if (request && !header)
        header = message_header(request, HEADER_AUTHORIZATION);
    order_by_text(selection, header ? username_of(header->value) : TEXT_NONE);
}

void select_by_value(struct selection *selection)
{
    order_by_text(selection, selection->query->hash_value);
}
