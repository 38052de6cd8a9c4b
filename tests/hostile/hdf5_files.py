"""HDF5 files made bad in many ways, each by a seeded generator of random numbers."""

import contextlib
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib

from tests.toys import events_datasets, l1_datasets, random_l1_events, random_particles

Rng = np.random.Generator
Content = dict[str, Any]

N_EVENTS = 24
ODD_NUMBERS = (np.nan, np.inf, -np.inf, -1.0, -0.0, 1e-38, 1e-45, 1e5, 1e20, 3.4e38, -3.4e38, 4.0, 7.0, 1e300)
TYPES = ("f2", "f8", ">f4", "f4", "i4", "u1", "?", "c8", "S3", np.longdouble)


def events_content(rng: Rng) -> Content:
    """Return the datasets of a good events file."""
    return events_datasets(random_particles(N_EVENTS, rng), rng.exponential(1, N_EVENTS))


def l1_content(rng: Rng) -> Content:
    """Return the datasets of a good L1 regression file."""
    return l1_datasets(random_l1_events(N_EVENTS, rng))


# What is changed before a file is written: arrays, or functions that write something else under the name


def _any(rng: Rng, content: Content) -> str:
    return str(rng.choice(list(content)))


def _array(rng: Rng, content: Content, kinds: str = "fi") -> str:
    return str(
        rng.choice([name for name, values in content.items() if getattr(values, "dtype", np.dtype("S")).kind in kinds])
    )


def wrong_type(rng: Rng, content: Content) -> None:
    name, kind = _array(rng, content), TYPES[rng.integers(len(TYPES))]
    with np.errstate(all="ignore"):
        content[name] = content[name].astype(kind)


def wrong_shape(rng: Rng, content: Content) -> None:
    name = _any(rng, content)
    values = content[name]
    changes = (
        lambda: values[..., None],
        lambda: values[0],
        lambda: values.T,
        lambda: values[:-1],
        lambda: values[..., :-1],
        lambda: np.concatenate([values, values]),
        lambda: values.reshape(-1),
        lambda: values[:0],
        lambda: values.reshape(-1)[0],
        lambda: h5py.Empty(values.dtype),
    )
    content[name] = changes[rng.integers(len(changes))]()


def few_events(rng: Rng, content: Content) -> None:
    stop = int(rng.integers(0, 4))
    for name, values in content.items():
        if len(values) == N_EVENTS:
            content[name] = values[:stop]


def missing(rng: Rng, content: Content) -> None:
    del content[_any(rng, content)]


def renamed(rng: Rng, content: Content) -> None:
    name = _any(rng, content)
    content[name.swapcase() if rng.random() < 0.5 else f"{name} "] = content.pop(name)


def more(rng: Rng, content: Content) -> None:
    for i in range(rng.integers(1, 5)):
        content[f"more/{i}"] = rng.random(int(rng.integers(0, 100)))
    content["\u00e9\u4e2d"] = np.array([b"\xff\xfe"])


def odd_numbers(rng: Rng, content: Content) -> None:
    for _ in range(rng.integers(1, 4)):
        name = _array(rng, content)
        values = content[name].astype(np.float64)
        place = tuple(rng.integers(0, length) for length in values.shape)
        values[place] = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))]
        with np.errstate(all="ignore"):
            content[name] = values.astype(np.float32 if rng.random() < 0.7 else np.float64)


def any_bits(rng: Rng, content: Content) -> None:
    """Numbers of any bits: denormal, not a number, of any size."""
    name = _array(rng, content, "f")
    values = content[name].copy()
    chosen = rng.random(values.shape) < 0.02
    values[chosen] = rng.integers(0, 2**32, np.count_nonzero(chosen), dtype=np.uint32).view(np.float32)
    content[name] = values


def far_away(rng: Rng, content: Content) -> None:
    """Directions beyond pi and beyond all detectors."""
    name = _array(rng, content, "f")
    values = content[name].copy()
    if values.ndim == 3:
        values[:, :, rng.integers(1, 3)] *= 10.0 ** rng.integers(1, 30)
        content[name] = values


def wrong_slots(rng: Rng, content: Content) -> None:
    name = _array(rng, content, "f")
    if content[name].ndim == 3:
        content[name] = content[name][:, rng.permutation(content[name].shape[1])]


def labels(rng: Rng, content: Content) -> None:
    choices = (
        np.array([b"QCD", b"W"]),
        np.array([b"QCD_1"]),
        np.array([b"QCD_1", b"QCD_1"]),
        np.array([b"QCD_1", b"W_1"]),
        np.array([b"_1", b"W_2"]),
        np.array([b"QCD_1", b"W_-2"]),
        np.array([b"QCD_1", b"W_99999999999999999999999"]),
        np.array([b"QCD_1", b"W_4294967298"]),
        np.array([b"\xff\x00\xfe_1", b"W_2"]),
        np.array([b"", b""]),
        np.zeros(0, "S5"),
        np.array([b"x" * 1000 + b"_1", b"W_2"]),
        np.array(["QCD_1", "W_\u00b2"], h5py.string_dtype()),
        np.array(["QCD_1", "$(touch hostile)_2"], h5py.string_dtype()),
        np.array(["../../QCD_1", "a\nb_2"], h5py.string_dtype()),
        np.array([b"P_%d" % i for i in range(20_000)]),
        np.array([np.arange(3), np.arange(2)], h5py.vlen_dtype(np.int32)),
        np.array([b"QCD_" + b"1" * 5000, b"W_2"]),
        np.array([b"QCD_1" + b" " * 5000, b"W_2"]),
        np.array(["QCD\n_1", "W\u2028_2"], h5py.string_dtype()),
        np.array(["x" * (1 << 20) + "_1", "W_2"], h5py.string_dtype()),
        np.array(["QCD_1", "W_2"], h5py.string_dtype()),
        np.array([f"P_{i}" for i in range(3000)], h5py.string_dtype()),
    )
    content["ids_names"] = choices[rng.integers(len(choices))]


def unknown_ids(rng: Rng, content: Content) -> None:
    if "ids" in content:
        content["ids"] = rng.choice([0, 1, 2, 3, -1, 2**31, 2**40], N_EVENTS)


Write = Callable[[h5py.File, str, Any], None]


def _external_link(file: h5py.File, name: str, values: Any) -> None:
    file[name] = h5py.ExternalLink("good.h5", name)


def _external_device(file: h5py.File, name: str, values: Any) -> None:
    file[name] = h5py.ExternalLink("/dev/zero", name)


def _soft_link(file: h5py.File, name: str, values: Any) -> None:
    file["elsewhere"] = values
    file[name] = h5py.SoftLink("/elsewhere")


def _link_to_itself(file: h5py.File, name: str, values: Any) -> None:
    file[name] = h5py.SoftLink(f"/{name}")


def _group(file: h5py.File, name: str, values: Any) -> None:
    file.create_group(name)[name] = values


def _type(file: h5py.File, name: str, values: Any) -> None:
    file[name] = np.dtype("f4")


def _references(file: h5py.File, name: str, values: Any) -> None:
    data = file.create_dataset(name, (len(values),), h5py.ref_dtype)
    data[:] = [file.ref] * len(values)


def _region_references(file: h5py.File, name: str, values: Any) -> None:
    file["region"] = np.arange(4)
    data = file.create_dataset(name, (1,), h5py.regionref_dtype)
    data[0] = file["region"].regionref[1:3]


def _virtual(file: h5py.File, name: str, values: Any) -> None:
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[:] = h5py.VirtualSource("good.h5", name, values.shape)
    file.create_virtual_dataset(name, layout)


def _external_storage(file: h5py.File, name: str, values: Any) -> None:
    file.create_dataset(name, values.shape, values.dtype, external=[("/etc/hostname", 0, values.nbytes)])


def _compound(file: h5py.File, name: str, values: Any) -> None:
    file[name] = np.zeros(len(values), [("pt", "f4"), ("eta", "f4")])


def _never_written(file: h5py.File, name: str, values: Any) -> None:
    file.create_dataset(name, (10**12, *values.shape[1:]), values.dtype, chunks=(4096, *values.shape[1:]))


def _never_written_in_one(file: h5py.File, name: str, values: Any) -> None:
    file.create_dataset(name, (10**10, *values.shape[1:]), values.dtype)


def _large_chunks(file: h5py.File, name: str, values: Any) -> None:
    rows = (1 << 29) // (values.dtype.itemsize * max(1, int(np.prod(values.shape[1:]))))
    shape = (rows, *values.shape[1:])
    data = file.create_dataset(name, shape, values.dtype, chunks=shape, maxshape=(None, *shape[1:]), compression="gzip")
    data.id.write_direct_chunk((0,) * len(shape), b"x" * 100)


def _bomb(file: h5py.File, name: str, values: Any) -> None:
    """Write a chunk that is much larger than it should be when it is decompressed."""
    data = file.create_dataset(name, values.shape, values.dtype, chunks=values.shape, compression="gzip")
    data.id.write_direct_chunk((0,) * values.ndim, isal_zlib.compress(bytes(1 << 26)))


def _garbage_chunk(file: h5py.File, name: str, values: Any) -> None:
    data = file.create_dataset(name, values.shape, values.dtype, chunks=values.shape, compression="gzip")
    data.id.write_direct_chunk((0,) * values.ndim, bytes(range(200)))


def _without_filter(file: h5py.File, name: str, values: Any) -> None:
    data = file.create_dataset(name, values.shape, values.dtype, chunks=values.shape, compression="gzip")
    data.id.write_direct_chunk((0,) * values.ndim, values.tobytes()[:-3], filter_mask=1)


def _other_filters(file: h5py.File, name: str, values: Any) -> None:
    file.create_dataset(name, data=values, chunks=True, shuffle=True, compression="lzf", fletcher32=True)


def _scale_offset(file: h5py.File, name: str, values: Any) -> None:
    file.create_dataset(name, data=values, chunks=True, scaleoffset=2)


BOMB = 1 << 30  # bytes


@functools.cache
def _bomb_bytes() -> bytes:
    """Compress a gibibyte to 1 MB, and that to a few kB."""
    return isal_zlib.compress(bytes(BOMB))


def _bomb_behind(filters: Callable[[h5py.h5p.PropDCID], None], twice: bool = False) -> Write:
    """Write a chunk of a few bytes that becomes a gibibyte, in a pipeline of filters that only HDF5 itself undoes."""

    def write(file: h5py.File, name: str, values: Any) -> None:
        options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        options.set_chunk(tuple(max(1, length // 2) for length in values.shape))
        filters(options)
        space = h5py.h5s.create_simple(values.shape)
        kind = h5py.h5t.py_create(values.dtype)
        data = h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, options))
        data[...] = values
        bomb = _bomb_bytes()
        data.id.write_direct_chunk((0,) * values.ndim, isal_zlib.compress(bomb) if twice else bomb)

    return write


def _shuffle_and_gzip(options: h5py.h5p.PropDCID) -> None:
    options.set_shuffle()
    options.set_deflate(4)


def _gzip_twice(options: h5py.h5p.PropDCID) -> None:
    options.set_deflate(4)
    options.set_deflate(4)


def _gzip_and_checksum(options: h5py.h5p.PropDCID) -> None:
    options.set_deflate(4)
    options.set_fletcher32()


def _empty_chunk(file: h5py.File, name: str, values: Any) -> None:
    """Write chunks without a byte, compressed in another way than usual."""
    data = file.create_dataset(name, values.shape, values.dtype, chunks=values.shape, compression="lzf")
    data.id.write_direct_chunk((0,) * values.ndim, b"")


def _long_strings(file: h5py.File, name: str, values: Any) -> None:
    file.create_dataset(name, (2,), "S100000000", chunks=(1,), compression="gzip")


def _compressed_text(file: h5py.File, name: str, values: Any) -> None:
    """Write names of 100 MiB each, which compress to 100 kB."""
    size = 100 << 20
    data = file.create_dataset(name, (8,), f"S{size}", chunks=(1,), compression="gzip")
    for i in range(8):
        data.id.write_direct_chunk((i,), isal_zlib.compress(b"P%d_%d" % (i, i) + bytes(size - 4)))


def _one_text_many_times(file: h5py.File, name: str, values: Any) -> None:
    """Write names that are all one and the same long text in the heap."""
    data = file.create_dataset(name, (9000,), h5py.string_dtype(), chunks=(1000,))
    data[0] = "x" * (1 << 24)
    _, reference = data.id.read_direct_chunk((0,))
    for start in range(0, 9000, 1000):
        data.id.write_direct_chunk((start,), reference[:16] * 1000)


WRITERS: tuple[Write, ...] = (
    _external_link,
    _external_device,
    _soft_link,
    _link_to_itself,
    _group,
    _type,
    _references,
    _region_references,
    _virtual,
    _external_storage,
    _compound,
    _never_written,
    _never_written_in_one,
    _large_chunks,
)
# What only arrays of numbers can be written as.
OF_NUMBERS: tuple[Write, ...] = (
    _bomb,
    _garbage_chunk,
    _without_filter,
    _other_filters,
    _scale_offset,
    _empty_chunk,
    _bomb_behind(lambda options: options.set_deflate(4)),
    _bomb_behind(_shuffle_and_gzip),
    _bomb_behind(_gzip_and_checksum),
    _bomb_behind(_gzip_twice, twice=True),
)
OF_TEXT: tuple[Write, ...] = (_long_strings, _compressed_text, _one_text_many_times)


def other_storage(rng: Rng, content: Content) -> None:
    """Store a dataset in another way."""
    name = _array(rng, content) if rng.random() < 0.8 else _any(rng, content)
    values = content[name]
    if isinstance(values, np.ndarray) and values.ndim:
        writers = (*WRITERS, *(OF_NUMBERS if values.dtype.kind in "fi" else OF_TEXT))
        write = writers[rng.integers(len(writers))]
        content[name] = lambda file: write(file, name, values)


CHANGES = (
    wrong_type,
    wrong_shape,
    few_events,
    missing,
    renamed,
    more,
    odd_numbers,
    odd_numbers,
    any_bits,
    far_away,
    wrong_slots,
    labels,
    unknown_ids,
    other_storage,
    other_storage,
    other_storage,
)


RECORD = {
    "steps": [{"step": "s", "source": None, "read": {"QCD": 1}, "written": {"x": {"QCD": 1}}, "left_out": {}}],
    "output": "x",
}
ODD_RECORDS = (
    *("", "null", "[" * 100_000, '{"steps": ' * 1000, "9" * 5000, "\0", "\u4e2d\n", b"\xff", 5, np.zeros(1000)),
    *(json.dumps(RECORD).replace("1", number) for number in ("9" * 4000, "9" * 5000, "1e999", "-1", "NaN")),
    json.dumps(RECORD).replace("QCD", "Q\\nCD" * 1000),
    np.array(["x" * 100, "y"], h5py.string_dtype()),
    h5py.Empty("S10"),
)


def write_attributes(file: h5py.File, rng: Rng) -> None:
    """Write the record of a file, good or odd, and perhaps so many more attributes that they get a heap."""
    record = json.dumps(RECORD)
    odd = ODD_RECORDS[rng.integers(len(ODD_RECORDS))] if rng.random() < 0.3 else record
    with contextlib.suppress(ValueError, TypeError, OSError):  # what HDF5 cannot hold
        file.attrs["event_counts"] = odd
    for i in range(int(rng.choice([0, 3, 30]))):
        file.attrs[f"more{i}"] = "text" * i


def write(path: Path, content: Content, rng: Rng) -> None:
    """Write a file, in chunks or not, in the layout of old or of new libraries."""
    options = {"compression": "gzip"} if rng.random() < 0.7 else {}
    with h5py.File(path, "w", libver="latest" if rng.random() < 0.3 else None) as file:
        if rng.random() < 0.7:
            write_attributes(file, rng)
        for name, values in content.items():
            if callable(values):
                values(file)
            elif isinstance(values, np.ndarray) and values.size:
                file.create_dataset(name, data=values, **(options if values.dtype.kind in "fi" else {}))
            else:
                file[name] = values


# What is changed in the bytes of a file


def flip(rng: Rng, content: bytearray) -> None:
    for place in rng.integers(0, len(content), rng.integers(1, 9)):
        content[place] ^= 1 << int(rng.integers(8))


def overwrite(rng: Rng, content: bytearray) -> None:
    start, length = int(rng.integers(len(content))), int(rng.integers(1, 64))
    fill = bytes(length) if rng.random() < 0.3 else b"\xff" * length if rng.random() < 0.3 else rng.bytes(length)
    content[start : start + length] = fill


def overwrite_metadata(rng: Rng, content: bytearray) -> None:
    """Write numbers like those of lengths and addresses where HDF5 keeps them, at multiples of eight."""
    numbers = (0, 1, 2, 24, 96, 2048, len(content), 2**31, 2**32 - 1, 2**63, 2**64 - 1)
    number = numbers[rng.integers(len(numbers))]
    place = 8 * int(rng.integers(len(content) // 8))
    content[place : place + 8] = number.to_bytes(8, "little")


def truncate(rng: Rng, content: bytearray) -> None:
    del content[int(rng.integers(len(content))) :]


def cut_out(rng: Rng, content: bytearray) -> None:
    start = int(rng.integers(len(content)))
    del content[start : start + int(rng.integers(1, 512))]


def insert(rng: Rng, content: bytearray) -> None:
    start = int(rng.integers(len(content)))
    content[start:start] = rng.bytes(int(rng.integers(1, 512)))


# What HDF5 begins its heaps, trees, lists of names, headers and indices of chunks with.
SIGNATURES = (
    *(b"GCOL", b"HEAP", b"TREE", b"SNOD", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"FSHD", b"FSSE", b"SMTB"),
    *(b"BTHD", b"BTLF", b"BTIN", b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB"),
)


def overwrite_structure(rng: Rng, content: bytearray) -> None:
    """Lose some bytes of a heap, a tree or the like, as a bad sector does, or let them point elsewhere."""
    there = [signature for signature in SIGNATURES if signature in content]
    if not there:
        return
    signature = there[rng.integers(len(there))]
    places = [i for i in range(len(content)) if content.startswith(signature, i)]
    start = places[rng.integers(len(places))]
    place = start + 8 * int(rng.integers(1, 5 if rng.random() < 0.7 else 64))
    length = 8 * int(rng.integers(1, 5))
    choices = (bytes(length), b"\xff" * length, rng.bytes(length), (start.to_bytes(8, "little") * 4)[:length])
    content[place : place + length] = choices[rng.integers(len(choices))]


BYTES = (
    *(flip, flip, flip, overwrite, overwrite, overwrite_metadata, overwrite_metadata, truncate, cut_out, insert),
    *(overwrite_structure, overwrite_structure, overwrite_structure, overwrite_structure),
)


def change_bytes(path: Path, rng: Rng) -> None:
    """Change the bytes of a file."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 3)):
        if content:
            BYTES[rng.integers(len(BYTES))](rng, content)
    path.write_bytes(content)


def bad_file(path: Path, content: Content, rng: Rng) -> None:
    """Write a file of some content that is changed in its structure, or in its bytes, or in both."""
    write(path.with_name("good.h5"), content, rng)
    of_structure = rng.random() < 0.55
    if of_structure:
        for _ in range(rng.integers(1, 3)):
            # A second change may not fit what the first one has made.
            with contextlib.suppress(IndexError, KeyError, ValueError, TypeError, AttributeError):
                CHANGES[rng.integers(len(CHANGES))](rng, content)
    try:
        write(path, content, rng)
    except (TypeError, ValueError, OSError):  # what HDF5 cannot hold
        path.write_bytes(path.with_name("good.h5").read_bytes())
        of_structure = False
    if not of_structure or rng.random() < 0.2:
        change_bytes(path, rng)
