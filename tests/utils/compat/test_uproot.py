"""Decompressors of uproot: they stop at the declared size."""

import cramjam
import pytest
import uproot

import utils.compat.uproot  # noqa: F401

CONTENT = bytes(1 << 22) + b"end"


@pytest.mark.parametrize("name", ["ZLIB", "LZMA", "ZSTD", "LZ4"])
def test_declared_size(name):
    stored = getattr(uproot, name)(1).compress(CONTENT)
    decompress = getattr(uproot.compression, f"_decompress_{name}").decompress
    assert bytes(decompress(stored, len(CONTENT))) == CONTENT
    try:
        assert len(decompress(stored, 1000)) == 1001  # uproot compares it with the declared size
    except (cramjam.DecompressionError, OSError) as error:
        assert name in ("ZSTD", "LZ4"), error
