"""Ed25519 keys: the operator's, and each region's. Private halves are in files of their own, and never leave them.

    <data_dir>/region.key         what this region countersigns rosters with
    <data_dir>/region.key.next    its successor, until a roster that names it is in force
    ~/.hanse/operator.key         what the operator signs rosters with, unless another path is given

A file is unencrypted PKCS #8 in PEM, as OpenSSL reads it, and only its owner may read it (mode 0600).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hanse.core.model.errors import CallerFault

log = structlog.get_logger()

REGION_KEY_FILE = "region.key"
NEXT_KEY_FILE = "region.key.next"
OPERATOR_KEY_FILE = Path("~/.hanse/operator.key")
_KEY_BYTES_MAX = 16 * 1024


class KeyFault(CallerFault):
    """A key cannot be read or written, or is none."""


class PrivateKey:
    """One private key. Nothing shows it: not `repr`, not a log."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes_raw().hex()

    def __repr__(self) -> str:
        return f"<private key to {self.public_key[:16]}>"

    def sign(self, message: bytes) -> str:
        """The signature, in hexadecimal."""
        return self._key.sign(message).hex()


def generate(path: Path) -> PrivateKey:
    """Make a key, and its file. Raises KeyFault; an existing file is never overwritten."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(path.parent)
    except FileExistsError:
        raise KeyFault(f"{path} exists already; a key is never overwritten") from None
    except OSError as error:
        raise KeyFault(f"{path}: {error.strerror or error}") from error
    return PrivateKey(key)


def load(path: Path) -> PrivateKey:
    """Raises KeyFault if the file cannot be read, is no Ed25519 key, or may be read by others than its owner."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            pem = file.read(_KEY_BYTES_MAX)
    except OSError as error:
        raise KeyFault(f"{path}: {error.strerror or error}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFault(
            f"{path} may be read by others than its owner (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyFault(f"{path} is no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFault(f"{path} is no Ed25519 key")
    return PrivateKey(key)


def verify(public_key: str, message: bytes, signature: str) -> bool:
    """Whether that key made this signature; both in hexadecimal, and perhaps no such."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(
            bytes.fromhex(signature), message
        )
    except (InvalidSignature, ValueError):
        return False
    return True


class Keyring:
    """The keys of one region, as the core asks for them (federation/roster/ballot.py: Authority)."""

    def __init__(self, keys: tuple[PrivateKey, ...] = ()) -> None:
        self._keys = {key.public_key: key for key in keys}

    @property
    def public_keys(self) -> tuple[str, ...]:
        """Of the private keys that are here."""
        return tuple(self._keys)

    def sign(self, public_key: str, message: bytes) -> str:
        """Empty: that key is not here."""
        key = self._keys.get(public_key)
        return key.sign(message) if key is not None else ""

    def has(self, public_key: str) -> bool:
        """Whether that key is here."""
        return public_key in self._keys

    def verify(self, public_key: str, message: bytes, signature: str) -> bool:
        """See the module's function."""
        return verify(public_key, message, signature)


def region_keys(data_dir: Path) -> Keyring:
    """The keys that this region has; those that cannot be used are logged, and missing."""
    found = []
    for name in (REGION_KEY_FILE, NEXT_KEY_FILE):
        if (data_dir / name).exists():
            try:
                found.append(load(data_dir / name))
            except KeyFault as fault:
                log.error("key.unusable", error=str(fault))
    return Keyring(tuple(found))


def take_next(data_dir: Path, public_key: str) -> None:
    """If the roster in force names the key that was prepared, that one is the region's key from now on."""
    following = data_dir / NEXT_KEY_FILE
    if not following.exists():
        return
    try:
        if load(following).public_key == public_key:
            following.replace(data_dir / REGION_KEY_FILE)
            _sync_directory(data_dir)
            log.info("key.rotated", public_key=public_key)
    except (KeyFault, OSError) as error:
        # The old name works as well: both are looked for.
        log.error("key.not_rotated", error=str(error))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
