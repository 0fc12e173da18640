"""Planted mistakes: a small change of source, in force for as long as a test says.

Code objects are exchanged in place, so it does not matter who imported what before.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple


class Mutant(NamedTuple):
    """`old` stands exactly once in the source of `module`; `new` is the mistake."""

    rule: str
    mistake: str
    module: ModuleType
    old: str
    new: str


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    source = inspect.getsource(mutant.module)
    found = source.count(mutant.old)
    assert found == 1, (
        f"{mutant.mistake}: expected once in {mutant.module.__name__}, found {found} times: "
        f"{mutant.old!r}; the source has changed, so write this mistake anew"
    )
    changed = dict(_code_in(compile(source.replace(mutant.old, mutant.new), "mutant", "exec")))
    functions = dict(_functions_of(mutant.module))
    kept = {name: function.__code__ for name, function in functions.items()}
    mutated = [name for name in kept if _told_apart(kept[name], changed[name])]
    assert mutated, f"{mutant.mistake}: changes no function"
    try:
        for name in mutated:
            functions[name].__code__ = changed[name]
        yield
    finally:
        for name in mutated:
            functions[name].__code__ = kept[name]


def _told_apart(left: CodeType, right: CodeType) -> bool:
    """Whether two compilations differ in more than where they stand."""
    if left.co_code != right.co_code or left.co_names != right.co_names:
        return True
    if len(left.co_consts) != len(right.co_consts):
        return True
    for one, other in zip(left.co_consts, right.co_consts, strict=True):
        if isinstance(one, CodeType) and isinstance(other, CodeType):
            if _told_apart(one, other):
                return True
        elif one != other:
            return True
    return False


def _code_in(code: CodeType, prefix: str = "") -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield f"{prefix}{constant.co_name}", constant
            yield from _code_in(constant, f"{prefix}{constant.co_name}.")


def _functions_of(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            for method_name, method in vars(value).items():
                function = _plain(method)
                if function is not None and function.__module__ == module.__name__:
                    if function.__code__.co_filename == module.__file__:
                        yield f"{name}.{method_name}", function


def _plain(method: object) -> FunctionType | None:
    """The function behind a method, property, classmethod or staticmethod."""
    if isinstance(method, property):
        method = method.fget
    elif isinstance(method, (classmethod, staticmethod)):
        method = method.__func__
    return method if isinstance(method, FunctionType) else None
