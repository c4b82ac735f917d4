"""The software bill of materials, made by `make sbom`.

CycloneDX 1.5 in JSON (https://cyclonedx.org/docs/1.5/json/), made from the lock alone, so that it
needs no network and says exactly what `make` installs. The same lock gives the same document.
"""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import click

_NAME = "coupon-pipeline"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class LockError(click.ClickException):
    """The lock does not pin everything with a hash."""


def document(lock: str) -> dict[str, object]:
    """The bill of materials of a lock's text.

    Raises:
        LockError: a requirement has no hash.
    """
    digest = sha256(lock.encode()).digest()
    own = {
        "type": "application",
        "bom-ref": _NAME,
        "name": _NAME,
        "version": version(_NAME),
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    components = list(_components(lock))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{UUID(bytes=digest[:16], version=4)}",
        "version": 1,
        "metadata": {"component": own},
        "components": components,
        "dependencies": [{"ref": _NAME, "dependsOn": [each["bom-ref"] for each in components]}],
    }


def _components(lock: str) -> Iterator[dict[str, object]]:
    for requirement in lock.replace("\\\n", " ").splitlines():
        pinned = _PIN.match(requirement)
        if pinned is None:
            continue
        name = re.sub(r"[-_.]+", "-", pinned["name"]).lower()
        hashes = _HASH.findall(requirement)
        if not hashes:
            raise LockError(f"{name} is pinned without a hash.")
        purl = f"pkg:pypi/{name}@{pinned['version']}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": pinned["version"],
            "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
        }


@click.command()
@click.argument("lock", type=click.Path(dir_okay=False, exists=True, path_type=Path))
def main(lock: Path) -> None:
    """Print the bill of materials of LOCK."""
    click.echo(json.dumps(document(lock.read_text(encoding="utf-8")), indent=2))


if __name__ == "__main__":
    main()
