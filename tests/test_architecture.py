"""What the design forbids, checked on the source itself: layers, who may touch what, names, sizes."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from shipped_files import LUA, ROOT, name_of

from swarm.keys import PARTS
from swarm.states import MOVES

SOURCES = sorted([*ROOT.glob("swarm/**/*.py"), *ROOT.glob("workers/**/*.py")])
SHIPPED = [
    path for path in SOURCES if "demo/repository" not in path.as_posix()
]  # that one is an example's input
SANDBOX = [path for path in SHIPPED if path.is_relative_to(ROOT / "swarm" / "sandbox")]
VERBS = [path for path in LUA if not path.name.startswith("_")]  # the others are fragments that verbs share
MAX_LINES = 400
MODEL_LINES = 300
FORBIDDEN_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "models",
    "types",
    "misc",
    "base",
    "manager",
}
PACKAGES_OF_THE_DESIGN = {"swarm/models"}  # about the model API, not a drawer for data classes


def every_module_but(*exempt: str) -> pytest.MarkDecorator:
    """Run a test on each module that we ship."""
    checked = [path for path in SHIPPED if name_of(path) not in exempt]
    return pytest.mark.parametrize("path", checked, ids=name_of)


every_module = every_module_but()
every_script = pytest.mark.parametrize("path", VERBS, ids=lambda path: path.stem)


def nodes(path: Path) -> Iterator[ast.AST]:
    """Every syntax node of a module."""
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))


def imported_modules(path: Path) -> set[str]:
    """Every module that a module names in an import, anywhere in it."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def strings(path: Path) -> list[str]:
    """Every string that a module uses; docstrings are not among them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in bare
    ]


def test_there_is_something_to_check() -> None:
    """A moved folder must not turn this file into a test of nothing."""
    assert len(SHIPPED) > 20
    assert len(SANDBOX) > 2
    assert len(VERBS) > 10


def test_modules_import_only_from_lower_layers() -> None:
    """The contracts of pyproject.toml hold; `swarm` never imports `workers`."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_has_a_layer() -> None:
    """A new room is put on a floor when it is made."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layered = {
        module.strip().removeprefix("swarm.").split(".")[0]
        for layer in contracts["contracts"][0]["layers"]
        for module in re.split(r"[|:]", layer)
    }
    rooms = {
        path.relative_to(ROOT / "swarm").parts[0].removesuffix(".py")
        for path in SHIPPED[1:]
        if path.is_relative_to(ROOT / "swarm")  # a clone may be called so, too
    }

    assert rooms - layered - {"__init__", "__main__"} == set()


@every_module_but("swarm/settings.py")
def test_only_settings_reads_the_environment(path: Path) -> None:
    """One reader: `swarm config show` can say where each value came from, and nothing leaks by accident."""
    reading = {"environ", "environb", "getenv", "getenvb"}
    by_attribute = {
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in reading and _is_name(node.value, "os")
    }
    by_name = {
        n.lineno for n in nodes(path) if isinstance(n, ast.ImportFrom) and {a.name for a in n.names} & reading
    }

    assert by_attribute | by_name == set()


def _is_name(node: ast.expr | None, *names: str) -> bool:
    return isinstance(node, ast.Name) and node.id in names


@every_module_but("swarm/keys.py")
def test_only_keys_spells_a_key(path: Path) -> None:
    """Keys are API: one place to look, one place to change."""
    assert [
        text for text in strings(path) if re.search(r"swarm:\{|\}:(?:task|queue|lock|run)s?\b", text)
    ] == []


@every_script
def test_no_script_spells_a_key(path: Path) -> None:
    """A script names parts (`key('task', …)`), which keys.py spells."""
    code = re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))
    prefixes = [text for text in PARTS.values() if text.endswith(":")]

    assert "swarm:" not in code
    assert [prefix for prefix in prefixes if re.search(rf"['\"]{prefix}['\"]?", code)] == []


@every_script
def test_a_script_says_what_it_returns_and_moves(path: Path) -> None:
    """The header is the contract; its moves are those of states.py."""
    header = "\n".join(_header_of(path))

    assert header
    assert "Returns" in header
    assert _moves_in(header) == {
        (str(before) if before else "none", str(after)) for before, after in MOVES.get(path.stem, frozenset())
    }


def test_every_move_has_its_script() -> None:
    """No row of the table is about a script that is gone."""
    assert MOVES.keys() - {path.stem for path in VERBS} == set()


def test_every_fragment_says_what_it_is_for() -> None:
    """Shared Lua begins with a sentence too."""
    assert [name_of(path) for path in LUA if not _header_of(path)] == []


def _header_of(path: Path) -> list[str]:
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return lines


def _moves_in(header: str) -> set[tuple[str, str]]:
    _, found, text = header.partition("Moves:")
    assert found, "no `-- Moves:` line"
    return set(re.findall(r"(\w+) -> (\w+)", text))


@every_module
def test_heavy_and_foreign_packages_have_one_door(path: Path) -> None:
    """Who calls models, and who talks to Docker, is found in one folder and in two files."""
    packages = {module.split(".")[0] for module in imported_modules(path)}

    assert "anthropic" not in packages or name_of(path).startswith("swarm/models/")
    assert "docker" not in packages or re.fullmatch(r"swarm/fleet/docker(_engine)?.py", name_of(path))


@pytest.mark.parametrize("path", SANDBOX, ids=lambda path: path.name)
def test_the_untrusted_side_needs_nothing_but_python(path: Path) -> None:
    """These files are mounted into agent containers as they are, which hold no package of ours."""
    foreign = {
        module
        for module in imported_modules(path)
        if module.split(".")[0] not in sys.stdlib_module_names
        and not re.match(r"swarm\.sandbox\b|\.(?!\.)", module)
    }

    assert foreign == set()


@every_module
def test_no_module_has_a_name_that_cannot_refuse(path: Path) -> None:
    """`utils` and its kin collect whatever nobody wants to name."""
    package = path.parent if path.name == "__init__.py" else path
    relative = package.relative_to(ROOT).with_suffix("").as_posix()

    assert relative in PACKAGES_OF_THE_DESIGN or package.stem not in FORBIDDEN_NAMES


@every_module
def test_no_file_outgrows_its_name(path: Path) -> None:
    """A file this long is two ideas."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_the_reference_model_is_small_enough_to_be_read() -> None:
    """What the scripts are held to has to be obvious."""
    model = ROOT / "swarm" / "testing" / "model.py"
    assert len(model.read_text(encoding="utf-8").splitlines()) < MODEL_LINES


@every_module
def test_every_module_says_what_it_owns(path: Path) -> None:
    """The first line of each is its docstring."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@every_module
def test_no_error_is_swallowed_whole(path: Path) -> None:
    """`except Exception: pass` hides the bug that it was written for."""
    silent = [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or _is_name(node.type, "Exception", "BaseException"))
        and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
    ]

    assert silent == []


@every_module
def test_no_shell_ever(path: Path) -> None:
    """What a plan or a file name says is never read by a shell."""
    by_keyword = [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.keyword)
        and node.arg == "shell"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    by_call = [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.Attribute)
        and node.attr in {"system", "popen", "getoutput", "getstatusoutput"}
        and _is_name(node.value, "os", "subprocess")
    ]

    assert by_keyword + by_call == []
