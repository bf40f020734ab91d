#include "support/bare.h"

#include <stdlib.h>
#include <string.h>

#include "app/secret.h"

void bare_init(struct bare *bare)
{
    memset(bare, 0, sizeof *bare);
    if (!secret_init())
        abort();
    bare->config.environment = ENV_DEVELOPMENT;
    bare->config.server.public_url = "http://localhost:8080";
    bare->config.tenants.issuer_form = ISSUER_PATH;
    bare->config.password.scheme = PASSWORD_BCRYPT;
    bare->config.password.cost = 10;
    bare->config.tokens.access_ttl = 900;
    bare->config.tokens.oauth_access_ttl = 3600;
    memset(bare->config.master_key_bytes, 7, sizeof bare->config.master_key_bytes);
    atomic_init(&bare->app.config, &bare->config);
    arena_init(&bare->arena, (size_t)16 * 1024 * 1024);
    ctx_init(&bare->ctx, &bare->app, &bare->arena);
}

void bare_clear(struct bare *bare)
{
    ctx_clear(&bare->ctx);
    arena_clear(&bare->arena);
}
