"""A process that writes events and prints the number of each once it is acknowledged: python -m tests.e2e.audit_writer URL KEY WITNESS N NAME."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from intent.audit.keys import signer
from intent.audit.store import AuditStore
from tests.doubles.audit_log import decision


def main() -> None:
    url, key, witness, count, name = sys.argv[1:]
    # A writer among many waits for all of them.
    store = AuditStore.open(url, signer(Path(key)), witness=Path(witness), timeout_s=60)
    for number in range(int(count)):
        receipt = store.append(decision(number, session=f"{name}-{number % 10}").model_copy(update={"id": f"{name}/{number}"}))
        # One system call a line: what the reader of the pipe sees was acknowledged, whatever kills this process next.
        os.write(1, f"{receipt.number} {receipt.digest} {name}/{number}\n".encode())


if __name__ == "__main__":
    main()
