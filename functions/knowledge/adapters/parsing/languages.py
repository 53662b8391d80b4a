"""The programming languages that are cut along their symbols, and what in their syntax trees has a name."""

import importlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True, slots=True)
class Language:
    """A language and its grammar.

    Attributes:
        module: the grammar's package, `function` in it gives the language.
        containers: nodes that have symbols within them: classes, modules, namespaces.
        symbols: nodes that are a symbol as a whole: functions, methods.
        imports: nodes that name what is needed from elsewhere.
    """

    name: str
    module: str
    function: str
    containers: frozenset[str]
    symbols: frozenset[str]
    imports: frozenset[str]


def _language(
    name: str,
    module: str,
    function: str,
    *nodes: str,
) -> Language:
    containers, symbols, imports = nodes
    return Language(
        name,
        module,
        function,
        frozenset(containers.split()),
        frozenset(symbols.split()),
        frozenset(imports.split()),
    )


_SCRIPT = (
    "class_declaration abstract_class_declaration class internal_module module",
    "function_declaration generator_function_declaration method_definition interface_declaration enum_declaration "
    "type_alias_declaration",
    "import_statement",
)
_LANGUAGES = (
    _language(
        "python", "tree_sitter_python", "language", "class_definition", "function_definition",
        "import_statement import_from_statement future_import_statement",
    ),
    _language("javascript", "tree_sitter_javascript", "language", *_SCRIPT),
    _language("typescript", "tree_sitter_typescript", "language_typescript", *_SCRIPT),
    _language("tsx", "tree_sitter_typescript", "language_tsx", *_SCRIPT),
    _language(
        "java", "tree_sitter_java", "language",
        "class_declaration interface_declaration enum_declaration record_declaration",
        "method_declaration constructor_declaration annotation_type_declaration", "import_declaration",
    ),
    _language(
        "go", "tree_sitter_go", "language", "",
        "function_declaration method_declaration type_declaration", "import_declaration",
    ),
    _language(
        "rust", "tree_sitter_rust", "language", "impl_item trait_item mod_item",
        "function_item struct_item enum_item macro_definition", "use_declaration extern_crate_declaration",
    ),
    _language(
        "c", "tree_sitter_c", "language", "", "function_definition struct_specifier enum_specifier", "preproc_include",
    ),
    _language(
        "cpp", "tree_sitter_cpp", "language", "class_specifier struct_specifier namespace_definition",
        "function_definition enum_specifier", "preproc_include using_declaration",
    ),
    _language(
        "c_sharp", "tree_sitter_c_sharp", "language",
        "class_declaration interface_declaration struct_declaration record_declaration namespace_declaration",
        "method_declaration constructor_declaration property_declaration enum_declaration", "using_directive",
    ),
    _language("ruby", "tree_sitter_ruby", "language", "class module", "method singleton_method", ""),
    _language(
        "php", "tree_sitter_php", "language_php", "class_declaration interface_declaration trait_declaration",
        "function_definition method_declaration enum_declaration", "namespace_use_declaration",
    ),
    _language("bash", "tree_sitter_bash", "language", "", "function_definition", ""),
    _language(
        "kotlin", "tree_sitter_kotlin", "language", "class_declaration object_declaration",
        "function_declaration", "import",
    ),
    _language(
        "scala", "tree_sitter_scala", "language", "class_definition object_definition trait_definition",
        "function_definition", "import_declaration",
    ),
)  # fmt: skip
_BY_NAME = {language.name: language for language in _LANGUAGES}
_SUFFIXES = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript",
    ".jsx": "javascript", ".ts": "typescript", ".mts": "typescript", ".tsx": "tsx", ".java": "java", ".go": "go",
    ".rs": "rust", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hpp": "cpp", ".hh": "cpp",
    ".cs": "c_sharp", ".rb": "ruby", ".php": "php", ".sh": "bash", ".bash": "bash", ".kt": "kotlin", ".kts": "kotlin",
    ".scala": "scala",
}  # fmt: skip


def language_of(name: str) -> Language | None:
    """The language of a file by its name, or None."""
    return _BY_NAME.get(_SUFFIXES.get(PurePosixPath(name.lower()).suffix, ""))


def preload() -> None:
    """Import every grammar."""
    for language in _LANGUAGES:
        grammar(language.module, language.function)


@lru_cache(maxsize=64)
def grammar(module: str, function: str) -> Any:
    """The grammar of a language, for tree-sitter."""
    import tree_sitter

    return tree_sitter.Language(getattr(importlib.import_module(module), function)())
