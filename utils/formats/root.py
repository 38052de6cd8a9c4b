"""Opening of ROOT files; uproot is imported by those who read one, because that takes a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uproot

from utils.runtime.errors import UserError
from utils.runtime.paths import missing_error, unreadable_error


@contextmanager
def open_root(path: Path) -> Iterator[uproot.ReadOnlyDirectory]:
    """Open a ROOT file; any error while it is read becomes a :class:`UserError` that names it."""
    if not path.is_file():
        raise missing_error(path)
    try:
        # Not mapped into memory: a disk that fails then would end the process by a signal.
        with uproot.open(path, handler=uproot.MultithreadedFileSource, num_workers=1) as file:
            yield file
    except UserError:
        raise
    except Exception as error:  # a damaged file raises anything from struct.error to AttributeError
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise unreadable_error(path, error, f"not a readable ROOT file, damaged or cut short ({reason})") from None
