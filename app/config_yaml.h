/*
 * The only user of libyaml: YAML text to a value tree with line numbers. A safe subset: one
 * document, mappings, sequences and scalars; no anchors, aliases, tags, duplicate keys or NUL.
 * Scalars stay strings, since typing follows the expansion of variables; `plain` says which were
 * not quoted.
 */
#pragma once

#include <stddef.h>

#include "app/arena.h"
#include "app/error.h"
#include "app/problems.h"
#include "app/value.h"

#define CONFIG_YAML_MAX_SIZE  ((size_t)256 * 1024)
#define CONFIG_YAML_MAX_DEPTH 8
#define CONFIG_YAML_MAX_NODES 4000

/* ERR_VALIDATION with at least one problem added; ERR_MEMORY. An empty file is an empty object.
 * Tree and problems live in problems->arena. */
CHECKED enum err config_yaml_parse(const char *text, size_t length, struct problems *problems,
                                   struct value *ret_root);
