import { getServerSession } from "next-auth";

import { authOptions } from "@/lib/auth";

export default async function Home() {
  const session = await getServerSession(authOptions);
  if (!session) return <a href="/api/auth/signin">Sign in</a>;
  return <p>Signed in as {session.user?.email}</p>;
}
