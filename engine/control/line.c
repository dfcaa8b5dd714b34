/* See line.h. */
#include "control/line.h"

#include "base/buffer.h"
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Not the seam's clock: control has no loop and no place in the lab. */
static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : clock_ms() + timeout_ms;
}

/* @return 0, ERROR_TIMEOUT, ERROR_TRANSPORT */
static int wait_for(int fd, short events, int64_t until_ms)
{
    for (;;) {
        int64_t left = until_ms == INT64_MAX ? -1 : until_ms - clock_ms();
        struct pollfd one = {fd, events, 0};
        if (until_ms != INT64_MAX && left <= 0)
            return ERROR_TIMEOUT;
        int ready = poll(&one, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return ERROR_TRANSPORT;
    }
}

int line_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!text_to_array(text_of(path), address->sun_path, sizeof address->sun_path))
        return -1;
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* One piece more. @return 1: the line is whole, 0: it is not yet, or an error */
static int read_piece(struct buffer *buffer, int fd, size_t bytes_most)
{
    char piece[4096];
    ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return ERROR_TRANSPORT;
    const char *end = memchr(piece, '\n', (size_t)n);
    buffer_append(buffer, text_span(piece, end ? end : piece + n));
    if (buffer->error)
        return buffer->error;
    return buffer->n > bytes_most ? ERROR_LIMIT : end != NULL;
}

int line_read(char **linep, int fd, size_t bytes_most, int timeout_ms)
{
    struct buffer buffer = {0};
    int64_t until_ms = deadline_of(timeout_ms);
    int result = 0;
    while (result == 0) {
        result = wait_for(fd, POLLIN, until_ms);
        if (!result)
            result = read_piece(&buffer, fd, bytes_most);
    }
    if (result > 0) {
        buffer_append_char(&buffer, 0);
        result = buffer.error;
    }
    if (result)
        buffer_release(&buffer);
    else
        *linep = buffer.p;
    return result;
}

int line_write(int fd, const char *line, int timeout_ms)
{
    struct text parts[] = {text_of(line), TEXT("\n")};
    int64_t until_ms = deadline_of(timeout_ms);
    for (size_t i = 0; i < 2;) {
        int error = wait_for(fd, POLLOUT, until_ms);
        ssize_t n = error ? 0 : send(fd, parts[i].p, parts[i].n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (error || (n < 0 && errno != EAGAIN && errno != EINTR))
            return error ? error : ERROR_TRANSPORT;
        parts[i] = text_span(parts[i].p + (n > 0 ? n : 0), parts[i].p + parts[i].n);
        i += parts[i].n == 0;
    }
    return 0;
}
