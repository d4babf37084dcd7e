"""Certificates for names under ``.vendor.test``: good ones, and each kind of bad one.

Owns: calling ``openssl``, and the contexts of both sides. Must not know: who speaks. An authority
is made for the purpose and lives as long as its folder: nobody else may believe it.
"""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Server sides by what is wrong with them; ``trusting`` is a client that believes us."""

    good: ssl.SSLContext
    wrong_host: ssl.SSLContext
    expired: ssl.SSLContext
    unknown: ssl.SSLContext
    trusting: ssl.SSLContext


def certificates(folder: Path) -> Certificates:
    """Make them in ``folder``. Raises: RuntimeError where there is no openssl."""
    _openssl("req", "-x509", *_KEY, *_to(folder, "ca"), "-subj", "/CN=test", "-days", "2")
    _openssl("req", "-x509", *_KEY, *_to(folder, "other"), "-subj", "/CN=other", "-days", "2")
    return Certificates(
        good=_server(folder, "good", "*.vendor.test", 2, "ca"),
        wrong_host=_server(folder, "wrong_host", "elsewhere.test", 2, "ca"),
        expired=_server(folder, "expired", "*.vendor.test", -1, "ca"),
        unknown=_server(folder, "unknown", "*.vendor.test", 2, "other"),
        trusting=ssl.create_default_context(cafile=str(folder / "ca.pem")),
    )


def _server(folder: Path, name: str, host: str, days: int, issuer: str) -> ssl.SSLContext:
    request, extension = folder / f"{name}.csr", folder / f"{name}.ext"
    extension.write_text(f"subjectAltName=DNS:{host}\n", encoding="utf-8")
    key = ("-keyout", str(folder / f"{name}.key"), "-out", str(request))
    _openssl("req", *_KEY, *key, "-subj", f"/CN={name}")
    signing = ("-CA", str(folder / f"{issuer}.pem"), "-CAkey", str(folder / f"{issuer}.key"))
    out = ("-out", str(folder / f"{name}.pem"), "-extfile", str(extension))
    serial = ("-CAcreateserial", "-days", str(days))
    _openssl("x509", "-req", "-in", str(request), *signing, *serial, *out)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


def _to(folder: Path, name: str) -> tuple[str, ...]:
    return ("-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem"))


def _openssl(*arguments: str) -> None:
    try:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
    except FileNotFoundError:
        message = (
            "openssl is not installed, and makes the certificates. Debian: apt install openssl"
        )
        raise RuntimeError(message) from None
