/* Bits for line ends, 64 bytes a word; lines are cut where the bits are. */
#include "sip/lines.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK_BYTES 64
#define LAST_BIT    ((uint64_t)1 << (BLOCK_BYTES - 1))

/* Which of the block's bytes are @p c? */
#ifdef __SSE2__
static inline uint64_t bits_of_sixteen(const char *at, __m128i wanted)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted));
}

static inline uint64_t bits_of(const char *block, char c)
{
    const __m128i wanted = _mm_set1_epi8(c);
    return bits_of_sixteen(block, wanted) | bits_of_sixteen(block + 16, wanted) << 16 |
           bits_of_sixteen(block + 32, wanted) << 32 | bits_of_sixteen(block + 48, wanted) << 48;
}
#else
static inline uint64_t bits_of(const char *block, char c)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < BLOCK_BYTES; i++)
        bits |= (uint64_t)(block[i] == c) << i;
    return bits;
}
#endif

/* @return false at the end of the bytes */
static bool read_block(struct lines *lines)
{
    size_t left = (size_t)(lines->end - lines->unread);
    if (!left)
        return false;
    char padded[BLOCK_BYTES];
    const char *bytes = lines->unread;
    if (left < BLOCK_BYTES) {
        memset(padded, 0, sizeof padded);
        memcpy(padded, bytes, left);
        bytes = padded;
    }
    uint64_t before = lines->cr; /* passed by no LF */
    lines->lf = bits_of(bytes, '\n');
    lines->cr = bits_of(bytes, '\r');
    if (before && (before != LAST_BIT || !(lines->lf & 1)))
        lines->has_stray_cr = true;
    lines->block = lines->unread;
    lines->unread += left < BLOCK_BYTES ? left : BLOCK_BYTES;
    return true;
}

/* Pass the next LF. @return the byte behind it, or NULL */
static inline const char *pass_line_end(struct lines *lines)
{
    while (!lines->lf)
        if (!read_block(lines))
            return NULL;
    uint64_t bit = lines->lf & -lines->lf;
    uint64_t cr = lines->cr & (bit - 1);
    if (cr & ~(bit >> 1))
        lines->has_stray_cr = true;
    lines->cr ^= cr;
    lines->lf ^= bit;
    return lines->block + __builtin_ctzll(bit) + 1;
}

static inline void cut_at(struct lines *lines, struct text *line, const char *at)
{
    *line = text_span(lines->rest.p, at);
    lines->rest = text_span(at, lines->end);
}

void lines_begin(struct lines *lines, struct text bytes)
{
    const char *end = bytes.n ? bytes.p + bytes.n : bytes.p; /* absent bytes end nowhere */
    *lines = (struct lines){.rest = bytes, .end = end, .unread = bytes.p};
}

bool lines_cut(struct lines *lines, struct text *line)
{
    const char *at = pass_line_end(lines);
    if (at)
        cut_at(lines, line, at);
    return at;
}

bool lines_cut_folded(struct lines *lines, struct text *line)
{
    const char *at;
    do {
        at = pass_line_end(lines);
        if (!at)
            return false;
    } while (at < lines->end && (*at == ' ' || *at == '\t'));
    cut_at(lines, line, at);
    return true;
}
