"""Templates of exported files, in which words such as ``@NAME@`` stand for what depends on the student."""

from collections.abc import Mapping
from pathlib import Path


def filled(text: str, words: Mapping[str, str]) -> str:
    """Put values in place of the words of a template."""
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text


def write_filled(templates: Path, folder: Path, words: Mapping[str, str]) -> None:
    """Write all templates of a folder into another one, with values in place of the words in their names and texts."""
    for template in sorted(path for path in templates.rglob("*") if path.is_file()):
        path = folder / filled(template.relative_to(templates).as_posix(), words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(filled(template.read_text(encoding="utf-8"), words), encoding="utf-8")
