/* Any bytes as a flag string, and as a flag of the table form. */
#include "base/error.h"
#include "base/memory.h"
#include "media/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct media_flags *flags;
    struct text string = {(const char *)bytes, n}, bad;
    engine_require(media_flags_create(&flags) == 0);
    int error = media_flags_parse(flags, string, &bad);
    engine_require((error == 0) == !text_is_set(bad));
    if (error)
        engine_require(bad.p >= string.p && bad.p + bad.n <= string.p + n);
    struct text value = string;
    struct text name = text_split(&value, ':');
    media_flags_set(flags, name, value);
    memory_release(flags);
    return 0;
}
