"""Prints where the demo is served and how to log in.

usage: welcome.py DEMO_JSON LOG
"""
import json
import os
import sys


def main():
    with open(sys.argv[1]) as file:
        tenants = json.load(file)["tenants"]
    port, extra, metrics = (os.environ[name] for name in ("PORT", "EXTRA_PORT", "METRICS_PORT"))

    print(f"\ntenantd is ready\n\n  service   http://localhost:{port}/")
    if extra != "0":
        print(f"            http://localhost:{extra}/")
    if metrics != "0":
        print(f"  metrics   http://127.0.0.1:{metrics}/metrics")
    print(f"  log       {sys.argv[2]}\n")

    width = max(len(tenant["url"]) for tenant in tenants)
    print(f"  {'tenant':<10}  {'URL':<{width}}  login")
    for tenant in tenants:
        print(f"  {tenant['slug']:<10}  {tenant['url']:<{width}}"
              f"  {tenant['username']} / {tenant['password']}")

    first = tenants[0]
    body = json.dumps({"username": first["username"], "password": first["password"]})
    print(f"\ntry\n  curl -s {first['url'].rstrip('/')}/api/login"
          f" -H 'Content-Type: application/json' -d '{body}'")
    print(f"\nin another terminal\n  ./dev tenantd client list --tenant {first['slug']}")
    print("\nCtrl-C stops everything\n", flush=True)


if __name__ == "__main__":
    main()
