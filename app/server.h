/*
 * The only user of CivetWeb: listeners, framing gate, deadlines for heads and bodies, connection
 * accounting, writing answers. begin_request only; CivetWeb's own files, forms and websockets are
 * never reached.
 */
#pragma once

#include "app/app.h"

struct server;

/* ret_message (malloc'd): one sentence, e.g. which port is taken and which key changes it. */
CHECKED enum err server_start(struct app *app, struct server **ret_server, char **ret_message);
/* /ready says 503 and answers close; after server.notice_ms idle connections are closed and running
 * requests waited for, up to server.drain_ms; then it stops. */
void server_stop(struct server *server);
