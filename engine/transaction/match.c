/* Keys of transactions; match.h tells what they are. */
#include "transaction/match.h"

#define HOST_BYTES 256 /* sent-by hosts up to here are compared without regard to case */

static struct match_key make_key(const struct hash_key *secret, const struct text *v, size_t count)
{
    struct hash_wide wide = hash_index_wide(secret, v, count);
    return (struct match_key){.hash = wide.low, .check = wide.high};
}

struct match_key match_client(const struct hash_key *secret, struct text branch, enum method method)
{
    const char m = (char)method;
    const struct text v[] = {branch, {&m, 1}};
    struct match_key key;
    return match_own_branch(branch, method, &key) ? key : make_key(secret, v, 2);
}

static bool has_cookie(const struct via *via)
{
    return via->branch.n > VIA_MAGIC_COOKIE.n &&
           text_starts_with_nocase(via->branch, VIA_MAGIC_COOKIE);
}

static struct text lower_host(struct text host, char out[HOST_BYTES])
{
    if (host.n > HOST_BYTES)
        return host;
    for (size_t i = 0; i < host.n; i++)
        out[i] = (char)(host.p[i] | 0x20); /* all that a host may hold beside letters has it */
    return (struct text){out, host.n};
}

/*
 * By RFC 2543: Request-URI, From tag, Call-ID, CSeq number and the whole top Via. The To tag is
 * left out, since that of an ACK is not the INVITE's; invite_server.c compares it with the answer's.
 */
static struct match_key match_rfc2543(const struct hash_key *secret, struct message *request,
                                      const struct via *via, struct text method)
{
    const struct text v[] = {
        request->request_uri, message_from_tag(request),
        request->call_id,     {(const char *)&request->cseq_number, sizeof request->cseq_number},
        via->whole,           method,
    };
    return make_key(secret, v, sizeof v / sizeof *v);
}

bool match_server(const struct hash_key *secret, struct message *request, struct text method,
                  struct match_key *key)
{
    const struct via *via = message_via(request);
    if (!via)
        return false;
    if (!has_cookie(via)) {
        *key = match_rfc2543(secret, request, via, method);
        key->is_rfc2543 = true;
        return true;
    }
    char host[HOST_BYTES];
    const struct text v[] = {
        via->branch,
        lower_host(via->host, host),
        {(const char *)&via->port, sizeof via->port},
        method,
    };
    *key = make_key(secret, v, sizeof v / sizeof *v);
    return true;
}

uint64_t match_merged(const struct hash_key *secret, struct message *request)
{
    const uint64_t numbers[] = {message_caller_hash(request, secret), request->cseq_number};
    const struct text v[] = {{(const char *)numbers, sizeof numbers}, request->method_text};
    return hash_index(secret, v, sizeof v / sizeof *v);
}
