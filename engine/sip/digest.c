/* Parsing of auth-params, and the sums of RFC 7616 s3.4 over OpenSSL's digests. */
#include "sip/digest.h"

#include "base/error.h"
#include "sip/scan.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

#define SUM_BYTES 512 /* what sums are commonly made of */

static const struct {
    const char *name;
    const char *function; /* OpenSSL's name of it */
    size_t digits;
    bool has_session;
} algorithms[] = {
#define XX(name, text, function, digits, session) {text, function, digits, session},
    DIGEST_ALGORITHMS(XX)
#undef XX
};

/* OpenSSL's functions, found once: looking one up costs more than a sum. NULL: there is none here. */
static EVP_MD *functions[DIGEST_ALGORITHM_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_functions(void)
{
    for (unsigned i = 0; i < DIGEST_ALGORITHM_COUNT; i++)
        functions[i] = EVP_MD_fetch(NULL, algorithms[i].function, NULL);
}

/* ---- names ---- */

const char *digest_algorithm_name(enum digest_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

int digest_algorithm_parse(enum digest_algorithm *algorithm, struct text name)
{
    for (unsigned i = 0; i < DIGEST_ALGORITHM_COUNT; i++) {
        if (text_equal_nocase(name, text_of(algorithms[i].name))) {
            *algorithm = (enum digest_algorithm)i;
            return 0;
        }
    }
    return ERROR_UNSUPPORTED;
}

enum digest_algorithm digest_algorithm_base(enum digest_algorithm algorithm)
{
    /* The list has each with session behind the one without. */
    return algorithms[algorithm].has_session ? algorithm - 1 : algorithm;
}

size_t digest_algorithm_digits(enum digest_algorithm algorithm)
{
    return algorithms[algorithm].digits;
}

const char *digest_qop_name(enum digest_qop qop)
{
    return qop == DIGEST_QOP_AUTH_INT ? "auth-int" : "auth";
}

unsigned digest_qops_parse(struct text list)
{
    unsigned qops = 0;
    while (text_is_set(list)) {
        struct text word = text_trim(text_split(&list, ','));
        if (text_equal_nocase(word, TEXT("auth")))
            qops |= DIGEST_QOP_AUTH;
        else if (text_equal_nocase(word, TEXT("auth-int")))
            qops |= DIGEST_QOP_AUTH_INT;
    }
    return qops;
}

/* ---- parsing ---- */

/** Parameters that a text of struct digest is made of. */
static const struct {
    const char *name;
    size_t offset;
} places[] = {
    {"realm", offsetof(struct digest, realm)},   {"nonce", offsetof(struct digest, nonce)},
    {"opaque", offsetof(struct digest, opaque)}, {"username", offsetof(struct digest, username)},
    {"uri", offsetof(struct digest, uri)},       {"response", offsetof(struct digest, response)},
    {"cnonce", offsetof(struct digest, cnonce)}, {"nc", offsetof(struct digest, nc_text)},
};

/** Without the backslashes of quoted-pairs. @return 0 or ERROR_MEMORY */
static int unescape(struct arena *arena, struct text *value)
{
    if (!text_find(*value, '\\'))
        return 0;
    char *plain = arena_alloc(arena, value->n);
    size_t n = 0;
    if (!plain)
        return ERROR_MEMORY;
    for (size_t i = 0; i < value->n; i++) {
        if (value->p[i] == '\\' && i + 1 < value->n)
            i++;
        plain[n++] = value->p[i];
    }
    *value = (struct text){plain, n};
    return 0;
}

/** A quoted text, or a run of what cannot end one: phones write URIs and base64 bare, too. */
static int scan_value(struct text *rest, struct arena *arena, struct text *value)
{
    if (rest->n && *rest->p == '"') {
        struct text quoted = scan_quoted(rest);
        if (!text_is_set(quoted))
            return ERROR_SYNTAX;
        *value = (struct text){quoted.p + 1, quoted.n - 2};
        return unescape(arena, value);
    }
    const char *begin = rest->p;
    while (rest->n && *rest->p != ',' && *rest->p != '"' && !char_is_space(*rest->p))
        scan_skip(rest, 1);
    *value = text_span(begin, rest->p);
    return value->n ? 0 : ERROR_SYNTAX;
}

/** Is a value fit to be copied into a header, and into a sum? */
static bool is_clean(struct text value)
{
    return !text_find(value, '\r') && !text_find(value, '\n') && !text_find(value, 0);
}

static int set_qops(struct digest *digest, struct text value)
{
    if (digest->qops)
        return ERROR_SYNTAX;
    digest->qops = digest_qops_parse(value);
    return digest->qops ? 0 : ERROR_UNSUPPORTED;
}

static int set_algorithm(struct digest *digest, struct text value)
{
    if (digest->has_algorithm)
        return ERROR_SYNTAX;
    digest->has_algorithm = true;
    return digest_algorithm_parse(&digest->algorithm, value);
}

static int set_param(struct digest *digest, struct text name, struct text value)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!text_equal_nocase(name, text_of(places[i].name)))
            continue;
        struct text *place = (struct text *)((char *)digest + places[i].offset);
        if (text_is_set(*place))
            return ERROR_SYNTAX; /* which one is meant? */
        *place = value;
        return 0;
    }
    if (text_equal_nocase(name, TEXT("qop")))
        return set_qops(digest, value);
    if (text_equal_nocase(name, TEXT("algorithm")))
        return set_algorithm(digest, value);
    if (text_equal_nocase(name, TEXT("stale")))
        digest->is_stale = text_equal_nocase(value, TEXT("true"));
    else if (text_equal_nocase(name, TEXT("username*")))
        return ERROR_UNSUPPORTED;
    return 0;
}

/**
 * NAME = VALUE.
 * @param is_all_clean  no value can be unfit
 * @param is_userhash   set when it is userhash=true
 */
static int scan_auth_param(struct text *rest, struct arena *arena, struct digest *digest,
                           bool is_all_clean, bool *is_userhash)
{
    struct text value, name = scan_set(rest, CHARS_TOKEN);
    scan_space(rest);
    if (!name.n || !scan_char(rest, '='))
        return ERROR_SYNTAX;
    scan_space(rest);
    int error = scan_value(rest, arena, &value);
    if (error)
        return error;
    if (!is_all_clean && !is_clean(value))
        return ERROR_SYNTAX;
    if (text_equal_nocase(name, TEXT("userhash")))
        *is_userhash = text_equal_nocase(value, TEXT("true"));
    return set_param(digest, name, value);
}

static int parse(struct digest *digest, struct arena *arena, struct text rest, bool *is_userhash)
{
    *digest = (struct digest){.algorithm = DIGEST_MD5};
    *is_userhash = false;
    if (!text_is_set(rest))
        return ERROR_SYNTAX;
    scan_space(&rest);
    struct text scheme = scan_set(&rest, CHARS_TOKEN);
    if (!text_equal_nocase(scheme, TEXT("Digest")))
        return scheme.n ? ERROR_UNSUPPORTED : ERROR_SYNTAX;
    bool is_all_clean = is_clean(rest); /* only a folded header is not */
    for (bool is_first = true;; is_first = false) {
        const char *before = rest.p;
        scan_space(&rest);
        if (!rest.n)
            return is_first ? ERROR_SYNTAX : 0;
        if (is_first ? rest.p == before : !scan_char(&rest, ','))
            return ERROR_SYNTAX;
        scan_space(&rest);
        int error = scan_auth_param(&rest, arena, digest, is_all_clean, is_userhash);
        if (error)
            return error;
    }
}

int digest_challenge_parse(struct digest *digest, struct arena *arena, struct text value)
{
    bool is_userhash; /* an offer, which need not be taken */
    int error = parse(digest, arena, value, &is_userhash);
    if (error)
        return error;
    return text_is_set(digest->realm) && digest->nonce.n ? 0 : ERROR_SYNTAX;
}

/** nc-value: eight hexadecimal digits. */
static int parse_nc(struct digest *digest)
{
    struct text digits = digest->nc_text;
    if (digits.n != 8)
        return ERROR_SYNTAX;
    for (size_t i = 0; i < digits.n; i++) {
        char c = digits.p[i];
        uint32_t value;
        if (c >= '0' && c <= '9')
            value = (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            value = (uint32_t)((c | 32) - 'a' + 10);
        else
            return ERROR_SYNTAX;
        digest->nc = digest->nc << 4 | value;
    }
    return 0;
}

int digest_credentials_parse(struct digest *digest, struct arena *arena, struct text value)
{
    bool is_userhash;
    int error = parse(digest, arena, value, &is_userhash);
    if (error)
        return error;
    if (is_userhash)
        return ERROR_UNSUPPORTED;
    if (!text_is_set(digest->username) || !text_is_set(digest->realm) || !digest->nonce.n ||
        !digest->uri.n || !digest->response.n)
        return ERROR_SYNTAX;
    bool has_session = algorithms[digest->algorithm].has_session;
    if ((digest->qops || has_session) && !text_is_set(digest->cnonce))
        return ERROR_SYNTAX;
    if (!digest->qops)
        return 0;
    if (digest->qops == (DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT))
        return ERROR_SYNTAX; /* one must be chosen */
    return parse_nc(digest);
}

/* ---- sums ---- */

/** The bytes of texts with colons between them go into the sum. @return false on failure */
static bool add_parts(EVP_MD_CTX *context, const struct text *parts, size_t count)
{
    bool is_good = true;
    for (size_t i = 0; i < count && is_good; i++)
        is_good = (i == 0 || EVP_DigestUpdate(context, ":", 1) == 1) &&
                  EVP_DigestUpdate(context, parts[i].n ? parts[i].p : "", parts[i].n) == 1;
    return is_good;
}

/** The same at once: each call into OpenSSL costs as much as a block of the sum. */
static bool add_joined(EVP_MD_CTX *context, const struct text *parts, size_t count)
{
    char bytes[SUM_BYTES];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n >= sizeof bytes - n) /* the colon, too */
            return add_parts(context, parts, count);
        if (i)
            bytes[n++] = ':';
        if (parts[i].n)
            memcpy(bytes + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    return EVP_DigestUpdate(context, bytes, n) == 1;
}

/** Digest of texts with colons between them. @return 0 or ERROR_UNSUPPORTED */
static int sum(enum digest_algorithm algorithm, const struct text *parts, size_t count,
               struct digest_hex *hex)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    pthread_once(&once, find_functions);
    EVP_MD_CTX *context = functions[algorithm] ? EVP_MD_CTX_new() : NULL;
    bool is_good = context && EVP_DigestInit_ex(context, functions[algorithm], NULL) == 1 &&
                   add_joined(context, parts, count) &&
                   EVP_DigestFinal_ex(context, bytes, &size) == 1;
    EVP_MD_CTX_free(context);
    hex->n = 0;
    if (!is_good || 2 * (size_t)size != algorithms[algorithm].digits)
        return ERROR_UNSUPPORTED;
    for (unsigned i = 0; i < size; i++) {
        hex->p[hex->n++] = "0123456789abcdef"[bytes[i] >> 4];
        hex->p[hex->n++] = "0123456789abcdef"[bytes[i] & 15];
    }
    return 0;
}

int digest_ha1(enum digest_algorithm algorithm, struct text username, struct text realm,
               struct text password, struct digest_hex *ha1)
{
    return sum(algorithm, (struct text[]){username, realm, password}, 3, ha1);
}

/** H(A2): method and uri, with auth-int the digest of the body, too. */
static int sum_a2(const struct digest *digest, const struct digest_request *request,
                  struct digest_hex *a2)
{
    struct text parts[] = {request->method, digest->uri, TEXT_NONE};
    struct digest_hex body;
    if (digest->qops != DIGEST_QOP_AUTH_INT)
        return sum(digest->algorithm, parts, 2, a2);
    int error = sum(digest->algorithm, &request->body, 1, &body);
    if (error)
        return error;
    parts[2] = digest_hex_text(&body);
    return sum(digest->algorithm, parts, 3, a2);
}

int digest_response(const struct digest *digest, struct text ha1,
                    const struct digest_request *request, struct digest_hex *response)
{
    struct digest_hex a1, a2;
    int error = sum_a2(digest, request, &a2);
    if (!error && algorithms[digest->algorithm].has_session) {
        error = sum(digest->algorithm, (struct text[]){ha1, digest->nonce, digest->cnonce}, 3, &a1);
        ha1 = digest_hex_text(&a1);
    }
    if (error)
        return error;
    if (!digest->qops)
        return sum(digest->algorithm, (struct text[]){ha1, digest->nonce, digest_hex_text(&a2)}, 3,
                   response);
    struct text parts[] = {ha1,
                           digest->nonce,
                           digest->nc_text,
                           digest->cnonce,
                           text_of(digest_qop_name((enum digest_qop)digest->qops)),
                           digest_hex_text(&a2)};
    return sum(digest->algorithm, parts, 6, response);
}

bool digest_is_equal(const struct digest *digest, const struct digest_hex *response)
{
    struct digest_hex given;
    if (digest->response.n != response->n || response->n == 0)
        return false;
    for (size_t i = 0; i < response->n; i++) {
        char c = digest->response.p[i];
        given.p[i] = (char)(c >= 'A' && c <= 'F' ? c | 32 : c);
    }
    return CRYPTO_memcmp(given.p, response->p, response->n) == 0;
}

/* ---- the client's side ---- */

void digest_print_quoted(struct buffer *out, const char *name, struct text value)
{
    buffer_append(out, text_of(name));
    buffer_append(out, TEXT("=\""));
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\')
            buffer_append_char(out, '\\');
        buffer_append_char(out, value.p[i]);
    }
    buffer_append_char(out, '"');
}

static void print_credentials(struct buffer *out, const struct digest *own)
{
    const struct {
        const char *name;
        struct text value;
    } list[] = {
        {"Digest username", own->username},
        {", realm", own->realm},
        {", nonce", own->nonce},
        {", uri", own->uri},
        {", response", own->response},
        {", opaque", own->opaque},
        {", cnonce", own->cnonce},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (text_is_set(list[i].value))
            digest_print_quoted(out, list[i].name, list[i].value);
    if (own->has_algorithm)
        buffer_printf(out, ", algorithm=%s", digest_algorithm_name(own->algorithm));
    if (own->qops)
        buffer_printf(out, ", qop=%s, nc=%.*s", digest_qop_name((enum digest_qop)own->qops),
                      TEXT_ARG(own->nc_text));
}

int digest_answer(struct buffer *out, const struct digest *challenge,
                  const struct digest_client *client, const struct digest_request *request)
{
    struct digest own = *challenge;
    struct digest_hex ha1, response;
    char nc[9];
    own.username = client->username;
    own.uri = client->uri;
    if (own.qops)
        own.qops = own.qops & DIGEST_QOP_AUTH ? DIGEST_QOP_AUTH : DIGEST_QOP_AUTH_INT;
    if (own.qops || algorithms[own.algorithm].has_session)
        own.cnonce = client->cnonce;
    for (int i = 0; i < 8; i++)
        nc[i] = "0123456789abcdef"[client->nc >> (28 - 4 * i) & 15];
    own.nc_text = (struct text){nc, 8};
    int error = digest_ha1(own.algorithm, own.username, own.realm, client->password, &ha1);
    if (!error)
        error = digest_response(&own, digest_hex_text(&ha1), request, &response);
    if (error)
        return error;
    own.response = digest_hex_text(&response);
    print_credentials(out, &own);
    return out->error;
}
