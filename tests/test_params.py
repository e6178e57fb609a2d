"""params.yaml and its schema: each way of being wrong is one line naming the key."""

import re
import shutil
from collections.abc import Iterator
from difflib import ndiff
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import parse_yaml, parse_yaml_for_update

from recognition.base.alphabet import NAMES
from recognition.base.errors import UserError
from recognition.base.params import Params, load, read

PARAMS = Path(__file__).parent.parent / "params.yaml"


def leaves() -> list[tuple[str, str]]:
    return [(s, key) for s, field in Params.model_fields.items() for key in field.annotation.model_fields]


@pytest.fixture
def written(tmp_path):
    """Write params.yaml with changes, {"train.epochs": 3} (None removes the key), and return its path."""

    def write(changes: dict) -> Path:
        params = parse_yaml(PARAMS.read_text(), PARAMS)
        for key, value in changes.items():
            *sections, last = key.split(".")
            section = params[sections[0]] if sections else params
            section.pop(last, None)
            if value is not None:
                section[last] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(params))
        return path

    return write


def message(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_projects_own_params_are_right_and_frozen():
    params = load(PARAMS)
    assert params.train.epochs >= 1
    with pytest.raises(ValueError, match="frozen"):
        params.train.epochs = 2


@pytest.mark.parametrize(("section", "key"), leaves())
def test_a_missing_key_is_named(written, section, key):
    assert f"{section}.{key}: is missing" in message(written({f"{section}.{key}": None}))


@pytest.mark.parametrize(("section", "key"), leaves())
def test_a_list_of_lists_is_no_value_of_any_key(written, section, key):
    assert f"{section}.{key}" in message(written({f"{section}.{key}": [[1]]}))


def test_a_missing_section_is_named(written):
    assert "train: is missing" in message(written({"train": None}))


def test_a_misspelt_key_is_named_before_the_one_it_leaves_out(written):
    assert "train.epoch: is no key of this project" in message(written({"train.epochs": None, "train.epoch": 3}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.epochs", "abc"),  # DVC accepts `-S train.epochs=abc`
        ("train.epochs", "5"),
        ("train.epochs", 5.0),
        ("train.epochs", True),
        ("train.epochs", 0),
        ("train.seed", -1),
        ("train.seed", 2**31),
        ("train.device", "gpu"),
        ("train.shards", 0),
        ("train.filters", 0),
        ("train.kernel_size", 0),
        ("train.held_out", 10),
        ("train.held_out", 60000),
        ("train.batch_size", 0),
        ("train.learning_rate", 0.0),
        ("train.learning_rate", -0.1),
        ("train.learning_rate", float("nan")),
        ("train.learning_rate", float("inf")),
        ("train.momentum", 1.0),
        ("train.weight_decay", -1e-9),
        ("train.dropout", 1.0),
        ("train.rotation", 181.0),
        ("train.scale", 1.0),
        ("train.shift", -1.0),
        ("sweep.architectures", []),
        ("sweep.kernel_sizes", [5, 5]),
        ("sweep.noise_seeds", [3, 3]),
        ("sweep.workers", 0),
        ("sweep.scheduler", "tcp://node"),
        ("sweep.scheduler", "tcp://node:99999"),
        ("sweep.scheduler", "tls://node"),
        ("sweep.scheduler", "tls://node:0"),
        ("sweep.scheduler", "ucx://node:8786"),
        ("sweep.scheduler", "node:8786"),
        ("epochs.budgets", []),
        ("epochs.budgets", [1, 1]),
        ("mobilenet.weights", "coco"),
        ("mobilenet.image_size", 27),
        ("mobilenet.frozen", 1),
        ("download.timeout_s", 0.0),
        ("download.folder", ""),
    ],
)
def test_a_wrong_value_is_named_with_its_key(written, key, value):
    assert f"{key}: " in message(written({key: value}))


@pytest.mark.parametrize(
    ("key", "value"), [("sweep.architectures", ["MnistNet4"]), ("sweep.filters", [0]), ("epochs.budgets", [0, 1])]
)
def test_a_wrong_item_is_named_with_its_place(written, key, value):
    assert f"{key}.0: " in message(written({key: value}))


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
@pytest.mark.parametrize("host", ["127.0.0.1:8786", "node-7.cluster:80", "[::1]:8786"])
def test_an_address_of_a_scheduler(written, protocol, host):
    address = f"{protocol}://{host}"
    assert load(written({"sweep.scheduler": address})).sweep.scheduler == address


def test_an_address_that_is_none_is_told_what_it_should_be(written):
    said = message(written({"sweep.scheduler": "node:8786"}))
    assert said.endswith("sweep.scheduler: should be tcp://host:port or tls://host:port, not 'node:8786'")


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"train:\n  epochs: [1,\n", 3, "expected the node content"),
        (b"train:\n  epochs: 1\n  epochs: 2\n", 3, 'found duplicate key "epochs"'),
        (b"download:\n  folder: a\ndownload:\n  folder: b\n", 3, 'found duplicate key "download"'),
        (b"train:\n\tepochs: 1\n", 2, r"found character '\t'"),
        ("train:\n  epochs: 1  # für\n".encode("latin-1"), 2, "byte 0xfc is not UTF-8"),
        ("train:\n  epochs: 1  # für\n  seed: \0\n".encode(), 3, "character 0x00 is not allowed"),
        (b"train: !!python/name:os.system\n", 1, "could not determine a constructor"),
    ],
)
def test_text_that_is_no_yaml_is_named_by_its_line(tmp_path, content, line, says):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    assert message(path).startswith(f"{path}:{line}: not YAML: {says}")


@pytest.mark.parametrize("text", ["x: 2001-13-45", "x: !!int abc", "x: !!bool abc", "[" * 3000])
def test_values_that_the_yaml_library_stumbles_on_are_one_line_too(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    assert message(path).startswith(f"{path}: not YAML: ")


def test_an_empty_file_and_none(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("")
    assert "the whole file" in message(path)
    assert "run from the project's root" in message(tmp_path / "nowhere.yaml")


NUMBERS = ["1e-3", "1E3", "5.0e-4", "1.", ".5", "-2", "+2.5", "3", "0.1.2", "e3", "abc"]
NOT_AS_IN_YAML_1_1 = ["010", "08", "0o10", "1:30", "190:20:30", "yes", "no", "on", "off"]


@pytest.mark.parametrize("text", [*NUMBERS, *NOT_AS_IN_YAML_1_1, "0x1F", "1_000", "true", "~", "'3'"])
def test_a_value_is_read_as_dvc_reads_it(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(f"x: {text}")
    ours = read(path)["x"]
    for parse in (parse_yaml, parse_yaml_for_update):  # the one in C, the other not
        dvcs = parse(f"x: {text}", path)["x"]
        assert ours == dvcs
        for kind in (str, bool, int, float, type(None)):
            assert isinstance(ours, kind) == isinstance(dvcs, kind)


@pytest.mark.parametrize("text", NOT_AS_IN_YAML_1_1)
def test_yaml_1_1_would_read_it_otherwise(text):
    """So that the test above can fail: PyYAML has other numbers, and truth, for these."""
    assert yaml.safe_load(f"x: {text}") != parse_yaml(f"x: {text}", "params.yaml")


def values(section: dict, above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from values(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def overridden(folder: Path, override: str) -> list[str]:
    """The lines that `dvc exp run -S OVERRIDE` takes from params.yaml and puts there, as diff marks them."""
    shutil.copy(PARAMS, folder / "params.yaml")
    apply_overrides(folder / "params.yaml", [override])
    before, after = PARAMS.read_text().splitlines(), (folder / "params.yaml").read_text().splitlines()
    return [line for line in ndiff(before, after) if line[0] in "-+"]


def test_an_experiment_with_the_same_values_leaves_the_file_as_it_is(tmp_path):
    """Through the function that -S takes, which loses more than DVC's writer: the blank line after a list."""
    assert overridden(tmp_path, f"train.seed={load(PARAMS).train.seed}") == []


@pytest.mark.parametrize(
    "key", [key for key, value in values(parse_yaml(PARAMS.read_text(), PARAMS)) if not isinstance(value, list)]
)
def test_an_experiment_changes_one_line_of_the_file(tmp_path, key):
    """Comments included: it is committed as DVC writes it."""
    taken, put = overridden(tmp_path, f"{key}=7")
    assert taken.split()[1] == put.split()[1] == f"{key.split('.')[-1]}:" and put.split()[2] == "7"
    assert taken.partition("#")[2] == put.partition("#")[2]


def test_an_experiment_with_other_letters_changes_theirs_alone(tmp_path):
    letters = load(PARAMS).finetune.greek.letters
    assert letters == ["alpha", "beta", "gamma"]
    changed = overridden(tmp_path, "finetune.greek.letters=[alpha,delta,omega]")
    assert sorted(line.split("- ")[-1] for line in changed) == ["beta", "delta", "gamma", "omega"]


@pytest.mark.parametrize(
    ("given", "names"),
    [("all", "all"), ("[]", []), ("[+,-]", ["+", "-"]), ("['Ж','treble clef','8']", ["Ж", "treble clef", "8"])],
)
def test_an_experiment_names_the_signs(tmp_path, given, names):
    overridden(tmp_path, f"finetune.signs.names={given}")
    assert load(tmp_path / "params.yaml").finetune.signs.names == names


@pytest.mark.parametrize("names", ["plus", ["+", "+"], [8], [""], 8, {}])
def test_what_names_no_signs_is_said(written, names):
    params = parse_yaml(PARAMS.read_text(), PARAMS)["finetune"]["signs"] | {"names": names}
    assert "finetune.signs.names: " in message(written({"finetune.signs": params}))


def test_all_letters_can_be_named_at_once(tmp_path):
    overridden(tmp_path, "finetune.greek.letters=all")
    assert load(tmp_path / "params.yaml").finetune.greek.letters == NAMES


@pytest.mark.parametrize(
    "changes",
    [
        {"train.epochs": "x" * 3000},
        {"x" * 3000: 1},
        {"train.a\nb": 1},
        {"train.\x1b[2J": 1},
        {"greek.source": ["x"] * 999},
    ],
)
def test_a_refusal_is_one_short_line_whatever_is_in_the_file(written, changes):
    with pytest.raises(UserError) as caught:
        load(written(changes))
    assert len(str(caught.value)) < 400 and str(caught.value).isprintable()


BILLIONS = "".join(f", &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(9))


@pytest.mark.parametrize(
    "value",
    [f"0x{'f' * 6000}", f"[0x{'f' * 6000}]", f"{{? 0x{'f' * 6000} : 1}}", f"[&a [x]{BILLIONS}]", "&a [*a]"],
    ids=["a number", "in a list", "as a key", "a list of billions", "a list of itself"],
)
def test_a_value_that_python_cannot_write_out_is_one_short_line(tmp_path, value):
    """An integer of more than 4,300 digits, in hexadecimal, and what aliases make endless."""
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"(?m)^  epochs: \d+$", lambda _: f"  epochs: {value}", PARAMS.read_text(), count=1))
    said = message(path)
    assert said.startswith(f"{path}: train.epochs: ") and len(said) < 400
