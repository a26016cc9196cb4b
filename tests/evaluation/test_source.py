"""Sources of functions as notebooks show them."""

import ast

from common.fma.genres import map_genres
from common.plotting.source import show_source, without_docstrings
from common.records.segments import Segments
from spectrogram_image.sound import Sound


def code_of(*objects):
    first, *lines, last = show_source(*objects).data.splitlines()
    assert (first, last) == ("```python", "```")
    return "\n".join(lines)


def test_a_source_is_valid_code_under_the_name_of_its_file():
    code = code_of(map_genres)
    assert code.startswith("# common/fma/genres.py\ndef map_genres(")
    [function] = ast.parse(code).body
    assert ast.get_docstring(function) is None


def test_a_file_and_a_class_are_named_once_for_their_functions():
    code = code_of(Sound.power, Sound.mel_power, Segments.of)
    assert code.count("# spectrogram_image/sound.py, class Sound\n") == 1
    assert code.count("# common/records/segments.py, class Segments\n") == 1
    assert "@cached_property\ndef power(self)" in code
    assert '"""' not in code


def test_only_docstrings_are_left_out():
    code = (
        "class A:\n"
        '    """A docstring\n    of two lines."""\n\n'
        "    x = 1  # a comment\n\n"
        "    def f(self):\n"
        '        """Another."""\n'
        '        return """no docstring"""\n\n'
        "    def g(self):\n"
        '        """The only statement."""\n'
    )
    assert without_docstrings(code) == (
        "class A:\n"
        "    x = 1  # a comment\n\n"
        "    def f(self):\n"
        '        return """no docstring"""\n\n'
        "    def g(self):\n"
        '        """The only statement."""'
    )
