/*
 * The console of a tenant's owner and administrators: pages below /dashboard/admin, one file each,
 * over the same models as the API. Their forms post to routes of their own and answer 303, or show
 * the page again with what was wrong.
 */
#pragma once

#include "app/http.h"

enum err handle_console_overview(struct request *req, struct response *res);
enum err handle_console_users(struct request *req, struct response *res);
enum err handle_console_user_new(struct request *req, struct response *res);
enum err handle_console_user_create(struct request *req, struct response *res);
enum err handle_console_user(struct request *req, struct response *res);
enum err handle_console_user_edit(struct request *req, struct response *res);
enum err handle_console_user_role(struct request *req, struct response *res);
enum err handle_console_user_active(struct request *req, struct response *res);
enum err handle_console_user_sign_out(struct request *req, struct response *res);
enum err handle_console_user_delete(struct request *req, struct response *res);
enum err handle_console_audit(struct request *req, struct response *res);
enum err handle_console_fields(struct request *req, struct response *res);
enum err handle_console_fields_form(struct request *req, struct response *res);
enum err handle_console_settings(struct request *req, struct response *res);
enum err handle_console_settings_form(struct request *req, struct response *res);
enum err handle_console_keys(struct request *req, struct response *res);
enum err handle_console_key_create(struct request *req, struct response *res);
enum err handle_console_key_rotate(struct request *req, struct response *res);
enum err handle_console_key_delete(struct request *req, struct response *res);
enum err handle_console_clients(struct request *req, struct response *res);
enum err handle_console_client_new(struct request *req, struct response *res);
enum err handle_console_client_create(struct request *req, struct response *res);
enum err handle_console_client(struct request *req, struct response *res);
enum err handle_console_client_edit(struct request *req, struct response *res);
enum err handle_console_client_rotate(struct request *req, struct response *res);
enum err handle_console_client_delete(struct request *req, struct response *res);
