/* What grant.c and grant_refresh.c share. */
#pragma once

#include "models/grant.h"

/* The two texts of a grant in its present generation. */
CHECKED enum err grant_pair(struct ctx *ctx, const struct user *user, const struct grant *grant,
                            struct token_pair *ret_pair);
