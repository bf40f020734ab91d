/*
 * Who repeats what: the header, the caller whose answer it is, and the answer itself on its way
 * into the creating transaction and back. The record is models/idempotency.h's.
 */
#include "middleware/idempotency.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "app/app.h"
#include "app/log.h"
#include "app/routes.h"
#include "models/idempotency.h"

#define HEADER  "Idempotency-Key"
#define KEY_MAX 64

/* A claimed request between begin and end. */
struct attempt {
    struct request *req;
    struct response *res;
    struct idempotency *claimed;
    struct db_hook hook;
    bool in_transaction; /* the last transaction marked the record */
    bool answered;       /* … with the answer */
};

/* --- the header --- */

static bool is_key(const char *text)
{
    size_t length = 0;

    for (; text[length] != '\0'; length++) {
        if (length == KEY_MAX || text[length] <= 0x20 || text[length] >= 0x7f)
            return false;
    }
    return length > 0;
}

static enum err read_key(struct request *req, const char **ret_key)
{
    *ret_key = request_header(req, HEADER);
    if (*ret_key == NULL)
        return ERR_OK;
    if (request_header_count(req, HEADER) > 1)
        return fail(&req->ctx, ERR_BAD_REQUEST, HEADER, HEADER " stands there more than once.");
    if (!is_key(*ret_key))
        return fail(&req->ctx, ERR_BAD_REQUEST, HEADER,
                    HEADER " must be 1 to %d visible ASCII characters; a UUID will do.", KEY_MAX);
    return ERR_OK;
}

/* --- whose it is --- */

/* An IPv6 customer has a whole /64. */
static const char *address_of(struct request *req)
{
    uint8_t bytes[16];
    char text[INET6_ADDRSTRLEN] = "";

    if (inet_pton(AF_INET6, req->ctx.ip, bytes) != 1)
        return arena_printf(req->ctx.arena, "address %s", req->ctx.ip);
    memset(bytes + 8, 0, 8);
    (void)inet_ntop(AF_INET6, bytes, text, sizeof text);
    return arena_printf(req->ctx.arena, "address %s", text);
}

/*
 * Nobody reads the answer of another caller. Who registers in a tenant has no name yet: there the
 * body, with the password in it, is what must be the same. What registers a tenant may do without a
 * password, so there the address counts too.
 */
static const char *caller_of(struct request *req)
{
    const struct identity *who = &req->ctx.who;
    char id[UUID_TEXT_SIZE];

    switch (who->credential) {
    case CREDENTIAL_SESSION:
    case CREDENTIAL_BEARER:
        uuid_text(&who->user_id, id);
        return arena_printf(req->ctx.arena, "user %s %s", id,
                            who->client_id != NULL ? who->client_id : "");
    case CREDENTIAL_KEY:
        uuid_text(&who->key_id, id);
        return arena_printf(req->ctx.arena, "key %s", id);
    case CREDENTIAL_PLATFORM:
        uuid_text(&who->key_id, id);
        return arena_printf(req->ctx.arena, "platform %s", id);
    case CREDENTIAL_CLIENT:
        return arena_printf(req->ctx.arena, "client %s", who->client_id);
    case CREDENTIAL_NONE:
        break;
    }
    return req->route->tenant == TENANT_IGNORED ? address_of(req) : "public";
}

/* The row, and which object its path names; the tenant in a path is the scope's. */
static const char *target_of(struct request *req)
{
    const char *target = req->route->path;

    for (size_t i = 0; i < req->param_count && target != NULL; i++) {
        if (strcmp(req->params[i].name, "cid") != 0)
            target = arena_printf(req->ctx.arena, "%s %s", target, req->params[i].value);
    }
    return target;
}

/* --- answers in and out --- */

static const char *header_of(const struct response *res, const char *name)
{
    for (size_t i = 0; i < res->header_count; i++) {
        if (strcasecmp(res->headers[i].name, name) == 0)
            return res->headers[i].value;
    }
    return NULL;
}

static struct idempotency_answer answer_of(const struct response *res)
{
    return (struct idempotency_answer){
        .status = res->status,
        .content_type = res->content_type,
        .location = header_of(res, "Location"),
        .etag = header_of(res, "ETag"),
        .body = {.data = (const uint8_t *)res->body.data, .size = res->body.size},
    };
}

/* The last thing within the creating transaction. */
static enum err mark(struct ctx *ctx, void *arg)
{
    struct attempt *attempt = arg;
    const struct idempotency_answer answer = answer_of(attempt->res);

    attempt->in_transaction = true;
    attempt->answered = answer.status != 0;
    return idempotency_commit(ctx, attempt->claimed, attempt->answered ? &answer : NULL);
}

static enum err replay(struct request *req, struct response *res,
                       const struct idempotency_answer *answer)
{
    req->replayed = true;
    response_header(res, "Idempotency-Replayed", "true");
    if (answer->location != NULL)
        response_header(res, "Location", answer->location);
    if (answer->etag != NULL)
        response_header(res, "ETag", answer->etag);
    if (answer->content_type == NULL)
        return respond_empty(res, answer->status);
    return respond_text(res, answer->status, answer->content_type, (const char *)answer->body.data,
                        answer->body.size);
}

/* --- begin and end --- */

static enum err claim(struct request *req, struct response *res, const char *key)
{
    struct attempt *attempt = ARENA_NEW(req->ctx.arena, struct attempt);
    const struct idempotency_request request = {
        .tenant_id = req->ctx.tenant_id,
        .caller = caller_of(req),
        .route = target_of(req),
        .key = key,
        .query = req->query,
        .body = {.data = (const uint8_t *)req->body, .size = req->body_size},
    };
    struct idempotency_answer answer;
    bool was_answered = false;

    if (attempt == NULL || request.caller == NULL || request.route == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for an idempotency key");
    TRY(idempotency_claim(&req->ctx, &request, &attempt->claimed, &answer, &was_answered));
    if (was_answered)
        return replay(req, res, &answer);
    attempt->req = req;
    attempt->res = res;
    attempt->hook = (struct db_hook){.run = mark, .arg = attempt};
    db_before_commit(&req->ctx, &attempt->hook);
    req->ctx.object_id = idempotency_object_id(attempt->claimed);
    req->attempt = attempt;
    return ERR_OK;
}

enum err idempotency_begin(struct request *req, struct response *res)
{
    const char *key = NULL;

    if ((req->route->flags & ROUTE_IDEMPOTENT) == 0 || req->method != POST)
        return ERR_OK;
    TRY(read_key(req, &key));
    return key != NULL ? claim(req, res, key) : ERR_OK;
}

static int status_of(const struct response *res, enum err code)
{
    return code != ERR_OK ? error_info(code)->status : res->status;
}

enum err idempotency_end(struct request *req, struct response *res, enum err code)
{
    struct attempt *attempt = req->attempt;

    if (attempt == NULL)
        return code;
    req->attempt = NULL;
    if (code != ERR_OK || res->status >= 400) {
        /* With an unknown outcome it may have been created: the record knows, or its lease ends. */
        if (!db_outcome_unknown(&req->ctx))
            idempotency_release(&req->ctx, attempt->claimed, status_of(res, code) < 500);
        return code;
    }
    if (attempt->answered)
        return ERR_OK;
    if (!attempt->in_transaction)
        log_event(LOG_ERROR, "idempotency.unguarded", "route", req->route->path, NULL);

    const struct idempotency_answer answer = answer_of(res);

    /* It is done: whether the answer could be kept changes nothing for this caller. */
    if (idempotency_commit(&req->ctx, attempt->claimed, &answer) != ERR_OK)
        fail_clear(&req->ctx);
    return ERR_OK;
}
