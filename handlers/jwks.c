/* GET /.well-known/jwks.json: rendered once per key set, answered as it is. */
#include "handlers/jwks.h"

#include <string.h>

#include "app/keys.h"

enum err handle_jwks(struct request *req, struct response *res)
{
    const struct key_set *keys = NULL;

    TRY(keys_get_complete(&req->ctx, &keys));
    response_header(res, "Cache-Control", "public, max-age=300");
    return respond_text(res, 200, "application/json", keys->jwks_json, strlen(keys->jwks_json));
}
