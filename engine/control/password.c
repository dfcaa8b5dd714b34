/* A terminal shows nothing meanwhile, and shows again whatever happened. */
#include "control/password.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static int read_line(char *room, size_t size_bytes, const char **problem)
{
    if (!fgets(room, (int)size_bytes, stdin)) {
        *problem = "there is no password";
        return ERROR_ARGUMENT;
    }
    size_t n = strcspn(room, "\r\n");
    *problem = n == 0 ? "the password is empty" : "the password is too long";
    if (n == 0 || (!room[n] && n + 1 == size_bytes))
        return ERROR_ARGUMENT;
    room[n] = 0;
    return 0;
}

static int ask(const char *words, char *room, size_t size_bytes, const char **problem)
{
    fputs(words, stderr);
    int error = read_line(room, size_bytes, problem);
    fputs("\n", stderr);
    return error;
}

static int ask_twice(char *room, size_t size_bytes, const char **problem)
{
    char again[512];
    int error = ask("Password: ", room, size_bytes, problem);
    if (!error)
        error = ask("Again: ", again, sizeof again, problem);
    if (!error && strcmp(room, again) != 0) {
        *problem = "the passwords differ";
        error = ERROR_ARGUMENT;
    }
    explicit_bzero(again, sizeof again);
    return error;
}

int password_read(char *room, size_t size_bytes, const char **problem)
{
    struct termios before, quiet;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before))
        return read_line(room, size_bytes, problem);
    quiet = before;
    quiet.c_lflag &= (tcflag_t)~ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    int error = ask_twice(room, size_bytes, problem);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    return error;
}
