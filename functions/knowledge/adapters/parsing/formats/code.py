"""Source code: one block a symbol, by tree-sitter, with its dotted name and lines; what lies between is kept too."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from functions.knowledge.adapters.parsing.formats.plain_text import encoding_of
from functions.knowledge.adapters.parsing.languages import Language, grammar, language_of
from functions.knowledge.adapters.parsing.languages import preload as preload_grammars
from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline
from functions.knowledge.core.reasons import CannotIngest, Reason

_LARGEST = 8 << 20
_MOST_IMPORTS = 200
_NAME_NODES = {
    "identifier", "type_identifier", "property_identifier", "field_identifier", "constant", "word", "name",
    "simple_identifier", "namespace_identifier", "qualified_identifier", "scope_resolution", "destructor_name",
    "operator_name", "private_property_identifier",
}  # fmt: skip


def preload() -> None:
    """Import every grammar."""
    preload_grammars()


@dataclass(frozen=True, slots=True)
class _Symbol:
    """Bytes of a symbol, or of what lies between symbols, with its dotted name."""

    start: int
    end: int
    name: str


def read(source: Source, out: BlockWriter) -> Outline:
    """Split a file at its symbols; a comment right above a symbol goes with it."""
    language = language_of(source.name)
    if language is None:
        raise CannotIngest(Reason.UNKNOWN_TYPE, "it is in no known programming language")
    if source.path.stat().st_size > _LARGEST:
        raise CannotIngest(Reason.TOO_LARGE, f"a source file may have {_LARGEST} bytes")
    text = source.path.read_bytes().decode(encoding_of(source.path), "replace")
    code = text.replace("\r\n", "\n").encode()
    import tree_sitter

    tree = tree_sitter.Parser(grammar(language.module, language.function)).parse(code)
    position, line = 0, 1
    for symbol in _covering(language, tree.root_node, code):
        # What is written is exactly what is there, so that positions are the file's own.
        piece = code[position : symbol.end].decode(errors="replace")
        lead = len(piece) - len(piece.lstrip("\n"))
        body = piece.strip("\n")
        first = line + lead
        last = first + body.count("\n")
        out.add("code", body, gap="\n" * max(1, lead), line_start=first, line_end=last, symbol=symbol.name)
        line += piece.count("\n")
        position = symbol.end
    imports = _imports(language, tree.root_node)
    return Outline(source.format.value, language=language.name, is_code=True, imports=imports)


def _covering(language: Language, root: Any, code: bytes) -> Iterator[_Symbol]:
    """Symbols and what lies between them, such that together they are the whole file."""
    position = 0
    for symbol in _symbols(language, root, ""):
        start = max(position, _line_start(code, symbol.start))
        if code[position:start].strip():
            yield _Symbol(position, start, _enclosing(symbol.name))
        yield _Symbol(start, symbol.end, symbol.name)
        position = symbol.end
    if code[position:].strip():
        yield _Symbol(position, len(code), "")


def _line_start(code: bytes, position: int) -> int:
    """The beginning of the line, if nothing but its indentation is before the position."""
    start = code.rfind(b"\n", 0, position) + 1
    return position if code[start:position].strip() else start


def _enclosing(name: str) -> str:
    return name.rpartition(".")[0]


def _symbols(language: Language, node: Any, scope: str) -> Iterator[_Symbol]:
    """The innermost symbols below a node, in order; a container without any within is one itself."""
    for child in node.children:
        kind = child.type
        if kind in language.containers:
            name = _dotted(scope, _name(child))
            within = list(_symbols(language, child, name))
            yield from within or [_Symbol(_start(child), _end(child), name)]
        elif kind in language.symbols or (kind == "lexical_declaration" and _holds_function(child)):
            yield _Symbol(_start(child), _end(child), _dotted(scope, _name(child)))
        elif child.child_count:
            yield from _symbols(language, child, scope)


def _holds_function(node: Any) -> bool:
    """`const name = () => …` is how JavaScript names most of its functions."""
    values = [part.child_by_field_name("value") for part in node.named_children if part.type == "variable_declarator"]
    return any(value is not None and value.type in {"arrow_function", "function_expression"} for value in values)


def _start(node: Any) -> int:
    """Where a symbol begins, with its decorators and the comment right above."""
    outer = node.parent if node.parent is not None and node.parent.type in _WRAPPERS else node
    first, before = outer, outer.prev_sibling
    while before is not None and "comment" in before.type and before.end_point[0] >= first.start_point[0] - 1:
        first, before = before, before.prev_sibling
    return int(first.start_byte)


_WRAPPERS = {"decorated_definition", "export_statement", "template_declaration"}


def _end(node: Any) -> int:
    outer = node.parent if node.parent is not None and node.parent.type in _WRAPPERS else node
    return int(outer.end_byte)


def _name(node: Any) -> str:
    """The name that a node declares."""
    found = (
        node.child_by_field_name("name") or node.child_by_field_name("declarator") or node.child_by_field_name("type")
    )
    while found is not None and found.type not in _NAME_NODES:
        inner = found.child_by_field_name("name") or found.child_by_field_name("declarator")
        found = inner or next((child for child in found.named_children if child.type in _NAME_NODES), None)
    if found is None:
        found = next((child for child in _below(node, 3) if child.type in _NAME_NODES), None)
    return found.text.decode(errors="replace") if found is not None else ""


def _below(node: Any, depth: int) -> Iterator[Any]:
    for child in node.named_children:
        yield child
        if depth > 1:
            yield from _below(child, depth - 1)


def _dotted(scope: str, name: str) -> str:
    return f"{scope}.{name}".strip(".")


def _imports(language: Language, root: Any) -> list[str]:
    found: list[str] = []
    for node in root.named_children:
        if node.type in language.imports and len(found) < _MOST_IMPORTS:
            found.append(" ".join(node.text.decode(errors="replace").split())[:200])
    return found
