"""The pictures in docs/ are what their programs draw."""

from pathlib import Path

from docs.draw_layout import CONTENTS, draw_layout, list_rows
from docs.draw_models import draw_models
from tests.test_layers import SCRIPTS

DOCS = Path(__file__).parents[1] / "docs"


def test_the_layout_is_drawn_from_the_order_of_imports():
    assert (DOCS / "layout.svg").read_text(encoding="utf-8") == draw_layout()
    assert sorted(name for row in list_rows() for name in row) == sorted({*CONTENTS, *SCRIPTS})


def test_the_models_are_drawn_with_their_trained_parts():
    assert (DOCS / "models.svg").read_text(encoding="utf-8") == draw_models()
