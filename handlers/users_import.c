/* POST /users/import, and how far it is. */
#include "app/stream.h"
#include "handlers/users_transfer.h"
#include "models/import.h"
#include "models/scope.h"

struct query {
    int mode;
    bool dry_run;
};

/* clang-format off */
static const struct field query_fields[] = {
    FIELD_ENUM(struct query, mode, "mode", F_NONE, import_mode_names, .doc = "What becomes of a line whose user is there already: insert (an error, the default), upsert (changed), skip (left as they are)."),
    FIELD_BOOL(struct query, dry_run, "dry_run", F_NONE, .doc = "Only tell what would come of it."),
};
const struct schema users_import_query_schema = {
    .name = "users_import_query", .size = sizeof(struct query), SCHEMA_FIELDS(query_fields),
};
/* clang-format on */

/* A key is trusted with hashes, and with the passwords of those who are there, only by a scope of
 * its own: whoever sets one can sign in as its user. */
static bool may_bring_hashes(const struct identity *who)
{
    return who->credential != CREDENTIAL_KEY || scope_has(who->scope, "users:hashes");
}

static enum err take_parts(struct request *req, struct import_upload *upload)
{
    struct bytes part;

    do {
        TRY(request_part(req, &part));
        TRY(import_add(&req->ctx, upload, (const char *)part.data, part.size));
    } while (part.size > 0);
    return ERR_OK;
}

static enum err upload(struct request *req, const struct import_input *input,
                       struct import *ret_import)
{
    struct import_upload *upload = ARENA_NEW(req->ctx.arena, struct import_upload);

    if (upload == NULL)
        return ERR_MEMORY;
    TRY(import_begin(&req->ctx, upload));

    const enum err taken = take_parts(req, upload);

    if (taken != ERR_OK) {
        import_abandon(&req->ctx, upload);
        return taken;
    }
    return import_submit(&req->ctx, upload, input, ret_import);
}

static enum err answer(struct request *req, struct response *res, const struct import *import)
{
    char id[UUID_TEXT_SIZE];

    uuid_text(&import->id, id);

    const char *location = arena_printf(req->ctx.arena, "/users/import/%s", id);

    if (location == NULL)
        return ERR_MEMORY;
    response_header(res, "Location", location);
    return respond(req, res, 202, import);
}

enum err handle_users_import(struct request *req, struct response *res)
{
    struct import import = {.state = 0};
    struct query query;

    TRY(request_query_input(req, &query));

    const struct import_input input = {
        .mode = query.mode != IMPORT_MODE_UNSET ? query.mode : IMPORT_INSERT,
        .dry_run = query.dry_run,
        .with_hashes = may_bring_hashes(&req->ctx.who),
    };

    TRY(stream_enter(&req->ctx));

    const enum err taken = upload(req, &input, &import);

    stream_leave(&req->ctx);
    TRY(taken);
    return answer(req, res, &import);
}

/* The {id} of the path; what is no id names nothing. */
static enum err read_id(const struct request *req, struct uuid *ret_id)
{
    return uuid_parse(request_param(req, "id"), ret_id) ? ERR_OK : ERR_NOT_FOUND;
}

enum err handle_users_import_get(struct request *req, struct response *res)
{
    struct import import;
    struct uuid id;

    TRY(read_id(req, &id));
    TRY(import_find(&req->ctx, &id, &import));
    return respond(req, res, 200, &import);
}

enum err handle_users_import_cancel(struct request *req, struct response *res)
{
    struct import import;
    struct uuid id;

    TRY(read_id(req, &id));

    const enum err cancelled = import_cancel(&req->ctx, &id, &import);

    if (cancelled == ERR_NOT_FOUND)
        return fail(&req->ctx, ERR_NOT_FOUND, NULL, "There is no such import, or it is over.");
    TRY(cancelled);
    return answer(req, res, &import);
}
