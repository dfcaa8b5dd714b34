/* What the service manager hears, over the two kinds of socket names. */
#include "control/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int manager_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(name) < sizeof address.sun_path);
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static const char *heard(int fd)
{
    static char text[128];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void speaks_to_the_socket_of_the_environment(void **state)
{
    char names[2][64];
    (void)state;
    snprintf(names[0], sizeof names[0], "@lunasip-notify-%d", (int)getpid());
    snprintf(names[1], sizeof names[1], "/tmp/lunasip-notify-%d", (int)getpid());
    for (int i = 0; i < 2; i++) {
        int fd = manager_at(names[i]);
        notify("READY=1");
        assert_string_equal(heard(fd), "READY=1");
        notify_reloading();
        assert_non_null(strstr(heard(fd), "RELOADING=1\nMONOTONIC_USEC="));
        close(fd);
    }
    unlink(names[1]);
    notify("READY=1"); /* nobody is there any more */
}

static void is_silent_where_nobody_wants_to_hear(void **state)
{
    static const char *const names[] = {"", "@", "relative", "/nowhere/at/all"};
    char longer[200];
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    notify("READY=1");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify("READY=1");
    }
    memset(longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = 0;
    setenv("NOTIFY_SOCKET", longer, 1);
    notify("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_to_the_socket_of_the_environment),
        cmocka_unit_test(is_silent_where_nobody_wants_to_hear),
    };
    return cmocka_run_group_tests_name("telling the service manager", tests, NULL, NULL);
}
