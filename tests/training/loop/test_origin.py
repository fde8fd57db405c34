from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from training.errors import ConfigurationMismatchError, MissingCheckpointError, MissingModelError
from training.loop.origin import Origin, begin, origin_of, resumed_origin
from training.networks.architectures import built
from training.networks.checkpoint import CLASSIFIER, DETECTOR, GENDER, Configuration, save
from training.networks.detector import FaceDetector


def pictures(size: int) -> Iterator[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    while True:
        yield torch.rand(4, 3, size, size, generator=generator) * 2 - 1


def network(configuration: Configuration) -> nn.Module:
    if configuration.kind == "detector":
        return FaceDetector(int(configuration.width), configuration.depth)
    return built(configuration, 2 if configuration.kind == "gender" else 3)


def answer(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        said = model(batch)
    first: torch.Tensor = said[0] if isinstance(said, tuple) else said
    return first


@pytest.mark.parametrize("configuration", [CLASSIFIER, GENDER, DETECTOR])
def test_a_shipped_model_learns_on_without_a_jump(configuration: Configuration) -> None:
    """In training mode it normalises by each batch, and answers nearly as at the edge."""
    model = network(configuration)
    seen = begin(model, origin_of("shipped"), configuration, lambda: pictures(configuration.size))
    assert seen > 10_000
    batch = next(pictures(configuration.size))
    at_the_edge = answer(model.eval(), batch)
    dropout_off = deepcopy(model).train()
    for module in dropout_off.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    in_training = answer(dropout_off, batch)
    assert (in_training - at_the_edge).abs().mean() < 0.2 * at_the_edge.std() + 0.05


def test_a_checkpoint_file_and_a_run_give_their_weights(tmp_path: Path) -> None:
    configuration = replace(CLASSIFIER, width=0.25)
    torch.manual_seed(0)
    given = built(configuration)
    state = {"configuration": asdict(configuration), "average": given.state_dict(), "samples": 70}
    save(state, tmp_path / "best.pt")
    for name in (tmp_path, tmp_path / "best.pt"):
        taker = built(configuration)
        assert begin(taker, origin_of(str(name)), configuration, lambda: pictures(32)) == 70
        assert torch.equal(taker.state_dict()["head.1.weight"], given.state_dict()["head.1.weight"])
    with pytest.raises(ConfigurationMismatchError, match="another shape"):
        begin(built(CLASSIFIER), origin_of(str(tmp_path)), CLASSIFIER, lambda: pictures(32))


def test_nothing_begins_from_nothing() -> None:
    model = built(CLASSIFIER)
    before = deepcopy(model.state_dict())
    assert begin(model, origin_of("nothing"), CLASSIFIER, lambda: pictures(32)) == 0
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_a_folder_of_models_without_this_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"models": []}')
    with pytest.raises(MissingModelError, match="names no classifier in 16 bits"):
        begin(built(CLASSIFIER), origin_of(str(tmp_path)), CLASSIFIER, lambda: pictures(32))


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingCheckpointError, match="nowhere is not there; give --begin-from"):
        origin_of("nowhere")


def test_a_run_that_goes_on_keeps_its_origin(tmp_path: Path) -> None:
    assert resumed_origin(tmp_path) is None
    state = {"configuration": asdict(CLASSIFIER), "average": {}}
    save(state, tmp_path / "last.pt")
    assert resumed_origin(tmp_path) == Origin()
    save(state | {"began_from": "shipped"}, tmp_path / "last.pt")
    assert resumed_origin(tmp_path) == origin_of("shipped")
    save(state | {"began_from": "gone"}, tmp_path / "last.pt")
    assert resumed_origin(tmp_path) == Origin("gone")
