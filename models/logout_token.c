/* Logout tokens, and the rows of the outbox that they are made from. */
#include "models/logout_token.h"

#include <string.h>

#include "app/buf.h"
#include "app/clock.h"
#include "app/db.h"
#include "models/id_token.h"
#include "models/session.h"
#include "models/tenant.h"

#define TYP             "logout+jwt"
#define EVENT           "http://schemas.openid.net/event/backchannel-logout"
#define SECONDS         120 /* §2.4: short, since it is made anew for each attempt */
#define ROWS_MAX        500 /* that one transaction makes */
#define CLAIMS_MAX_TEXT ((size_t)4096)

/* --- whom --- */

/* The clients of all sessions, each once. */
static enum err collect(struct ctx *ctx, const struct list *sessions, struct strs *ret_ids)
{
    const struct session *session = sessions->items;
    size_t most = 0;

    for (size_t i = 0; i < sessions->count; i++)
        most += session[i].clients.count;
    *ret_ids = (struct strs){.items = arena_array(ctx->arena, most + 1, sizeof *ret_ids->items)};
    if (ret_ids->items == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the clients of sessions");
    for (size_t i = 0; i < sessions->count; i++) {
        for (size_t j = 0; j < session[i].clients.count; j++) {
            const char *id = session[i].clients.items[j];

            if (!strs_has(ret_ids, id))
                ret_ids->items[ret_ids->count++] = id;
        }
    }
    return ERR_OK;
}

/* Not through the cache: a transaction reads the past, which must not be taken for news there. */
static enum err find_clients(struct ctx *ctx, const struct strs *ids, struct list *ret_clients)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *exists = BCON_NEW("$exists", BCON_BOOL(true));
    bson_t in, list;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < ids->count; i++)
        bson_put_text(&list, "0", ids->items[i]); /* the server does not read these names */
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    BSON_APPEND_DOCUMENT(filter, "backchannel_logout_uri", exists);
    return db_find_many(ctx, &oauth_client_schema, &(struct db_find){.filter = filter},
                        ret_clients);
}

/* Rows to come, at most ROWS_MAX. */
struct telling {
    const struct list *sessions; /* struct session */
    struct outbox_row *rows;
    size_t count;
};

static void add_row(struct telling *telling, const struct oauth_client *client,
                    const struct session *session, bool with_sid)
{
    if (telling->count == ROWS_MAX)
        return;

    struct outbox_row *row = &telling->rows[telling->count++];

    *row = (struct outbox_row){
        .kind = OUTBOX_LOGOUT, .target = client->id, .user_id = session->user_id};
    if (with_sid)
        row->session_id = session->id;
}

/* Beyond ROWS_MAX a client that can do without sid is told once, of the user (§2.4: then all of the
 * user's sessions are meant); one that cannot, of the newest sessions. */
static void tell_client(struct telling *telling, const struct oauth_client *client, bool many)
{
    const struct session *session = telling->sessions->items;
    const bool once = many && !client->backchannel_logout_session_required;

    for (size_t i = 0; i < telling->sessions->count; i++) {
        if (!strs_has(&session[i].clients, client->id))
            continue;
        add_row(telling, client, &session[i], !once);
        if (once)
            return;
    }
}

enum err logout_tell(struct ctx *ctx, const struct list *sessions)
{
    struct telling telling = {.sessions = sessions};
    struct list clients = {0};
    struct strs ids;

    TRY(collect(ctx, sessions, &ids));
    if (ids.count == 0)
        return ERR_OK;
    TRY(find_clients(ctx, &ids, &clients));

    const struct oauth_client *client = clients.items;
    const bool many = sessions->count * clients.count > ROWS_MAX;
    const size_t most = many ? ROWS_MAX : sessions->count * clients.count;

    telling.rows = arena_array(ctx->arena, most + 1, sizeof *telling.rows);
    if (telling.rows == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for logout messages");
    /* Those that need one row first: all of them find room. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < clients.count; i++) {
            if (client[i].backchannel_logout_session_required == (pass == 1))
                tell_client(&telling, &client[i], many);
        }
    }
    return outbox_put(ctx, &(struct list){.items = telling.rows, .count = telling.count});
}

/* --- what --- */

static enum err write_claims(struct ctx *ctx, const struct outbox_row *row,
                             const struct oauth_client *client, struct buf *out)
{
    const int64_t now = clock_now_ms() / 1000;
    const char *issuer = NULL;

    TRY(tenant_issuer(ctx, ctx->tenant, &issuer));
    buf_puts(out, "{\"iss\":");
    buf_json_string(out, issuer, strlen(issuer));
    buf_member_text(out, "aud", client->id);
    buf_member_uuid(out, "sub", &row->user_id);
    if (!uuid_is_zero(&row->session_id))
        buf_member_uuid(out, "sid", &row->session_id);
    buf_member_uuid(out, "jti", &row->id);
    buf_member_int(out, "iat", now);
    buf_member_int(out, "exp", now + SECONDS);
    buf_puts(out, ",\"events\":{\"" EVENT "\":{}}}");
    return buf_ok(out) ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "a logout token became too long");
}

enum err logout_token_sign(struct ctx *ctx, const struct outbox_row *row,
                           const struct oauth_client *client, const char **ret_token)
{
    struct buf claims;

    buf_init(&claims, ctx->arena, CLAIMS_MAX_TEXT);
    TRY(write_claims(ctx, row, client, &claims));
    return id_token_sign_claims(ctx, client, TYP, &claims, ret_token);
}
