"""Training: its mathematics, and that it ends with the same bytes however often it is killed."""

import hashlib
import io
import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from recognition import networks
from recognition.base.determinism import generator, serialised
from recognition.base.errors import UserError
from recognition.networks.quick import Dropout, quicken, without_dropout
from recognition.training import devices, evaluation
from recognition.training.augmentation import Distortion
from recognition.training.datasets import Normalisation, Split
from recognition.training.fit import Recipe, Shards, fit, one_cycle, train_epoch

NORMALISATION = Normalisation(0.13, 0.31)
RECIPE = Recipe(
    epochs=3,
    batch_size=16,
    learning_rate=0.03,
    momentum=0.9,
    weight_decay=5e-4,
    distortion=Distortion(8, 0.1, 1.5),
    seed=0,
    shards=2,
)


def pictures(n: int) -> Split:
    """Ten classes that differ: a bright bar whose place is the class."""
    draws = torch.Generator().manual_seed(n)
    labels = torch.arange(n) % 10
    found = torch.randint(0, 60, (n, 28, 28), generator=draws, dtype=torch.uint8)
    for picture, label in zip(found, labels.tolist(), strict=True):
        picture[2 * label + 3 : 2 * label + 6] = 230
    return Split(found, labels)


def network(seed: int = 0, **arguments):
    return networks.build("MnistNet", arguments, generator(seed, "weights"))


def trained(tmp_path, recipe=RECIPE, kept="kept", seen=lambda n: None, n=170):
    net = network()
    history = fit(net, pictures(n), [pictures(50)], NORMALISATION, recipe, "cpu", tmp_path / kept, seen)
    return net, history


def everything(net, history) -> bytes:
    return serialised([net.state_dict(), history.best]) + repr((history.epochs, history.points)).encode()


def test_the_schedule_is_torchs_one_cycle():
    steps, peak = 1000, 0.05
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    oracle = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps, cycle_momentum=False)
    for step in range(steps - 1):
        theirs = optimizer.param_groups[0]["lr"]
        # torch's counts from 0 to steps - 1 and peaks at step 299; ours is a function of the share done
        share = step / (0.3 * steps - 1) * 0.3 if step < 299 else 0.3 + 0.7 * (step - 299) / (steps - 1 - 299)
        assert one_cycle(share, peak, warm_up=0.3) == pytest.approx(theirs, rel=1e-9, abs=1e-12)
        optimizer.step()
        oracle.step()


def test_the_schedule_rises_to_its_peak_and_falls_to_nothing():
    assert one_cycle(0, 1, 0.2) == pytest.approx(1 / 25)
    assert one_cycle(0.2, 1, 0.2) == pytest.approx(1)
    assert one_cycle(1, 1, 0.2) == pytest.approx(1 / 25e4)


@pytest.mark.parametrize("shards", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 64])
def test_the_pieces_of_a_batch_have_the_gradient_of_the_whole(shards, n):
    net, split = network(dropout=0.0), pictures(n)
    x = NORMALISATION(split.pictures.unsqueeze(1))
    whole = F.nll_loss(net(x), split.labels)
    expected = torch.autograd.grad(whole, list(net.parameters()))
    loss = Shards(net, shards).backward(lambda part: (x[part], split.labels[part]), range(n))
    torch.testing.assert_close(loss, whole.detach())
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_the_pieces_drop_differently():
    shards = Shards(quicken(network()), 2)
    shards.begin(RECIPE, epoch=1)
    first, second = (replica.dropout(torch.ones(1, 20, 14, 14)) for replica in shards.replicas)
    assert not torch.equal(first, second)


def test_one_batch_can_be_learnt_by_heart(tmp_path):
    recipe = replace(RECIPE, epochs=40, batch_size=20, distortion=Distortion(0, 0, 0))
    net = network(dropout=0.0)
    split = pictures(20)
    history = fit(net, split, [split], NORMALISATION, recipe, "cpu", tmp_path / "kept", lambda n: None)
    assert history.epochs[0].train_loss == pytest.approx(math.log(10), abs=0.2)
    assert history.epochs[-1].train_loss < 0.01
    assert history.epochs[-1].scores[0].accuracy == 1


def test_an_epoch_sees_every_picture_once_and_the_history_counts_them(tmp_path, monkeypatch):
    seen = []
    net, split = network(), pictures(170)
    split.pictures[:, 0, 0] = torch.arange(170)  # each picture is marked
    original = Shards.backward

    def watched(self, prepare, batch):
        x, _ = prepare(slice(batch.start, batch.stop))
        seen.extend(x[:, 0, 0, 0].tolist())
        return original(self, prepare, batch)

    monkeypatch.setattr(Shards, "backward", watched)
    told = []
    recipe = replace(RECIPE, distortion=Distortion(0, 0, 0))
    history = fit(net, split, [pictures(50)], NORMALISATION, recipe, "cpu", tmp_path / "kept", told.append)
    epochs = [seen[i : i + 170] for i in range(0, len(seen), 170)]
    assert all(len(set(epoch)) == 170 and set(epoch) == set(epochs[0]) for epoch in epochs) and len(epochs) == 3
    assert epochs[0] != epochs[1]
    assert [e.examples for e in history.epochs] == [170, 340, 510]
    assert history.points[-1].examples == 510 == sum(told)


def test_scores_are_those_of_the_evaluated_network(tmp_path):
    """What the history says of the held-out pictures is what anyone finds who asks the network, in any batches."""
    net, history = trained(tmp_path)
    held = pictures(50)
    found = evaluation.log_probabilities(net, held.pictures, NORMALISATION, batch=7)
    losses, correct = evaluation.score(found, held.labels)
    assert losses.mean().item() == pytest.approx(history.epochs[-1].scores[0].loss, abs=1e-6)
    assert correct.mean().item() == history.epochs[-1].scores[0].accuracy
    oracle = F.nll_loss(net.eval()(NORMALISATION(held.pictures.unsqueeze(1))), held.labels)
    assert losses.mean().item() == pytest.approx(oracle.item(), abs=1e-6)


def test_training_goes_on_in_training_mode_after_the_first_evaluation(tmp_path, monkeypatch):
    modes, forward = [], Dropout.forward
    monkeypatch.setattr(Dropout, "forward", lambda layer, x: (modes.append(layer.training), forward(layer, x))[1])
    recipe = replace(RECIPE, shards=1)
    fit(network(), pictures(32), [pictures(16)], NORMALISATION, recipe, "cpu", tmp_path / "kept", lambda n: 0)
    assert modes == [True, True, False] * 3


def test_the_best_is_the_epoch_of_the_lowest_mean_loss(tmp_path):
    weights = []
    net = network()
    original = train_epoch

    def spy(*arguments):
        curve = original(*arguments)
        weights.append({name: value.clone() for name, value in net.state_dict().items()})
        return curve

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recognition.training.fit.train_epoch", spy)
        history = fit(net, pictures(170), [pictures(50)], NORMALISATION, RECIPE, "cpu", tmp_path / "kept", lambda n: 0)
    best = min(history.epochs, key=lambda e: e.train_loss).epoch
    assert all(torch.equal(history.best[name], weights[best - 1][name]) for name in history.best)


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [1, 200, 400])
def test_a_killed_training_resumes_and_ends_with_the_same_bytes(tmp_path, monkeypatch, after):
    monkeypatch.setattr("recognition.training.fit.KEEP_EVERY", 0)
    unbroken = everything(*trained(tmp_path, kept="unbroken"))
    told = 0

    def kill(n):
        nonlocal told
        told += n
        if told >= after:
            raise Killed

    with pytest.raises(Killed):
        trained(tmp_path, seen=kill)
    again = []
    net, history = trained(tmp_path, seen=again.append)
    assert everything(net, history) == unbroken
    assert sum(again) == 510 and again[0] == 170 * (after // 170)  # what was done is told at once
    assert everything(*trained(tmp_path)) == unbroken  # warm


def test_the_course_is_told_after_every_epoch_and_at_once_where_it_is_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr("recognition.training.fit.KEEP_EVERY", 0)
    told: list[list[int]] = []

    def train() -> None:
        fit(
            *(network(), pictures(170), [pictures(50)], NORMALISATION, RECIPE, "cpu", tmp_path / "kept", lambda n: 0),
            lambda history: told.append([epoch.epoch for epoch in history.epochs]),
        )

    train()
    assert told == [[1], [1, 2], [1, 2, 3]]
    train()
    assert told[3:] == [[1, 2, 3]]


def flipped(content: bytes) -> bytes:
    """One bit of the weights is another: torch.load does not see it."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


def half_loadable(content: bytes) -> bytes:
    """As it was written, but by a training of another network: the first weights fit, the last do not."""
    return wrapped(lambda state: state["network"].update({"fc2.bias": torch.zeros(3)}))(content)


def wrapped(change):
    def write(content: bytes) -> bytes:
        state = torch.load(io.BytesIO(content[32:]), weights_only=True)
        change(state)
        return hashlib.sha256(content := serialised(state)).digest() + content

    return write


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"hello",
        lambda content: content[: len(content) // 2],
        lambda content: content[32:],
        flipped,
        half_loadable,
        wrapped(lambda state: state.pop("optimizer")),
        wrapped(lambda state: state["optimizer"]["param_groups"].clear()),
        wrapped(lambda state: state.pop("best")),
        wrapped(lambda state: state["epochs"].append((1, 2))),
        lambda content: serialised(torch.zeros(3)),
    ],
    ids=["empty", "text", "half", "without digest", "bit", "shapes", "key", "groups", "last key", "epoch", "tensor"],
)
def test_a_damaged_state_is_as_none_and_nothing_of_it_is_loaded(tmp_path, damage, caplog):
    unbroken = everything(*trained(tmp_path, replace(RECIPE, epochs=2)))
    kept = tmp_path / "kept"
    kept.write_bytes(damage(kept.read_bytes()))
    told = []
    assert not caplog.messages
    assert everything(*trained(tmp_path, replace(RECIPE, epochs=2), seen=told.append)) == unbroken
    assert told[0] == 0  # from the start
    [line] = caplog.messages  # and it is said
    assert str(kept) in line and "starts anew" in line and "\n" not in line
    assert everything(*trained(tmp_path, replace(RECIPE, epochs=2))) == unbroken  # and the state is whole again


def test_the_threads_end_with_the_training_whatever_ends_it(tmp_path, monkeypatch):
    pools, build = [], Shards.__init__

    def spy(self, *arguments):
        build(self, *arguments)
        pools.append(self.pool)

    monkeypatch.setattr(Shards, "__init__", spy)
    trained(tmp_path, replace(RECIPE, epochs=1))
    with pytest.raises(UserError):
        trained(tmp_path, replace(RECIPE, learning_rate=1e6, momentum=0.99), kept="other")
    assert len(pools) == 2
    for pool in pools:
        with pytest.raises(RuntimeError, match="shutdown"):
            pool.submit(int)


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"shards": 1}, {"weight_decay": 0.0}, {"momentum": 0.0}, {"distortion": Distortion(0, 0, 0)}],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_the_recipe_matters(tmp_path, change):
    usual = everything(*trained(tmp_path))
    assert everything(*trained(tmp_path, replace(RECIPE, **change), kept="other")) != usual


def test_a_training_that_diverges_says_what_to_lower(tmp_path):
    with pytest.raises(UserError, match=r"learning_rate in params\.yaml"):
        trained(tmp_path, replace(RECIPE, learning_rate=1e6, momentum=0.99))


def test_a_device_that_is_not_there_is_an_error_and_auto_is_not(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.device("auto", "train") == devices.device("cpu", "train") == "cpu"
    with pytest.raises(UserError, match="try auto or cpu"):
        devices.device("cuda", "train")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (devices.device("auto", "train"), devices.device("cpu", "train"), devices.device("cuda", "train")) == (
        "cuda",
        "cpu",
        "cuda",
    )


def test_frozen_layers_stay_bit_identical_and_the_head_learns(tmp_path):
    net = network()
    networks.freeze_features(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fit(net, pictures(60), [pictures(20)], NORMALISATION, RECIPE, "cpu", tmp_path / "kept", lambda n: 0)
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"fc2.weight", "fc2.bias"}


def test_every_watched_set_is_scored_and_an_empty_one_is_nan(tmp_path):
    sets = [pictures(20), pictures(0), pictures(30)]
    history = fit(network(), pictures(60), sets, NORMALISATION, RECIPE, "cpu", tmp_path / "kept", lambda n: 0)
    first, empty, last = history.epochs[-1].scores
    assert math.isfinite(first.loss) and math.isfinite(last.loss) and first != last
    assert math.isnan(empty.loss) and math.isnan(empty.accuracy)


def test_a_constant_schedule_is_plain_descent(tmp_path):
    """Without momentum, decay and chance: weights minus rate times gradient, by hand."""
    recipe = replace(
        RECIPE, epochs=1, batch_size=40, learning_rate=0.05, momentum=0.0, weight_decay=0.0, schedule="constant"
    )
    recipe = replace(recipe, distortion=Distortion(0, 0, 0), shards=1)
    net, split = network(dropout=0.0), pictures(40)
    loss = F.nll_loss(net(NORMALISATION(split.pictures.unsqueeze(1))), split.labels)
    expected = [
        p - 0.05 * g for p, g in zip(net.parameters(), torch.autograd.grad(loss, [*net.parameters()]), strict=True)
    ]
    fit(net, split, [], NORMALISATION, recipe, "cpu", tmp_path / "kept", lambda n: 0)
    for found, wanted in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_with_dropout_the_reading_depends_on_its_generator_alone():
    network = networks.build("MnistNet", {}, generator(0, "weights"))
    pictures = torch.randint(0, 256, (30, 28, 28), dtype=torch.uint8)

    def read(*purpose):
        torch.rand(7)  # of the global generator
        return evaluation.log_probabilities(
            network, pictures, NORMALISATION, dropout=generator(0, *purpose) if purpose else None
        )

    assert torch.equal(read("a"), read("a")) and torch.equal(read(), read())
    assert not torch.equal(read("a"), read("b")) and not torch.equal(read("a"), read())


def test_what_has_learned_mirror_images_reads_a_picture_and_its_mirror_image_alike():
    network = networks.build("MnistNet", {}, generator(0, "weights"))
    split = pictures(60)
    mirrored = split._replace(pictures=split.pictures.flip(-1))
    found = evaluation.mean_score(network, split, NORMALISATION, mirrored=True)
    assert found == pytest.approx(evaluation.mean_score(network, mirrored, NORMALISATION, mirrored=True))
    shares = [evaluation.log_probabilities(network, s.pictures, NORMALISATION).exp() for s in (split, mirrored)]
    expected = F.nll_loss(torch.stack(shares).mean(0).log(), split.labels).item()
    assert found.loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shards", [1, 2])
def test_dropout_is_on_in_as_many_epochs_as_said(shards, tmp_path, monkeypatch):
    dropped, plain = [], Dropout.forward

    def forward(layer, x):
        dropped.append(len(x) if layer.training else 0)
        return plain(layer, x)

    monkeypatch.setattr(Dropout, "forward", forward)
    courses = []
    for epochs, pictures_of in ((None, 3), (1, 1), (2, 2)):
        dropped.clear()
        courses.append(trained(tmp_path, replace(RECIPE, shards=shards, dropout_epochs=epochs), str(epochs))[1].epochs)
        assert sum(dropped) == pictures_of * 170
    every, first, _ = courses
    assert first[0] == every[0] and first[1] != every[1]


def test_torchs_own_dropout_is_put_off_too():
    plain = network()
    without_dropout(plain.train())
    assert plain.training and not plain.get_submodule("dropout").training
