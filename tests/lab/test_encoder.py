"""What is known of a model that encodes: enough, small, and the same wherever it was opened."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

import latentlab as ll
from latentlab.errors import CapabilityError
from latentlab.lab.encoder import Asked, encoder_of, open_encoder
from latentlab.lab.lab import Lab
from latentlab.latents.engines.local import Crew


@pytest.mark.parametrize(("model", "posterior"), [("digits", True), ("digits-ae", False)])
def test_another_process_tells_the_same(model: str, posterior: bool) -> None:
    lab = ll.load(model, "cpu")
    here = encoder_of(lab, "digits")
    with Crew() as crew:
        assert crew.ask(open_encoder, Asked(model, "cpu", "digits")) == here
    assert (here.name, here.checkpoint, here.image, here.latent) == (model, lab.checkpoint, lab.image, lab.latent)
    assert here.posterior is posterior and here.granted == ()
    assert len(pickle.dumps(here)) < 4_000
    codec, checkpoint = here.opener()
    assert checkpoint == lab.checkpoint and codec.image == lab.image


def test_images_are_made_as_in_training_of_the_source_of_training_alone() -> None:
    lab = ll.load("digits", "cpu")
    about = {"data": {"source": "patterns", "split": "train", "images": 9, "noise": 0.2}}
    told = Lab(replace(lab.run, checkpoint=replace(lab.run.checkpoint, about=about)))
    assert encoder_of(told, "patterns").options == {"noise": 0.2}
    assert encoder_of(told, "digits").options == {}


def test_a_model_that_its_files_do_not_tell_is_refused() -> None:
    lab = ll.load("digits", "cpu")
    other = Lab(replace(lab.run, checkpoint=replace(lab.run.checkpoint, digest=lambda: "0" * 64)))
    with pytest.raises(CapabilityError, match="adopt"):
        encoder_of(other, "digits")
