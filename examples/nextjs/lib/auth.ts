/** Login at one tenant by the authorization code flow. */
import type { AuthOptions } from "next-auth";

export const authOptions: AuthOptions = {
  providers: [
    {
      id: "tenantd",
      name: "tenantd",
      type: "oauth",
      wellKnown: `${process.env.ISSUER}/.well-known/openid-configuration`,
      clientId: process.env.CLIENT_ID,
      clientSecret: process.env.CLIENT_SECRET,
      authorization: { params: { scope: "openid profile email" } },
      checks: ["pkce", "state", "nonce"],
      // The scopes' claims are UserInfo's; the ID token only says who signed in.
      userinfo: { request: ({ client, tokens }) => client.userinfo(tokens.access_token!) },
      profile: ({ sub, name, preferred_username, email }) => ({
        id: sub,
        name: name ?? preferred_username,
        email,
      }),
    },
  ],
};
