/* Lines end where the first of CR and LF stands: one look at each byte, sixteen at a step. */
#include "sip/lines.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* @return the first CR or LF, or @p end */
static inline const char *find_cr_or_lf(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, cr), _mm_cmpeq_epi8(bytes, lf));
        unsigned bits = (unsigned)_mm_movemask_epi8(found);
        if (bits)
            return at + __builtin_ctz(bits);
    }
#endif
    while (at < end && *at != '\r' && *at != '\n')
        at++;
    return at;
}

const char *line_end(const char *at, const char *end, bool is_folded, bool *has_stray_cr)
{
    bool may_fold = is_folded && at < end && !text_is_space(*at);
    for (; (at = find_cr_or_lf(at, end)) < end; at++) {
        if (*at == '\r') {
            if (end - at == 1 || at[1] != '\n') {
                *has_stray_cr = true;
                continue;
            }
            at++;
        }
        if (!may_fold || end - at == 1 || (at[1] != ' ' && at[1] != '\t'))
            return at + 1;
    }
    return NULL;
}
