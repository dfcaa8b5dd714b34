/*
 * Records out of a name server's answer. The message comes from the network: every length is
 * checked here, and compressed names are expanded by the C library. A CNAME chain (RFC 1034 s3.6.2)
 * needs no following: the server puts its end into the same answer, and records of another type are
 * passed over.
 */
#include "io/uv_world.h"

#include <arpa/nameser.h>
#include <resolv.h>

#define HEADER_BYTES 12   /* RFC 1035 s4.1.1 */
#define CLASS_IN     1    /* RFC 1035 s3.2.4 */
#define POINTER      0xc0 /* first byte of a compression pointer, RFC 1035 s4.1.4 */
#define LABEL_MAX    63   /* RFC 1035 s2.3.4 */

static const uint16_t types[] = {
    [RESOLVE_A] = ns_t_a,
    [RESOLVE_AAAA] = ns_t_aaaa,
    [RESOLVE_SRV] = ns_t_srv,
    [RESOLVE_NAPTR] = ns_t_naptr,
};

int resolve_wire_type(enum resolve_type type)
{
    return types[type];
}

/** A place in a message, and where reading must stop. */
struct reader {
    const unsigned char *p, *end;
    struct text message; /**< what compression pointers point into */
};

/** What stands before a record's data. */
struct record_head {
    uint16_t type, class;
    uint32_t ttl_s;
    uint16_t data_bytes;
};

static bool skip(struct reader *reader, size_t bytes)
{
    if ((size_t)(reader->end - reader->p) < bytes)
        return false;
    reader->p += bytes;
    return true;
}

static bool read_u16(struct reader *reader, uint16_t *value)
{
    const unsigned char *p = reader->p;
    if (!skip(reader, 2))
        return false;
    *value = (uint16_t)(p[0] << 8 | p[1]);
    return true;
}

/* A <character-string> (RFC 1035 s3.3); one that is kept must fit. */
static bool read_string(struct reader *reader, char *out, size_t size_bytes)
{
    const unsigned char *p = reader->p;
    if (p == reader->end || !skip(reader, 1u + *p))
        return false;
    return !out || text_to_array((struct text){(const char *)p + 1, *p}, out, size_bytes);
}

/* A name at the end of a record's data. Its printed form may escape bytes and so be too long. */
static bool read_name(const struct reader *reader, char out[256])
{
    const unsigned char *message = (const unsigned char *)reader->message.p;
    return ns_name_uncompress(message, message + reader->message.n, reader->p, out, 256) >= 0;
}

static bool skip_name(struct reader *reader)
{
    while (reader->p < reader->end) {
        unsigned char n = *reader->p;
        if (n >= POINTER)
            return skip(reader, 2);
        if (n > LABEL_MAX || !skip(reader, 1u + n))
            return false;
        if (n == 0)
            return true;
    }
    return false;
}

static bool read_address(struct reader data, enum resolve_type type, struct address *address)
{
    size_t n = (size_t)(data.end - data.p);
    if (type == RESOLVE_A && n == sizeof address->in.sin_addr) {
        address->in.sin_family = AF_INET;
        memcpy(&address->in.sin_addr, data.p, n);
        return true;
    }
    if (type == RESOLVE_AAAA && n == sizeof address->in6.sin6_addr) {
        address->in6.sin6_family = AF_INET6;
        memcpy(&address->in6.sin6_addr, data.p, n);
        return true;
    }
    return false;
}

/* RFC 2782 */
static bool read_srv(struct reader data, struct resolve_record *record)
{
    return read_u16(&data, &record->priority) && read_u16(&data, &record->weight) &&
           read_u16(&data, &record->port) && read_name(&data, record->name);
}

/* RFC 3403 s4.1; the regular expression is of no use to RFC 3263 s4.1 */
static bool read_naptr(struct reader data, struct resolve_record *record)
{
    return read_u16(&data, &record->priority) && read_u16(&data, &record->weight) &&
           read_string(&data, record->flags, sizeof record->flags) &&
           read_string(&data, record->service, sizeof record->service) &&
           read_string(&data, NULL, 0) && read_name(&data, record->name);
}

static bool read_data(struct reader data, struct resolve_record *record)
{
    switch (record->type) {
    case RESOLVE_SRV: return read_srv(data, record);
    case RESOLVE_NAPTR: return read_naptr(data, record);
    default: return read_address(data, record->type, &record->address);
    }
}

static bool read_head(struct reader *reader, struct record_head *head)
{
    uint16_t high, low;
    if (!skip_name(reader) || !read_u16(reader, &head->type) || !read_u16(reader, &head->class) ||
        !read_u16(reader, &high) || !read_u16(reader, &low) || !read_u16(reader, &head->data_bytes))
        return false;
    head->ttl_s = (uint32_t)high << 16 | low;
    return true;
}

/* @return false when there is no answer section to read */
static bool find_answers(struct reader *reader, uint16_t *answers)
{
    uint16_t questions, ignored;
    if (!skip(reader, 4) || !read_u16(reader, &questions) || !read_u16(reader, answers) ||
        !read_u16(reader, &ignored) || !read_u16(reader, &ignored))
        return false;
    for (; questions; questions--)
        if (!skip_name(reader) || !skip(reader, 4))
            return false;
    return true;
}

size_t resolve_parse(struct resolve_record *v, size_t room, enum resolve_type type,
                     struct text bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    struct reader reader = {p, p + bytes.n, bytes};
    uint16_t answers;
    size_t count = 0;
    if (bytes.n < HEADER_BYTES || !find_answers(&reader, &answers))
        return 0;
    for (; answers && count < room; answers--) {
        struct record_head head;
        if (!read_head(&reader, &head))
            break;
        struct reader data = reader;
        if (!skip(&reader, head.data_bytes))
            break;
        data.end = reader.p;
        v[count] = (struct resolve_record){.type = type, .ttl_s = head.ttl_s};
        if (head.class == CLASS_IN && head.type == types[type] && read_data(data, &v[count]))
            count++;
    }
    return count;
}
