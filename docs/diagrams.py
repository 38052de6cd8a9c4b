"""Diagrams of the documentation as SVG: the data flow, and which folder imports which, from the code."""

import ast
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 190, 44, 26, 46, 12
FILL = {"script": "#dbe7f6", "files": "#ffffff", "folder": "#dbe7f6", "outside": "#f3efe4"}

# Kind, lines of text, column and row of each box.
DATA_FLOW = {
    "pythia": ("outside", "Pythia 8, HepMC, Les Houches", 0, 0),
    "events": ("outside", "events: ADC2021 or Delphes", 1, 0),
    "prepared": ("outside", "prepared L1 files", 2, 3),
    "generate": ("script", "generate_events.py", 0, 1),
    "shards": ("files", "events/{process}/{shard}.h5", 0, 2),
    "create": ("script", "create_L1regression_data.py", 1, 3),
    "train": ("files", "l1_regression/train.h5", 1, 4),
    "test": ("files", "l1_regression/test.h5", 2, 4),
    "select": ("script", "selective_sampling_jets.py", 1, 5),
    "sample": ("files", "selective_{variable}/train.h5", 1, 6),
    "train_teacher": ("script", "train_teacher.py", 1, 7),
    "teacher": ("files", "teacher_{variable}/", 1, 8),
    "train_student": ("script", "train_student.py", 0, 9),
    "student": ("files", "student_{variable}/", 0, 10),
    "analyze": ("script", "analyze_results_teacher.py", 1, 11),
    "export": ("script", "export_firmware.py", 2, 11),
    "plots": ("files", "plots_{kind}_{variable}/", 1, 12),
    "firmware": ("files", "firmware_{variable}/", 2, 12),
}
DATA_ARROWS = (
    *(("pythia", "generate"), ("generate", "shards"), ("shards", "create"), ("events", "create")),
    *(("prepared", "test"), ("prepared", "train"), ("create", "train"), ("create", "test"), ("train", "select")),
    *(("select", "sample"), ("sample", "train_teacher"), ("sample", "train_student"), ("train_teacher", "teacher")),
    *(("teacher", "train_student"), ("teacher", "analyze"), ("train_student", "student"), ("student", "analyze")),
    *(("student", "export"), ("test", "export"), ("test", "analyze"), ("analyze", "plots"), ("export", "firmware")),
)


def drawing(boxes: Mapping[str, tuple[str, str, float, float]], arrows: Iterable[tuple[str, str]]) -> str:
    """Return an SVG of boxes on a grid, given as kind, text, column and row, and arrows from one to another below."""

    def middle(name: str) -> tuple[float, float]:
        _, _, column, row = boxes[name]
        return MARGIN + column * (WIDTH + GAP_X) + WIDTH / 2, MARGIN + row * (HEIGHT + GAP_Y)

    width = max(middle(name)[0] for name in boxes) + WIDTH / 2 + MARGIN
    height = max(middle(name)[1] for name in boxes) + HEIGHT + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
        ' font-family="sans-serif" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
    ]
    for start, end in arrows:
        (x1, y1), (x2, y2) = middle(start), middle(end)
        y1, bend = y1 + HEIGHT, GAP_Y * 0.7
        parts.append(
            f'<path d="M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}" fill="none"'
            ' stroke="#555" marker-end="url(#tip)"/>'
        )
    for name, (kind, text, _, _) in boxes.items():
        x, y = middle(name)
        corner = 3 if kind == "files" else 12
        parts.append(
            f'<rect x="{x - WIDTH / 2:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="{corner}"'
            f' fill="{FILL[kind]}" stroke="#555"/><text x="{x:g}" y="{y + HEIGHT / 2 + 4:g}" text-anchor="middle"'
            f' fill="#111">{escape(text)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def folder_of(module: str) -> str:
    """Return the folder of a module, or the module itself where it stands at the top of `utils`."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "utils" or (len(parts) > 2) else parts[0]


def imports() -> dict[str, set[str]]:
    """Return which folders of ``utils`` and ``nn`` each folder imports, imports within functions included."""
    found: dict[str, set[str]] = {}
    for package in ("utils", "nn"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if path.name == "__init__.py":
                continue
            folder = found.setdefault(folder_of(module), set())
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module in ("utils", "nn"):
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                for name in names:
                    if name.split(".")[0] in ("utils", "nn") and folder_of(name) != folder_of(module):
                        folder.add(folder_of(name))
    return found


def layers(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the folders in layers, each of which imports only from those after it; a ValueError names a circle."""
    left, above = dict(graph), []
    while left:
        layer = [name for name in left if not any(name in left[other] for other in left)]
        if not layer:
            raise ValueError(f"imports in a circle: {', '.join(left)}")
        above.append(layer)
        left = {name: imported for name, imported in left.items() if name not in layer}
    return above


def without_detours(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the graph without imports that another way through the graph implies."""

    def reached(name: str) -> set[str]:
        return set().union(*({below} | reached(below) for below in graph[name]))

    return {
        name: {below for below in imported if not any(below in reached(other) for other in imported - {below})}
        for name, imported in graph.items()
    }


def import_diagram() -> str:
    """Return the SVG of the imports between folders."""
    graph = imports()
    rows = layers(graph)
    widest = max(map(len, rows))
    boxes = {
        name: ("folder", name.replace(".", "/"), (widest - len(row)) / 2 + column, y)
        for y, row in enumerate(rows)
        for column, name in enumerate(row)
    }
    return drawing(boxes, ((name, below) for name, found in without_detours(graph).items() for below in sorted(found)))


def diagrams() -> dict[str, str]:
    """Return the diagrams by the names of their files."""
    return {"data_flow.svg": drawing(DATA_FLOW, DATA_ARROWS), "imports.svg": import_diagram()}


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts into a folder of their own where they changed, and remove other files."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
