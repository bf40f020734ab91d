/* /admin/keys: the keys of the platform's administrators. */
#include "app/clock.h"
#include "handlers/admin.h"
#include "handlers/admin_tenants.h"
#include "models/platform_key.h"

#define KEYS_SHOWN 200

struct admin_key_rotate {
    int64_t overlap_seconds;
};

struct admin_key_made {
    struct uuid id;
    const char *platform_key, *label;
    int64_t expires_at;
};

struct admin_keys {
    struct list keys;
};

/* clang-format off */
static const struct field admin_key_rotate_fields[] = {
    FIELD_INT(struct admin_key_rotate, overlap_seconds, "overlap_seconds", F_NONE, 0, 604800, .doc = "The old key still works for so long; 0 = it ends at once."),
};
const struct schema admin_key_rotate_schema = {
    .name = "platform_key_rotation", .size = sizeof(struct admin_key_rotate), SCHEMA_FIELDS(admin_key_rotate_fields),
};
static const struct field admin_key_made_fields[] = {
    FIELD_UUID(struct admin_key_made, id, "id", F_REQUIRED),
    FIELD_STR(struct admin_key_made, platform_key, "platform_key", F_REQUIRED, 1, 128, .doc = "Shown once."),
    FIELD_STR(struct admin_key_made, label, "label", F_REQUIRED, 1, 100),
    FIELD_TIME(struct admin_key_made, expires_at, "expires_at", F_ALWAYS),
};
const struct schema admin_key_made_schema = {
    .name = "platform_key_made", .size = sizeof(struct admin_key_made), SCHEMA_FIELDS(admin_key_made_fields),
};
static const struct field admin_keys_fields[] = {
    FIELD_LIST(struct admin_keys, keys, "keys", F_REQUIRED | F_ALWAYS, &platform_key_schema, KEYS_SHOWN, .doc = "The newest first, ended ones too."),
};
const struct schema admin_keys_schema = {
    .name = "platform_keys", .size = sizeof(struct admin_keys), SCHEMA_FIELDS(admin_keys_fields),
};
/* clang-format on */

static enum err answer(struct request *req, struct response *res, int status,
                       const struct made_platform_key *made)
{
    const struct admin_key_made answer = {
        .id = made->key.id,
        .platform_key = made->text,
        .label = made->key.label,
        .expires_at = made->key.expires_at,
    };

    return respond(req, res, status, &answer);
}

enum err handle_admin_keys(struct request *req, struct response *res)
{
    struct admin_keys keys = {0};

    TRY(platform_key_list(&req->ctx, KEYS_SHOWN, &keys.keys));
    return respond(req, res, 200, &keys);
}

enum err handle_admin_key_create(struct request *req, struct response *res)
{
    struct admin_key_input in;
    struct made_platform_key made;

    TRY(request_input(req, &in));
    if (in.expires_at != 0 && in.expires_at <= clock_now_ms())
        return fail(&req->ctx, ERR_VALIDATION, "expires_at", "expires_at must be in the future.");
    TRY(platform_key_create(&req->ctx, in.label, in.expires_at, &made));
    return answer(req, res, 201, &made);
}

enum err handle_admin_key_rotate(struct request *req, struct response *res)
{
    struct admin_key_rotate in;
    struct made_platform_key made;
    struct uuid id;

    TRY(admin_id(req, &id));
    TRY(request_input(req, &in));
    TRY(platform_key_rotate(&req->ctx, &id, in.overlap_seconds, &made));
    return answer(req, res, 200, &made);
}

enum err handle_admin_key_delete(struct request *req, struct response *res)
{
    struct uuid id;

    TRY(admin_id(req, &id));
    TRY(platform_key_revoke(&req->ctx, &id));
    return respond_empty(res, 204);
}
