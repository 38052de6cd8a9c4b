"""hls4ml beyond its public interface: the stamp by which it names the library of a project.

hls4ml draws the stamp at random for each project that it writes, so equal networks give different files:
https://github.com/fastmachinelearning/hls4ml/blob/main/hls4ml/model/optimizer/passes/stamp.py. No issue about this is
known upstream.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from hls4ml.model.optimizer.passes import stamp

from utils.compat.versions import replaced, require_version

require_version("hls4ml", "1.3", "1.4")


@contextmanager
def fixed_stamp(text: str) -> Iterator[None]:
    """Let projects that are written have a given stamp, at most 8 characters, for the duration of a block."""
    with replaced(stamp, "uuid", SimpleNamespace(uuid4=lambda: text)):
        yield
