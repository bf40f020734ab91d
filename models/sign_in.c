/* Proving a password: one policy for every entry. */
#include "models/sign_in.h"

#include <string.h>

#include "app/app.h"
#include "app/metrics.h"
#include "app/password.h"
#include "models/audit.h"
#include "models/device.h"
#include "models/login_attempt.h"

/* What one hash told: right, and right but stored with another cost or scheme than the setting's.
 */
struct proof {
    bool matches, stale;
    bool last; /* a failure locks */
};

/* One answer for every reason; the reason itself goes to the audit log only (AU-1). */
static enum err refuse(struct ctx *ctx, const struct user *user, const char *action,
                       const char *reason)
{
    metric_add(ctx->app->metrics, METRIC_LOGINS_FAILED, 1);
    TRY(audit_write(ctx, action, "failed", user != NULL ? &user->id : NULL, reason));
    fail_clear(ctx);
    return ERR_BAD_CREDENTIALS;
}

/* The failure that locks has a row of its own. */
static enum err refuse_proof(struct ctx *ctx, const struct user *user, const struct proof *proof,
                             const char *action, const char *reason)
{
    const enum err refused = refuse(ctx, user, action, reason);

    if (refused == ERR_BAD_CREDENTIALS && proof->last)
        TRY(audit_write(ctx, "login.locked", "success", user != NULL ? &user->id : NULL, NULL));
    return refused;
}

/* The setting for cost or scheme changed: renew while the password is at hand. A newer hash wins.
 */
static enum err renew_hash(struct ctx *ctx, const struct user *user, const char *password)
{
    const char *hash = NULL;
    const enum err hashed = password_hash(ctx, password, &hash);

    if (hashed == ERR_BUSY) {
        fail_clear(ctx);
        return ERR_OK;
    }
    TRY(hashed);

    const enum err written = user_rehash(ctx, user, hash);

    if (written == ERR_NOT_FOUND)
        fail_clear(ctx);
    return written == ERR_NOT_FOUND ? ERR_OK : written;
}

static const char *reason_for(bool known, const struct user *user, bool matches)
{
    if (!known)
        return "unknown_user";
    if (!matches)
        return user->password_hash == NULL ? "no_password" : "bad_password";
    return user->is_active ? NULL : "inactive";
}

/* Found by the canonical login, or not; both take the same way from here on. */
static enum err find(struct ctx *ctx, const char *login, struct user *ret_user, bool *ret_known)
{
    const enum err found = user_find_by_login(ctx, login, ret_user);

    *ret_known = found == ERR_OK;
    if (found == ERR_NOT_FOUND)
        fail_clear(ctx);
    return found == ERR_NOT_FOUND ? ERR_OK : found;
}

/* Charged before hashing, by one atomic update: parallel guesses cannot exceed the limit. What was
 * not hashed is no guess: a service that is busy must not lock its users out. */
static enum err evaluate(struct ctx *ctx, const struct login_subject *subject, const char *password,
                         struct proof *ret_proof)
{
    struct login_charge charge = {.last = false};

    TRY(login_attempt_charge(ctx, subject, &charge));
    ret_proof->last = charge.last;

    const enum err hashed =
        password_matches(ctx, password, subject->user != NULL ? subject->user->password_hash : NULL,
                         &ret_proof->matches, &ret_proof->stale);

    if (hashed != ERR_OK) {
        const struct failure failure = ctx->failure;

        TRY(login_attempt_refund(ctx, subject, &charge));
        ctx->failure = failure;
    }
    return hashed;
}

/* The last login, younger than this try's charge, is also what wipes the counter. */
static enum err settle(struct ctx *ctx, const struct login_subject *subject, struct user *user,
                       struct sign_in_device *device)
{
    const enum err touched = user_touch_login(ctx, user, !uuid_is_zero(&subject->device.id));

    if (touched == ERR_NOT_FOUND)
        return refuse(ctx, user, "login", "unknown_user");
    TRY(touched);
    if (device != NULL)
        TRY(device_write(ctx, user, &subject->device, &device->made));
    metric_add(ctx->app->metrics, METRIC_LOGINS_OK, 1);
    return ERR_OK;
}

enum err sign_in(struct ctx *ctx, const char *login, const char *password,
                 struct sign_in_device *device, struct user *ret_user)
{
    struct user user = {0};
    struct login_subject subject = {.login = login};
    struct proof proof = {.matches = false};
    bool known = false;

    TRY(find(ctx, login, &user, &known));
    if (known)
        subject.user = &user;
    if (known && device != NULL)
        TRY(device_read(ctx, &user, device->sent, &subject.device));
    TRY(evaluate(ctx, &subject, password, &proof));

    const char *reason = reason_for(known, &user, proof.matches);

    if (reason != NULL)
        return refuse_proof(ctx, subject.user, &proof, "login", reason);
    if (proof.stale)
        TRY(renew_hash(ctx, &user, password));
    TRY(settle(ctx, &subject, &user, device));
    *ret_user = user;
    return ERR_OK;
}

enum err sign_in_confirm(struct ctx *ctx, const struct user *user, const char *password,
                         const char *action)
{
    const struct login_subject subject = {.user = user};
    struct proof proof = {.matches = false};

    TRY(evaluate(ctx, &subject, password, &proof));
    if (!proof.matches || !user->is_active)
        return refuse_proof(ctx, user, &proof, action, "bad_password");
    return login_attempt_reset(ctx, user);
}
