"""Messages are one line of a bounded length, whatever is put into them."""

from hypothesis import given
from hypothesis import strategies as st

from azero_jax.process.messages import MAX_MESSAGE, listed, one_line


@given(st.text(max_size=2000), st.integers(10, 400))
def test_one_line_is_one_line_and_not_longer(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert line.isprintable()


@given(st.lists(st.text(max_size=500), max_size=100))
def test_a_list_of_anything_fits_into_a_message(words):
    assert len(listed(words)) <= MAX_MESSAGE
