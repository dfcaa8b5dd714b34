/* Sets of bytes and scanning steps. */
#include "sip/scan.h"

#include "base/address.h"
#include "base/error.h"

#define BIT(c)   ((uint64_t)1 << ((c)&63))
#define DIGITS   0x03ff000000000000u /* word 0 */
#define LETTERS  0x07fffffe07fffffeu /* word 1 */
#define VISIBLE0 0xfffffffe00000000u /* '!' to '?' */
#define VISIBLE1 0x7fffffffffffffffu /* '@' to '~' */
#define MARK0    (BIT('-') | BIT('.') | BIT('!') | BIT('*') | BIT('\'') | BIT('(') | BIT(')'))
#define MARK1    (BIT('_') | BIT('~'))

const struct char_set CHARS_DIGIT = {{DIGITS}};

const struct char_set CHARS_TOKEN = {
    {DIGITS | BIT('-') | BIT('.') | BIT('!') | BIT('%') | BIT('*') | BIT('+') | BIT('\''),
     LETTERS | BIT('_') | BIT('`') | BIT('~')}};

const struct char_set CHARS_SCHEME = {{DIGITS | BIT('+') | BIT('-') | BIT('.'), LETTERS}};

/* Deviation: '#' stands unescaped in dialled service codes ("*21#"). */
const struct char_set CHARS_USER = {{DIGITS | MARK0 | BIT('&') | BIT('=') | BIT('+') | BIT('$') |
                                         BIT(',') | BIT(';') | BIT('?') | BIT('/') | BIT('#'),
                                     LETTERS | MARK1}};

const struct char_set CHARS_PASSWORD = {
    {DIGITS | MARK0 | BIT('&') | BIT('=') | BIT('+') | BIT('$') | BIT(','), LETTERS | MARK1}};

/* Deviation: '_' is common in host names of private networks. */
const struct char_set CHARS_HOST = {{DIGITS | BIT('-') | BIT('.'), LETTERS | BIT('_')}};

/* Deviation: '=' and ',' inside a value ("opaque=user:epid:a="), and empty parameters. */
const struct char_set CHARS_PARAMS = {{DIGITS | MARK0 | BIT('/') | BIT(':') | BIT('&') | BIT('+') |
                                           BIT('$') | BIT('=') | BIT(';') | BIT(','),
                                       LETTERS | MARK1 | BIT('[') | BIT(']')}};

const struct char_set CHARS_HEADERS = {{DIGITS | MARK0 | BIT('/') | BIT('?') | BIT(':') | BIT('+') |
                                            BIT('$') | BIT('=') | BIT('&') | BIT(';') | BIT(','),
                                        LETTERS | MARK1 | BIT('[') | BIT(']')}};

const struct char_set CHARS_OPAQUE = {
    {VISIBLE0 & ~(BIT('<') | BIT('>') | BIT('"') | BIT('%')), VISIBLE1}};

const struct char_set CHARS_NUMBER = {
    {DIGITS | BIT('+') | BIT('*') | BIT('#') | BIT('-') | BIT('.') | BIT('(') | BIT(')'),
     0x0000007e0000007eu /* A-F a-f */}};

/* Deviation: any byte that cannot be mistaken for structure, UTF-8 included, not only tokens. */
const struct char_set CHARS_DISPLAY = {
    {(VISIBLE0 & ~(BIT('<') | BIT('>') | BIT('"') | BIT(',') | BIT(';') | BIT(':'))) | BIT(' ') |
         BIT('\t') | BIT('\r') | BIT('\n'),
     VISIBLE1 & ~BIT('\\'), UINT64_MAX, UINT64_MAX}};

const struct char_set CHARS_VALUE = {
    {VISIBLE0 & ~(BIT('<') | BIT('>') | BIT('"') | BIT(',') | BIT(';')), VISIBLE1 & ~BIT('\\')}};

const struct char_set CHARS_ORDINARY = {{DIGITS | BIT(' ') | BIT('<') | BIT('>') | BIT(':') |
                                             BIT(';') | BIT('=') | BIT('.') | BIT('-') | BIT('+') |
                                             BIT('/') | BIT('*'),
                                         LETTERS | BIT('@') | BIT('_') | BIT('[') | BIT(']')}};

struct text scan_quoted(struct text *rest)
{
    if (!rest->n || rest->p[0] != '"')
        return TEXT_NONE;
    for (size_t i = 1; i < rest->n; i++) {
        if (rest->p[i] == '\\') {
            i++;
        } else if (rest->p[i] == '"') {
            struct text quoted = {rest->p, i + 1};
            scan_skip(rest, i + 1);
            return quoted;
        }
    }
    return TEXT_NONE;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool scan_is_escaped(struct text t, const struct char_set *set)
{
    for (;;) {
        scan_set(&t, set);
        if (!t.n)
            return true;
        if (t.p[0] != '%' || t.n < 3 || !is_hex(t.p[1]) || !is_hex(t.p[2]))
            return false;
        scan_skip(&t, 3);
    }
}

/* IPv6reference with its brackets; absent when it is none. */
static struct text scan_ipv6(struct text *rest)
{
    const char *close = text_find(*rest, ']');
    if (!close)
        return TEXT_NONE;
    struct text host = text_span(rest->p, close + 1);
    struct address address;
    if (address_parse_host(&address, host) || !address_is_ipv6(&address))
        return TEXT_NONE;
    scan_skip(rest, host.n);
    return host;
}

int scan_host_port(struct text *rest, struct text *host, uint16_t *port, bool spaces)
{
    bool is_ipv6 = rest->n && rest->p[0] == '[';
    *host = is_ipv6 ? scan_ipv6(rest) : scan_set(rest, &CHARS_HOST);
    *port = 0;
    if (!host->n)
        return ERROR_SYNTAX;
    struct text behind = *rest;
    if (spaces)
        scan_space(&behind);
    if (!scan_char(&behind, ':'))
        return 0;
    if (spaces)
        scan_space(&behind);
    uint32_t number;
    struct text digits = scan_set(&behind, &CHARS_DIGIT);
    if (text_to_u32(digits, &number) || number == 0 || number > 65535)
        return ERROR_SYNTAX;
    *port = (uint16_t)number;
    *rest = behind;
    return 0;
}

int scan_param(struct text *rest, struct scan_param *param)
{
    scan_space(rest);
    if (!rest->n)
        return 0;
    if (!scan_char(rest, ';'))
        return ERROR_SYNTAX;
    scan_space(rest);
    param->name = scan_set(rest, &CHARS_TOKEN);
    param->value = TEXT_NONE;
    if (!param->name.n)
        return ERROR_SYNTAX;
    scan_space(rest);
    if (!scan_char(rest, '='))
        return 1;
    scan_space(rest);
    param->value = rest->n && rest->p[0] == '"' ? scan_quoted(rest) : scan_set(rest, &CHARS_VALUE);
    return param->value.n ? 1 : ERROR_SYNTAX;
}
