/* URLs of databases. */
#include "database/url.h"

#include "base/error.h"
#include "base/memory.h"
#include "database/operations.h"

#include <stdio.h>

#define URL_BYTES 2048 /* longest URL */

static const struct database_operations *const kinds[] = {&database_sqlite, &database_postgres,
                                                          &database_mysql};

static const struct database_operations *find_kind(struct text scheme)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (const char *const *name = kinds[i]->schemes; *name; name++) {
            if (text_equal_nocase(scheme, text_of(*name)))
                return kinds[i];
        }
    }
    return NULL;
}

/** Where decoded parts are written. */
struct writer {
    char *at;
    const char *problem; /**< NULL while all went well */
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** @return the decoded part, NULL when it is empty */
static const char *decode(struct writer *writer, struct text t)
{
    char *begin = writer->at;
    for (size_t i = 0; i < t.n; i++) {
        char c = t.p[i];
        if (c == '%') {
            int high = i + 2 < t.n ? hex_digit(t.p[i + 1]) : -1;
            int low = i + 2 < t.n ? hex_digit(t.p[i + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0) {
                writer->problem = "a '%' must be followed by two hexadecimal digits, not 00";
                return NULL;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        *writer->at++ = c;
    }
    *writer->at++ = 0;
    return *begin ? begin : NULL;
}

static void parse_tls(struct writer *writer, struct database_url *url, struct text word)
{
    static const char *const words[] = {"prefer", "off", "require", "verify"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (text_equal(word, text_of(words[i]))) {
            url->tls = (enum database_tls)i;
            return;
        }
    }
    writer->problem = "tls is one of off, prefer, require, verify";
}

static void parse_options(struct writer *writer, struct database_url *url, struct text rest)
{
    while (text_is_set(rest) && !writer->problem) {
        struct text value = text_split(&rest, '&');
        struct text name = text_split(&value, '=');
        if (text_equal(name, TEXT("tls")))
            parse_tls(writer, url, value);
        else if (text_equal(name, TEXT("ca")))
            url->ca = decode(writer, value);
        else if (text_equal(name, TEXT("cert")))
            url->certificate = decode(writer, value);
        else if (text_equal(name, TEXT("key")))
            url->key = decode(writer, value);
        else if (text_equal(name, TEXT("socket")))
            url->socket = decode(writer, value);
        else
            writer->problem = "unknown option; known are tls, ca, cert, key, socket";
    }
}

/** HOST, HOST:PORT or [HOST]:PORT */
static void parse_host(struct writer *writer, struct database_url *url, struct text host)
{
    struct text port = host;
    const char *bracket = host.n && host.p[0] == '[' ? text_find(host, ']') : NULL;
    if (bracket) {
        port = text_span(bracket + 1, host.p + host.n);
        host = text_span(host.p + 1, bracket);
        if (port.n && port.p[0] != ':')
            writer->problem = "a ':' and a port must follow ']'";
        text_split(&port, ':');
    } else {
        host = text_split(&port, ':');
    }
    uint32_t number = 0;
    if (text_is_set(port) && (text_to_u32(port, &number) || !number || number > UINT16_MAX))
        writer->problem = "the port is a number from 1 to 65535";
    url->port = (uint16_t)number;
    const char *decoded = decode(writer, host);
    url->host = decoded;
}

/** The last '@' ends user and password: a password may hold one that nobody encoded. */
static struct text split_user(struct text *rest)
{
    for (size_t i = rest->n; i-- > 0;) {
        if (rest->p[i] == '@') {
            struct text user = {rest->p, i};
            *rest = (struct text){rest->p + i + 1, rest->n - i - 1};
            return user;
        }
    }
    return TEXT_NONE;
}

static void parse_server(struct writer *writer, struct database_url *url, struct text rest)
{
    if (!text_starts_with(rest, TEXT("//"))) {
        writer->problem = "'//' must follow the scheme";
        return;
    }
    rest = (struct text){rest.p + 2, rest.n - 2};
    struct text options = rest;
    rest = text_split(&options, '?');
    struct text user = split_user(&rest);
    struct text name = rest;
    struct text host = text_split(&name, '/');
    if (text_is_set(user)) {
        struct text password = user;
        user = text_split(&password, ':');
        url->user = decode(writer, user);
        if (text_is_set(password))
            url->password = decode(writer, password);
    }
    parse_host(writer, url, host);
    url->name = text_is_set(name) ? decode(writer, name) : NULL;
    parse_options(writer, url, options);
    if (!writer->problem && !url->name)
        writer->problem = "the name of the database is missing: SCHEME://HOST/NAME";
    url->shown = writer->at;
    writer->at += snprintf(writer->at, URL_BYTES, "%s://%.*s/%s", url->operations->schemes[0],
                           TEXT_ARG(host), url->name ? url->name : "");
}

static void parse_file(struct writer *writer, struct database_url *url, struct text rest)
{
    struct text slashes = TEXT("//");
    if (text_starts_with(rest, slashes)) /* sqlite:///var/lib/x is /var/lib/x */
        rest = (struct text){rest.p + slashes.n, rest.n - slashes.n};
    url->name = decode(writer, rest);
    if (!writer->problem && !url->name)
        writer->problem = "the path is missing: sqlite:PATH";
    url->shown = writer->at;
    snprintf(writer->at, URL_BYTES, "sqlite:%s", url->name ? url->name : "");
}

int database_url_parse(struct database_url **urlp, const char *text, const char **problem)
{
    struct text rest = text_of(text);
    struct text scheme = text_split(&rest, ':');
    const struct database_operations *kind = find_kind(scheme);
    *problem = "a URL begins with sqlite:, postgres:// or mysql://";
    if (!kind || !text_is_set(rest))
        return ERROR_ARGUMENT;
    *problem = "the URL is too long";
    if (rest.n >= URL_BYTES)
        return ERROR_ARGUMENT;
    /* Each part and its NUL, then the shown text. */
    struct database_url *url = memory_alloc_room(sizeof *url, 3 * rest.n + 64, NULL);
    if (!url)
        return ERROR_MEMORY;
    struct writer writer = {.at = (char *)(url + 1)};
    url->operations = kind;
    if (kind == &database_sqlite)
        parse_file(&writer, url, rest);
    else
        parse_server(&writer, url, rest);
    *problem = writer.problem;
    if (!writer.problem) {
        *urlp = url;
        return 0;
    }
    memory_release(url);
    return ERROR_ARGUMENT;
}

int database_check_url(const char *url, const char **problem)
{
    struct database_url *parsed = NULL;
    int error = database_url_parse(&parsed, url, problem);
    memory_release(parsed);
    return error == ERROR_MEMORY ? 0 : error;
}
