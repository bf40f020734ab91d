/*
 * What no single key can tell: rules between keys, the master key, and what production refuses.
 * Reads the files that the configuration names.
 */
#pragma once

#include "app/config.h"
#include "app/problems.h"
#include "app/value.h"

/* root is the tree that config was decoded from: it knows the lines. Fills what is derived
 * (public_url, master_key_bytes). world_readable: others may read the configuration file itself. */
void config_check(struct config *config, const struct value *root, bool world_readable,
                  struct problems *problems);
