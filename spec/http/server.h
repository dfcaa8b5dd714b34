/*
 * A small HTTP/1.1 server of the tests, on a port that the kernel chooses. The path says what it does:
 *   /echo       200; the body is the request as it came
 *   /hold       200, once server_release() was called
 *   /big/N      200; a body of N bytes
 *   /head/N     200; a header field of N bytes
 *   /to/PATH    302 to /PATH
 *   /loop       302 to /loop
 *   /cut        closes in the middle of its answer
 *   all else    404
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_CONNECTIONS 64

struct server {
    int fd;
    unsigned port;
    pthread_t thread;
    pthread_t serving[SERVER_CONNECTIONS];
    int fds[SERVER_CONNECTIONS];
    atomic_int accepted, held;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_released;
};

struct server_connection {
    struct server *server;
    int fd;
};

static inline void server_write(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        p += sent;
        n -= (size_t)sent;
    }
}

static inline void server_write_text(int fd, const char *text)
{
    server_write(fd, text, strlen(text));
}

/** One request into @p room. @return its bytes, 0 at the end */
static inline size_t server_read(int fd, char *room, size_t most)
{
    size_t n = 0, want = 0;
    while (n < most - 1) {
        ssize_t got = recv(fd, room + n, most - 1 - n, 0);
        if (got <= 0)
            return 0;
        n += (size_t)got;
        room[n] = 0;
        const char *end = strstr(room, "\r\n\r\n");
        const char *length = end ? strcasestr(room, "\r\nContent-Length:") : NULL;
        want = end ? (size_t)(end + 4 - room) : 0;
        if (length && length < end)
            want += (size_t)atol(length + 17);
        if (end && n >= want)
            return n;
    }
    return 0;
}

static inline void server_answer(int fd, const char *status, const char *fields, const char *body,
                                 size_t n)
{
    char head[512];
    int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
                          n, fields);
    server_write(fd, head, (size_t)length);
    server_write(fd, body, n);
}

static inline void server_hold(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->held++;
    pthread_cond_broadcast(&server->changed);
    while (!server->is_released)
        pthread_cond_wait(&server->changed, &server->lock);
    server->held--;
    pthread_mutex_unlock(&server->lock);
}

static inline void server_answer_large(int fd, size_t n, bool in_head)
{
    char *block = malloc(n + 32);
    memset(block, 'x', n);
    if (in_head) {
        server_write_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Large: ");
        server_write(fd, block, n);
        server_write_text(fd, "\r\n\r\n");
    } else {
        server_answer(fd, "200 OK", "", block, n);
    }
    free(block);
}

/** @return false: the connection ends */
static inline bool server_do(struct server *server, int fd, const char *request, size_t n)
{
    char path[128] = "", fields[256];
    sscanf(request, "%*s %127s", path);
    if (strncmp(path, "/echo", 5) == 0) {
        server_answer(fd, "200 OK", "X-Name: one\r\nX-Name: two\r\nX-Empty:\r\n", request, n);
    } else if (strcmp(path, "/hold") == 0) {
        server_hold(server);
        server_answer(fd, "200 OK", "", "held", 4);
    } else if (strncmp(path, "/big/", 5) == 0) {
        server_answer_large(fd, (size_t)atol(path + 5), false);
    } else if (strncmp(path, "/head/", 6) == 0) {
        server_answer_large(fd, (size_t)atol(path + 6), true);
    } else if (strncmp(path, "/to/", 4) == 0 || strcmp(path, "/loop") == 0) {
        snprintf(fields, sizeof fields, "Location: %s\r\n", path[1] == 't' ? path + 3 : path);
        server_answer(fd, "302 Found", fields, "there", 5);
    } else if (strcmp(path, "/cut") == 0) {
        server_write_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        return false;
    } else {
        server_answer(fd, "404 Not Found", "", "no", 2);
    }
    return true;
}

static inline void *server_serve(void *arg)
{
    struct server_connection connection = *(struct server_connection *)arg;
    free(arg);
    char request[65536];
    size_t n;
    while ((n = server_read(connection.fd, request, sizeof request)) &&
           server_do(connection.server, connection.fd, request, n))
        ;
    shutdown(connection.fd, SHUT_RDWR);
    return NULL;
}

static inline void *server_accept(void *arg)
{
    struct server *server = arg;
    int fd;
    while (server->accepted < SERVER_CONNECTIONS && (fd = accept(server->fd, NULL, NULL)) >= 0) {
        struct server_connection *connection = malloc(sizeof *connection);
        *connection = (struct server_connection){server, fd};
        server->fds[server->accepted] = fd;
        pthread_create(&server->serving[server->accepted], NULL, server_serve, connection);
        server->accepted++;
    }
    return NULL;
}

static inline void server_open(struct server *server)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof local;
    memset(server, 0, sizeof *server);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server->fd, (struct sockaddr *)&local, size) || listen(server->fd, 64) ||
        getsockname(server->fd, (struct sockaddr *)&local, &size))
        abort();
    server->port = ntohs(local.sin_port);
    pthread_create(&server->thread, NULL, server_accept, server);
}

/** Wait until so many requests are held. */
static inline void server_wait_held(struct server *server, int count)
{
    pthread_mutex_lock(&server->lock);
    while (server->held < count)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

static inline void server_release(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->is_released = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static inline void server_close(struct server *server)
{
    server_release(server);
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    for (int i = 0; i < server->accepted; i++) {
        shutdown(server->fds[i], SHUT_RDWR);
        pthread_join(server->serving[i], NULL);
        close(server->fds[i]);
    }
    close(server->fd);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
}
