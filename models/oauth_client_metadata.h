/*
 * What an application says about itself when it is registered or changed (RFC 7591 §2, OpenID
 * Connect Registration §2): read, checked, and laid over a client. Any thread.
 */
#pragma once

#include "models/oauth_client.h"

/* Members that were not sent leave the client's own, or of a new one the default. */
struct client_metadata {
    const char *name;
    struct strs redirect_uris, post_logout_redirect_uris, grant_types, response_types;
    const char *scope;
    int auth_method, application_type, id_token_alg;
    const char *backchannel_logout_uri;
    bool backchannel_logout_session_required, has_backchannel_logout_session_required;
    bool first_party, has_first_party;
    bool require_auth_time, has_require_auth_time;
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
 * client: of a new one zeroed but for its id and tenant; of an old one as it is. ERR_REDIRECT_URI,
 * ERR_CLIENT_METADATA with the member and what is allowed; the client is then half changed and must
 * not be stored.
 */
CHECKED enum err client_metadata_apply(struct ctx *ctx, const struct client_metadata *metadata,
                                       const struct registrar *registrar,
                                       struct oauth_client *client);
