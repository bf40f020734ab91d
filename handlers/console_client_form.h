/*
 * What the console's pages of applications (OAuth clients) share: words for a client, the inputs of
 * its form and what was typed into them, the answer that shows a secret.
 */
#pragma once

#include "app/http.h"
#include "app/page.h"
#include "handlers/pages_inputs.h"
#include "models/oauth_client_admin.h"
#include "models/user_search.h"

#define CLIENT_INPUTS 7 /* at most */

/* "Web" */
const char *client_kind_words(const struct oauth_client *client);
/* With dots between. */
const char *client_list_words(struct ctx *ctx, const struct strs *list);
/* Who registered it, among these users. */
const char *client_owner_words(const struct list *users, const struct oauth_client *client);
/* Whose scopes bound what the form asks for. */
struct registrar client_registrar(const struct user *me);

/* The inputs with what client holds, or, for NULL, those of a new one; their count. */
size_t client_inputs(struct request *req, const struct oauth_client *client,
                     struct input ret_inputs[CLIENT_INPUTS]);
/* A refusal begins with the name of its member; beside the input that is left out. */
void client_word_refusal(struct ctx *ctx);
/* What the form holds, laid over the metadata of client; NULL: of a new one, whose kind the form
 * says. ERR_VALIDATION with the input. */
CHECKED enum err client_from_form(struct request *req, const struct oauth_client *client,
                                  struct client_metadata *ret_metadata);

/* The answer with what a developer needs; the only one that ever holds the secret, so it cannot be
 * a redirect. */
CHECKED enum err client_show_made(struct request *req, struct response *res, const struct user *me,
                                  int status, const struct made_client *made);
/* "issuer" and the settings of an application, ready to copy: "lines"; secret NULL: without. */
CHECKED enum err client_add_lines(struct request *req, struct page *page,
                                  const struct oauth_client *client, const char *secret);
