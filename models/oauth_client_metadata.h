/*
 * What an application says about itself when it is registered or changed (RFC 7591 §2, OpenID
 * Connect Registration §2): read, checked, and laid over a client. Any thread.
 */
#pragma once

#include "models/oauth_client.h"

/* A member that was not sent has its default. */
struct client_metadata {
    const char *name;
    struct strs redirect_uris, post_logout_redirect_uris, grant_types, response_types;
    const char *scope;
    int auth_method, application_type, id_token_alg;
    const char *backchannel_logout_uri;
    bool backchannel_logout_session_required, first_party, require_auth_time;
    int64_t default_max_age;
    bool has_default_max_age;
    const char *jwks_uri, *sector_identifier_uri; /* refused */
};

extern const struct schema client_metadata_schema;

/* Of the one who registers or edits: what the scopes may reach, and who may skip consent. */
struct registrar {
    struct uuid user_id;
    enum role role;
};

/*
 * Replaces all metadata of client: a new one is zeroed but for its id and tenant. ERR_REDIRECT_URI,
 * ERR_CLIENT_METADATA with the member and what is allowed; the client is then half changed and must
 * not be stored.
 */
CHECKED enum err client_metadata_apply(struct ctx *ctx, const struct client_metadata *metadata,
                                       const struct registrar *registrar,
                                       struct oauth_client *client);
