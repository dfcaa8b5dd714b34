/* name-addr and addr-spec with parameters: From, To, Contact, Route, Record-Route and their kin. */
#pragma once

#include "sip/uri.h"

/** One address; all borrowed from what was parsed. */
struct name_addr {
    struct text whole;        /**< the element itself, one of a comma-joined list */
    struct text display_name; /**< quotes included; absent when none */
    struct text uri_text;     /**< between <> or bare */
    struct text params;       /**< header parameters without leading ';'; absent when none */
    struct text tag;          /**< tag parameter; absent when none */
    struct uri uri;
};

/** Parse one element. @return 0 or ERROR_SYNTAX */
int name_addr_parse(struct name_addr *name_addr, struct text t);
/** Find the parts of one element, for those who need a tag: its uri is not looked at, and not set. */
int name_addr_cut(struct name_addr *name_addr, struct text t);
/** Cut the first element off a comma-joined list; quotes and <> respected. Absent at the end. */
struct text name_addr_split(struct text *rest);
