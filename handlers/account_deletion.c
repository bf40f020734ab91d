/* Closing one's own account: it is out at once and removed after its days of grace. */
#include "handlers/account_deletion.h"

#include "app/clock.h"
#include "app/cookies.h"
#include "models/tenant.h"
#include "models/user_removal.h"

struct account_deletion {
    const char *message;
    int64_t deletion_at;
};

/* clang-format off */
static const struct field account_deletion_fields[] = {
    FIELD_STR(struct account_deletion, message, "message", F_REQUIRED, 1, 600),
    FIELD_TIME(struct account_deletion, deletion_at, "deletion_at", F_REQUIRED, .doc = "When the account is removed; until then an administrator can take it back."),
};
const struct schema account_deletion_schema = {
    .name = "account_deletion", .size = sizeof(struct account_deletion), SCHEMA_FIELDS(account_deletion_fields),
};
/* clang-format on */

enum err handle_me_delete(struct request *req, struct response *res)
{
    struct account_deletion answer = {0};
    char when[TIME_TEXT_SIZE];
    struct user user = {0};

    TRY(user_close_own(&req->ctx, &user));
    TRY(caller_cookies_expire(req, res));
    time_text(user.deletion_at, when);
    answer.deletion_at = user.deletion_at;
    answer.message = arena_printf(
        req->ctx.arena,
        "This account is closed: it can no longer sign in. It will be deleted at %s; until then an "
        "administrator of %s can make it active again.",
        when, req->ctx.tenant->name);
    return answer.message != NULL ? respond(req, res, 202, &answer) : ERR_MEMORY;
}
