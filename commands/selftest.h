/* Between the files of the command "selftest". */
#pragma once

#include "commands/commands.h"

/* One test: NULL, or what is wrong. Its memory is ctx's. */
struct selftest {
    const char *name;
    const char *(*run)(struct ctx *ctx);
};

/* With a database; both end with a test without a name. */
extern const struct selftest selftest_database[];
