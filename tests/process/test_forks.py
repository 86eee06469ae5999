"""A process that was forked after a search says how to go on, and does not wait for ever."""

import os

import pytest

from azero_jax.process import forks
from azero_jax.process.forks import check_not_forked


def test_a_forked_process_is_refused_and_its_parent_is_not(monkeypatch):
    check_not_forked()
    check_not_forked()
    monkeypatch.setattr(forks, "_first_process", [os.getppid()])
    with pytest.raises(ValueError, match="after a search; use multiprocessing"):
        check_not_forked()
