/*
 * SipHash-2-4-128 is the keyed hash: a pseudo-random function made for short inputs, of which nobody
 * without the key can tell one output, and which needs no memory that could run out.
 */
#include "auth/nonce.h"

#include <openssl/crypto.h>

static void sign(const struct nonce_scope *scope, const char *body, char out[32])
{
    char host[ADDRESS_TEXT_BYTES];
    struct text parts[] = {
        {body, NONCE_BODY_DIGITS},
        scope->realm,
        scope->algorithm,
        scope->source ? address_print_host(scope->source, host) : TEXT(""),
    };
    struct hash_wide hash = hash_texts_wide(scope->key, parts, sizeof parts / sizeof *parts);
    text_print_hex64(hash.high, out);
    text_print_hex64(hash.low, out + TEXT_HEX64_BYTES);
}

void nonce_print(const struct nonce_scope *scope, uint64_t now_ms, uint64_t unique,
                 char out[NONCE_BYTES])
{
    char time[TEXT_HEX64_BYTES];
    text_print_hex64(now_ms, time);
    memcpy(out, time + TEXT_HEX64_BYTES - NONCE_TIME_DIGITS, NONCE_TIME_DIGITS);
    text_print_hex64(unique, out + NONCE_TIME_DIGITS);
    sign(scope, out, out + NONCE_BODY_DIGITS);
}

bool nonce_check(const struct nonce_scope *scope, struct text nonce, uint64_t *made_ms)
{
    char signature[NONCE_BYTES - NONCE_BODY_DIGITS];
    if (nonce.n != NONCE_BYTES)
        return false;
    sign(scope, nonce.p, signature);
    if (CRYPTO_memcmp(signature, nonce.p + NONCE_BODY_DIGITS, sizeof signature) != 0)
        return false;
    *made_ms = 0;
    for (int i = 0; i < NONCE_TIME_DIGITS; i++) { /* our own digits */
        char c = nonce.p[i];
        *made_ms = *made_ms << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}
