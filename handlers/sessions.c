/* GET /users/me/sessions and DELETE /users/me/sessions/{id}. */
#include "handlers/sessions.h"

#include "app/cookies.h"
#include "models/user_sessions.h"

struct sessions_answer {
    struct list sessions;
};

/* clang-format off */
static const struct field user_sessions_fields[] = {
    FIELD_LIST(struct sessions_answer, sessions, "sessions", F_REQUIRED | F_ALWAYS, &user_session_schema, 2 * USER_SESSIONS_MAX, .doc = "The newest first, at most 100 of each kind."),
};
const struct schema user_sessions_schema = {
    .name = "user_sessions", .size = sizeof(struct sessions_answer), SCHEMA_FIELDS(user_sessions_fields),
};
/* clang-format on */

enum err handle_sessions_list(struct request *req, struct response *res)
{
    struct sessions_answer answer = {0};

    TRY(user_sessions_list(&req->ctx, &req->ctx.who.user_id, &answer.sessions));
    return respond(req, res, 200, &answer);
}

enum err handle_session_delete(struct request *req, struct response *res)
{
    struct uuid id;

    /* No other user's id, and no text that is none, can be told from one that does not exist. */
    if (!uuid_parse(request_param(req, "id"), &id) || uuid_is_zero(&id))
        return ERR_NOT_FOUND;
    TRY(user_sessions_end(&req->ctx, &req->ctx.who.user_id, &id));
    if (uuid_equal(&id, &req->ctx.who.session_id) || uuid_equal(&id, &req->ctx.who.grant_id))
        TRY(caller_cookies_expire(req, res));
    return respond_empty(res, 204);
}
