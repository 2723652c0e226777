from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlab.directions.algebra import (
    CONTEXT,
    MAXIMUM_DEPTH,
    MAXIMUM_LENGTH,
    ExpressionError,
    Mean,
    Name,
    Node,
    Scaled,
    Sum,
    parse,
)
from latentlab.errors import UsageError


def shown(node: Node) -> str:
    """The tree, written without doubt."""
    if isinstance(node, Name):
        return f"{'~' if node.quoted else ''}{node.text}"
    if isinstance(node, Mean):
        return "mean(" + ", ".join(("" if has else "!") + shown(name) for name, has in node.parts) + ")"
    if isinstance(node, Scaled):
        return f"{node.scalar:g}*[{shown(node.part)}]"
    return "(" + " + ".join(shown(part) for part in node.parts) + ")"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("smile", "smile"),
        ("smile - 0.5*glasses", "(smile + -1*[0.5*[glasses]])"),
        ("mean(7) - mean(1) + photo.png", "(mean(7) + -1*[mean(1)] + photo.png)"),
        ("mean(7)-mean(1)+7", "(mean(7) + -1*[mean(1)] + 7)"),
        # A number is a scalar before *, and after * or /; else it is a class.
        ("7", "7"),
        ("2*7", "2*[7]"),
        ("2*3*smile", "6*[smile]"),
        ("smile*2*3", "6*[smile]"),
        ("2 * smile / 4", "0.5*[smile]"),
        ("1/2*smile", "0.5*[smile]"),
        (".5*smile", "0.5*[smile]"),
        ("1e-3*smile", "0.001*[smile]"),
        ("smile*-2", "-2*[smile]"),
        ("2.5e1 * 3 - 1", "(25*[3] + -1*[1])"),
        ("(mean(7) + mean(1))/2", "0.5*[(mean(7) + mean(1))]"),
        ("2*(smile - (hat + 3))", "2*[(smile + -1*[(hat + 3)])]"),
        # Inside a name - and / belong to it, with a space beside them they do not.
        ("long-hair", "long-hair"),
        ("long-hair - smile", "(long-hair + -1*[smile])"),
        ("smile- glasses", "(smile + -1*[glasses])"),
        ("smile -glasses", "(smile + -1*[glasses])"),
        ("smile / 2", "0.5*[smile]"),
        ("smile/ 2", "0.5*[smile]"),
        ("my--photo.png", "my--photo.png"),
        ("/home/me/dir-1/photo_2.png + @12", "(/home/me/dir-1/photo_2.png + @12)"),
        ("../x.png - ~/y.png", "(../x.png + -1*[~/y.png])"),
        ("random + mean", "(random + mean)"),
        ("häßlich + 笑顔", "(häßlich + 笑顔)"),
        ("mean ( 7 )", "mean(7)"),
        ("mean*2", "2*[mean]"),
        ("meaning", "meaning"),
        ('mean("a b")', "mean(~a b)"),
        # Several names in mean(…) are all asked of the same images.
        ("mean(beard, not glasses)", "mean(beard, !glasses)"),
        ("mean(beard and not glasses)", "mean(beard, !glasses)"),
        ("mean(not glasses) + glasses", "(mean(!glasses) + glasses)"),
        ("2*mean(not a and b,not c) - mean", "(2*[mean(!a, b, !c)] + -1*[mean])"),
        ("mean(a\n, and)", "mean(a, and)"),
        ("mean(not)", "mean(not)"),
        ("mean(not, a)", "mean(not, a)"),
        ("mean(not not)", "mean(!not)"),
        ("mean('not', not \"not x\")", "mean(~not, !~not x)"),
        ("mean('not' and a)", "mean(~not, a)"),
        ("mean(android, nothing)", "mean(android, nothing)"),
        ("not - and", "(not + -1*[and])"),
        ('"mean"', "~mean"),
        ('"0.5" + \'it is "odd" - (really)\'', '(~0.5 + ~it is "odd" - (really))'),
        ("-smile", "-1*[smile]"),
        ("- -smile", "1*[smile]"),
        ("-2*smile", "-2*[smile]"),
        ("2*-3*smile", "-6*[smile]"),
        ("smile - -0.5*hat", "(smile + -1*[-0.5*[hat]])"),
        ("smile\n\t+ hat", "(smile + hat)"),
        ("inf", "inf"),
    ],
)
def test_expressions_parse(text: str, tree: str) -> None:
    assert shown(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a name, got the end at character 1"),
        ("  ", "expected a name, got the end"),
        ("smile +", "expected a name, got the end at character 8"),
        ("smile + * hat", r"expected a name, got '\*' at character 9"),
        ("smile hat", "expected an operator, got 'h' at character 7"),
        ("(smile", r"expected '\)', got the end"),
        ("smile)", r"expected an operator, got '\)' at character 6"),
        ("smile * hat", r"expected a number beside '\*', got 'h'"),
        ("smile / hat", "expected a number after '/', got 'h'"),
        ("smile / 0", "expected a number other than zero"),
        ("smile / -0.0", "expected a number other than zero"),
        ("1/0*smile", "does not divide by zero"),
        ("1e999*smile", "expected a finite number, got '1' at character 1"),
        ("1e300*1e300*smile", "expected a finite number"),
        ("smile / 1e-300 / 1e-300", "expected a finite number"),
        ("mean(7 + 1)", r"expected ',', 'and' or '\)' after a name in mean\(…\), got '\+' at character 8"),
        ("mean(7 1)", "got '1' at character 8"),
        ("mean(not not 7)", "got '7' at character 14"),
        ("mean(7,)", r"expected a name, got '\)' at character 8"),
        ("mean(7 and)", r"expected a name, got '\)' at character 11"),
        ("mean()", r"expected a name, got '\)'"),
        ("nan*smile", r"expected a number beside '\*'"),
        ("sin(x)", r"expected an operator, got '\('"),
        ("a, b", "expected an operator, got ','"),
        ("a; import os", "expected an operator, got ';'"),
        ('"smile', "expected a closing quote"),
        ("''", "expected a name between the quotes"),
    ],
)
def test_mistakes_are_said_in_one_sentence_first(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse(text)
    assert isinstance(caught.value, ExpressionError)
    sentence, excerpt, caret = str(caught.value).split("\n")
    assert sentence == caught.value.sentence
    assert excerpt == f"  {text}"
    assert caret.strip() == "^"
    # No wide characters here: the caret stands below the character that the sentence counts to.
    assert len(caret) - 2 == int(sentence.rpartition(" ")[2])


@pytest.mark.parametrize(
    ("text", "excerpt", "caret"),
    [
        ("smile + * hat", "smile + * hat", "        ^"),
        ("smile\n+\t,", "smile + ,", "        ^"),
        # Cut to the surroundings of the place.
        ("a + " * 20 + ", b" + " + c" * 20, "…" + "+ a " * 7 + "+ , b" + " + c" * 6 + " + …", " " * 31 + "^"),
        # Wide characters take two columns, combining ones none.
        ("笑顔 + ,", "笑顔 + ,", "       ^"),
        ("'e\u0301' + ,", "'e\u0301' + ,", "      ^"),
        ("a \x1b[31m", "a �[31m", "  ^"),
    ],
)
def test_the_caret_stands_under_the_place(text: str, excerpt: str, caret: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    lines = str(caught.value).split("\n")
    assert lines[1:] == [f"  {excerpt}", f"  {caret}"]
    assert len(excerpt) <= 2 * CONTEXT + 2


def test_position_is_that_of_the_name() -> None:
    node = parse("2*smile - mean(7)")
    assert isinstance(node, Sum)
    assert isinstance(node.parts[0], Scaled)
    assert node.parts[0].part == Name("smile", position=2)
    assert isinstance(node.parts[1], Scaled)
    assert node.parts[1].part == Mean(((Name("7", position=15), True),), position=10)


def test_depth_and_length_are_bounded() -> None:
    parse("(" * MAXIMUM_DEPTH + "a" + ")" * MAXIMUM_DEPTH)
    for deep in (MAXIMUM_DEPTH + 1, 4000):
        with pytest.raises(UsageError, match="at most 50 nested"):
            parse("(" * deep + "a" + ")" * deep)
    parse("-" * (MAXIMUM_LENGTH - 1) + "a")
    parse("2*" * 400 + "a")
    assert len(parse("a+" * (MAXIMUM_LENGTH // 2 - 1) + "a").parts) == MAXIMUM_LENGTH // 2
    with pytest.raises(UsageError, match="at most 10000 characters, got 10001"):
        parse("a" * (MAXIMUM_LENGTH + 1))


def test_long_numbers_take_no_long_time() -> None:
    assert parse("1" * (MAXIMUM_LENGTH - 1) + "x") == Name("1" * (MAXIMUM_LENGTH - 1) + "x")


@given(st.one_of(st.text(alphabet="ab7.1e-+*/()\"' @mean,ot\n", max_size=80), st.text(max_size=40)))
def test_any_text_parses_or_is_marked(text: str) -> None:
    try:
        parse(text)
    except ExpressionError as error:
        sentence, excerpt, caret = str(error).split("\n")
        assert "  " + " " * error.column + "^" == caret
        assert (excerpt + caret).isprintable() and sentence.startswith("expected ")


@given(st.lists(st.tuples(st.sampled_from(["beard", "not", "7"]), st.booleans()), min_size=1, max_size=4))
def test_a_mean_is_written_as_it_is_read(parts: list[tuple[str, bool]]) -> None:
    text = ", ".join(("" if has else "not ") + f'"{name}"' for name, has in parts)
    node = parse(f"mean({text})")
    assert isinstance(node, Mean)
    assert [(name.text, has) for name, has in node.parts] == parts
    assert str(node) == f"mean({text})".replace('"', "")


names = st.sampled_from(["smile", "hat", "mean(7)", "long-hair", "@3"])
nodes = st.recursive(
    names,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", " - "]), inner).map(lambda t: f"({''.join(t)})"),
        st.tuples(st.sampled_from(["2*", "-", "0.5 * "]), inner).map("".join),
        st.tuples(inner, st.sampled_from([" * 3", " / 4"])).map("".join),
    ),
    max_leaves=12,
)


@given(nodes)
def test_weights_are_those_of_python_arithmetic(text: str) -> None:
    from latentlab.directions.expression import _flattened

    values = {"smile": 1.0, "hat": 10.0, "7": 100.0, "long-hair": 1000.0, "@3": 10000.0}
    ours = sum(weight * values[str(name).removeprefix("mean(").rstrip(")")] for weight, name in _flattened(parse(text)))
    for name, code in (("long-hair", "l"), ("@3", "r"), ("smile", "s"), ("hat", "h"), ("mean(7)", "k")):
        text = text.replace(name, code)
    theirs = eval(text, {"s": 1.0, "h": 10.0, "k": 100.0, "l": 1000.0, "r": 10000.0})  # noqa: S307
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)
