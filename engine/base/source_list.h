/*
 * Networks by group name: who may call, who is a trunk. Filled once by one thread, then only read,
 * by any. A look-up costs one probe for each prefix length that the group uses.
 *
 * A file has the shape of Kamailio's address file, one network a row: "group address [mask] [port]
 * [tag]"; the mask is a prefix length, also as "address/mask"; port 0 is any; the tag may be quoted.
 */
#pragma once

#include "base/address.h"

struct source_list; /* counted */

/** What matched; texts borrowed from the list. */
struct source_match {
    struct text group, tag; /**< tag absent when there is none */
    unsigned prefix_bits;
};

/** @return 0 or ERROR_MEMORY; returned owned */
int source_list_create(struct source_list **listp);
/** Make a group that may stay empty. @return 0 or ERROR_MEMORY */
int source_list_add_group(struct source_list *list, struct text group);
/**
 * @param cidr  "10.0.0.0/8", "2001:db8::/32", "192.0.2.7"; bits behind the prefix do not matter
 * @return 0, ERROR_SYNTAX, ERROR_MEMORY
 */
int source_list_add(struct source_list *list, struct text group, struct text cidr);
/** Add the rows of a file's bytes. @param fault  see base/rows.h. @return 0, ERROR_SYNTAX, ERROR_MEMORY */
int source_list_parse(struct source_list *list, struct text bytes, const char *name, char **fault);
/** Add a file. @return 0, ERROR_SYNTAX, ERROR_NOT_FOUND, ERROR_LIMIT, ERROR_MEMORY */
int source_list_read(struct source_list *list, const char *path, char **fault);

bool source_list_has_group(const struct source_list *list, struct text group);
/** Networks in all groups. */
size_t source_list_count(const struct source_list *list);
/** Is @p source in a network of @p group? An unknown group has none. */
bool source_list_contains(const struct source_list *list, struct text group,
                          const struct address *source);
/**
 * The narrowest network that holds @p source.
 * @param group  absent: of any group; of equally narrow ones that of the group that was named first
 * @param match  filled when true is returned
 */
bool source_list_find(const struct source_list *list, struct text group,
                      const struct address *source, struct source_match *match);
