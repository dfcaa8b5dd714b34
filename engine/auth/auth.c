/* Challenges, and the judgement of credentials. */
#include "auth/auth.h"

#include "auth/nonce.h"
#include "auth/recent.h"
#include "base/error.h"
#include "base/memory.h"

#include <openssl/evp.h>

#define NONCE_UNIQUE_DIGITS (NONCE_BODY_DIGITS - NONCE_TIME_DIGITS)
#define WINDOW              64 /* counts behind the highest that may still come, out of order */

struct auth {
    struct hash_key key;    /* of nonces */
    struct digest_hex fake; /* HA1 of users that do not exist */
    _Atomic uint64_t unique;
    struct recent *nonces;      /* owned; struct used by what is unique in a nonce */
    struct recent *credentials; /* owned; struct digest_hex by user, realm and algorithm */
};

/** Counts that came with a nonce. */
struct used {
    uint32_t highest;
    uint64_t before; /* bit i: highest - i came */
};

static void auth_destroy(void *arg)
{
    struct auth *auth = arg;
    memory_release(auth->nonces);
    memory_release(auth->credentials);
}

/** The key of a secret that servers share: the same on all of them. */
static int derive_key(struct hash_key *key, struct text secret)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    if (EVP_Digest(secret.p, secret.n, bytes, NULL, EVP_sha256(), NULL) != 1)
        return ERROR_UNSUPPORTED;
    key->k0 = key->k1 = 0;
    for (int i = 0; i < 8; i++) {
        key->k0 = key->k0 << 8 | bytes[i];
        key->k1 = key->k1 << 8 | bytes[8 + i];
    }
    return 0;
}

int auth_create(struct auth **authp, struct text secret, struct random *random)
{
    struct auth *auth = memory_alloc(sizeof *auth, auth_destroy);
    if (!auth)
        return ERROR_MEMORY;
    struct hash_key table_key = {random_u64(random), random_u64(random)};
    auth->key = (struct hash_key){random_u64(random), random_u64(random)};
    auth->unique = random_u64(random);
    auth->fake.n = DIGEST_HEX_BYTES;
    for (size_t i = 0; i < DIGEST_HEX_BYTES; i += TEXT_HEX64_BYTES)
        text_print_hex64(random_u64(random), auth->fake.p + i);
    int error = secret.n ? derive_key(&auth->key, secret) : 0;
    if (!error)
        error = recent_create(&auth->nonces, &table_key, sizeof(struct used));
    if (!error)
        error = recent_create(&auth->credentials, &table_key, sizeof(struct digest_hex));
    if (error) {
        memory_release(auth);
        return error;
    }
    *authp = auth;
    return 0;
}

static struct nonce_scope nonce_scope(const struct auth *auth, const struct auth_scope *scope,
                                      enum digest_algorithm algorithm)
{
    return (struct nonce_scope){
        .key = &auth->key,
        .realm = scope->realm,
        .algorithm = text_of(digest_algorithm_name(algorithm)),
        .source = scope->settings->auth_bind_source ? scope->source : NULL,
    };
}

static uint64_t lifetime_ms(const struct auth_scope *scope)
{
    return scope->settings->auth_nonce_s * 1000;
}

/* ---- challenges ---- */

static void print_qops(unsigned qops, struct buffer *out)
{
    if (!qops)
        return;
    buffer_append(out, TEXT(", qop=\""));
    buffer_append(out, qops & DIGEST_QOP_AUTH ? TEXT("auth") : TEXT("auth-int"));
    if (qops == (DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT))
        buffer_append(out, TEXT(",auth-int"));
    buffer_append_char(out, '"');
}

void auth_print_challenge(struct auth *auth, const struct auth_scope *scope,
                          const struct auth_challenge *challenge, struct buffer *out)
{
    for (size_t i = 0; i < challenge->algorithm_count; i++) {
        char nonce[NONCE_BYTES];
        struct nonce_scope what = nonce_scope(auth, scope, challenge->algorithms[i]);
        nonce_print(&what, scope->now_ms, auth->unique++, nonce);
        buffer_append(out, challenge->is_proxy ? TEXT("Proxy-") : TEXT("WWW-"));
        buffer_append(out, TEXT("Authenticate: "));
        digest_print_quoted(out, "Digest realm", scope->realm);
        buffer_append(out, TEXT(", nonce=\""));
        buffer_append(out, (struct text){nonce, NONCE_BYTES});
        buffer_append(out, TEXT("\", algorithm="));
        buffer_append(out, what.algorithm);
        print_qops(challenge->qops, out);
        buffer_append(out, challenge->is_stale ? TEXT(", stale=true\r\n") : TEXT("\r\n"));
    }
    counter_count(scope->counters, COUNTER_AUTH_CHALLENGED);
}

/* ---- finding credentials ---- */

const char *auth_verdict_text(enum auth_verdict verdict)
{
    static const char *const texts[] = {
#define XX(name, text) text,
        AUTH_VERDICTS(XX)
#undef XX
    };
    return texts[verdict];
}

/** One header value. @return GOOD when its nonce is one of ours, NONE when it is for another realm */
static enum auth_verdict look_at(struct auth *auth, const struct auth_scope *scope,
                                 struct message *message, struct text value,
                                 struct auth_credentials *credentials)
{
    struct digest *digest = &credentials->digest;
    int error = digest_credentials_parse(digest, &message->arena, value);
    if (error == ERROR_MEMORY)
        return AUTH_FAILED;
    if (error == ERROR_UNSUPPORTED && !text_equal(digest->realm, scope->realm))
        return AUTH_NONE; /* another scheme or realm: for somebody else */
    if (error)
        return error == ERROR_UNSUPPORTED ? AUTH_UNSUPPORTED : AUTH_MALFORMED;
    if (!text_equal(digest->realm, scope->realm))
        return AUTH_NONE;
    struct nonce_scope what = nonce_scope(auth, scope, digest->algorithm);
    if (!nonce_check(&what, digest->nonce, &credentials->made_ms))
        return AUTH_FOREIGN;
    /* A server that shares the secret may have a clock that is ahead of ours. */
    uint64_t apart_ms = scope->now_ms > credentials->made_ms ? scope->now_ms - credentials->made_ms
                                                             : credentials->made_ms - scope->now_ms;
    credentials->is_old = apart_ms >= lifetime_ms(scope);
    return AUTH_GOOD;
}

enum auth_verdict auth_find(struct auth *auth, const struct auth_scope *scope,
                            struct message *message, enum auth_headers headers,
                            struct auth_credentials *credentials)
{
    static const enum header_kind kinds[] = {HEADER_AUTHORIZATION, HEADER_PROXY_AUTHORIZATION};
    enum auth_verdict verdict = AUTH_NONE;
    for (size_t i = 0; i < 2; i++) {
        if (headers == (i == 0 ? AUTH_PROXY : AUTH_WWW))
            continue;
        const struct header *header = message_header(message, kinds[i]);
        for (; header; header = message_header_next(message, header)) {
            enum auth_verdict next = look_at(auth, scope, message, header->value, credentials);
            if (next == AUTH_GOOD)
                return next;
            if (next != AUTH_NONE)
                verdict = next;
        }
    }
    return verdict;
}

/* ---- judging them ---- */

/** A nonce that came before; the count must be a new one. */
static int use_count(void *arg, void *value, bool is_new, uint64_t lost_stamp)
{
    const struct auth_credentials *credentials = arg;
    struct used *used = value;
    uint32_t nc = credentials->digest.nc;
    if (is_new) {
        used->highest = nc;
        used->before = 1;
        return credentials->made_ms <= lost_stamp ? ERROR_LIMIT : 0;
    }
    if (nc > used->highest) {
        uint32_t step = nc - used->highest;
        used->before = step < WINDOW ? used->before << step | 1 : 1;
        used->highest = nc;
        return 0;
    }
    uint32_t behind = used->highest - nc;
    if (behind >= WINDOW || used->before >> behind & 1)
        return ERROR_STATE;
    used->before |= UINT64_C(1) << behind;
    return 0;
}

static int use_once(void *arg, void *value, bool is_new, uint64_t lost_stamp)
{
    return is_new ? use_count(arg, value, is_new, lost_stamp) : ERROR_LIMIT;
}

static enum auth_verdict use_nonce(struct auth *auth, const struct auth_scope *scope,
                                   const struct auth_credentials *credentials)
{
    struct recent_use use = {
        .key = {credentials->digest.nonce.p + NONCE_TIME_DIGITS, NONCE_UNIQUE_DIGITS},
        .now_ms = scope->now_ms,
        .expires_ms = credentials->made_ms + lifetime_ms(scope),
        .stamp = credentials->made_ms,
        .most = scope->settings->auth_nonces,
    };
    bool is_once = scope->settings->auth_one_time_nonce || !credentials->digest.qops;
    int error =
        recent_visit(auth->nonces, &use, is_once ? use_once : use_count, (void *)credentials);
    counter_add(scope->counters, COUNTER_AUTH_NONCE_FORGOTTEN, use.forgotten);
    return error == 0              ? AUTH_GOOD
           : error == ERROR_MEMORY ? AUTH_FAILED
           : error == ERROR_LIMIT  ? AUTH_STALE
                                   : AUTH_REPLAYED;
}

/**
 * The HA1 to reckon with. Whatever is known of the user costs the same sum, so that the time does not tell who has an
 * HA1, who a password, and who is nobody.
 * @return true when it is the user's, false when nothing can be right
 */
static bool choose_ha1(const struct auth *auth, const struct digest *digest,
                       const struct auth_secret *secret, struct digest_hex *ha1)
{
    struct text password = secret->is_password ? secret->text : digest_hex_text(&auth->fake);
    int error = digest_ha1(digest->algorithm, digest->username, digest->realm, password, ha1);
    if (secret->is_password)
        return !error && text_is_set(secret->text);
    *ha1 = auth->fake;
    ha1->n = digest_algorithm_digits(digest->algorithm);
    if (secret->text.n != ha1->n)
        return false;
    for (size_t i = 0; i < ha1->n; i++) {
        char c = secret->text.p[i];
        ha1->p[i] = (char)(c >= 'A' && c <= 'F' ? c | 32 : c);
    }
    return true;
}

enum auth_verdict auth_verify(struct auth *auth, const struct auth_scope *scope,
                              const struct message *message,
                              const struct auth_credentials *credentials,
                              const struct auth_secret *secret)
{
    const struct digest *digest = &credentials->digest;
    struct digest_request request = {message->method_text, message->body};
    struct digest_hex ha1, response;
    bool is_known = choose_ha1(auth, digest, secret, &ha1);
    if (digest_response(digest, digest_hex_text(&ha1), &request, &response))
        return AUTH_FAILED;
    bool is_right = digest_is_equal(digest, &response);
    if (!is_known)
        return text_is_set(secret->text) ? AUTH_NO_HA1 : AUTH_WRONG;
    if (!is_right)
        return AUTH_WRONG;
    return credentials->is_old ? AUTH_STALE : use_nonce(auth, scope, credentials);
}

void auth_count(const struct auth_scope *scope, enum auth_verdict verdict)
{
    if (verdict == AUTH_GOOD)
        counter_count(scope->counters, COUNTER_AUTH_GOOD);
    else if (verdict == AUTH_STALE)
        counter_count(scope->counters, COUNTER_AUTH_STALE);
    else if (verdict == AUTH_REPLAYED)
        counter_count(scope->counters, COUNTER_AUTH_REPLAYED);
    else if (verdict != AUTH_NONE)
        counter_count(scope->counters, COUNTER_AUTH_REFUSED);
}

/* ---- HA1s that were looked up ---- */

#define KEY_BYTES 512 /* longer names are not kept */

/** @return absent when it does not fit */
static struct text credentials_key(struct text username, struct text realm,
                                   enum digest_algorithm algorithm, char out[KEY_BYTES])
{
    if (username.n + realm.n + 2 > KEY_BYTES)
        return TEXT_NONE;
    out[0] = (char)digest_algorithm_base(algorithm);
    if (realm.n)
        memcpy(out + 1, realm.p, realm.n);
    out[1 + realm.n] = 0; /* no realm of a configuration holds it, nor a clean user name */
    if (username.n)
        memcpy(out + 2 + realm.n, username.p, username.n);
    return (struct text){out, username.n + realm.n + 2};
}

static int keep_ha1(void *arg, void *value, bool is_new, uint64_t lost_stamp)
{
    (void)is_new;
    (void)lost_stamp;
    memcpy(value, arg, sizeof(struct digest_hex));
    return 0;
}

void auth_remember(struct auth *auth, const struct auth_scope *scope,
                   const struct auth_credentials *credentials, const struct auth_secret *secret,
                   uint64_t ttl_ms)
{
    const struct digest *digest = &credentials->digest;
    char bytes[KEY_BYTES];
    struct digest_hex ha1;
    struct recent_use use = {
        .key = credentials_key(digest->username, scope->realm, digest->algorithm, bytes),
        .now_ms = scope->now_ms,
        .expires_ms = scope->now_ms + ttl_ms,
        .most = scope->settings->auth_credentials,
    };
    if (!text_is_set(use.key) || !choose_ha1(auth, digest, secret, &ha1))
        return;
    /* Made anew, so that its time begins now. Without memory it is looked up again. */
    recent_remove(auth->credentials, use.key);
    recent_visit(auth->credentials, &use, keep_ha1, &ha1);
    counter_add(scope->counters, COUNTER_AUTH_CREDENTIALS_FORGOTTEN, use.forgotten);
}

int auth_recall(struct auth *auth, const struct auth_scope *scope,
                const struct auth_credentials *credentials, struct digest_hex *ha1)
{
    const struct digest *digest = &credentials->digest;
    char bytes[KEY_BYTES];
    struct text key = credentials_key(digest->username, scope->realm, digest->algorithm, bytes);
    return text_is_set(key) ? recent_get(auth->credentials, key, scope->now_ms, ha1)
                            : ERROR_NOT_FOUND;
}

void auth_forget(struct auth *auth, struct text username, struct text realm)
{
    char bytes[KEY_BYTES];
    for (unsigned i = 0; i < DIGEST_ALGORITHM_COUNT; i++) {
        struct text key = credentials_key(username, realm, (enum digest_algorithm)i, bytes);
        if (text_is_set(key))
            recent_remove(auth->credentials, key);
    }
}
