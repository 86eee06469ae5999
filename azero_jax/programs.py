"""Known programs as text: those that people designed, and those that the paper's searches found.

>>> from azero_jax.programs import known_programs, load_program
>>> "two_layer_net" in known_programs()
True
>>> print(load_program("linear_regressor").text.partition("def Predict")[2])
():
  s1 = dot(v0, v1)   # apply the weights
def Learn():
  s3 = s0 - s1       # error
  s4 = s3 * s2
  v2 = v0 * s4       # gradient
  v1 = v1 + v2
<BLANKLINE>
"""

from azero_jax.language.library import KnownProgram, known_programs, load_program

__all__ = ["KnownProgram", "known_programs", "load_program"]
