"""Two encoders and two readers make the text of a document, and nobody can tell which did."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import thaw
from settlesim.errors import SettlesimError
from settlesim.store.database import StrictDocument
from settlesim.store.documents import InstanceDocument, StoredInstance, read_instance
from settlesim.store.journal.records import read_line, record_line
from settlesim.store.journal.tables import Delta, Tables
from settlesim.store.journal.texts import (
    encode_document,
    encode_strict,
    read_document,
    read_value,
)
from tests.strategies import json_values, keys, snapshots, texts

SURROGATE = "\ud800"
NAN = float("nan")


def spelled(value: Any) -> str:
    """Return a text that tells 1, 1.0 and true apart, and 0.0 from -0.0."""
    return repr(thaw(value))


@given(json_values())
@example(1e16)
@example(1e-7)
@example([1e22, 123456789012345680.0, -0.0, 10**400])
def test_value_comes_back_by_each_reader_from_each_encoder(value: Any) -> None:
    """With its types; to the last digit."""
    for text in (encode_strict(value), encode_document(value)):
        assert spelled(read_document(text)) == spelled(value)
        assert spelled(read_value(text)[0]) == spelled(value)


@pytest.mark.parametrize("value", [NAN, [float("inf")], {"a": {"b": -float("inf")}}])
def test_no_encoder_writes_what_json_has_no_number_for(value: Any) -> None:
    """Not even as null."""
    for encoder in (encode_strict, encode_document):
        with pytest.raises(ValueError, match="JSON"):
            encoder(value)


def test_what_only_one_of_the_readers_takes_is_read() -> None:
    """A foreign document may hold what this library writes nowhere."""
    assert read_document(f'["\\ud800", {10**500}]') == [SURROGATE, 10**500]
    assert read_document('{"a": NaN, "a": 1}') == {"a": 1}
    assert read_document(encode_strict({"a": SURROGATE})) == {"a": SURROGATE}


# --- the line of a transaction --------------------------------------------------------------


def instances() -> st.SearchStrategy[InstanceDocument]:
    """Frozen documents; some not for UTF-8."""
    return st.builds(InstanceDocument, keys() | st.just(SURROGATE), snapshots())


def deltas(*, frozen: bool) -> st.SearchStrategy[Delta]:
    """What transactions change: documents, texts, what goes; some not for UTF-8."""
    names = texts() | st.just(SURROGATE)
    values = json_values() | st.just([SURROGATE])
    documents = st.dictionaries(texts(), values, max_size=3)
    content: st.SearchStrategy[Any] = st.none() | instances()
    if not frozen:
        content |= documents.map(StrictDocument) | documents.map(encode_document)
    changes: st.SearchStrategy[Any] = st.dictionaries(
        st.integers(1, 99), content, min_size=1, max_size=3
    )
    return st.dictionaries(names, st.none() | changes, min_size=1, max_size=3)


@given(st.data(), st.booleans(), st.floats(0, 1e11))
def test_line_has_the_same_texts_as_the_memory_of_who_wrote_it(
    data: st.DataObject, frozen: bool, at: float
) -> None:
    """Else a snapshot would differ by who folds the journal."""
    delta = data.draw(deltas(frozen=frozen))
    line = record_line(7, 5, at, delta, frozen=frozen)
    record = read_line(line[:-1])
    assert record is not None
    assert (record.seq, record.durable, record.line) == (7, 5, line)
    assert 0 <= at - record.at < 0.0011
    writer, reader = Tables(), Tables()
    writer.keep(delta)
    reader.keep(record.delta)
    assert writer.same_as(reader)
    for name, changes in delta.items():
        for number, content in (changes or {}).items():
            if isinstance(content, StrictDocument):
                found = writer.get(name, number)
                assert found is not None
                assert spelled(dict(found)) == spelled(dict(content))


@pytest.mark.parametrize("bad", [NAN, [float("inf")], {1, 2}, object()])
def test_line_of_what_json_can_not_carry_is_refused(bad: object) -> None:
    """Beside a document that it can."""
    delta: Delta = {"t": {1: StrictDocument(a=1, b=None), 2: StrictDocument(a=bad, b=None)}}
    with pytest.raises((ValueError, TypeError)):
        record_line(1, 0, 0.0, delta)


@pytest.mark.parametrize(("at", "kept"), [(3, 3), (-1.5, -1.5), (2.00049, 2.0), (1e300, 1e300)])
def test_time_of_a_line_has_milliseconds_where_it_can(at: float, kept: float) -> None:
    """Whatever the clock is like."""
    record = read_line(record_line(1, 0, at, {"t": None})[:-1])
    assert record is not None
    assert spelled(record.at) == spelled(kept)


@pytest.mark.parametrize("at", [NAN, float("inf"), Fraction(1, 3)])
def test_time_that_json_can_not_carry_is_refused(at: Any) -> None:
    """Before anything is written."""
    with pytest.raises((ValueError, TypeError)):
        record_line(1, 0, at, {"t": None})


# --- the document of an instance ------------------------------------------------------------


@given(keys(), snapshots())
def test_instance_is_read_from_its_text_as_it_was(key: str, snapshot: Snapshot) -> None:
    """As a snapshot and as a document."""
    document = InstanceDocument(key, snapshot)
    found = read_instance(encode_strict(document))
    assert type(found) is StoredInstance
    assert spelled(found.snapshot.to_dict()) == spelled(snapshot.to_dict())
    assert type(found.snapshot.context) is type(snapshot.context)
    assert spelled(dict(found)) == spelled(dict(document))


def refusal(record: Any) -> str:
    """Say what `Snapshot.from_dict` has against a record, "" where nothing."""
    try:
        Snapshot.from_dict(record)
    except SettlesimError as error:
        return str(error)
    return ""


@given(
    snapshots(),
    st.sampled_from(["key", "chart", "version", "revision", "configuration", "context", "more"]),
    json_values() | st.just(...),
)
@example(Snapshot("c", 1, ("a",), {}, 1), "version", 1.0)  # type: ignore[arg-type]
@example(Snapshot("c", 1, ("a",), {}, 1), "revision", True)  # type: ignore[arg-type]
@example(Snapshot("c", 1, ("a",), {}, 1), "configuration", [])  # type: ignore[arg-type]
@example(Snapshot("c", 1, ("a",), {}, 1), "configuration", ["a", 1])  # type: ignore[arg-type]
@example(Snapshot("c", 1, ("a",), {}, 1), "context", {"a": "x" * 300_000})  # type: ignore[arg-type]
@example(Snapshot("c", 1, ("a",), {}, 1), "context", {"n": 10**4200})  # type: ignore[arg-type]
def test_text_is_an_instance_exactly_where_its_document_holds_one(
    snapshot: Snapshot, name: str, value: Any
) -> None:
    """The quick reader takes nothing that the one that explains refuses, and refuses no more."""
    document = dict(InstanceDocument("key", snapshot))
    if value is ...:
        document.pop(name, None)
    else:
        document[name] = value
    text = encode_document(document)
    found = read_instance(text)
    assert (type(found) is StoredInstance) == (refusal(json.loads(text)) == "")
    if type(found) is not StoredInstance:
        assert spelled(found) == spelled(json.loads(text))


@pytest.mark.parametrize("text", ["[]", "1", '"a"', "null", '{"context": NaN}'])
def test_text_that_is_no_object_of_strict_json_is_no_instance(text: str) -> None:
    """It is handed on, for an error that names it."""
    assert spelled(read_instance(text)) == spelled(json.loads(text))
