"""Files of specs: built-in or by path, each laid on the file that it extends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from archsim.base.documents import Leaf, Tree, annotated, merged, read_text, read_yaml
from archsim.base.errors import SpecError, nearest
from archsim.base.shipped import FOLDERS, builtin_folder, builtin_names
from archsim.spec.given_for import marked
from archsim.spec.named import lies, named_path, placed

BUILTIN = tuple(FOLDERS)
MOST_NAMED = 6
"""So many files that are there are named where one is not."""
TEXTS_ABOUT = ("description", "reference")  # not part of what a spec *is*
OF_ITSELF = ("name", *TEXTS_ABOUT, "published")
"""What a file says of itself, and not of a file that extends it."""


def find_file(name: str, folder: str) -> Path:
    """Return the file that a built-in name or a path stands for; raise SpecError with the nearest names.

    `folder` is that of the built-in files; "" where there are none of the kind.
    """
    looks_like_path = name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name
    path = named_path(name)
    if folder and not looks_like_path and name in builtin_names(folder):
        return builtin_folder(folder) / f"{name}.yaml"
    if (looks_like_path or not folder) and not lies(path).exists():
        beside = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        hint = nearest(path.name, beside) if beside else f"there is no .yaml file in {path.parent}"
        if folder and path.stem in builtin_names(folder):
            hint = f"'{path.stem}' alone is the built-in one"
        elif hint.startswith("allowed"):
            hint = f"there are {', '.join(beside[:MOST_NAMED])}" + (" and others" if len(beside) > MOST_NAMED else "")
        raise SpecError.at(name, "no such file", hint)
    if not lies(path).exists():
        wanted, other = ("chip", "workload") if folder == "arch_specs" else ("workload", "chip")
        example = "ambrogio_nature_2018" if wanted == "chip" else "mlp_digits"
        if name in builtin_names(next(each for each in BUILTIN if each != folder)):
            hint = f"give a {wanted}, such as {example}; were the two exchanged?"
            raise SpecError.at(name, f"is a {other}, and a {wanted} is wanted here", hint)
        close = nearest(name, builtin_names(folder))
        hint = close if close.startswith("did") else f"see `archsim list {FOLDERS[folder]}`, for example {example}"
        raise SpecError.at(name, f"neither a file nor a built-in {wanted}", hint)
    return path


def kind_of(path: Path) -> str:
    """Return the `kind` that a file opens with."""
    label = label_of(path)
    kind = read_yaml(read_text(path, label), label).get("kind")
    if not isinstance(kind, str):
        raise SpecError.at(f"{label}: kind", "is missing", "begin the file with 'kind: arch' or 'kind: workload'")
    return kind


def description_of(name: str, folder: str) -> str:
    """Return what a file says of itself, which it does not take from the file that it extends; "" for nothing."""
    path = find_file(name, folder)
    label = label_of(path)
    own = read_yaml(read_text(path, label), label).get("description")
    return own if isinstance(own, str) else ""


def label_of(path: Path) -> str:
    """Return how messages name a file: relative to the current directory where it lies in it.

    A built-in one is named by its folder and file, wherever archsim is installed and called from.
    """
    whole = path.resolve()
    if whole.parent in (builtin_folder(own).resolve() for own in BUILTIN):
        return f"{whole.parent.name}/{whole.name}"
    try:
        return whole.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def with_base(path: Path, label: str, kind: str, folder: str) -> dict[str, Tree]:
    """Return a file's tree laid on that of the file it extends, and so on down; raise SpecError on a circle."""
    files: dict[Path, str] = {}
    trees: list[tuple[Path, dict[str, Tree]]] = []
    following: Path | None = path
    while following is not None:
        files[following.resolve()] = label
        begin = f"begin the file with 'kind: {kind}'"
        started = f"; archsim new {kind} NAME writes one" if kind in FOLDERS.values() else ""
        plain = read_yaml(read_text(lies(following), label), label, begin + started)
        given = plain.pop("kind", None)
        if given != kind:
            what = "is missing" if given is None else f"'{given}' is not '{kind}'"
            hint = begin
            if given in FOLDERS.values():
                hint = f"give {'an' if kind == 'arch' else 'a'} {kind} here; were the two exchanged?"
            raise SpecError.at(f"{label}: kind", what, hint)
        base = plain.pop("extends", None)
        trees.append((following, placed(annotated(plain, label), kind, following.parent)))
        if base is None:
            break
        where = f"{label}: extends"
        following = _base(base, following, where, folder)
        if (met := following.resolve()) in files:
            labels = list(files.values())
            circle = [*labels[list(files).index(met) :], files[met]]
            what = f"'{base}' leads in a circle: {' -> '.join(circle)}"
            raise SpecError.at(where, what, "extend a file that does not extend this one")
        label = label_of(following)
    path, tree = trees.pop()
    while trees:
        base = extended(tree, path)
        path, own = trees.pop()
        out = marked(base, merged(base, own))
        assert isinstance(out, dict)
        tree = out
    return tree


def extended(tree: Mapping[str, Tree], path: Path | None) -> dict[str, Tree]:
    """Return the tree of a file, at `path`, as one that extends it begins: without what the file says of itself.

    A built-in chip whose figures were fitted is named as the one that they were fitted on.
    """
    out = {key: own for key, own in tree.items() if key not in OF_ITSELF}
    published = tree.get("published")
    kinds = [each.get("kind") for each in published if isinstance(each, dict)] if isinstance(published, list) else []
    is_fitted = any(isinstance(kind, Leaf) and kind.text == "fit" for kind in kinds)
    if is_fitted and path is not None and path.parent == builtin_folder("arch_specs"):
        out["fitted_on"] = Leaf(path.stem)
    return out


def _base(base: object, path: Path, where: str, folder: str) -> Path:
    """Return the file that `extends` names: one beside the file, or as everywhere; raise SpecError if there is none.

    A file that has the name of the built-in one that it extends does not mean itself.
    """
    if not isinstance(base, str):
        raise SpecError.at(where, "is not a name", "give one built-in name or path")
    beside = path.parent / (base if base.endswith((".yaml", ".yml")) else f"{base}.yaml")
    own = base in builtin_names(folder) and beside.resolve() == path.resolve()
    try:
        return beside if lies(beside).is_file() and not own else find_file(base, folder)
    except SpecError as error:
        raise SpecError([replace(error.problems[0], where=where, what=f"'{base}': {error.problems[0].what}")]) from None
