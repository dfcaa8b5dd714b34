/* core.hash(): digests as the s.md5, s.sha1 ... transformations print them. */
#include "script/state.h"

#include <openssl/evp.h>

static const EVP_MD *algorithm_named(const char *name)
{
    static const struct {
        const char *name;
        const EVP_MD *(*get)(void);
    } list[] = {
        {"md5", EVP_md5},       {"sha1", EVP_sha1},     {"sha256", EVP_sha256},
        {"sha384", EVP_sha384}, {"sha512", EVP_sha512},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (strcmp(list[i].name, name) == 0)
            return list[i].get();
    return NULL;
}

/** core.hash(algorithm, bytes) -> lower-case hex */
static int core_hash(lua_State *L)
{
    api_text(L, 1, "hash algorithm");
    const EVP_MD *algorithm = algorithm_named(lua_tostring(L, 1));
    if (!algorithm)
        return api_misuse(L, "no hash algorithm '%s'; md5, sha1, sha256, sha384 or sha512",
                          lua_tostring(L, 1));
    struct text bytes = api_text(L, 2, "bytes to hash");
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned count;
    if (EVP_Digest(bytes.p, bytes.n, digest, &count, algorithm, NULL) != 1)
        return api_push_failure(L, "this digest is not available");
    char hex[2 * EVP_MAX_MD_SIZE];
    for (unsigned i = 0; i < count; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    lua_pushlstring(L, hex, 2 * (size_t)count);
    return 1;
}

void api_hash_open(lua_State *L)
{
    lua_pushcfunction(L, core_hash);
    lua_setfield(L, -2, "hash");
}
