/* The kernel's choice of a source address: connecting a datagram socket sends nothing, but routes. */
#include "io/uv_world.h"

#include "base/error.h"

#include <errno.h>
#include <unistd.h>

static int error_of_route(int number)
{
    switch (number) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL: return ERROR_NOT_FOUND;
    case EMFILE:
    case ENFILE: return ERROR_LIMIT;
    default: return ERROR_TRANSPORT;
    }
}

int real_route(const struct address *to, struct address *local)
{
    struct address target = *to;
    socklen_t size = sizeof *local;
    if (!address_port(to))
        address_set_port(&target, 9); /* discard: no port is asked, some must be given */
    int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_of_route(errno);
    int error = 0;
    if (connect(fd, &target.sa, address_size(&target)) || getsockname(fd, &local->sa, &size))
        error = error_of_route(errno);
    close(fd);
    return error;
}
