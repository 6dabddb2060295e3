"""A normalizer whose model's opinions are written down."""

import pytest

from intent.normalizer import Normalizer
from tests.doubles.small_model import small_bundle
from tests.doubles.worded_model import VOCABULARY, worded_model


@pytest.fixture
def normalizer():
    return Normalizer(small_bundle(worded_model({"n1 fetch": (VOCABULARY.ids[1], 60.0)})), require_certificate=False)
