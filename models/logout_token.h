/*
 * Back-channel logout (OpenID Connect Back-Channel Logout 1.0): whom the end of a session is told,
 * and the token that tells it. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/oauth_client.h"
#include "models/outbox.h"

/* In the ctx's transaction: for each of these sessions (list of struct session) each of its
 * clients that registered an address for it is told of the end. */
CHECKED enum err logout_tell(struct ctx *ctx, const struct list *sessions);
/* The token of one row, as of this moment, in the arena. All attempts have the same jti. */
CHECKED enum err logout_token_sign(struct ctx *ctx, const struct outbox_row *row,
                                   const struct oauth_client *client, const char **ret_token);
