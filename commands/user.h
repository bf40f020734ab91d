/* Between the files of the command "user". */
#pragma once

#include "commands/commands.h"
#include "models/user.h"

/* "{" and the members that every answer has; the caller closes it. */
void user_begin_json(struct buf *out, const struct user *user);
void user_write_row(struct buf *out, const struct user *user);
/* 1… of role_names. */
CHECKED enum err user_role_word(struct ctx *ctx, const char *option, const char *word,
                                int *ret_role);

int run_user_show(struct invocation *invocation, int argc, char **argv);
int run_user_role(struct invocation *invocation, int argc, char **argv);
int run_user_activate(struct invocation *invocation, int argc, char **argv);
int run_user_deactivate(struct invocation *invocation, int argc, char **argv);
int run_user_delete(struct invocation *invocation, int argc, char **argv);
int run_user_set_password(struct invocation *invocation, int argc, char **argv);
int run_user_revoke_sessions(struct invocation *invocation, int argc, char **argv);
