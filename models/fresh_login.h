/*
 * Steps that cannot be taken back ask for a login of the last five minutes (AU-5): a session or a
 * token that was left open or stolen is not enough. Refreshing a token makes its login no younger.
 */
#pragma once

#include "app/ctx.h"

/* ERR_LOGIN_REQUIRED unless the ctx's caller logged in just now. */
CHECKED enum err fresh_login_demand(struct ctx *ctx);
/* The caller has just proven the password in this very request: that is as fresh as a login. */
void fresh_login_note(struct ctx *ctx);
