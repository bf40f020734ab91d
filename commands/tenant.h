/* Between the files of the command "tenant". */
#pragma once

#include "commands/commands.h"
#include "models/tenant.h"

/* "{" and the members that every answer has; the caller closes it. */
void tenant_begin_json(struct buf *out, const struct tenant *tenant);
/* 1… of an enum's names, or ERR_VALIDATION with all that there are. */
CHECKED enum err tenant_word(struct ctx *ctx, const char *option, const char *word,
                             const char *const *names, int *ret_value);

int run_tenant_set(struct invocation *invocation, int argc, char **argv);
int run_tenant_suspend(struct invocation *invocation, int argc, char **argv);
int run_tenant_restore(struct invocation *invocation, int argc, char **argv);
int run_tenant_delete(struct invocation *invocation, int argc, char **argv);
