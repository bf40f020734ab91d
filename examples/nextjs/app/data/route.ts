import { withScope } from "@/lib/access-token";

export const GET = withScope("read", (_request, { iss, sub }) =>
  Response.json({ tenant: iss, user: sub, data: ["yours"] }),
);
