/* Migration 10: consents, requests that wait for a sign-in, and codes among the grants. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/authorization.h"
#include "models/consent.h"

/* An older version does not ask for consent, so nothing of it may be left; codes end by themselves.
 */
static enum err down(struct ctx *ctx)
{
    TRY(db_drop_collection(ctx, &authorization_schema));
    return db_drop_collection(ctx, &consent_schema);
}

const struct migration migration_0010 = {
    .number = 10,
    .name = "consents",
    .revision = "1",
    .structure = true,
    .down = down,
};
