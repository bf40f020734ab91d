/*
 * Server versions with a known hole that needs no login (OP-20): the start warns of them. Any
 * thread.
 */
#pragma once

#include "app/ctx.h"

struct db_known_bug {
    const char *name;       /* CVE-… */
    const char *fixed;      /* first version of the same line without it */
    const char *workaround; /* what helps until then, as a sentence's end */
};

/* NULL when none is known. */
const struct db_known_bug *db_known_bug(const int version[3]);
/* Asks the server for its version and logs a warning when it is one of those. */
void db_warn_of_known_bug(struct ctx *ctx);
