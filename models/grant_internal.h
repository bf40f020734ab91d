/* What grant.c, grant_code.c and grant_refresh.c share. */
#pragma once

#include "models/grant.h"
#include "models/grant_text.h"

#define GRANT_PURGE_AFTER_MS (INT64_C(24) * 3600 * 1000)

/* The two texts of a grant in its present generation. */
CHECKED enum err grant_pair(struct ctx *ctx, const struct user *user, const struct grant *grant,
                            struct token_pair *ret_pair);
/* To a pair of an OAuth client that was granted openid by a browser session: refreshed ones keep
 * everything but the nonce. client: NULL for session-less ones, which get none. */
CHECKED enum err grant_add_id_token(struct ctx *ctx, const struct oauth_client *client,
                                    const struct user *user, const struct grant *grant,
                                    struct token_pair *pair);
/* Fills what every grant has that begins now; without a generation there is no refresh token. */
CHECKED enum err grant_begin(struct ctx *ctx, const struct user *user, struct grant *grant);
/* Form and MAC prove the text genuine and of this purpose before anything of it is believed; then
 * its tenant is compared, or made ctx's. ERR_BAD_REFRESH, ERR_TENANT_MISMATCH. */
CHECKED enum err grant_prove(struct ctx *ctx, const char *text, enum grant_purpose purpose,
                             struct grant_claims *ret_claims);
/* The subject may have been disabled or changed since, the client too: checked at every issue
 * (TS-7). client: NULL for session-less ones. */
bool grant_is_unchanged(const struct ctx *ctx, const struct grant *grant, const struct user *user,
                        const struct oauth_client *client);
/* Without offline_access, what came from a browser session ends with it (api.md section 11).
 * ERR_BAD_REFRESH when it has. */
CHECKED enum err grant_check_session(struct ctx *ctx, const struct grant *grant);

/* ERR_TARGET when one goes beyond what was granted. */
CHECKED enum err grant_check_resources(struct ctx *ctx, const struct grant *grant,
                                       const struct strs *wanted);

struct grant_ending {
    const struct uuid *grant_id;
    const struct uuid *user_id;
    const char *action;
    const char *status;
};
/* Ends a grant once, with its access tokens, however many notice at the same time; ERR_NOT_FOUND
 * when it had ended before. */
CHECKED enum err grant_end_once(struct ctx *ctx, const struct grant_ending *ending);
