/*
 * What the user collection of a tenant has to look like: what every one has, and what the tenant's
 * schema of custom fields asks for. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/custom_index.h"

/* Of the ctx's tenant and the version in force. A schema that is there but cannot be read counts as
 * none: it is told where somebody needs it. In ctx->arena. */
CHECKED enum err user_place_indexes(struct ctx *ctx, struct db_indexes *ret_indexes);
