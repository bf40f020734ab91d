/* Between the files of the command "migrate". */
#pragma once

#include "commands/commands.h"

int run_migrate_new(struct invocation *invocation, int argc, char **argv);
