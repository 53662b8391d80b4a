"""Which parts of a prompt keep every byte."""

import pytest

from functions.gateway.core.compression.structure import split_blocks

VERBATIM = {
    "fenced code": "```python\nprint( 'a   b' )\n\n\n\nx = 1\n```",
    "tilde fence": "~~~\na   b\n~~~",
    "indented code": "    a   =  1\n\n\n\n    b =   2",
    "tab-indented code": "\tif x:\n\t\treturn   1",
    "bare code": "def f(a,   b):\n    return a",
    "shell": "$ ls   -la",
    "sql": "SELECT  a,   b  FROM t",
    "JSON": '{"a":   [1,  2],\n "b": {"c":   "d   e"}}',
    "JSON over lines": '{\n  "a":   1,\n  "b":   "x   y"\n}',
    "JSON array": '[{"a":   1},   {"a":   2}]',
    "Markdown table": "| a   | b |\n|-----|---|\n| 1   | 2 |",
    "plain table": "a   | b\n----|---\n1   | 2",
    "CSV": "name,age\nBob   B,3\nAnn,4",
    "quoted CSV": 'name,text\nBob,"a,   b"\nAnn,"c,   d"',
    "spaced CSV": "name, age, city\nBob   B, 3, Paris\nAnn, 4, Rome",
    "TSV": "a\tb   c\td\ne\tf\tg",
    "columns": "NAME      READY   STATUS\npod-a     1/1     Running",
    "quotation": "> He   said so.",
    "YAML": "apiVersion:   v1\nkind: Pod\nmetadata:\n  name:   pod\n  labels:\n  - a   b\n  # a   comment\nspec: {}",
    "YAML list": "- name:   one\n  image: x\n- name: two\n  image:   y",
    "front matter": "title:   Of bread\nauthor: Ann   B\ntags: [a]",
    "SQL over lines": "SELECT   *\nFROM   users\nLEFT JOIN   orders ON a = b\nWHERE   age > 3\n  AND   name = 'x'",
    "Dockerfile": "FROM   python\nRUN   apt-get update\nCOPY   . /app",
    "trace": 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    f(a,   b)\nValueError: bad   value',
    "Java trace": "java.lang.NullPointerException: a   b\n  at com.acme.Foo.bar(Foo.java:3)\nCaused by: x   y",
    "HTML preformatted": "<pre>\nkeep   this\n\n\n\n  and   that\n</pre>",
    "script": "<script>\nlet a   = 1\n\n\nalert(a)   // b\n</script>",
    "Ruby": "def f\n  put   it\nend",
    "Lisp": "(defun f   (x) x)",
    "reStructuredText": ".. note::\n\n   keep   this\n\n   and   that",
    "nested fences": "````md\na   b\n```python\nx  =   1\n```\nc   d\n````",
    "CRLF fence": "```\r\nx   = 1\r\n\r\n\r\ny   = 2\r\n```",
    "diff": "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-old   = 1\n+new   = 2",
    "JSON lines": '{"a":   1}\n{"a":   2}',
}


@pytest.mark.parametrize("name", VERBATIM)
def test_structure_is_verbatim(name: str) -> None:
    text = f"Some words come before it.\n\n{VERBATIM[name]}\n\nAnd some more words follow it."
    blocks = split_blocks(text)
    assert "".join(block.text for block in blocks) == text
    prose = "".join(block.text for block in blocks if block.prose)
    assert "   " not in prose
    assert "Some words" in prose
    assert "some more words" in prose


def test_json_in_a_sentence_is_cut_out_of_it() -> None:
    text = 'Use {"retries":   3} for the first and {"a": {"b": {"c": {"d":   4}}}} for the second.'
    assert [block.text for block in split_blocks(text) if not block.prose] == [
        '{"retries":   3}',
        '{"a": {"b": {"c": {"d":   4}}}}',
    ]


def test_citations_are_not_json() -> None:
    assert [block.prose for block in split_blocks("As shown before [3], this is so [12].")] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "Alice: I think that we should go there before it rains again today.\nBob: So do I, and we had better hurry.",
        "Note: bring bread.\nWarning: the lake is cold.",
        "Question: who wrote it?\nAnswer: somebody else did.",
        "The <pre> tag keeps white space. What else does it do?",
    ],
)
def test_what_merely_has_a_label_is_prose(text: str) -> None:
    assert any(block.prose for block in split_blocks(f"{text}\n\nThere is more."))
    assert "".join(block.text for block in split_blocks(text)) == text
    assert split_blocks(text)[0].prose


def test_text_after_an_open_fence_is_code() -> None:
    blocks = split_blocks("Look:\n```\na   b\n\nc   d")
    assert [block.prose for block in blocks] == [True, False]


def test_ordinary_prose_is_prose() -> None:
    text = (
        "The council met in 1997; it decided (after long debate) to build the bridge: a costly plan.\n\n"
        '"We had no choice," said the mayor. Others disagreed, and left.\n'
        "Import duties fell. If it rains, while others wait, they leave."
    )
    assert [block.prose for block in split_blocks(text)] == [True]
