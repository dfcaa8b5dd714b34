/* Any bytes as a challenge and as credentials: what is taken can be answered, and the answer is taken. */
#include "sip/digest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_answer(struct arena *arena, const struct digest *challenge)
{
    struct buffer out = {0};
    struct digest again;
    struct digest_hex ha1, response;
    struct digest_request request = {TEXT("INVITE"), TEXT("v=0")};
    struct digest_client client = {TEXT("al\"ice"), TEXT("secret"), TEXT("sip:x"), TEXT("c"), 7};
    require(!digest_answer(&out, challenge, &client, &request));
    require(!digest_credentials_parse(&again, arena, buffer_text(&out)));
    require(text_equal(again.realm, challenge->realm) && text_equal(again.nonce, challenge->nonce));
    require(!digest_ha1(again.algorithm, client.username, again.realm, client.password, &ha1));
    require(!digest_response(&again, digest_hex_text(&ha1), &request, &response));
    require(digest_is_equal(&again, &response));
    buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text value = {(const char *)data, size};
    struct arena arena = {0};
    struct digest digest;
    struct digest_hex ha1, response;
    struct digest_request request = {TEXT("INVITE"), TEXT_NONE};
    if (!digest_challenge_parse(&digest, &arena, value))
        check_answer(&arena, &digest);
    if (!digest_credentials_parse(&digest, &arena, value)) {
        require(digest.username.p && digest.realm.p && digest.nonce.n && digest.response.n);
        require(!digest_ha1(digest.algorithm, digest.username, digest.realm, TEXT("p"), &ha1));
        require(!digest_response(&digest, digest_hex_text(&ha1), &request, &response));
        digest_is_equal(&digest, &response);
    }
    arena_reset(&arena);
    return 0;
}
