/* Read from the end, a piece at a time. */
#include "record/tail.h"

#include "base/error.h"

#include <errno.h>
#include <unistd.h>

#define PIECE_BYTES 4096

int tail_find(int descriptor, uint64_t least_bytes, uint64_t size_bytes, uint64_t *endp)
{
    char piece[PIECE_BYTES];
    uint64_t end = size_bytes;
    while (end > least_bytes) {
        uint64_t left = end - least_bytes;
        size_t n = left < sizeof piece ? (size_t)left : sizeof piece;
        uint64_t from = end - n;
        ssize_t got = pread(descriptor, piece, n, (off_t)from);
        if (got != (ssize_t)n) {
            errno = got < 0 ? errno : EIO; /* it has become shorter */
            return ERROR_TRANSPORT;
        }
        while (n && piece[n - 1] != '\n')
            n--;
        end = from + n;
        if (n)
            break;
    }
    *endp = end;
    return 0;
}
