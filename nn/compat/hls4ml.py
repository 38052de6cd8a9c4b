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
    """Give projects that are written in a block a fixed stamp, at most 8 characters."""
    with replaced(stamp, "uuid", SimpleNamespace(uuid4=lambda: text)):
        yield
