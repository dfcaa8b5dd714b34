/*
 * Each group has a hash table of its networks, keyed by the masked address and the prefix length, and
 * a set of the prefix lengths in use. A source is looked up once per length, longest first.
 */
#include "base/source_list.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/rows.h"

#define LENGTHS  129 /* prefix lengths 0 ... 128 */
#define ROW_FORM "a row is: group address [mask] [port] [tag]"

struct source_network {
    struct hash_link link;
    struct source_network *next; /* same network, another port or tag */
    struct network network;      /* base masked, its port is the row's: 0 any */
    uint32_t tag_bytes;
    bool has_tag;
    char tag[];
};

struct source_group {
    struct link link;
    struct hash_table networks;  /* each owned */
    bool has_length[2][LENGTHS]; /* by family: IPv4, IPv6 */
    uint32_t name_bytes;
    char name[];
};

struct source_list {
    struct list groups; /* each owned; in the order in which they were named */
    size_t count;
};

/* The operator fills the tables: their hash needs no secret. */
static const struct hash_key public_key = {0x736f75726365206cu, 0x697374206f662069u};

static struct source_group *group_of(struct link *link)
{
    return CONTAINER_OF(link, struct source_group, link);
}

static struct source_network *network_of(const struct hash_link *link)
{
    return CONTAINER_OF(link, struct source_network, link);
}

static struct text name_of(const struct source_group *group)
{
    return (struct text){group->name, group->name_bytes};
}

static void free_networks(struct hash_link *link, void *arg)
{
    (void)arg;
    struct source_network *network = network_of(link), *next;
    hash_remove(link);
    for (; network; network = next) {
        next = network->next;
        memory_free_raw(network);
    }
}

static void destroy(void *object)
{
    struct source_list *list = object;
    for (struct link *link; (link = list_pop(&list->groups));) {
        struct source_group *group = group_of(link);
        hash_for_each(&group->networks, free_networks, NULL);
        hash_table_release(&group->networks);
        memory_free_raw(group);
    }
}

int source_list_create(struct source_list **listp)
{
    *listp = memory_alloc(sizeof **listp, destroy);
    return *listp ? 0 : ERROR_MEMORY;
}

/* ---- masking ---- */

static unsigned char *host_bytes(struct address *address, unsigned *bits)
{
    bool is_ipv6 = address_is_ipv6(address);
    *bits = is_ipv6 ? 128 : 32;
    return is_ipv6 ? (unsigned char *)&address->in6.sin6_addr
                   : (unsigned char *)&address->in.sin_addr;
}

/* Only family, host and, of the host, the first bits. */
static struct address masked(const struct address *address, unsigned prefix_bits)
{
    struct address result = {0};
    struct address host = *address;
    unsigned bits;
    result.sa.sa_family = address->sa.sa_family;
    const unsigned char *from = host_bytes(&host, &bits);
    unsigned char *to = host_bytes(&result, &bits);
    memcpy(to, from, prefix_bits / 8);
    if (prefix_bits % 8)
        to[prefix_bits / 8] =
            from[prefix_bits / 8] & (unsigned char)(0xff << (8 - prefix_bits % 8));
    return result;
}

/* A network as a key: base without port. */
static uint64_t hash_of(const struct network *key)
{
    char scratch[18];
    return hash_text(&public_key, address_key(&key->base, scratch)) + key->prefix_bits;
}

static bool is_network(const struct hash_link *link, const void *key)
{
    const struct network *ours = &network_of(link)->network, *wanted = key;
    return ours->prefix_bits == wanted->prefix_bits &&
           address_equal_host(&ours->base, &wanted->base);
}

/* ---- filling ---- */

static struct source_group *find_group(const struct source_list *list, struct text name)
{
    LIST_FOR_EACH (link, &list->groups) {
        if (text_equal(name_of(group_of(link)), name))
            return group_of(link);
    }
    return NULL;
}

static struct source_group *need_group(struct source_list *list, struct text name)
{
    struct source_group *group = find_group(list, name);
    if (group)
        return group;
    group = memory_raw(sizeof *group + name.n);
    if (!group)
        return NULL;
    *group = (struct source_group){.name_bytes = (uint32_t)name.n};
    if (name.n)
        memcpy(group->name, name.p, name.n);
    list_append(&list->groups, &group->link);
    return group;
}

static int add_network(struct source_list *list, struct text group_name,
                       const struct network *network, struct text tag)
{
    struct source_group *group = need_group(list, group_name);
    struct source_network *added = group ? memory_raw(sizeof *added + tag.n) : NULL;
    if (!added)
        return ERROR_MEMORY;
    *added = (struct source_network){
        .network = *network, .tag_bytes = (uint32_t)tag.n, .has_tag = text_is_set(tag)};
    if (tag.n)
        memcpy(added->tag, tag.p, tag.n);
    struct network key = *network;
    address_set_port(&key.base, 0);
    uint64_t hash = hash_of(&key);
    struct hash_link *link = hash_find(&group->networks, hash, is_network, &key);
    if (link) {
        struct source_network *last = network_of(link);
        while (last->next)
            last = last->next;
        last->next = added;
    } else if (hash_insert(&group->networks, &added->link, hash)) {
        memory_free_raw(added);
        return ERROR_MEMORY;
    }
    group->has_length[address_is_ipv6(&key.base)][key.prefix_bits] = true;
    list->count++;
    return 0;
}

int source_list_add_group(struct source_list *list, struct text group)
{
    return need_group(list, group) ? 0 : ERROR_MEMORY;
}

int source_list_add(struct source_list *list, struct text group, struct text cidr)
{
    struct network network;
    int error = network_parse(&network, cidr);
    if (error)
        return error;
    network.base = masked(&network.base, network.prefix_bits);
    return add_network(list, group, &network, TEXT_NONE);
}

/* "address mask" or "address/mask". */
static int parse_network(const struct rows *rows, struct text address, struct text mask,
                         struct network *network)
{
    uint32_t bits;
    if (network_parse(network, address))
        return rows_refuse(rows, "not an IP address:", address, ROW_FORM);
    if (text_is_set(mask) && !text_find(address, '/')) {
        if (text_to_u32(mask, &bits) || bits > network->prefix_bits)
            return rows_refuse(rows, "not a prefix length:", mask,
                               "write 0 to 32 for IPv4, 0 to 128 for IPv6");
        network->prefix_bits = bits;
    }
    network->base = masked(&network->base, network->prefix_bits);
    return 0;
}

static int parse_row(struct source_list *list, const struct rows *rows, struct text row)
{
    struct network network;
    struct text group = rows_column(&row), address = rows_column(&row), mask = rows_column(&row);
    struct text port_text = rows_column(&row), tag = TEXT_NONE;
    uint32_t port = 0;
    if (!text_is_set(address))
        return rows_refuse(rows, "no address behind group", group, ROW_FORM);
    int error = parse_network(rows, address, mask, &network);
    if (error)
        return error;
    if (text_is_set(port_text) && (text_to_u32(port_text, &port) || port > 65535))
        return rows_refuse(rows, "not a port:", port_text, "write 0 to 65535; 0 is any");
    error = rows_last_column(rows, &row, &tag);
    if (error)
        return error;
    address_set_port(&network.base, (uint16_t)port);
    return add_network(list, group, &network, tag);
}

int source_list_parse(struct source_list *list, struct text bytes, const char *name, char **fault)
{
    struct rows rows;
    struct text row;
    int error;
    if (fault)
        *fault = NULL;
    rows_begin(&rows, bytes, name, fault);
    while (!(error = rows_next(&rows, &row)) && text_is_set(row)) {
        error = parse_row(list, &rows, row);
        if (error)
            return error;
    }
    return error;
}

int source_list_read(struct source_list *list, const char *path, char **fault)
{
    struct text bytes;
    if (fault)
        *fault = NULL;
    int error = rows_read_file(&bytes, path, fault);
    if (error)
        return error;
    error = source_list_parse(list, bytes, path, fault);
    memory_free_raw((void *)bytes.p);
    return error;
}

/* ---- asking ---- */

bool source_list_has_group(const struct source_list *list, struct text group)
{
    return find_group(list, group) != NULL;
}

size_t source_list_count(const struct source_list *list)
{
    return list->count;
}

/* The group's narrowest network that holds @p source, if it has more than @p more_than_bits. */
static const struct source_network *find_network(const struct source_group *group,
                                                 const struct address *source, int more_than_bits)
{
    bool is_ipv6 = address_is_ipv6(source);
    for (int bits = is_ipv6 ? 128 : 32; bits > more_than_bits; bits--) {
        if (!group->has_length[is_ipv6][bits])
            continue;
        const struct network key = {masked(source, (unsigned)bits), (unsigned)bits};
        struct hash_link *link = hash_find(&group->networks, hash_of(&key), is_network, &key);
        for (struct source_network *at = link ? network_of(link) : NULL; at; at = at->next) {
            uint16_t port = address_port(&at->network.base);
            if (!port || port == address_port(source))
                return at;
        }
    }
    return NULL;
}

bool source_list_find(const struct source_list *list, struct text group,
                      const struct address *source, struct source_match *match)
{
    int best_bits = -1;
    if (!address_is_set(source))
        return false;
    LIST_FOR_EACH (link, &list->groups) {
        const struct source_group *at = group_of(link);
        if (text_is_set(group) && !text_equal(name_of(at), group))
            continue;
        const struct source_network *found = find_network(at, source, best_bits);
        if (!found)
            continue;
        best_bits = (int)found->network.prefix_bits;
        *match = (struct source_match){
            .group = name_of(at),
            .tag = found->has_tag ? (struct text){found->tag, found->tag_bytes} : TEXT_NONE,
            .prefix_bits = found->network.prefix_bits,
        };
    }
    return best_bits >= 0;
}

bool source_list_contains(const struct source_list *list, struct text group,
                          const struct address *source)
{
    struct source_match match;
    return text_is_set(group) && source_list_find(list, group, source, &match);
}
