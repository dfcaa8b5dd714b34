/* What the tests of messages share: an INVITE as it comes from the wire, and short words. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "sip/message.h"

#define SAMPLE_BODY "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\n"
#define SAMPLE_INVITE                                                                              \
    "INVITE sip:bob@example.com SIP/2.0\r\n"                                                       \
    "Via: SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bKa, SIP/2.0/TCP host.example.com\r\n"       \
    "v:SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKc\r\n"                                                   \
    "Record-Route: <sip:10.0.0.1;lr>\r\n"                                                          \
    "From: \"A. Lice\" <sip:alice@example.com>;tag=a1\r\n"                                         \
    "t: <sip:bob@example.com>\r\n"                                                                 \
    "i: call-1@10.0.0.1\r\n"                                                                       \
    "CSeq: 7 INVITE\r\n"                                                                           \
    "Max-Forwards: 70\r\n"                                                                         \
    "Subject: folded\r\n"                                                                          \
    " over two lines\r\n"                                                                          \
    "m: <sip:alice@10.0.0.1:5062>;q=1, <sip:alice@10.0.0.9>\r\n"                                   \
    "X-Unknown: ;;,,\r\n"                                                                          \
    "Route: <sip:r1.example.com;lr>, <sip:r2.example.com;lr>\r\n"                                  \
    "Route: <sip:r3.example.com;lr>\r\n"                                                           \
    "Timestamp: 54\r\n"                                                                            \
    "Content-Type: application/sdp\r\n"                                                            \
    "l: 35\r\n"                                                                                    \
    "\r\n" SAMPLE_BODY

#define assert_text(actual, expected)                                                              \
    do {                                                                                           \
        struct text actual_ = (actual);                                                            \
        assert_non_null(actual_.p);                                                                \
        assert_int_equal(actual_.n, strlen(expected));                                             \
        assert_memory_equal(actual_.p, expected, actual_.n);                                       \
    } while (0)

/** Parse with the default settings; no reason is filled when all is well. */
static inline int parse_text(struct message **messagep, struct text bytes, const char **reason)
{
    struct settings settings;
    struct message_fault fault = {NULL};
    settings_default(&settings);
    int error = message_parse(messagep, bytes, &settings, &fault);
    if (reason)
        *reason = fault.reason;
    return error;
}

/** A message that must be good, returned owned. */
static inline struct message *sample(const char *bytes)
{
    struct message *message;
    const char *reason;
    assert_int_equal(parse_text(&message, text_of(bytes), &reason), 0);
    assert_null(reason);
    return message;
}
