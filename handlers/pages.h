/*
 * Pages for people: login and registration of a tenant, the dashboard, the landing page, and the
 * files they load. Forms post to routes of their own and answer 303, or show themselves again with
 * what was wrong; they carry a token bound to tenant, session (before login: a nonce cookie) and
 * use.
 */
#pragma once

#include "app/http.h"

enum err handle_root(struct request *req, struct response *res);
enum err handle_login_page(struct request *req, struct response *res);
enum err handle_register_page(struct request *req, struct response *res);
enum err handle_login_form(struct request *req, struct response *res);
enum err handle_register_form(struct request *req, struct response *res);
enum err handle_logout_form(struct request *req, struct response *res);
enum err handle_dashboard_page(struct request *req, struct response *res);
enum err handle_profile_form(struct request *req, struct response *res);
enum err handle_password_form(struct request *req, struct response *res);
enum err handle_session_end_form(struct request *req, struct response *res);
enum err handle_sessions_end_others_form(struct request *req, struct response *res);
enum err handle_consent_end_form(struct request *req, struct response *res);
enum err handle_close_form(struct request *req, struct response *res);
enum err handle_static(struct request *req, struct response *res);
enum err handle_favicon(struct request *req, struct response *res);
