"""Settings come from real files and a real environment, so each case runs in a process of its own."""

import contextlib
import json
from pathlib import Path

import pytest
from settings_machine import Machine

from swarm.checkout import find_root
from swarm.errors import ConfigError
from swarm.settings import SECRET, Settings, load_settings
from swarm.testing.repository import make_repository


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A repository without any settings."""
    root, home = tmp_path / "my repo", tmp_path / "home"
    (root / ".git").mkdir(parents=True)
    home.mkdir()
    return Machine(root, home)


LAYERS = ["default", "user config", "pyproject.toml", "swarm.toml", "environment", "flag"]


@pytest.mark.parametrize("strongest", LAYERS)
def test_the_strongest_layer_that_sets_a_value_wins(machine: Machine, strongest: str) -> None:
    """Flags beat SWARM_*, which beat swarm.toml, pyproject.toml, the person's file and the default."""
    layers = LAYERS[: LAYERS.index(strongest) + 1]
    if "user config" in layers:
        machine.write_user_config("workers = 1\n")
    if "pyproject.toml" in layers:
        machine.write("pyproject.toml", "[tool.swarm]\nworkers = 2\n")
    if "swarm.toml" in layers:
        machine.write("swarm.toml", "workers = 3\n")
    if "environment" in layers:
        machine.environment["SWARM_WORKERS"] = "4"
    flags = {"workers": 5} if "flag" in layers else {"workers": None}

    loaded = machine.load(**flags)

    assert loaded["workers"] == LAYERS.index(strongest)
    assert loaded["sources"] == ({} if strongest == "default" else {"workers": strongest})


def test_xdg_config_home_moves_the_users_file(machine: Machine) -> None:
    """The person's file is looked for where XDG says."""
    elsewhere = machine.home / "elsewhere"
    (elsewhere / "swarm").mkdir(parents=True)
    (elsewhere / "swarm" / "config.toml").write_text("workers = 7\n", encoding="utf-8")
    machine.environment["XDG_CONFIG_HOME"] = str(elsewhere)

    assert machine.load()["workers"] == 7


def test_variables_of_other_software_fill_our_settings(machine: Machine) -> None:
    """REDIS_URL and ANTHROPIC_* work as they do for their own SDKs, and SWARM_* beats them."""
    machine.environment = {
        "REDIS_URL": "redis://theirs",
        "ANTHROPIC_API_KEY": "sk-secret",
        "ANTHROPIC_BASE_URL": "http://localhost:1",
    }

    loaded = machine.load()
    machine.environment["SWARM_REDIS_URL"] = "redis://ours"
    overridden = machine.load()

    assert loaded["redis_url"] == "redis://theirs"
    assert loaded["anthropic_base_url"] == "http://localhost:1"
    assert loaded["has_model_credential"] is True
    assert overridden["redis_url"] == "redis://ours"


def test_an_empty_variable_of_other_software_is_not_a_value(machine: Machine) -> None:
    """`REDIS_URL= swarm …` means no Redis given, so an embedded one starts."""
    machine.write("swarm.toml", 'redis_url = "redis://from-file"\n')
    machine.environment["REDIS_URL"] = ""

    assert machine.load()["redis_url"] == "redis://from-file"


def test_agents_get_no_credential_in_their_environment(machine: Machine) -> None:
    """The scrubbed environment is an allow-list: nothing unknown passes, PATH does."""
    machine.environment = {
        "ANTHROPIC_API_KEY": "sk-secret",
        "REDIS_URL": "redis://:password@host",
        "AWS_SECRET_ACCESS_KEY": "x",
        "HTTP_PROXY": "http://user:password@proxy",
    }

    scrubbed = machine.load()["scrubbed"]

    assert isinstance(scrubbed, dict)
    assert "PATH" in scrubbed
    assert not {*machine.environment, "HOME"} & scrubbed.keys()


@pytest.mark.parametrize("name", sorted(SECRET))
@pytest.mark.parametrize("file", ["swarm.toml", "pyproject.toml"])
def test_a_secret_in_the_repository_is_refused(machine: Machine, file: str, name: str) -> None:
    """A key must not be committed; the error says where it belongs and does not repeat it."""
    table = "[tool.swarm]\n" if file == "pyproject.toml" else ""
    machine.write(file, f'{table}{name} = "sk-do-not-print"\n')

    loaded = machine.load()

    assert loaded["code"] == "SW002"
    assert f"{file}: {name!r} is a secret" in str(loaded["error"])
    assert name.upper() in str(loaded["hint"])
    assert "sk-do-not-print" not in json.dumps(loaded)


def test_secrets_may_stand_in_the_users_own_file_and_are_never_shown(machine: Machine) -> None:
    """The person's file is not in a repository; repr hides what it holds."""
    machine.write_user_config('anthropic_api_key = "sk-hidden"\n')

    loaded = machine.load()

    assert loaded["anthropic_api_key"] == "sk-hidden"
    assert "sk-hidden" not in str(loaded["repr"])


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("wokers = 2\n", "swarm.toml: unknown setting 'wokers'", "did you mean 'workers'?"),
        ("zzz = 2\n", "swarm.toml: unknown setting 'zzz'", "`swarm config show` lists every setting"),
        ('root = "/"\n', "swarm.toml: unknown setting 'root'", ""),
        ('workers = "many"\n', "swarm.toml: workers must be of type int, got 'many'", ""),
        ("workers = 1.5\n", "swarm.toml: workers must be of type int, got 1.5", ""),
        ("workers = true\n", "swarm.toml: workers must be of type int, got True", ""),
        ("lease_s = [1]\n", "swarm.toml: lease_s must be of type float, got [1]", ""),
        ("image = 5\n", "swarm.toml: image must be of type str, got 5", ""),
        ("home = 5\n", "swarm.toml: home must be of type Path, got 5", ""),
        ("workers = -1\n", "swarm.toml: workers must be a number from 0 up, got -1", ""),
        ("train = 0\n", "swarm.toml: train must be a number from 1 up, got 0", ""),
        ("lease_s = nan\n", "swarm.toml: lease_s must be a number from 0 up, got nan", ""),
        ("lease_s = inf\n", "swarm.toml: lease_s must be a number from 0 up, got inf", ""),
        ('isolation = "vm"\n', "swarm.toml: isolation must be one of process, docker, got 'vm'", ""),
        ('scope = "loose"\n', "swarm.toml: scope must be one of widen, strict, got 'loose'", ""),
        ('project = "a b"\n', "swarm.toml: project must be letters", ""),
        ("workers = \n", "swarm.toml: cannot be read: ", ""),
        ("workers = " + "[" * 100_000, "swarm.toml: cannot be read: nested too deeply", ""),
        ("workers = " + "9" * 5000, "swarm.toml: cannot be read: ", ""),
        (
            "[gates.x]\n",
            "swarm.toml: unknown table [gates]",
            "did you mean 'gate'? the tables are [gate.NAME]",
        ),
        ("[approvals]\n", "swarm.toml: unknown table [approvals]", "did you mean 'approval'?"),
        ("[limit]\n", "swarm.toml: unknown table [limit]", "did you mean 'limits'?"),
        ("[zzz]\n", "swarm.toml: unknown table [zzz]", "the tables are [gate.NAME], [approval] and [limits]"),
        ("[approval]\npath = []\n", "swarm.toml: unknown key approval.path", "did you mean 'paths'?"),
        ("[approval]\nx = 1\n", "swarm.toml: unknown key approval.x", "it has paths and trusted"),
        ("[[gate]]\n", "swarm.toml: gate must be a table, got [{}]", ""),
        ("[[gates]]\n", "swarm.toml: unknown setting 'gates'", "did you mean 'gate'?"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_its_file(
    machine: Machine, text: str, error: str, hint: str
) -> None:
    """What is wrong, with the value, and where it was read."""
    machine.write("swarm.toml", text)

    loaded = machine.load()

    assert error in str(loaded["error"])
    assert hint in str(loaded["hint"])
    assert loaded["code"] == "SW002"


def test_a_byte_order_mark_is_none_of_a_files_text(machine: Machine) -> None:
    """Some editors write one; TOML itself knows none."""
    machine.write("swarm.toml", "\ufeffworkers = 7\n")

    assert machine.load()["workers"] == 7


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool]\nswarm = 3\n"])
def test_a_tool_table_that_is_no_table_is_an_error(machine: Machine, text: str) -> None:
    """A pyproject.toml of the wrong shape is reported, not crashed on."""
    machine.write("pyproject.toml", text)

    assert "must be a table, got 3" in str(machine.load()["error"])


def test_tables_in_swarm_toml_are_left_to_their_readers(machine: Machine) -> None:
    """[gate.tests] is no setting, and no error."""
    machine.write("swarm.toml", 'workers = 2\n[gate.tests]\ncommand = ["true"]\n')

    assert machine.load()["workers"] == 2


def test_tables_are_read_from_swarm_toml_alone(machine: Machine) -> None:
    """A gate in pyproject.toml or in a person's own file would judge nothing, so it is no quiet one."""
    machine.write("pyproject.toml", "[tool.swarm.gate.tests]\ncommand = ['true']\n")
    in_pyproject = machine.load()
    machine.write("pyproject.toml", "[tool.swarm.gates.tests]\ncommand = ['true']\n")
    misspelt = machine.load()
    machine.write("pyproject.toml", "[tool.other]\nx = 1\n")
    machine.write_user_config("[limits]\ndocs = 2\n")

    assert in_pyproject["error"] == "pyproject.toml: nobody reads 'gate' there"
    assert in_pyproject["hint"] == "put [gate] into swarm.toml"
    assert misspelt["error"] == "pyproject.toml: unknown table [gates]"
    assert machine.load()["error"] == "user config: nobody reads 'limits' there"


def test_text_of_a_number_in_the_environment_becomes_the_number(machine: Machine) -> None:
    """Variables are text; their settings are not."""
    machine.environment = {"SWARM_LEASE_S": "4", "SWARM_MAX_TURNS": "9", "SWARM_HOME": "state"}

    loaded = machine.load()

    assert (loaded["lease_s"], loaded["max_turns"]) == (4.0, 9)
    assert loaded["home"] == str(machine.root / "state")
    assert loaded["hub"] == str(machine.root / "state" / "repo.git")


def test_the_project_is_named_after_its_folder(machine: Machine) -> None:
    """Characters that Redis keys or shells would trip over are replaced."""
    assert machine.load()["project"] == "my-repo"


def test_settings_are_found_from_any_folder_of_the_repository(machine: Machine) -> None:
    """The nearest parent with .git is the root; without one it is the start itself."""
    deep = machine.root / "a" / "b"
    deep.mkdir(parents=True)
    machine.write("swarm.toml", "workers = 6\n")

    assert machine.load(start=deep)["workers"] == 6
    assert find_root(deep) == machine.root
    assert find_root(machine.home) == machine.home


def test_a_link_to_a_repository_is_the_same_project(machine: Machine, tmp_path: Path) -> None:
    """Two names would be two projects, and two sets of locks on the same files."""
    link = tmp_path / "by-another-name"
    link.symlink_to(machine.root)

    loaded = machine.load(start=link)

    assert find_root(link / ".") == machine.root
    assert (loaded["project"], loaded["home"]) == ("my-repo", str(machine.root / ".swarm"))


def test_a_folder_beside_the_repository_is_not_in_it(machine: Machine, tmp_path: Path) -> None:
    """`-C ../plain` from within a repository names a folder outside of it."""
    (tmp_path / "plain").mkdir()

    with contextlib.chdir(machine.root):
        found = find_root(Path("../plain"))

    assert found == tmp_path / "plain"


def test_a_linked_worktree_is_a_root_of_its_own(tmp_path: Path) -> None:
    """There .git is a file."""
    (tmp_path / ".git").write_text("gitdir: elsewhere\n", encoding="utf-8")
    (tmp_path / "sub").mkdir()

    assert find_root(tmp_path / "sub") == tmp_path


def test_worktrees_of_one_repository_share_their_state(tmp_path: Path) -> None:
    """Their server, their runs and their locks are the main worktree's."""
    repository = make_repository(tmp_path / "shop", {"a": "a\n"})
    repository.git("worktree", "add", "-q", str(tmp_path / "other"))

    settings = load_settings(tmp_path / "other")

    assert settings.root == tmp_path / "other"
    assert settings.home == tmp_path / "shop" / ".swarm"
    assert settings.project == "shop"


def test_an_unreadable_file_is_a_config_error(machine: Machine) -> None:
    """A folder where the file should be is reported with its path."""
    (machine.root / "swarm.toml").mkdir()

    with pytest.raises(ConfigError, match=r"swarm\.toml: cannot be read"):
        load_settings(machine.root)


def test_every_setting_says_what_it_is_for() -> None:
    """`config show` prints the help of each."""
    documented = {name: f.metadata.get("help") for name, f in Settings.__dataclass_fields__.items()}

    assert [name for name, text in documented.items() if not text] == ["sources"]
