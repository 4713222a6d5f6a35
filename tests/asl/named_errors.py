"""Which named errors a function may raise, read from its code.

From the handler on, every call is followed to all functions of that name in the modules that the handler imports. What
a `try` around the call catches does not count. Functions of one name count all. One that is handed on as a value, and
not called, does not. Of a handler that matches the event's action, only the cases for that action count.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

LAMBDAS = Path(__file__).resolve().parents[2] / "lambdas"


@cache
def _module(name: str) -> ast.Module | None:
    path = LAMBDAS / (name.replace(".", "/") + ".py")
    return ast.parse(path.read_text()) if path.exists() else None


def _imported(name: str, seen: set[str]) -> Iterator[ast.Module]:
    tree = _module(name)
    if tree is None or name in seen:
        return
    seen.add(name)
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for module in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                yield from _imported(module, seen)


def _functions(handler: str) -> dict[str, list[ast.FunctionDef]]:
    found: dict[str, list[ast.FunctionDef]] = {}
    for tree in _imported(handler, set()):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node)
            if isinstance(node, ast.ClassDef):
                made = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
                found.setdefault(node.name, []).extend(made)
    return found


def _name(node: ast.AST | None) -> str:
    match node:
        case ast.Call(func=inner):
            return _name(inner)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _is_for_another_action(case: ast.match_case, action: str) -> bool:
    match case.pattern:
        case ast.MatchMapping(keys=keys, patterns=patterns):
            wanted = {
                key.value: pattern.value.value
                for key, pattern in zip(keys, patterns, strict=True)
                if isinstance(key, ast.Constant)
                and isinstance(pattern, ast.MatchValue)
                and isinstance(pattern.value, ast.Constant)
            }
            return wanted.get("action", action) != action
        case ast.MatchValue(value=ast.Constant(value=wanted)):
            return bool(wanted != action)
        case _:
            return False


@cache
def raised_by(function: str, final: frozenset[str], action: str | None = None) -> set[str]:
    """Return those of the `final` errors that the function of this name may raise, for one action or for any."""
    functions = _functions(f"{function}.handler")

    def of(name: str, above: tuple[str, ...]) -> set[str]:
        if name in above:
            return set()
        return {error for each in functions.get(name, []) for error in within(each, (*above, name))}

    def within(node: ast.AST, above: tuple[str, ...]) -> set[str]:
        if action and isinstance(node, ast.match_case) and _is_for_another_action(node, action):
            return set()
        if isinstance(node, ast.Try):
            caught = {
                _name(each)
                for handler in node.handlers
                if not any(isinstance(inner, ast.Raise) for inner in ast.walk(handler))
                for each in (handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type])
            }
            body = {error for part in node.body for error in within(part, above)} - caught
            rest = (*node.handlers, *node.orelse, *node.finalbody)
            return body | {error for part in rest for error in within(part, above)}
        found = {_name(node.exc)} & final if isinstance(node, ast.Raise) else set()
        if isinstance(node, ast.Call):
            found |= of(_name(node), above)
        return found.union(*(within(child, above) for child in ast.iter_child_nodes(node)))

    return of("handler", ())
