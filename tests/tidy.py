"""The rules of the house, as functions from a tree of files to problems.

A tree maps a path from the project's root, with "/", to the text of the file. A problem is one
line: where, what was found, what to do instead.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import PurePosixPath
from typing import NamedTuple, TypeAlias

Tree: TypeAlias = Mapping[str, str]

PRODUCT = ("crdt", "comm", "storage", "certs", "samebox", "sim")
TOOLS = ("tests", "benchmarks", "examples")

MAY_IMPORT = {
    "crdt": (),
    "comm": ("crdt",),
    "storage": ("crdt",),
    "certs": (),
    "samebox": ("crdt", "comm", "storage", "certs"),
    "sim": ("crdt", "comm", "storage", "certs", "samebox"),
}
EXTRA_IMPORTS = {("samebox/testing.py", "sim")}

OPEN_DOORS = {("sim", "samebox")}
"""The simulator drives the core itself; what samebox hands out is for its users."""

WORLD = frozenset(
    "asyncio fcntl glob logging multiprocessing mmap os random secrets select shutil signal socket "
    "sqlite3 ssl subprocess tempfile threading time trio uuid".split()
)
WORLD_CALLS = frozenset(["open", "input", "print", "breakpoint"])
FRONT_DOORS = ("samebox/__init__.py", "samebox/testing.py")
"""The files outside io/ that hand out what lies in io/."""

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

SHAPELESS = frozenset("util utils helper helpers common manager managers misc".split())

ENTRANCES = ("samebox/testing.py",)
"""Modules that users import, and the product does not."""

FORBIDDEN = {
    r"\bFIX" r"ME\b": "do it, or write down what is left in docs/",
    r"\bXX" r"X\b": "say what is wrong, in words",
    r"\bTO" r"DO\b": "do it, or write down what is left in docs/",
    r"\bpypi\." r"org\b|python" r"hosted|crates\." r"io\b|npm" r"js\b": "name the package alone",
    r"(?<![\w/.])/wo" r"rk/|\.\./sha" r"red\b": "write a path inside the project",
}
LICENCES = ("LICENSE",)


def problems(tree: Tree) -> list[str]:
    """Everything that is wrong with a tree, by path."""
    return sorted(problem for rule in RULES for problem in rule(tree))


def product_modules(tree: Tree) -> Iterator[tuple[str, str]]:
    return ((path, text) for path, text in modules(tree) if top(path) in PRODUCT)


def modules(tree: Tree) -> Iterator[tuple[str, str]]:
    wanted = (*PRODUCT, *TOOLS)
    return ((p, t) for p, t in tree.items() if p.endswith(".py") and top(p) in wanted)


def top(path: str) -> str:
    return path.split("/", 1)[0]


def dotted(path: str) -> str:
    """The name by which a file is imported."""
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Source(NamedTuple):
    """What the rules ask of one file, each with its line; `functions` with how many they have."""

    imports: list[tuple[int, str, tuple[str, ...]]]
    calls: list[tuple[int, str]]
    functions: list[tuple[int, str, int]]
    strings: set[str]


@cache
def source(path: str, text: str) -> Source:
    found = Source([], [], [], set())
    for item in ast.walk(ast.parse(text, path)):
        match item:
            case ast.Import(names):
                found.imports.extend((item.lineno, alias.name, ()) for alias in names)
            case ast.ImportFrom(module, names, level):
                words = tuple(alias.name for alias in names)
                found.imports.append((item.lineno, "." * level + (module or ""), words))
            case ast.Call(ast.Name(name)):
                found.calls.append((item.lineno, name))
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                lines = (item.end_lineno or item.lineno) - item.lineno + 1
                found.functions.append((item.lineno, name, lines))
            case ast.Constant(str(value)):
                found.strings.add(value.partition(":")[0])
            case _:
                pass
    return found


def imports(path: str, text: str) -> list[tuple[int, str, tuple[str, ...]]]:
    """Line, module, names; a relative import has its dots in front of the module."""
    return source(path, text).imports


def import_directions(tree: Tree) -> Iterator[str]:
    """Nothing imports upwards or sideways."""
    for path, text in product_modules(tree):
        for line, module, _ in imports(path, text):
            target = module.split(".")[0]
            if module.startswith("."):
                yield f"{path}:{line}: relative import; write it from the top-level package"
            elif target in TOOLS:
                yield f"{path}:{line}: imports {target}; the product never needs its tests"
            elif target in PRODUCT and not may_import(path, target):
                yield (
                    f"{path}:{line}: {top(path)} imports {target}; declare a Protocol beside its "
                    "user and let samebox/io join the two"
                )


def may_import(path: str, target: str) -> bool:
    own = top(path)
    return target == own or target in MAY_IMPORT[own] or (path, target) in EXTRA_IMPORTS


def package_doors(tree: Tree) -> Iterator[str]:
    """A foreign package is entered through a folder's __init__.py, never through a module."""
    inner = {dotted(p) for p, _ in product_modules(tree) if not p.endswith("/__init__.py")}
    handed_out = {name for p, t in product_modules(tree) for name in exports(p, t)}
    for path, text in product_modules(tree):
        for line, module, names in imports(path, text):
            entered = {module, *(f"{module}.{name}" for name in names)} - handed_out
            for found in sorted(inner & entered):
                target = found.split(".")[0]
                if target != top(path) and (top(path), target) not in OPEN_DOORS:
                    door, _, name = found.rpartition(".")
                    yield (
                        f"{path}:{line}: imports the module {name} of {door}; "
                        f"export what is needed from {door} and write `from {door} import …`"
                    )


def exports(path: str, text: str) -> Iterator[str]:
    """What an __init__.py hands out under the name of a module: crdt.plan, the function."""
    if path.endswith("/__init__.py"):
        for _, _, names in imports(path, text):
            yield from (f"{dotted(path)}.{name}" for name in names)


def touches_the_world(path: str) -> bool:
    parts = path.split("/")
    return parts[0] in ("certs", *TOOLS) or "io" in parts[:-1] or parts[-1] == "__main__.py"


def pure_outside_io(tree: Tree) -> Iterator[str]:
    """A folder called io/ touches the world; no other file does."""
    for path, text in product_modules(tree):
        if touches_the_world(path):
            continue
        for line, module, names in imports(path, text):
            first = module.split(".")[0]
            if first in WORLD and (top(path), first) != ("sim", "random"):
                yield (
                    f"{path}:{line}: imports {first}; move it into {top(path)}/io/ and hand "
                    "the value in (time, entropy and bytes are arguments)"
                )
            elif (
                first in PRODUCT
                and "io" in (*module.split("."), *names)
                and path not in FRONT_DOORS
            ):
                yield f"{path}:{line}: imports {module}; only a file in io/ may, hand the value in"
        for line, name in source(path, text).calls:
            if name in WORLD_CALLS:
                yield f"{path}:{line}: calls {name}(); move it into io/"


def sizes(tree: Tree) -> Iterator[str]:
    for path, text in modules(tree):
        count = text.count("\n")
        if count > FILE_LINES_MAX:
            yield (
                f"{path}:{FILE_LINES_MAX}: {count} lines, at most {FILE_LINES_MAX}; "
                "give its second idea a file of its own"
            )
    for path, text in product_modules(tree):
        for line, name, count in source(path, text).functions:
            if count > FUNCTION_LINES_MAX:
                yield (
                    f"{path}:{line}: {name} has {count} lines, at most {FUNCTION_LINES_MAX}; "
                    "keep the control flow, move the leaves out"
                )


def names_of_the_domain(tree: Tree) -> Iterator[str]:
    for path, _ in modules(tree):
        for part in PurePosixPath(path).with_suffix("").parts:
            if part in SHAPELESS:
                yield f"{path}:1: called {part}; name it after the idea it holds"


def dead_modules(tree: Tree) -> Iterator[str]:
    """Every product module is named by another one: in an import, or as "module:name"."""
    named: set[str] = set()
    for path, text in product_modules(tree):
        named |= set(named_by(path, text)) - {dotted(path)}
    for path, _ in product_modules(tree):
        if path.rsplit("/")[-1] in ("__init__.py", "__main__.py") or path in ENTRANCES:
            continue
        if dotted(path) not in named:
            yield f"{path}:1: nothing in the product imports it; use it or delete it"


def named_by(path: str, text: str) -> Iterator[str]:
    for _, module, names in imports(path, text):
        yield module
        yield from (f"{module}.{name}" for name in names)
    yield from source(path, text).strings


def documents_name_files(tree: Tree) -> Iterator[str]:
    """A path in a document exists, and so does the test named after "::"."""
    folders = {str(parent) for path in tree for parent in PurePosixPath(path).parents}
    for document, text in tree.items():
        if not is_document(document):
            continue
        for line, target in targets(text):
            path, _, name = target.partition("::")
            beside = str(PurePosixPath(document).parent / path)
            found = next((p for p in (path.rstrip("/"), normal(beside)) if p in tree), None)
            if found is None and path.rstrip("/") not in folders and normal(beside) not in folders:
                yield f"{document}:{line}: names {path}, which does not exist; name what does"
            elif (
                found and name and not re.search(rf"\b(def|class) {re.escape(name)}\b", tree[found])
            ):
                yield f"{document}:{line}: {path} holds no {name}; name the test that does"


def is_document(path: str) -> bool:
    return path in ("README.md", "ARCHITECTURE.md") or bool(re.fullmatch(r"docs/.*\.md", path))


def normal(path: str) -> str:
    parts: list[str] = []
    for part in path.rstrip("/").split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
CODE = re.compile(
    rf"(?<![\w./{{}}~-])((?:{'|'.join([*PRODUCT, *TOOLS, 'docs'])})/[\w./-]*(?:::\w+)?)(?![\w*{{<])"
)


def targets(text: str) -> Iterator[tuple[int, str]]:
    """What a document names: links, and paths of the project within code."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        yield from ((number, found) for found in LINK.findall(line))
        for span in [line] if fenced else re.findall(r"`([^`]+)`", line):
            for found in CODE.findall(span):
                path = found.rstrip(".")
                if not path.endswith((".pem", ".key")) and (not fenced or "." in path):
                    yield number, path


def forbidden_words(tree: Tree) -> Iterator[str]:
    for path, text in tree.items():
        if path in LICENCES:
            continue
        for pattern, instead in FORBIDDEN.items():
            for found in re.finditer(pattern, text):
                line = text.count("\n", 0, found.start()) + 1
                yield f"{path}:{line}: says {found.group()}; {instead}"


def no_keys(tree: Tree) -> Iterator[str]:
    marker = "-----BEGIN " + r"(\w+ )*PRIVATE KEY-----"
    for path, text in tree.items():
        if path.endswith((".key", ".pem")) or re.search(marker, text):
            yield f"{path}:1: a key or certificate; delete it, make it in a temporary folder"


RULES: tuple[Callable[[Tree], Iterator[str]], ...] = (
    import_directions,
    package_doors,
    pure_outside_io,
    sizes,
    names_of_the_domain,
    dead_modules,
    documents_name_files,
    forbidden_words,
    no_keys,
)
