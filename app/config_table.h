/*
 * The field tables of config.yaml, one per section, and the default of every key. Constant; any
 * thread.
 */
#pragma once

#include "app/config.h"

/* Fills every key that has a default; those of development differ from those of production. */
void config_defaults(struct config *config, enum environment environment);

/* The keys that only a restart changes, as "section" and "key". */
struct config_key {
    const char *section; /* NULL = top level */
    const char *key;     /* NULL = all keys of the section */
};
extern const struct config_key config_restart_keys[];
extern const size_t config_restart_key_count;
