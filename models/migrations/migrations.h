/* The steps, one file each; list.c puts them in order. */
#pragma once

#include "app/bson_auto.h"
#include "app/db.h"
#include "app/migrate.h"

extern const struct migration migration_0001;
extern const struct migration migration_0002;
extern const struct migration migration_0003;
extern const struct migration migration_0004;
extern const struct migration migration_0005;
extern const struct migration migration_0006;
extern const struct migration migration_0007;
extern const struct migration migration_0008;
extern const struct migration migration_0009;
extern const struct migration migration_0010;
extern const struct migration migration_0011;
extern const struct migration migration_0012;
extern const struct migration migration_0013;
extern const struct migration migration_0014;
extern const struct migration migration_0015;
extern const struct migration migration_0016;
extern const struct migration migration_0017;
extern const struct migration migration_0018;
extern const struct migration migration_0019;
extern const struct migration migration_0020;

/* For taking a step back: ERR_CONFLICT with the sentence while there is such a document. */
CHECKED enum err migrations_refuse_if_any(struct ctx *ctx, const struct schema *schema,
                                          const bson_t *filter, const char *sentence);
/* The indexes of models/user.h in every collection of users that lacks one; and nothing for the way
 * back, as an older version does not mind one index more. */
CHECKED enum err migrations_add_user_indexes(struct ctx *ctx);
CHECKED enum err migrations_leave_user_indexes(struct ctx *ctx);
/* Their schemas, one after the other; NULL behind the last. */
const struct schema *migrations_central(size_t index);
/* The indexes of that one. */
const struct db_index *migrations_central_indexes(size_t index, size_t *ret_count);
/* What expires in them: whose field lies further back than these seconds; false behind the last. */
struct central_expiry {
    const struct schema *schema;
    const char *field; /* that has a TTL index */
    int64_t seconds;
};
bool migrations_expiry(size_t index, struct central_expiry *ret_expiry);
