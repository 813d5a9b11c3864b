"""Two contract types for import-linter, which .importlinter names.

import-linter's own `forbidden` needs the list of all that is bad, and the list of what a pure core must not import
has no end; `Only` takes the list of what is good. Its own `protected` insists that every named module exists;
`Reserved` doesn't, so that a contract can be written before the package it binds.

Both look at direct imports: an indirect one passes through a module that has a contract of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import grimp
from importlinter import Contract, ContractCheck, fields, output


class Only(Contract):
    """`source_modules` import nothing but each other and `allowed_modules` (`stdlib`: all of it)."""

    type_name = "only"

    source_modules = fields.ListField(subfield=fields.StringField())
    allowed_modules = fields.ListField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        sources = _names(self.source_modules)
        allowed = [*sources, *_names(self.allowed_modules)]
        if "stdlib" in allowed:
            allowed += sys.stdlib_module_names
        return _checked(
            graph,
            (
                (importer, imported)
                for importer in _below(graph, sources)
                for imported in graph.find_modules_directly_imported_by(importer)
                if not _is_within(imported, allowed)
            ),
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        _render(check)


class Reserved(Contract):
    """`reserved_modules` are imported by nobody but themselves and `allowed_importers`."""

    type_name = "reserved"

    reserved_modules = fields.ListField(subfield=fields.StringField())
    allowed_importers = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        reserved = _names(self.reserved_modules)
        allowed = [*reserved, *_names(self.allowed_importers)]
        return _checked(
            graph,
            (
                (importer, imported)
                for imported in _below(graph, reserved)
                for importer in graph.find_modules_that_directly_import(imported)
                if not _is_within(importer, allowed)
            ),
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        _render(check)


def _names(field: object) -> list[str]:
    """A field's value: import-linter replaces the declared Field by a list, which types can't say."""
    return [str(name) for name in field] if isinstance(field, list) else []


def _below(graph: grimp.ImportGraph, packages: Iterable[str]) -> list[str]:
    return sorted(module for module in graph.modules if _is_within(module, packages))


def _is_within(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def _checked(graph: grimp.ImportGraph, links: Iterable[tuple[str, str]]) -> ContractCheck:
    broken = []
    for importer, imported in sorted(links):
        details = graph.get_import_details(importer=importer, imported=imported)
        lines = ", ".join(str(detail["line_number"]) for detail in details)
        broken.append(f"- {importer} -> {imported} (l.{lines})")
    return ContractCheck(kept=not broken, metadata={"broken": broken})


def _render(check: ContractCheck) -> None:
    for line in check.metadata["broken"]:
        output.print_error(line, bold=False)
    output.new_line()
