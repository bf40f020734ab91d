/* Every request gets an id of ours; what the client sends is only logged (access_log.c). */
#include "middleware/middleware.h"

#include "app/uuid.h"

enum err mw_request_id(struct request *req, struct response *res)
{
    struct uuid id = uuid_new();
    char text[UUID_TEXT_SIZE];

    (void)res;
    uuid_text(&id, text);
    char *copy = arena_strdup(req->ctx.arena, text);
    if (copy == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a request id");
    req->ctx.request_id = copy;
    return ERR_OK;
}
