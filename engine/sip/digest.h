/*
 * Digest authentication (RFC 3261 s22, RFC 7616, RFC 8760): what is inside a challenge and inside
 * credentials, and the sums of both sides. No nonce is made or judged here: engine/auth does.
 */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"

/* enum name, name on the wire, OpenSSL's name, hexadecimal digits, with session */
#define DIGEST_ALGORITHMS(XX)                                                                      \
    XX(MD5, "MD5", "MD5", 32, false)                                                               \
    XX(MD5_SESS, "MD5-sess", "MD5", 32, true)                                                      \
    XX(SHA_256, "SHA-256", "SHA256", 64, false)                                                    \
    XX(SHA_256_SESS, "SHA-256-sess", "SHA256", 64, true)                                           \
    XX(SHA_512_256, "SHA-512-256", "SHA512-256", 64, false)                                        \
    XX(SHA_512_256_SESS, "SHA-512-256-sess", "SHA512-256", 64, true)

enum digest_algorithm {
#define XX(name, text, function, digits, session) DIGEST_##name,
    DIGEST_ALGORITHMS(XX)
#undef XX
        DIGEST_ALGORITHM_COUNT
};

enum digest_qop {
    DIGEST_QOP_NONE = 0,     /**< not given: RFC 2069 */
    DIGEST_QOP_AUTH = 1,     /**< "auth" */
    DIGEST_QOP_AUTH_INT = 2, /**< "auth-int": the body is signed, too */
};

#define DIGEST_HEX_BYTES 64 /* of the longest algorithm */
/** Lower-case hexadecimal digits of a digest. */
struct digest_hex {
    char p[DIGEST_HEX_BYTES];
    size_t n;
};
static inline struct text digest_hex_text(const struct digest_hex *hex)
{
    return (struct text){hex->p, hex->n};
}

/**
 * A challenge or credentials. Texts are values without quotes and backslashes (RFC 7616 s3.4),
 * borrowed from what was parsed or from the arena; absent when not there.
 */
struct digest {
    enum digest_algorithm algorithm; /**< MD5 when not written */
    unsigned qops;                   /**< enum digest_qop, one bit each; credentials have one */
    bool has_algorithm;              /**< it is written */
    bool is_stale;
    struct text realm, nonce, opaque;
    /* credentials only */
    struct text username, uri, response, cnonce;
    struct text nc_text; /**< eight digits as written */
    uint32_t nc;         /**< its value */
};

/** @return "SHA-256" */
const char *digest_algorithm_name(enum digest_algorithm algorithm);
/** Any case. @return 0 or ERROR_UNSUPPORTED */
int digest_algorithm_parse(enum digest_algorithm *algorithm, struct text name);
/** @return the same without -sess: what an HA1 is stored for */
enum digest_algorithm digest_algorithm_base(enum digest_algorithm algorithm);
/** Digits of its digests: 32 or 64. */
size_t digest_algorithm_digits(enum digest_algorithm algorithm);
/** @return "auth" or "auth-int" */
const char *digest_qop_name(enum digest_qop qop);
/** Words of a qop list, "auth,auth-int"; unknown ones are skipped. @return enum digest_qop, added up */
unsigned digest_qops_parse(struct text list);

/**
 * Value of a WWW-Authenticate or Proxy-Authenticate header. Parameters that nobody here knows are
 * skipped.
 * @param arena  takes values that had backslashes in them
 * @return 0; ERROR_SYNTAX; ERROR_UNSUPPORTED: another scheme, an algorithm that is not in the list,
 *         or only a qop that is none of ours; ERROR_MEMORY
 */
int digest_challenge_parse(struct digest *digest, struct arena *arena, struct text value);
/**
 * Value of an Authorization or Proxy-Authorization header: username, realm, nonce, uri and response
 * must be there, with qop also cnonce and nc.
 * @return as above; a hashed user name (userhash=true) and username* are ERROR_UNSUPPORTED: no
 *         challenge of ours asks for them
 */
int digest_credentials_parse(struct digest *digest, struct arena *arena, struct text value);

/** H(username:realm:password) (RFC 7616 s3.4.2), session or not. @return 0 or ERROR_UNSUPPORTED */
int digest_ha1(enum digest_algorithm algorithm, struct text username, struct text realm,
               struct text password, struct digest_hex *ha1);

/** The request that credentials are for. */
struct digest_request {
    struct text method;
    struct text body; /**< for auth-int */
};
/**
 * What `response` must be (RFC 7616 s3.4.1).
 * @param digest  credentials: nonce, uri, algorithm, qops with one bit or none, nc_text, cnonce
 * @param ha1     lower-case digits, for a session algorithm that of its base
 * @return 0 or ERROR_UNSUPPORTED: OpenSSL has no such digest here
 */
int digest_response(const struct digest *digest, struct text ha1,
                    const struct digest_request *request, struct digest_hex *response);
/** Are the credentials' response and this one the same? Takes the same time whatever they are. */
bool digest_is_equal(const struct digest *digest, const struct digest_hex *response);

/** Who answers a challenge. */
struct digest_client {
    struct text username, password;
    struct text uri;    /**< Request-URI */
    struct text cnonce; /**< random, without quotes */
    uint32_t nc;        /**< requests with this nonce, this one included */
};
/**
 * Print the credentials that answer a challenge, "Digest username=...": qop auth when it is
 * offered, else auth-int. @return 0, ERROR_UNSUPPORTED or ERROR_MEMORY
 */
int digest_answer(struct buffer *out, const struct digest *challenge,
                  const struct digest_client *client, const struct digest_request *request);
/** Append NAME="VALUE", quotes and backslashes escaped. */
void digest_print_quoted(struct buffer *out, const char *name, struct text value);
