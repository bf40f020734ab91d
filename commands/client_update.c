/*
 * tenantd client update: changes what is named and leaves the rest as it is. The API replaces all
 * metadata at once (RFC 7592 §2.2); here the client that is stored stands for what is not named,
 * and the whole goes through the API's rules again.
 */
#include "commands/client.h"

#include <string.h>

#include "models/oauth_client_admin.h"

#define MEMBERS 9

struct update {
    const char *tenant, *id;
    const char *name, *scope, *grants, *first_party;
    const char *add_redirects, *remove_redirects, *redirects, *logouts, *told_at;
};

/* --- redirect URIs --- */

static bool holds(const struct value *list, const char *text)
{
    for (size_t i = 0; i < list->array.count; i++) {
        if (strcmp(list->array.items[i].string.text, text) == 0)
            return true;
    }
    return false;
}

/* Those that are stored but for the removed, then the added, each once. */
static enum err put_redirects(struct ctx *ctx, const struct oauth_client *client,
                              const struct value *removed, const struct value *added,
                              struct value *ret_list)
{
    const size_t most = client->redirect_uris.count + added->array.count;
    struct value *items = arena_array(ctx->arena, most + 1, sizeof *items);
    struct value list = {.type = VALUE_ARRAY, .array = {.items = items}};

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < client->redirect_uris.count; i++) {
        if (!holds(removed, client->redirect_uris.items[i]))
            items[list.array.count++] = client_text_value(client->redirect_uris.items[i]);
    }
    for (size_t i = 0; i < added->array.count; i++) {
        if (!holds(&list, added->array.items[i].string.text))
            items[list.array.count++] = added->array.items[i];
    }
    *ret_list = list;
    return ERR_OK;
}

/* What is misspelt would stay registered without a word. */
static enum err check_removed(struct ctx *ctx, const struct oauth_client *client,
                              const struct value *removed)
{
    for (size_t i = 0; i < removed->array.count; i++) {
        const char *uri = removed->array.items[i].string.text;
        bool is_there = false;

        for (size_t j = 0; j < client->redirect_uris.count; j++)
            is_there = is_there || strcmp(client->redirect_uris.items[j], uri) == 0;
        if (!is_there)
            return fail(ctx, ERR_VALIDATION, "--remove-redirect-uris",
                        "--remove-redirect-uris: \"%.200s\" is not registered.", uri);
    }
    return ERR_OK;
}

static enum err add_redirects(struct ctx *ctx, const struct update *update,
                              const struct oauth_client *client, struct value *body)
{
    struct value list, added = {.type = VALUE_ARRAY}, removed = {.type = VALUE_ARRAY};

    if (update->redirects != NULL) {
        TRY(client_list_value(ctx, "--redirect-uris", update->redirects, " ", &list));
        client_add_member(body, "redirect_uris", list);
        return ERR_OK;
    }
    if (update->add_redirects != NULL)
        TRY(client_list_value(ctx, "--add-redirect-uris", update->add_redirects, " ", &added));
    if (update->remove_redirects != NULL)
        TRY(client_list_value(ctx, "--remove-redirect-uris", update->remove_redirects, " ",
                              &removed));
    TRY(check_removed(ctx, client, &removed));
    TRY(put_redirects(ctx, client, &removed, &added, &list));
    client_add_member(body, "redirect_uris", list);
    return ERR_OK;
}

/* --- all of it --- */

/* What is stored, as somebody would send it. */
static struct client_metadata metadata_of(const struct oauth_client *client)
{
    return (struct client_metadata){
        .name = client->name,
        .redirect_uris = client->redirect_uris,
        .post_logout_redirect_uris = client->post_logout_redirect_uris,
        .grant_types = client->grant_types,
        .scope = client->scope != NULL ? client->scope : "",
        .auth_method = client->auth_method,
        .application_type = client->application_type,
        .id_token_alg = client->id_token_alg,
        .backchannel_logout_uri = client->backchannel_logout_uri,
        .backchannel_logout_session_required = client->backchannel_logout_session_required,
        .first_party = client->first_party,
        .require_auth_time = client->require_auth_time,
        .default_max_age = client->default_max_age,
        .has_default_max_age = client->has_default_max_age,
    };
}

/* What was named, through the table by which the API decodes a body. */
static enum err decode_named(struct ctx *ctx, const struct update *update,
                             const struct oauth_client *client, struct client_metadata *ret_named)
{
    struct value body = {.type = VALUE_OBJECT}, list;

    body.object.members = arena_array(ctx->arena, MEMBERS, sizeof *body.object.members);
    if (body.object.members == NULL)
        return ERR_MEMORY;
    if (update->name != NULL)
        client_add_member(&body, "client_name", client_text_value(update->name));
    TRY(add_redirects(ctx, update, client, &body));
    if (update->logouts != NULL) {
        TRY(client_list_value(ctx, "--logout-uris", update->logouts, " ", &list));
        client_add_member(&body, "post_logout_redirect_uris", list);
    }
    if (update->told_at != NULL && update->told_at[0] != '\0')
        client_add_member(&body, "backchannel_logout_uri", client_text_value(update->told_at));
    if (update->grants != NULL) {
        TRY(client_list_value(ctx, "--grants", update->grants, " ,", &list));
        client_add_member(&body, "grant_types", list);
    }
    if (update->scope != NULL && update->scope[0] != '\0')
        client_add_member(&body, "scope", client_text_value(update->scope));
    return schema_decode(ctx, &client_metadata_schema, &body, DECODE_INPUT, ret_named);
}

static void lay_over(const struct update *update, const struct client_metadata *named,
                     struct client_metadata *metadata)
{
    metadata->redirect_uris = named->redirect_uris;
    if (update->name != NULL)
        metadata->name = named->name;
    if (update->logouts != NULL)
        metadata->post_logout_redirect_uris = named->post_logout_redirect_uris.count > 0
                                                  ? named->post_logout_redirect_uris
                                                  : (struct strs){0};
    if (update->told_at != NULL)
        metadata->backchannel_logout_uri = named->backchannel_logout_uri;
    if (update->grants != NULL)
        metadata->grant_types = named->grant_types;
    if (update->scope != NULL)
        metadata->scope = named->scope != NULL ? named->scope : "";
    if (update->first_party != NULL)
        metadata->first_party = strcmp(update->first_party, "yes") == 0;
}

static enum err work(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    const struct update *update = arg;
    struct client_metadata metadata, named = {0};
    struct oauth_client client = {0};

    TRY(client_command_find(session, update->tenant, update->id, &client));
    metadata = metadata_of(&client);
    TRY(decode_named(&session->ctx, update, &client, &named));
    lay_over(update, &named, &metadata);
    TRY(oauth_client_update(&session->ctx, &metadata, &client_console, &client));
    client_command_write(invocation, &client, out);
    return ERR_OK;
}

static bool says_something(const struct update *update)
{
    return update->name != NULL || update->scope != NULL || update->grants != NULL ||
           update->first_party != NULL || update->add_redirects != NULL ||
           update->remove_redirects != NULL || update->redirects != NULL ||
           update->logouts != NULL || update->told_at != NULL;
}

static bool is_yes_or_no(const char *text)
{
    return text == NULL || strcmp(text, "yes") == 0 || strcmp(text, "no") == 0;
}

int client_command_update(struct invocation *invocation, int argc, char **argv)
{
    struct update update = {0};
    const struct command_option options[] = {
        {"tenant", &update.tenant, NULL},
        {"name", &update.name, NULL},
        {"add-redirect-uris", &update.add_redirects, NULL},
        {"remove-redirect-uris", &update.remove_redirects, NULL},
        {"redirect-uris", &update.redirects, NULL},
        {"logout-uris", &update.logouts, NULL},
        {"backchannel-logout-uri", &update.told_at, NULL},
        {"grants", &update.grants, NULL},
        {"scope", &update.scope, NULL},
        {"first-party", &update.first_party, NULL},
        {0},
    };
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the id of the client"))
        return COMMAND_USAGE;
    if (update.tenant == NULL)
        return command_usage(invocation, "--tenant is missing");
    if (!says_something(&update))
        return command_usage(invocation, "say what to change: --add-redirect-uris, --name …");
    if (update.redirects != NULL &&
        (update.add_redirects != NULL || update.remove_redirects != NULL))
        return command_usage(invocation, "--redirect-uris replaces all of them: add to them or "
                                         "remove some, or replace them");
    if (!is_yes_or_no(update.first_party))
        return command_usage(invocation, "--first-party is yes or no here");
    update.id = invocation->args[0];
    return command_work(invocation, work, &update);
}
