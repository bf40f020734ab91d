/* GET, POST /tenants/access-keys, rotate and delete. */
#include "handlers/access_keys.h"

#include <string.h>

#include "app/paging.h"
#include "models/access_key_admin.h"

#define MAX_OVERLAP 604800

struct access_key_rotate_input {
    int64_t overlap_seconds;
    bool has_overlap_seconds;
};

struct access_key_page {
    struct list keys;
    const char *next;
};

struct made_access_key {
    struct uuid id;
    const char *label;
    struct strs scopes;
    int64_t created_at, expires_at;
    const char *access_key;
    const char *message;
};

/* clang-format off */
static const struct field access_keys_fields[] = {
    FIELD_LIST(struct access_key_page, keys, "access_keys", F_REQUIRED | F_ALWAYS, &access_key_schema, 200),
    FIELD_STR(struct access_key_page, next, "next", F_ALWAYS, 1, 1024, .doc = "Cursor of the next page; null on the last."),
};
const struct schema access_keys_schema = {
    .name = "access_key_page", .size = sizeof(struct access_key_page), SCHEMA_FIELDS(access_keys_fields),
};
static const struct field access_key_rotate_input_fields[] = {
    FIELD_INT_OPT(struct access_key_rotate_input, overlap_seconds, has_overlap_seconds, "overlap_seconds", F_NONE, 0, MAX_OVERLAP, .doc = "How long the old key works on; default 0."),
};
const struct schema access_key_rotate_input_schema = {
    .name = "access_key_rotate_input", .size = sizeof(struct access_key_rotate_input), SCHEMA_FIELDS(access_key_rotate_input_fields),
};
static const struct field made_access_key_fields[] = {
    FIELD_UUID(struct made_access_key, id, "id", F_REQUIRED),
    FIELD_STR(struct made_access_key, label, "label", F_REQUIRED, 1, 100),
    FIELD_STRS(struct made_access_key, scopes, "scopes", F_REQUIRED, 1, 32, 16),
    FIELD_TIME(struct made_access_key, created_at, "created_at", F_REQUIRED),
    FIELD_TIME(struct made_access_key, expires_at, "expires_at", F_NONE),
    FIELD_STR(struct made_access_key, access_key, "access_key", F_REQUIRED, 1, 256, .doc = "Shown once."),
    FIELD_STR(struct made_access_key, message, "message", F_REQUIRED, 1, 200),
};
const struct schema made_access_key_schema = {
    .name = "made_access_key", .size = sizeof(struct made_access_key), SCHEMA_FIELDS(made_access_key_fields),
};
/* clang-format on */

/* Text that is no id is the id of no key. */
static enum err key_id_of(const struct request *req, struct uuid *ret_id)
{
    return uuid_parse(request_param(req, "id"), ret_id) ? ERR_OK : ERR_NOT_FOUND;
}

static enum err respond_made(struct request *req, struct response *res, int status,
                             const struct made_key *made)
{
    const struct made_access_key answer = {
        .id = made->key.id,
        .label = made->key.label,
        .scopes = made->key.scopes,
        .created_at = made->key.created_at,
        .expires_at = made->key.expires_at,
        .access_key = made->text,
        .message = "Store this key now: it is not shown again.",
    };

    return respond(req, res, status, &answer);
}

/* --- list --- */

enum err handle_access_keys_list(struct request *req, struct response *res)
{
    static const struct cursor_list list = {.name = "access_keys"};
    struct access_key_page page = {0};
    struct uuid after = {0};
    struct paging paging;

    TRY(paging_read(req, &list, 1, &paging));
    if (paging.begun && !uuid_parse(paging.values[0], &after))
        return ERR_BAD_CURSOR;
    TRY(access_key_list(&req->ctx, &after, paging.limit + 1, &page.keys));
    if (paging_cut(&paging, &page.keys)) {
        const struct access_key *keys = page.keys.items;
        char text[UUID_TEXT_SIZE];
        const char *const values[] = {text};

        uuid_text(&keys[page.keys.count - 1].id, text);
        TRY(paging_next(req, &paging, values, &page.next));
    }
    return respond(req, res, 200, &page);
}

/* --- create --- */

static enum err answer_created(struct request *req, struct response *res, void *arg)
{
    return respond_made(req, res, 201, arg);
}

enum err handle_access_key_create(struct request *req, struct response *res)
{
    struct access_key_input in;
    struct new_access_key wanted;
    struct made_key made;

    TRY(request_input(req, &in));
    wanted = (struct new_access_key){.label = in.label, .expires_at = in.expires_at};
    TRY(access_key_join_scopes(&req->ctx, &in.scopes, &wanted.scopes));
    respond_within(req, res, answer_created, &made);
    return access_key_create(&req->ctx, &wanted, &made);
}

/* --- rotate, delete --- */

enum err handle_access_key_rotate(struct request *req, struct response *res)
{
    struct access_key_rotate_input in;
    struct made_key made;
    struct uuid id;

    TRY(request_input(req, &in));
    TRY(key_id_of(req, &id));
    TRY(access_key_rotate(&req->ctx, &id, in.overlap_seconds * 1000, &made));
    return respond_made(req, res, 200, &made);
}

enum err handle_access_key_delete(struct request *req, struct response *res)
{
    struct uuid id;

    TRY(key_id_of(req, &id));
    TRY(access_key_delete(&req->ctx, &id));
    return respond_empty(res, 204);
}
