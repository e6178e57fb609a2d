"""What the original did wrong in its evaluation, measured beside what is right."""

import torch
from test_checkpoints import checkpoint

from recognition.training import fit
from stages.evaluate import with_dropout_on

PICTURES = torch.randint(0, 256, (300, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_dropout_is_on_and_draws_the_same_each_time():
    usual = fit.log_probabilities(checkpoint().network(), PICTURES, checkpoint().normalisation)
    found = with_dropout_on(checkpoint(), PICTURES)
    assert not torch.allclose(found, usual)
    torch.manual_seed(1)
    assert torch.equal(found, with_dropout_on(checkpoint(), PICTURES))


def test_without_dropout_it_is_the_usual_reading():
    plain = checkpoint()._replace(arguments=checkpoint().arguments | {"dropout": 0.0})
    usual = fit.log_probabilities(plain.network(), PICTURES, plain.normalisation)
    torch.testing.assert_close(with_dropout_on(plain, PICTURES), usual)
