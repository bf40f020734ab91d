/* The consents of a user as they are shown. */
#include "models/user_consents.h"

#include <string.h>

#define CLIENT_ID_MAX 63

/* clang-format off */
static const struct field user_consent_fields[] = {
    FIELD_STR(struct user_consent, client_id, "client_id", F_REQUIRED, 1, CLIENT_ID_MAX),
    FIELD_STR(struct user_consent, client_name, "client_name", F_REQUIRED, 1, 100),
    FIELD_STR(struct user_consent, scope, "scope", F_REQUIRED | F_EMPTY_OK, 0, CLIENT_MAX_SCOPE),
    FIELD_TIME(struct user_consent, created_at, "created_at", F_REQUIRED),
    FIELD_TIME(struct user_consent, updated_at, "updated_at", F_REQUIRED),
};
/* clang-format on */

const struct schema user_consent_schema = {
    .name = "user_consent",
    .size = sizeof(struct user_consent),
    SCHEMA_FIELDS(user_consent_fields),
};

enum err user_consents_list(struct ctx *ctx, const struct uuid *user_id, struct list *ret_list)
{
    struct list found = {0};

    TRY(consent_list(ctx, user_id, &found));

    const struct consent *consents = found.items;
    struct user_consent *shown = arena_array(ctx->arena, found.count + 1, sizeof *shown);
    size_t count = 0;

    if (shown == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < found.count; i++) {
        const struct oauth_client *client = NULL;
        const enum err known = oauth_client_get(ctx, consents[i].client_id, &client);

        if (known == ERR_NOT_FOUND) {
            fail_clear(ctx);
            continue;
        }
        TRY(known);
        shown[count++] = (struct user_consent){
            .client_id = consents[i].client_id,
            .client_name = client->name,
            .scope = consents[i].scope != NULL ? consents[i].scope : "",
            .created_at = consents[i].created_at,
            .updated_at = consents[i].updated_at,
        };
    }
    *ret_list = (struct list){.items = shown, .count = count};
    return ERR_OK;
}

enum err user_consents_end(struct ctx *ctx, const struct uuid *user_id, const char *client_id)
{
    if (strlen(client_id) > CLIENT_ID_MAX || client_id[0] == '\0')
        return ERR_NOT_FOUND;
    ctx->who.client_id = client_id; /* whose consent it is, for the audit log */
    return consent_revoke(ctx, user_id, client_id);
}
