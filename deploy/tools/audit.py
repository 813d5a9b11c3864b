"""Looks up known vulnerabilities of what requirements.lock pins: exit 1 if there are any.

pip-audit ends with 0 when its advisory service knows none of the packages (a mirror without the service answers
like that) and with 1 both for a finding and for a broken connection. So this reads its report, and says `skipped`
only where nothing could be asked; a finding fails whatever else went wrong.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT_S = 180

# What pip-audit's errors say when it is the connection that failed.
UNREACHABLE = (
    "ConnectionError",
    "Connection",
    "timed out",
    "Max retries",
    "HTTP error",
    "Temporary failure",
    "SSL",
)


def main() -> int:
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        "requirements.lock",
        "--require-hashes",
        "--disable-pip",
    ]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        run = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return skipped(f"the advisory service gave no answer within {TIMEOUT_S} s")
    try:
        packages = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (run.stderr.strip().splitlines() or ["no output"])[-1]
        if any(sign in run.stderr for sign in UNREACHABLE):
            return skipped(f"the advisory service is unreachable ({reason[:200]})")
        sys.stderr.write(run.stderr)
        print("audit: pip-audit itself failed, for a reason that is not the network")
        return 1
    return verdict(packages, run.returncode)


def verdict(packages: list[dict[str, Any]], code: int) -> int:
    findings = [
        f"  {package['name']} {package['version']}: {found['id']} (fixed in: {', '.join(found['fix_versions'])})"
        for package in packages
        for found in package.get("vulns") or []
    ]
    unknown = [str(package["name"]) for package in packages if "skip_reason" in package]
    if findings:
        print(f"audit: {len(findings)} known vulnerabilities", *findings, sep="\n")
        return 1
    if len(unknown) == len(packages):
        return skipped("the advisory service is unreachable: it answers for none of the packages")
    if code != 0:
        print(f"audit: pip-audit ended with {code} and names no finding")
        return 1
    print(f"audit: {len(packages) - len(unknown)} packages, none with a known vulnerability")
    if unknown:
        print(f"audit: NOT looked up, unknown to the advisory service: {', '.join(unknown)}")
    return 0


def skipped(reason: str) -> int:
    print(f"audit: SKIPPED, nothing was looked up: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
