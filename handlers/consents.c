/* GET /users/me/consents and DELETE /users/me/consents/{client_id}. */
#include "handlers/consents.h"

#include "models/user_consents.h"

struct consents_answer {
    struct list consents;
};

/* clang-format off */
static const struct field user_consents_fields[] = {
    FIELD_LIST(struct consents_answer, consents, "consents", F_REQUIRED | F_ALWAYS, &user_consent_schema, CONSENTS_MAX, .doc = "The newest first."),
};
const struct schema user_consents_schema = {
    .name = "user_consents", .size = sizeof(struct consents_answer), SCHEMA_FIELDS(user_consents_fields),
};
/* clang-format on */

enum err handle_consents_list(struct request *req, struct response *res)
{
    struct consents_answer answer = {0};

    TRY(user_consents_list(&req->ctx, &req->ctx.who.user_id, &answer.consents));
    return respond(req, res, 200, &answer);
}

enum err handle_consent_delete(struct request *req, struct response *res)
{
    TRY(user_consents_end(&req->ctx, &req->ctx.who.user_id, request_param(req, "client_id")));
    return respond_empty(res, 204);
}
