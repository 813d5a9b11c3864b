"""Writes services/hanse/wire/gen from proto/hanse/v1 (`make proto`); --check only says whether it is up to date.

protoc emits absolute imports of the proto package (`from hanse.v1 import common_pb2`), which would clash with the
Python package hanse. They are rewritten, so that the modules import as hanse.wire.gen.hanse.v1.* without a change to
sys.path.
"""

from __future__ import annotations

import argparse
import filecmp
import re
import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "hanse.wire.gen"
INIT = '"""Written by proto/generate.py; do not edit."""\n'

PROTO_IMPORT = re.compile(r"^(\s*)(from|import) hanse(?=[. ])", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, default=ROOT / "proto", help="holds hanse/v1/*.proto")
    parser.add_argument("--out", type=Path, default=ROOT / "services" / "hanse" / "wire" / "gen")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if --out is out of date")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(options.source, fresh)
        changed = differences(fresh, options.out)
        if options.check:
            for path in changed:
                print(f"out of date: {options.out / path}")
            if changed:
                print("run `make proto` and commit what it writes")
            return 1 if changed else 0
        install(fresh, options.out, changed)
        print(f"proto: {len(changed)} files changed in {options.out}")
    return 0


def generate(source: Path, out: Path) -> None:
    """Runs protoc over every .proto under `source` and makes the result a package of its own in `out`."""
    protos = sorted(source.glob("hanse/**/*.proto"))
    if not protos:
        raise SystemExit(f"no .proto files under {source / 'hanse'}")
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(
        [
            "protoc",
            f"--proto_path={source}",
            f"--proto_path={well_known}",
            f"--python_out={out}",
            f"--pyi_out={out}",
            f"--grpc_python_out={out}",
            *(str(proto) for proto in protos),
        ]
    )
    if code != 0:
        raise SystemExit(f"protoc failed with code {code}")
    for proto in protos:
        if not re.search(r"^service ", proto.read_text(), re.MULTILINE):
            # protoc writes a grpc module with nothing in it for a file without services.
            (out / proto.relative_to(source)).with_name(f"{proto.stem}_pb2_grpc.py").unlink()
    for module in sorted([*out.rglob("*.py"), *out.rglob("*.pyi")]):
        module.write_text(rewrite_imports(module.read_text(), module.name))
    for package in [out, *(path for path in out.rglob("*") if path.is_dir())]:
        (package / "__init__.py").write_text(INIT)


def rewrite_imports(text: str, name: str) -> str:
    """`from hanse.v1 import x` -> `from hanse.wire.gen.hanse.v1 import x`.

    >>> rewrite_imports("from hanse.v1 import common_pb2 as c", "a_pb2.py")
    'from hanse.wire.gen.hanse.v1 import common_pb2 as c'
    """

    def moved(found: re.Match[str]) -> str:
        if found[2] == "import":
            # `import hanse.v1.x_pb2` binds `hanse`, and every use of that name would have to change as well.
            raise SystemExit(
                f"{name}: protoc wrote a plain import of the proto package; teach rewrite_imports"
            )
        return f"{found[1]}from {PACKAGE}.hanse"

    return PROTO_IMPORT.sub(moved, text)


def differences(fresh: Path, out: Path) -> list[Path]:
    """The paths, relative to both, of files that differ or that only one of them has."""
    names = {
        path.relative_to(tree) for tree in (fresh, out) for path in tree.rglob("*.py*") if is_source(path)
    }
    return sorted(
        name
        for name in names
        if not ((fresh / name).exists() and (out / name).exists())
        or not filecmp.cmp(fresh / name, out / name, shallow=False)
    )


def is_source(path: Path) -> bool:
    return path.is_file() and path.suffix in {".py", ".pyi"}


def install(fresh: Path, out: Path, changed: list[Path]) -> None:
    for name in changed:
        if (fresh / name).exists():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fresh / name, out / name)
        else:
            (out / name).unlink()


if __name__ == "__main__":
    sys.exit(main())
