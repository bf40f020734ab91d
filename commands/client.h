/*
 * What the actions of "tenantd client" share: making and showing (client.c), changing
 * (client_update.c).
 */
#pragma once

#include "app/value.h"
#include "commands/commands.h"
#include "models/oauth_client_metadata.h"

/* The operator may do what an owner may, and is no user. */
extern const struct registrar client_console;

/* The tenant becomes the session's. ERR_NOT_FOUND with a sentence. */
CHECKED enum err client_command_find(struct session_of_command *session, const char *tenant,
                                     const char *id, struct oauth_client *ret_client);
/* As "tenantd client show" prints one. */
void client_command_write(const struct invocation *invocation, const struct oauth_client *client,
                          struct buf *out);

struct value client_text_value(const char *text);
/* "a b,c": URIs and grants have no blanks; grants have no commas either. between: what parts them.
 */
CHECKED enum err client_list_value(struct ctx *ctx, const char *option, const char *text,
                                   const char *between, struct value *ret_value);
/* object.members must have room. */
void client_add_member(struct value *object, const char *name, struct value value);

int client_command_update(struct invocation *invocation, int argc, char **argv);
