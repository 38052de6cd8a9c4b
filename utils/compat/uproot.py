"""Private part of uproot: its decompressors, which unfold as much as the bytes of a file say.

A block declares its unfolded size, but uproot only compares it with the result: a few bytes could fill the memory,
which ends the process where the library is written in Rust. Here a decompressor stops at the declared size. LZ4 does so
by itself. The decompressors are objects of a module, and no setting replaces them:
https://github.com/scikit-hep/uproot5/blob/main/src/uproot/compression.py.
"""

import lzma

import cramjam
import uproot.compression
from isal import isal_zlib

from utils.compat.versions import require_version

require_version("uproot", "5.7", "5.8")


def _inflate(data: bytes, uncompressed_bytes: int) -> bytes:
    return isal_zlib.decompressobj().decompress(data, uncompressed_bytes + 1)


def _unxz(data: bytes, uncompressed_bytes: int) -> bytes:
    return lzma.LZMADecompressor().decompress(bytes(data), uncompressed_bytes + 1)


def _unzstd(data: bytes, uncompressed_bytes: int) -> bytes:
    unfolded = bytearray(uncompressed_bytes)
    return bytes(unfolded[: cramjam.zstd.decompress_into(data, unfolded)])


for _name, _bounded in (("ZLIB", _inflate), ("LZMA", _unxz), ("ZSTD", _unzstd)):
    getattr(uproot.compression, f"_decompress_{_name}").decompress = _bounded
