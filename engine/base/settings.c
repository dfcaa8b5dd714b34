/* The list of settings as data. */
#include "base/settings.h"

#include "base/error.h"

#include <stddef.h>
#include <string.h>

static const struct setting list[] = {
#define XX(block, name, value, least, most, help) {#block, #name, help, value, least, most},
    SETTINGS(XX)
#undef XX
};

static const size_t offsets[] = {
#define XX(block, name, value, least, most, help) offsetof(struct settings, block##_##name),
    SETTINGS(XX)
#undef XX
};

#define SETTING_COUNT (sizeof list / sizeof list[0])

static uint64_t *field(struct settings *settings, size_t i)
{
    return (uint64_t *)((char *)settings + offsets[i]);
}

static size_t find(const char *block, const char *name)
{
    size_t i = 0;
    while (i < SETTING_COUNT && (strcmp(list[i].block, block) || strcmp(list[i].name, name)))
        i++;
    return i;
}

void settings_default(struct settings *settings)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        *field(settings, i) = list[i].value;
}

const struct setting *settings_list(unsigned *count)
{
    *count = SETTING_COUNT;
    return list;
}

int settings_set(struct settings *settings, const char *block, const char *name, uint64_t value)
{
    size_t i = find(block, name);
    if (i == SETTING_COUNT)
        return ERROR_NOT_FOUND;
    if (value < list[i].least || value > list[i].most)
        return ERROR_LIMIT;
    *field(settings, i) = value;
    return 0;
}

int settings_get(const struct settings *settings, const char *block, const char *name,
                 uint64_t *value)
{
    size_t i = find(block, name);
    if (i == SETTING_COUNT)
        return ERROR_NOT_FOUND;
    *value = *(const uint64_t *)((const char *)settings + offsets[i]);
    return 0;
}
