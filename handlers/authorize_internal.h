/* What the parts of handlers/authorize.h share. Strings live in the request's arena. */
#pragma once

#include "app/http.h"
#include "models/claims_request.h"
#include "models/oauth_client.h"
#include "models/user.h"

/* Parameters of ours beside those of the standards. */
#define PARAM_CONFIRM    "confirm"
#define PARAM_FORM_TOKEN "form_token"
#define PARAM_SIGNED_IN  "signed_in" /* this session was opened for this request */

/* An authorization request. */
struct authorize {
    const struct value *sent; /* all parameters in their order, names may repeat */
    const struct oauth_client *client;
    const char *redirect_uri;
    const char *state;   /* NULL: none */
    const char *scope;   /* of what was asked for, what the client registered */
    const char *consent; /* scope, and what stands for the claims that are asked for by name */
    const char *nonce, *challenge, *claims, *login_hint;
    const char *claims_scope;
    struct claims_request asked; /* what claims says */
    struct strs resources;
    struct uuid subject; /* who must be signed in; zero: anybody */
    bool by_form_post;
    bool is_silent; /* prompt=none */
    bool wants_login, wants_consent;
    int64_t max_age;                 /* seconds; -1: any */
    const char *error, *description; /* what the client is told, when it is refused */
    struct user user;                /* who is signed in */
};

/* --- reading (authorize_request.c) --- */

/* Parameters, client and redirect URI: as long as those are not proven, errors are pages.
 * ERR_TENANT_MISMATCH: the client is of another tenant than the one that no hint named. */
CHECKED enum err authorize_read(struct request *req, struct authorize *ret);
/* Everything else. ERR_BAD_REQUEST with error and description for the client. */
CHECKED enum err authorize_check(struct request *req, struct authorize *request);
/* The first value of a parameter, NULL when absent or empty. */
const char *authorize_param(const struct authorize *request, const char *name);
/* Notes what the client is told. */
enum err authorize_fail(struct authorize *request, const char *error, const char *description);

/* --- answering (authorize_answer.c) --- */

/* A parameter that this service added. */
bool authorize_is_ours(const char *name);
/* The request as a query again, without the parameters of ours. */
void authorize_put_query(struct buf *out, const struct authorize *request);
/* To the client's redirect URI, with error and description, or with code. */
CHECKED enum err authorize_refuse(struct request *req, struct response *res,
                                  const struct authorize *request);
CHECKED enum err authorize_succeed(struct request *req, struct response *res,
                                   const struct authorize *request, const char *code);

/* --- pages (authorize_page.c) --- */

/* The consent page, or with Accept: application/json what it shows. */
CHECKED enum err authorize_show_consent(struct request *req, struct response *res,
                                        const struct authorize *request);
/* Proves that the page, for this request and session, was ours. ERR_FORM_TOKEN. */
CHECKED enum err authorize_check_form(struct request *req, const struct authorize *request);
/* In development: which URI was sent, which are registered, and how to add it; else ERR_BAD_REQUEST
 * with a sentence. */
CHECKED enum err authorize_show_redirect_error(struct request *req, struct response *res,
                                               const struct authorize *request);
