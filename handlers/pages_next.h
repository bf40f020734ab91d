/*
 * Where a sign-in leads when no authorization request waits for it: the path that ?next= names, for
 * gateways that send people here (docs/DEPLOYMENT.md "Protecting an application"). Only ever a path
 * of the same origin (HT-14).
 */
#pragma once

#include "app/http.h"

#define PAGES_NEXT_MAX 1000 /* bytes */

/* The path of the query, or of the form that carries it on; NULL when there is none, or none that
 * may be followed. */
CHECKED enum err pages_next(struct request *req, const char **ret_path);
/* To that path, or to the dashboard. */
CHECKED enum err pages_next_go(struct request *req, struct response *res);
