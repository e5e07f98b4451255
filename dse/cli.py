"""The ``dse`` command line as a process: signals, exit codes, and errors as sentences.

It imports next to nothing, so that SIGINT and SIGTERM are answered from the first moment on.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from dse.interruption import Interrupted, interruptible, uninterrupted

INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code (`dse.errors.EXIT_CODES`)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        with interruptible():
            with uninterrupted():  # imports take a second
                from dse.commands import app
            result = app(args=words, prog_name="dse", standalone_mode=False)
    except Interrupted as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from dse.errors import exit_code_of, sentence_of

        if debug:
            traceback.print_exc()
        if hasattr(error, "format_message"):  # the argument parser's own
            print(
                f"dse: {error.format_message() or 'no command given; see dse --help.'}",
                file=sys.stderr,
            )
            return 2
        code = exit_code_of(error)
        if code is None:
            print(
                f"dse: unexpected {type(error).__name__}: {error} (a bug; --debug shows where).",
                file=sys.stderr,
            )
            return 1
        print(f"dse: {sentence_of(error)}", file=sys.stderr)
        return code
    if result == INTERRUPTED:  # typer's own for KeyboardInterrupt
        print(Interrupted(signal.SIGINT), file=sys.stderr)
    return result if isinstance(result, int) else 0


def entry() -> None:
    """Console script."""
    sys.exit(main())
