/*
 * The ticket that carries an authorization request through login and registration: in the address
 * of the login page, then in its forms.
 */
#pragma once

#include "app/http.h"
#include "models/authorization.h"
#include "models/session.h"

#define TICKET_SIGNED_IN "signed-in" /* use of the form token that proves a fresh sign-in */

/* The ticket of this page or form when it is good, with what it stands for; else NULL. */
CHECKED enum err pages_ticket(struct request *req, const char **ret_ticket,
                              struct authorization *ret_request);
/* After a sign-in that opened this session: back to the request that waited for it, else as
 * pages_next_go. */
CHECKED enum err pages_ticket_go_on(struct request *req, struct response *res,
                                    const struct session *session);
