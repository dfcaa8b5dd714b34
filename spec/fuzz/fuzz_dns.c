/* Answers of name servers, read as each type of record. */
#include "io/uv_world.h"

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resolve_record v[8];
    for (enum resolve_type type = RESOLVE_A; type <= RESOLVE_NAPTR; type++) {
        size_t count = resolve_parse(v, 8, type, (struct text){(const char *)data, size});
        engine_require(count <= 8);
        for (size_t i = 0; i < count; i++)
            engine_require(v[i].type == type && memchr(v[i].name, 0, sizeof v[i].name));
    }
    return 0;
}
