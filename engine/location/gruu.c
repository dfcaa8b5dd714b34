/*
 * A public GRUU says the AoR and the instance. A temporary one says neither: its 32 digits are one
 * 128-bit block { hash of the AoR; hash of instance and Call-ID, CSeq } that four Feistel rounds of
 * SipHash have made unreadable. Turned back, the first half finds the record by its hash, and the
 * second tells which bindings are meant. So nothing is stored for it, whatever the number of
 * REGISTERs, and a new Call-ID ends all that the old one got, as RFC 5627 s3.1.2 wants. A block
 * that we did not make leads to a hash that no AoR has.
 */
#include "location/gruu.h"

#include "base/error.h"
#include "base/memory.h"
#include "sip/scan.h"

#define ROUNDS        4
#define TGRUU_PREFIX  TEXT("tgruu.")
#define TGRUU_N       (6 + 2 * TEXT_HEX64_BYTES)
#define IDENTITY_MASK UINT32_MAX

struct block {
    uint64_t left, right;
};

/** A keyed function of a round and a half block. */
static uint64_t round_value(const struct location *location, uint64_t round, uint64_t half)
{
    uint64_t words[2] = {round, half};
    return hash_text(&location->hash_key, (struct text){(const char *)words, sizeof words});
}

static struct block hide(const struct location *location, struct block block)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        block = (struct block){block.right, block.left ^ round_value(location, i, block.right)};
    return block;
}

static struct block reveal(const struct location *location, struct block block)
{
    for (unsigned i = ROUNDS; i-- > 0;)
        block = (struct block){block.right ^ round_value(location, i, block.left), block.left};
    return block;
}

static uint64_t identity_of(const struct location *location, const struct location_binding *binding)
{
    const struct text parts[] = {binding->instance, binding->call_id};
    return hash_texts(&location->hash_key, parts, 2) & IDENTITY_MASK;
}

static bool is_sips(struct text contact)
{
    return text_starts_with_nocase(contact, TEXT("sips:"));
}

void location_print_temporary_gruu(struct buffer *out, const struct location *location,
                                   struct text aor, const struct location_binding *binding,
                                   struct text host)
{
    char digits[2 * TEXT_HEX64_BYTES];
    struct block block = {location_hash(location, aor),
                          identity_of(location, binding) << 32 | binding->cseq};
    block = hide(location, block);
    text_print_hex64(block.left, digits);
    text_print_hex64(block.right, digits + TEXT_HEX64_BYTES);
    buffer_append(out, is_sips(binding->contact) ? TEXT("sips:") : TEXT("sip:"));
    buffer_append(out, TGRUU_PREFIX);
    buffer_append(out, (struct text){digits, sizeof digits});
    buffer_append_char(out, '@');
    buffer_append(out, host);
    buffer_append(out, TEXT(";gr"));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_hex64(const char *p, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < TEXT_HEX64_BYTES; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return ERROR_SYNTAX;
        *value = *value << 4 | (uint64_t)digit;
    }
    return 0;
}

static bool is_any_aor(const struct hash_link *link, const void *key)
{
    (void)link, (void)key;
    return true; /* the hash decides: 64 bits under our key */
}

/** What a temporary GRUU is compared with. */
struct wanted {
    const struct location *location;
    uint64_t identity;
};

static bool is_wanted_identity(const struct location_binding *binding, const void *arg)
{
    const struct wanted *wanted = arg;
    return binding->instance.n && identity_of(wanted->location, binding) == wanted->identity;
}

/** @return 0; ERROR_SYNTAX: the user part of no temporary GRUU */
static int parse_temporary(const struct location *location, struct text user, struct block *block)
{
    if (user.n != TGRUU_N || !text_starts_with_nocase(user, TGRUU_PREFIX) ||
        parse_hex64(user.p + TGRUU_PREFIX.n, &block->left) ||
        parse_hex64(user.p + TGRUU_PREFIX.n + TEXT_HEX64_BYTES, &block->right))
        return ERROR_SYNTAX;
    *block = reveal(location, *block);
    return 0;
}

static bool is_temporary_of(const struct location *location, struct text aor, struct text user)
{
    struct block block;
    return parse_temporary(location, user, &block) == 0 &&
           block.left == location_hash(location, aor);
}

bool location_is_loop(const struct location *location, struct text aor, struct text uri_text,
                      const struct uri *contact)
{
    struct uri uri;
    if (is_temporary_of(location, aor, contact->user))
        return true;
    if (uri_parse(&uri, uri_text))
        return false;
    if (uri_equal(&uri, contact))
        return true;
    struct text gr = uri_param(contact, TEXT("gr"));
    return gr.n && text_equal(uri.user, contact->user) &&
           text_equal_nocase(uri.host, contact->host);
}

int location_lookup_temporary(struct location_found **foundp, struct location *location,
                              struct text user, const struct location_query *query)
{
    struct block block;
    *foundp = NULL;
    if (parse_temporary(location, user, &block))
        return ERROR_SYNTAX;
    struct shard *shard = location_shard(location, block.left);
    pthread_mutex_lock(&shard->mutex);
    struct hash_link *link = hash_find(&shard->table, block.left, is_any_aor, NULL);
    struct location_record *record =
        link ? memory_ref(CONTAINER_OF(link, struct location_record, link)) : NULL;
    pthread_mutex_unlock(&shard->mutex);
    if (!record)
        return ERROR_NOT_FOUND;
    const struct wanted wanted = {location, block.right >> 32};
    return found_make(foundp, record, query, is_wanted_identity, &wanted);
}

/* Instances are written "<urn:uuid:...>" in a Contact and without brackets in a URI. */
static struct text without_brackets(struct text t)
{
    bool has_brackets = t.n >= 2 && t.p[0] == '<' && t.p[t.n - 1] == '>';
    return has_brackets ? (struct text){t.p + 1, t.n - 2} : t;
}

static void append_escaped(struct buffer *out, char c)
{
    /* uri-parameter's value; ';' and '=' would end it. */
    if (char_is_in(CHARS_PARAMS, c) && c != ';' && c != '=' && c != ',')
        buffer_append_char(out, c);
    else
        buffer_printf(out, "%%%02X", (unsigned char)c);
}

void location_print_public_gruu(struct buffer *out, struct text uri, struct text instance)
{
    instance = without_brackets(instance);
    buffer_append(out, uri);
    buffer_append(out, TEXT(";gr="));
    for (size_t i = 0; i < instance.n; i++)
        append_escaped(out, instance.p[i]);
}

bool gruu_is_instance(struct text gr, struct text instance)
{
    instance = without_brackets(instance);
    if (!instance.n)
        return false;
    while (gr.n && instance.n) {
        char c = gr.p[0];
        size_t n = 1;
        if (c == '%' && gr.n >= 3 && hex_digit(gr.p[1]) >= 0 && hex_digit(gr.p[2]) >= 0) {
            c = (char)(hex_digit(gr.p[1]) * 16 + hex_digit(gr.p[2]));
            n = 3;
        }
        if (!text_bytes_equal_nocase(&c, instance.p, 1))
            return false;
        scan_skip(&gr, n);
        scan_skip(&instance, 1);
    }
    return !gr.n && !instance.n;
}
