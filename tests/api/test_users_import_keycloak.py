"""A realm of 1,000 users, exported by Keycloak 26 itself, imported in one command (issue 6, proof).

Only with TENANTD_KEYCLOAK (./dev soak --only keycloak): its distribution has 147 MB and needs JDK 17.
"""
import os
from concurrent.futures import ThreadPoolExecutor

from support.cli import Cli
from support.keycloak import Keycloak
from support.world import World

#: Realm: (password policy, users). Keycloak 26 hashes with Argon2 unless it is told otherwise.
REALMS = {"argon": (None, 600),
          "sha512": ("hashAlgorithm(pbkdf2-sha512) and hashIterations(20000)", 200),
          "sha256": ("hashAlgorithm(pbkdf2-sha256) and hashIterations(27500)", 200)}


def realm_of(name):
    policy, count = REALMS[name]
    users = [{"username": f"{name}{n}", "email": f"{name}{n}@kc.example", "enabled": True,
              "firstName": "Ä", "lastName": str(n), "emailVerified": n % 2 == 0,
              "attributes": {"number": [str(n)]},
              "credentials": [{"type": "password", "value": f"grün {name} {n}"}]}
             for n in range(count)]
    return {"realm": name, "enabled": True, "users": users,
            **({"passwordPolicy": policy} if policy else {})}


def test_a_real_realm(instances, connect, tmp_path):
    """R004-59: nobody has to set a new password."""
    if not os.environ.get("TENANTD_KEYCLOAK"):
        return
    keycloak = Keycloak(tmp_path)
    keycloak.start_with([realm_of(name) for name in REALMS])
    for name in REALMS:
        assert keycloak.signs_in(name, f"{name}7", f"grün {name} 7")
        assert not keycloak.signs_in(name, f"{name}7", "wrong")
    keycloak.stop()
    instance = instances()
    api, cli = connect(instance), Cli(instance)
    for name, (_, count) in REALMS.items():
        path = tmp_path / f"{name}.json"
        keycloak.export(name, path)
        tenant = World(api).tenant()
        made = cli.json("import", str(path), "--tenant", tenant.slug, "--from", "keycloak")
        assert made["import"]["created"] == count and made["conversion"]["without_password"] == 0

        def sign_in(number, tenant=tenant, name=name):
            login = f"{name}{number}" + ("@kc.example" if number % 2 else "")
            return api.post("/auth/login", tenant=tenant.slug, json={
                "email": login, "password": f"grün {name} {number}"}).status_code
        with ThreadPoolExecutor(2) as pool:
            assert set(pool.map(sign_in, range(count))) == {200}
        print(name, made["conversion"]["hashes"])
    keycloak.remove()
