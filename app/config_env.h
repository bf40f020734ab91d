/*
 * ${NAME} in configuration values: ${NAME}, ${NAME:-default}, ${NAME:?message}; "$${" is a literal
 * "${". The environment belongs to the process, so this has process-wide state: call it on the main
 * thread.
 */
#pragma once

#include <stdbool.h>

#include "app/arena.h"
#include "app/error.h"

struct expansion {
    const char *text;    /* the result */
    bool used;           /* at least one variable stood in it */
    const char *problem; /* with ERR_VALIDATION: one sentence that holds no value */
};

/* secret: the variables named here are those that config_env_hide removes. */
CHECKED enum err config_env_expand(struct arena *arena, const char *text, bool secret,
                                   struct expansion *ret_expansion);
/* Wipes the variables that secrets came from out of the process's environment
 * (/proc/<pid>/environ); later expansions still see their values. Before any thread starts. */
void config_env_hide(void);
