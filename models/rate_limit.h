/*
 * The shared part of rate limits: one document per budget that an instance has asked for, with the
 * moment at which it is whole again by the database's clock. Global: most keys have no tenant. The
 * id is a MAC of class and subject, so no address stands in the database.
 */
#pragma once

#include "app/ctx.h"
#include "app/limit.h"
#include "app/schema.h"

extern const struct schema rate_limit_schema;

/* Takes what is asked, as far as there is room, by one atomic update. ERR_DB_UNAVAILABLE: nothing
 * counts as given, though with an unknown outcome the budget may be charged. */
CHECKED enum err rate_limit_lease(struct ctx *ctx, const struct limit_key *key,
                                  const struct limit_rule *rule, const struct limit_ask *ask,
                                  struct limit_lease *ret_lease);
