"""What was spent on which calibration rows, kept in a file between training runs: rows that are used again share one delta."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from intent.certificate.certificate import Use
from intent.errors import CertificateError, IntentError
from intent.strict_json import loads

_MAX_BYTES = 1 << 20
_USES = TypeAdapter(tuple[Use, ...])


def read_ledger(path: Path) -> tuple[Use, ...]:
    """The uses in a file, oldest first; none where there is no file yet.

    Raises
    ------
    CertificateError
        If the file holds something else: what was spent must not be forgotten.
    """
    if not path.exists():
        return ()
    try:
        return _USES.validate_python(loads(path.read_bytes(), max_bytes=_MAX_BYTES))
    except (ValidationError, IntentError) as error:
        raise CertificateError(f"{path} must hold the uses of calibration rows") from error


def write_ledger(path: Path, uses: Sequence[Use]) -> None:
    """Write all uses, in the form that `read_ledger` takes."""
    path.write_bytes(_USES.dump_json(tuple(uses), indent=1) + b"\n")
