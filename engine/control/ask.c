/* `lunasip ctl`: asks a running engine and prints what it answers. */
#include "base/memory.h"
#include "control/control.h"
#include "control/line.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(const char *path)
{
    struct sockaddr_un address;
    int fd = line_socket(path, &address);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int find_engine(const char *socket_path)
{
    if (socket_path)
        return connect_to(socket_path);
    const char *paths[] = {getenv("LUNASIP_SOCKET"), "./run/lunasip.sock",
                           "/run/lunasip/lunasip.sock"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        int fd = paths[i] ? connect_to(paths[i]) : -1;
        if (fd >= 0)
            return fd;
    }
    return -1;
}

/* JSON as indented lines "name: value", for people. */
static void print_value(const char *name, const json_t *value, int depth)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_object(value) || json_is_array(value)) {
        if (name)
            printf("%*s%s:\n", depth * 2, "", name);
        json_object_foreach((json_t *)value, key, member)
            print_value(key, member, depth + (name != NULL));
        json_array_foreach(value, i, member)
        {
            if (json_is_object(member))
                printf("%*s-\n", (depth + (name != NULL)) * 2, "");
            print_value(NULL, member, depth + 1 + (name != NULL));
        }
        return;
    }
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    printf("%*s%s%s%s\n", depth * 2, "", name ? name : "", name ? ": " : "",
           text ? text : json_string_value(value));
    free(text);
}

static int print_answer(const json_t *reply, bool as_json)
{
    const char *text = json_string_value(json_object_get(reply, "text"));
    const json_t *data = json_object_get(reply, "data");
    int code = (int)json_integer_value(json_object_get(reply, "code"));
    if (as_json) {
        char *out = json_dumps(data ? data : reply, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        printf("%s\n", out ? out : "");
        free(out);
    } else {
        if (text && text[0])
            fprintf(code ? stderr : stdout, "%s\n", text);
        if (data)
            print_value(NULL, data, 0);
    }
    return code;
}

/* @return owned; NULL: nobody answers, which was said */
static json_t *ask(const char *socket_path, const json_t *words)
{
    int fd = find_engine(socket_path);
    if (fd < 0) {
        fprintf(stderr,
                "no running lunasip answers%s%s; start one with `lunasip run CONF`, or say "
                "where with --socket\n",
                socket_path ? " at " : "", socket_path ? socket_path : "");
        return NULL;
    }
    char *request = json_dumps(words, JSON_COMPACT), *line = NULL;
    if (request && line_write(fd, request, LINE_FOREVER) == 0)
        line_read(&line, fd, SIZE_MAX, LINE_FOREVER);
    free(request);
    close(fd);
    json_t *reply = line ? json_loads(line, 0, NULL) : NULL;
    memory_free_raw(line);
    if (!reply)
        fprintf(stderr, "the running lunasip gave no answer\n");
    return reply;
}

/* The other parts of a list go behind the first. @return whether all came */
static bool ask_rest(const char *socket_path, json_t *reply)
{
    json_t *next = json_incref(json_object_get(reply, "next"));
    bool is_whole = true;
    while (next && is_whole) {
        json_t *part = ask(socket_path, next);
        is_whole = part && !json_array_extend(json_object_get(reply, "data"),
                                              json_object_get(part, "data"));
        json_decref(next);
        next = json_incref(json_object_get(part, "next"));
        json_decref(part);
    }
    json_decref(next);
    json_object_del(reply, "next");
    return is_whole;
}

int control_ask(const char *socket_path, int argc, char *const argv[], bool as_json)
{
    json_t *words = json_array();
    for (int i = 0; i < argc; i++)
        json_array_append_new(words, json_string(argv[i]));
    signal(SIGPIPE, SIG_IGN);
    json_t *reply = ask(socket_path, words);
    json_decref(words);
    if (!reply || !ask_rest(socket_path, reply)) {
        json_decref(reply);
        return 1;
    }
    int code = print_answer(reply, as_json);
    json_decref(reply);
    return code;
}
