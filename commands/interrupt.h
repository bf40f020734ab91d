/* Ctrl-C and the like, of commands that have something to put in order first. */
#pragma once

#include <stdbool.h>

/* From now on the first SIGINT, SIGTERM or SIGHUP is noted; a second one ends the process at once.
 */
void interrupt_catch(void);
bool interrupt_came(void);
